#include "net/http_call.hpp"

#include "host/abi_structs.hpp"
#include "host/futex.hpp"
#include "host/stack.hpp"
#include "host/timer.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

namespace computesdk::registry::net {
namespace {

using host::toStr;
using host::view;

/// Numbers of requests are never used again, so a number that is out of date is just unknown.
std::uint64_t nextNumber() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

bool isLast(std::uint32_t kind) { return kind == CSDK_HTTP_END || kind == CSDK_HTTP_FAILED; }

}  // namespace

csdk_status HttpCall::start(HttpCarrier& carrier, const csdk_http_request& request, std::uint64_t* outRequest) {
  const std::uint64_t number = nextNumber();
  {
    std::lock_guard lock(mutex_);
    if (over_) return CSDK_CANCELLED;
    if (requests_.size() >= kMaxRequests) return CSDK_RESOURCE_EXHAUSTED;
    Request& made = requests_[number];
    made.onEvent = request.on_event;
    made.onEventCtx = request.on_event_ctx;
  }
  *outRequest = number;  // before the first event can come
  std::unique_ptr<CarriedRequest> carried = carrier.start(shared_from_this(), number, request);
  std::lock_guard lock(mutex_);
  const auto found = requests_.find(number);
  if (found != requests_.end() && !found->second.ended) {
    found->second.carried = std::move(carried);
  } else if (over_) {
    carried->close(0, {});
  }
  return CSDK_OK;
}

csdk_status HttpCall::next(std::int64_t deadlineNs, csdk_http_event* out) {
  const std::int64_t until = deadlineNs != 0 ? deadlineNs : deadlineNs_;
  std::unique_lock lock(mutex_);
  for (bool waitsLong = false;;) {
    if (over_) return CSDK_CANCELLED;
    if (std::exchange(cancelPending_, false)) return CSDK_CANCELLED;
    if (std::exchange(wakePending_, false)) return CSDK_AGAIN;
    if (!events_.empty()) {
      hand(out);
      return CSDK_OK;
    }
    if (requests_.empty() && timers_.empty()) return CSDK_EOF;
    const std::int64_t now = host::monotonicNs();
    if (until != 0 && now >= until) return CSDK_DEADLINE_EXCEEDED;
    const std::int64_t soon = now + host::kShortWaitNs;
    const bool shortly = !waitsLong && (until == 0 || soon < until);
    if (!shortly && until == 0) {
      changed_.wait(lock);
      continue;
    }
    const auto end = std::chrono::steady_clock::time_point(std::chrono::nanoseconds(shortly ? soon : until));
    if (changed_.wait_until(lock, end) == std::cv_status::timeout && shortly) {
      waitsLong = true;
      host::releaseUnusedStack();
    }
  }
}

void HttpCall::hand(csdk_http_event* out) {
  current_ = std::move(events_.front());
  events_.pop_front();
  csdk_http_event& event = current_.event;
  // What a short text points to has moved along with it.
  current_.pairs.clear();
  for (const auto& [name, value] : current_.headers) current_.pairs.push_back({toStr(name), toStr(value)});
  event.headers = {current_.pairs.data(), current_.pairs.size()};
  if (event.kind == CSDK_HTTP_DATA) {
    event.data = host::toBytes(std::string_view(current_.text));
  } else {
    event.message = toStr(current_.text);
  }
  if (isLast(event.kind)) requests_.erase(event.request);
  const std::uint32_t theirs = out->struct_size;
  event.struct_size = theirs;
  std::memcpy(out, &event, std::min<std::size_t>(theirs, sizeof event));
}

csdk_status HttpCall::write(std::uint64_t request, std::uint32_t flags, csdk_bytes data) {
  std::lock_guard lock(mutex_);
  const auto found = requests_.find(request);
  if (found == requests_.end()) return CSDK_NOT_FOUND;
  return found->second.carried ? found->second.carried->write(flags, data) : CSDK_OK;
}

csdk_status HttpCall::ack(std::uint64_t request, std::size_t size) {
  std::lock_guard lock(mutex_);
  const auto found = requests_.find(request);
  if (found == requests_.end()) return CSDK_NOT_FOUND;
  if (found->second.carried) found->second.carried->ack(size);
  return CSDK_OK;
}

csdk_status HttpCall::close(std::uint64_t request, std::int32_t code, csdk_str reason) {
  std::unique_ptr<CarriedRequest> carried;
  std::lock_guard lock(mutex_);
  const auto found = requests_.find(request);
  if (found == requests_.end()) return CSDK_NOT_FOUND;
  carried = std::move(found->second.carried);
  requests_.erase(found);
  std::erase_if(events_, [request](const Stored& one) {
    return one.event.request == request && one.event.kind != CSDK_HTTP_TIMER;
  });
  if (carried) carried->close(code, reason);
  changed_.notify_all();  // there may be nothing left to wait for
  return CSDK_OK;
}

csdk_status HttpCall::wake() {
  std::lock_guard lock(mutex_);
  if (over_) return CSDK_CANCELLED;
  wakePending_ = true;
  changed_.notify_all();
  return CSDK_OK;
}

std::uint64_t HttpCall::startTimer(std::int64_t atNs) {
  // The timer may run before its number is known, and then waits for the lock.
  std::lock_guard lock(mutex_);
  const auto number = std::make_shared<std::uint64_t>(0);
  const std::uint64_t timer = host::TimerService::instance().start(atNs, [weak = weak_from_this(), number] {
    if (const auto self = weak.lock()) self->timerRan(number);
  });
  *number = timer;
  if (timer != 0) timers_.insert(timer);
  return timer;
}

void HttpCall::timerRan(const std::shared_ptr<std::uint64_t>& number) {
  std::lock_guard lock(mutex_);
  const std::uint64_t timer = *number;
  if (over_ || timers_.erase(timer) == 0) return;
  Stored stored;
  stored.event.kind = CSDK_HTTP_TIMER;
  stored.event.request = timer;
  push(std::move(stored));
}

void HttpCall::timerCancelled(std::uint64_t timer) {
  std::lock_guard lock(mutex_);
  if (timers_.erase(timer) != 0) changed_.notify_all();
}

void HttpCall::push(Stored stored) {
  events_.push_back(std::move(stored));
  changed_.notify_all();
}

void HttpCall::deliver(std::uint64_t request, const csdk_http_event& event) {
  std::unique_ptr<CarriedRequest> finished;
  std::unique_lock lock(mutex_);
  const auto found = requests_.find(request);
  if (over_ || found == requests_.end() || found->second.ended) return;
  Stored stored;
  stored.event = event;
  stored.event.request = request;
  stored.text = event.kind == CSDK_HTTP_DATA ? view(event.data) : view(event.message);
  stored.headers.reserve(event.headers.count);
  for (std::size_t i = 0; i < event.headers.count; ++i) {
    stored.headers.emplace_back(view(event.headers.items[i].key), view(event.headers.items[i].value));
  }
  if (isLast(event.kind)) {
    found->second.ended = true;
    finished = std::move(found->second.carried);
  }
  push(std::move(stored));
  if (found->second.onEvent != nullptr) notify(found->second.onEvent, found->second.onEventCtx, lock);
}

void HttpCall::notify(csdk_notify_fn fn, void* ctx, std::unique_lock<std::mutex>& lock) {
  ++notifying_;
  notifier_ = std::this_thread::get_id();
  lock.unlock();
  fn(ctx);
  lock.lock();
  --notifying_;
  idle_.notify_all();
}

void HttpCall::cancelled() {
  std::lock_guard lock(mutex_);
  if (std::exchange(wasCancelled_, true)) return;
  cancelPending_ = true;
  changed_.notify_all();
}

void HttpCall::end() {
  std::unique_lock lock(mutex_);
  over_ = true;
  changed_.notify_all();
  idle_.wait(lock, [this] { return notifying_ == 0 || notifier_ == std::this_thread::get_id(); });
  std::map<std::uint64_t, Request> requests = std::move(requests_);
  requests_.clear();
  lock.unlock();
  for (auto& [number, request] : requests) {
    if (request.carried) request.carried->close(0, {});
  }
}

}  // namespace computesdk::registry::net
