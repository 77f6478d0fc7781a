#include "call.hpp"

#include "net/http_call.hpp"
#include "timer.hpp"

#include <utility>

namespace computesdk::registry::host {
namespace {

std::span<const std::byte> bytesOf(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }

/// The vendor's own text is cut here; so are the other texts, which nobody reads at that length.
std::string cut(csdk_str text) { return std::string(view(text).substr(0, 4096)); }

}  // namespace

csdk_status CallSlot::write(std::uint32_t stream, csdk_bytes data) {
  if (cancelled()) return CSDK_CANCELLED;
  const std::string_view chunk = view(data);
  if (!queued_) {
    try {
      std::lock_guard lock(pushTurn_);
      sink_->output(stream, bytesOf(chunk));
    } catch (...) {
      keepException(std::current_exception());
    }
    return cancelled() ? CSDK_CANCELLED : CSDK_OK;
  }
  bool pause;
  {
    std::lock_guard lock(mutex_);
    auto* last = queue_.empty() ? nullptr : std::get_if<QueuedOutput>(&queue_.back());
    const bool joins = last != nullptr && last->stream == stream && !chunk.empty() && !last->data.empty() &&
                       last->data.size() + chunk.size() <= 65536;
    if (joins) {
      last->data += chunk;
    } else {
      queue_.emplace_back(QueuedOutput{stream, std::string(chunk)});
    }
    queuedBytes_ += chunk.size();
    pause = paused_ = paused_ || queuedBytes_ > CSDK_HIGH_WATER;
  }
  event_.notify();
  return pause ? CSDK_PAUSE : CSDK_OK;
}

csdk_status CallSlot::push(ResultKind kind, const void* value, std::size_t bytes) {
  if (cancelled() && kind != ResultKind::sandbox && kind != ResultKind::exit) return CSDK_CANCELLED;
  if (!queued_) return pushDirect(kind, value);
  auto copy = std::make_unique<OwnedArgs>();
  copy->args = deepCopy(resultStruct(kind), value, copy->memory);
  {
    std::lock_guard lock(mutex_);
    queue_.emplace_back(QueuedResult{kind, bytes, std::move(copy)});
    queuedBytes_ += bytes;
  }
  event_.notify();
  return CSDK_OK;
}

csdk_status CallSlot::pushDirect(ResultKind kind, const void* value) {
  try {
    std::lock_guard lock(pushTurn_);
    return sink_->result(kind, value);
  } catch (...) {
    keepException(std::current_exception());
    return CSDK_CANCELLED;
  }
}

CallFailure failureOf(const csdk_error& error) {
  CallFailure failure;
  failure.described = true;
  failure.flags = error.flags;
  failure.errorClass = error.error_class;
  failure.httpStatus = error.http_status;
  failure.retryAfterMs = error.retry_after_ms;
  failure.message = cut(error.message);
  failure.fix = cut(error.fix);
  failure.vendorCode = cut(error.vendor_code);
  failure.raw = cut(error.raw);
  failure.requestId = cut(error.request_id);
  return failure;
}

csdk_status CallSlot::fail(const csdk_error& error) {
  CallFailure failure = failureOf(error);
  std::lock_guard lock(mutex_);
  failure_ = std::move(failure);
  return CSDK_OK;
}

void CallSlot::failAsDead(std::string message) {
  std::lock_guard lock(mutex_);
  failure_ = CallFailure{};
  failure_.described = failure_.pluginDied = true;
  failure_.flags = CSDK_ERROR_MAYBE_APPLIED;
  failure_.message = std::move(message);
}

csdk_status CallSlot::onCancel(csdk_notify_fn fn, void* ctx) {
  hasNotify_.store(true, std::memory_order_release);
  std::unique_lock lock(mutex_);
  if (!live()) return CSDK_CANCELLED;
  replace(cancelNotify_, fn, ctx, lock);
  if (cancelled()) run(cancelNotify_, lock);
  return CSDK_OK;
}

csdk_status CallSlot::onResume(csdk_notify_fn fn, void* ctx) {
  hasNotify_.store(true, std::memory_order_release);
  std::unique_lock lock(mutex_);
  if (!live()) return CSDK_CANCELLED;
  replace(resumeNotify_, fn, ctx, lock);
  if (!paused_ || cancelled()) run(resumeNotify_, lock);
  return CSDK_OK;
}

void CallSlot::onReadable(csdk_notify_fn fn, void* ctx) {
  hasNotify_.store(true, std::memory_order_release);
  std::unique_lock lock(mutex_);
  if (!live()) return;
  replace(readableNotify_, fn, ctx, lock);
  if (cancelled()) run(readableNotify_, lock);
}

void CallSlot::runReadable() {
  std::unique_lock lock(mutex_);
  run(readableNotify_, lock);
}

void CallSlot::addTimer(std::uint64_t timer) {
  hasNotify_.store(true, std::memory_order_release);
  std::lock_guard lock(mutex_);
  timers_.push_back(timer);
}

std::shared_ptr<net::HttpCall> CallSlot::http() {
  hasNotify_.store(true, std::memory_order_release);
  std::lock_guard lock(mutex_);
  if (!live()) return nullptr;
  if (!http_) {
    http_ = std::make_shared<net::HttpCall>(deadlineNs_, sink_->tag());
    if (cancelled()) http_->cancelled();
  }
  return http_;
}

std::shared_ptr<net::HttpCall> CallSlot::existingHttp() {
  std::lock_guard lock(mutex_);
  return http_;
}

void CallSlot::keepException(std::exception_ptr error) {
  {
    std::lock_guard lock(mutex_);
    if (exception_ == nullptr) exception_ = std::move(error);
  }
  cancel();
}

std::exception_ptr CallSlot::takeException() {
  std::lock_guard lock(mutex_);
  return std::exchange(exception_, nullptr);
}

void CallSlot::waitIdle(Notify& notify, std::unique_lock<std::mutex>& lock) {
  const auto self = std::this_thread::get_id();
  idle_.wait(lock, [&] { return !notify.running || notify.runner == self; });
}

void CallSlot::replace(Notify& notify, csdk_notify_fn fn, void* ctx, std::unique_lock<std::mutex>& lock) {
  notify.fn = nullptr;
  waitIdle(notify, lock);
  if (!live()) return;  // ended while this waited; settle has been here
  notify.fn = fn;
  notify.ctx = ctx;
}

void CallSlot::run(Notify& notify, std::unique_lock<std::mutex>& lock) {
  if (notify.fn == nullptr) return;
  const csdk_notify_fn fn = std::exchange(notify.fn, nullptr);
  void* const ctx = notify.ctx;
  notify.running = true;
  notify.runner = std::this_thread::get_id();
  lock.unlock();
  fn(ctx);
  lock.lock();
  notify.running = false;
  idle_.notify_all();
}

void CallSlot::cancel() {
  if (cancelled_.exchange(true, std::memory_order_acq_rel)) return;
  if (hasNotify_.load(std::memory_order_acquire)) {
    std::unique_lock lock(mutex_);
    run(cancelNotify_, lock);
    run(readableNotify_, lock);
    run(resumeNotify_, lock);
    const std::shared_ptr<net::HttpCall> requests = http_;
    lock.unlock();
    if (requests) requests->cancelled();
  }
  event_.notify();
}

void CallSlot::settle() {
  if (!hasNotify_.load(std::memory_order_acquire)) return;
  std::vector<std::uint64_t> timers;
  std::shared_ptr<net::HttpCall> requests;
  {
    std::unique_lock lock(mutex_);
    for (Notify* notify : {&cancelNotify_, &resumeNotify_, &readableNotify_}) {
      notify->fn = nullptr;
      waitIdle(*notify, lock);
    }
    timers.swap(timers_);
    requests.swap(http_);
  }
  for (std::uint64_t timer : timers) TimerService::instance().cancel(timer);
  if (requests) requests->end();
}

void CallSlot::deliver(Queued& item) {
  try {
    std::lock_guard lock(pushTurn_);
    if (auto* output = std::get_if<QueuedOutput>(&item)) {
      sink_->output(output->stream, bytesOf(output->data));
      if (listener_ != nullptr) listener_->taken(token_, output->data.size());
    } else {
      auto& result = std::get<QueuedResult>(item);
      if (sink_->result(result.kind, result.value->args) == CSDK_CANCELLED) cancel();
      if (listener_ != nullptr) listener_->taken(token_, result.bytes);
    }
  } catch (...) {
    keepException(std::current_exception());
  }
}

void CallSlot::drain() {
  if (!queued_) return;
  std::vector<Queued> items;
  std::unique_lock lock(mutex_);
  while (!queue_.empty()) {
    items.swap(queue_);
    const std::size_t bytes = queuedBytes_;
    const bool discard = exception_ != nullptr;
    lock.unlock();
    bool failed = discard;
    for (Queued& item : items) {
      if (!failed) deliver(item);
      if (cancelled())
        failed = failed || [&] {
          std::lock_guard inner(mutex_);
          return exception_ != nullptr;
        }();
    }
    items.clear();
    lock.lock();
    queuedBytes_ -= bytes;
    if (paused_ && queuedBytes_ < CSDK_HIGH_WATER / 2) {
      paused_ = false;
      run(resumeNotify_, lock);
    }
  }
}

}  // namespace computesdk::registry::host
