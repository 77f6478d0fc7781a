#include "timer.hpp"

#include "call.hpp"
#include "host_context.hpp"
#include "net/http_call.hpp"

#include <sys/prctl.h>

#include <chrono>
#include <limits>

namespace computesdk::registry::host {
namespace {

constexpr std::size_t kMaxTimers = 100'000;

std::chrono::steady_clock::time_point at(std::int64_t ns) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(ns));
}

csdk_status timerStart(const csdk_host* host, csdk_call call, std::int64_t delayNs, csdk_notify_fn fn, void* ctx,
                       std::uint64_t* outTimer) {
  // Without a function the timer is an event among those of the call's requests.
  if (outTimer == nullptr || (fn == nullptr && !contextOf(host).http())) return CSDK_INVALID_ARGUMENT;
  CallPin pin(call, &contextOf(host));
  if (!pin) return contextOf(host).stale("timer start", call);
  const std::int64_t now = monotonicNs();
  const std::int64_t longest = std::numeric_limits<std::int64_t>::max() - now;
  const std::int64_t when = now + std::clamp<std::int64_t>(delayNs, 0, longest);
  const std::shared_ptr<net::HttpCall> requests = fn == nullptr ? pin->http() : nullptr;
  const std::uint64_t timer =
      requests ? requests->startTimer(when) : TimerService::instance().start(when, [call, fn, ctx] {
        CallPin running(call, nullptr);
        if (running && fn != nullptr) fn(ctx);
      });
  if (timer == 0) return CSDK_RESOURCE_EXHAUSTED;
  *outTimer = timer;
  pin->addTimer(timer);
  return CSDK_OK;
}

csdk_status timerCancel(const csdk_host* host, csdk_call call, std::uint64_t timer) {
  if (!TimerService::instance().cancel(timer)) return CSDK_NOT_FOUND;
  CallPin pin(call, &contextOf(host));
  const std::shared_ptr<net::HttpCall> requests = pin ? pin->existingHttp() : nullptr;
  if (requests) requests->timerCancelled(timer);
  return CSDK_OK;
}

}  // namespace

const csdk_timer_ext kTimerExtension = {sizeof(csdk_timer_ext), CSDK_ABI_MINOR, &timerStart, &timerCancel};

TimerService& TimerService::instance() {
  static TimerService* const service = new TimerService;
  return *service;
}

std::uint64_t TimerService::start(std::int64_t atNs, std::function<void()> fn) {
  std::lock_guard lock(mutex_);
  if (pending_.size() >= kMaxTimers) return 0;
  if (!started_) {
    std::thread thread([this] { loop(); });
    thread_ = thread.get_id();
    thread.detach();
    started_ = true;
  }
  const std::uint64_t timer = next_++;
  const auto place = pending_.emplace(Key{atNs, timer}, std::move(fn)).first;
  when_.emplace(timer, atNs);
  if (place == pending_.begin() && atNs < sleepsUntil_) changed_.notify_one();
  return timer;
}

bool TimerService::cancel(std::uint64_t timer) {
  std::function<void()> dropped;
  std::unique_lock lock(mutex_);
  if (auto found = when_.find(timer); found != when_.end()) {
    auto place = pending_.find(Key{found->second, timer});
    dropped = std::move(place->second);
    pending_.erase(place);
    when_.erase(found);
    return true;
  }
  if (std::this_thread::get_id() != thread_) idle_.wait(lock, [&] { return running_ != timer; });
  return false;
}

void TimerService::loop() {
  ::prctl(PR_SET_NAME, "csdk-timer");
  std::unique_lock lock(mutex_);
  for (;;) {
    if (pending_.empty()) {
      sleepsUntil_ = std::numeric_limits<std::int64_t>::max();
      changed_.wait(lock);
      continue;
    }
    auto first = pending_.begin();
    if (first->first.first > monotonicNs()) {
      sleepsUntil_ = first->first.first;
      changed_.wait_until(lock, at(sleepsUntil_));
      continue;
    }
    std::function<void()> fn = std::move(first->second);
    running_ = first->first.second;
    when_.erase(running_);
    pending_.erase(first);
    lock.unlock();
    fn();
    fn = nullptr;
    lock.lock();
    running_ = 0;
    idle_.notify_all();
  }
}

}  // namespace computesdk::registry::host
