#include "fake_host.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>

namespace computesdk::test {

using namespace std::chrono_literals;

// ---------------------------------------------------------------------------------------------- notifier

void Notifier::set(std::unique_lock<std::mutex>& lock, csdk_notify_fn fn, void* ctx, bool fireNow) {
  idle_.wait(lock, [&] { return running_ == std::thread::id() || running_ == std::this_thread::get_id(); });
  fn_ = fn;
  ctx_ = ctx;
  if (fireNow) fire(lock);
}

void Notifier::fire(std::unique_lock<std::mutex>& lock) {
  const csdk_notify_fn fn = std::exchange(fn_, nullptr);
  if (!fn) return;
  running_ = std::this_thread::get_id();
  lock.unlock();
  fn(ctx_);
  lock.lock();
  running_ = {};
  idle_.notify_all();
}

// ---------------------------------------------------------------------------------------------- slots

struct FakeHost::Slots {
  static FakeHost& of(const csdk_host* host) { return *static_cast<FakeHost*>(host->ctx); }

  /// Runs `change` on a call that goes on; counts what comes after the end.
  template <class F>
  static csdk_status during(const csdk_host* host, csdk_call call, F&& change) {
    FakeHost& self = of(host);
    const std::lock_guard lock(self.mutex_);
    const auto found = self.calls_.find(call);
    if (found == self.calls_.end()) return CSDK_CANCELLED;
    State& state = *found->second;
    if (state.record.status) return ++state.record.misbehaved, CSDK_CANCELLED;
    if (state.cancelled) return CSDK_CANCELLED;
    change(state.record);
    self.changed_.notify_all();
    return CSDK_OK;
  }

  static void log(const csdk_host*, csdk_call, std::uint32_t, csdk_str) {}
  static std::int64_t nowMono(const csdk_host*) { return monotonicNs(); }
  static std::int64_t nowWall(const csdk_host*) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  static std::int64_t deadline(const csdk_host* host, csdk_call call) {
    FakeHost& self = of(host);
    const std::lock_guard lock(self.mutex_);
    const auto found = self.calls_.find(call);
    return found == self.calls_.end() ? 0 : found->second->deadlineNs;
  }
  static std::int32_t isCancelled(const csdk_host* host, csdk_call call) {
    FakeHost& self = of(host);
    const std::lock_guard lock(self.mutex_);
    const auto found = self.calls_.find(call);
    return found == self.calls_.end() || found->second->cancelled || found->second->record.status;
  }
  static csdk_status onCancel(const csdk_host* host, csdk_call call, csdk_notify_fn fn, void* ctx) {
    FakeHost& self = of(host);
    std::unique_lock lock(self.mutex_);
    State& state = *self.calls_.at(call);
    if (state.record.status) return CSDK_CANCELLED;
    state.onCancel.set(lock, fn, ctx, state.cancelled);
    return CSDK_OK;
  }
  static csdk_status onResume(const csdk_host*, csdk_call, csdk_notify_fn, void*) { return CSDK_OK; }
  static csdk_status complete(const csdk_host* host, csdk_call call, csdk_status status) {
    FakeHost& self = of(host);
    std::map<std::uint64_t, std::jthread> timers;
    std::unique_lock lock(self.mutex_);
    State& state = *self.calls_.at(call);
    if (state.record.status) return ++state.record.misbehaved, CSDK_CANCELLED;
    state.onCancel.clear(lock);
    state.record.status = status;
    timers.swap(state.timers);
    self.changed_.notify_all();
    lock.unlock();
    return CSDK_OK;  // the timers stop and are joined here
  }
  static csdk_status fail(const csdk_host* host, csdk_call call, const csdk_error* error) {
    FakeHost& self = of(host);
    const std::lock_guard lock(self.mutex_);
    Record& record = self.calls_.at(call)->record;
    if (record.status) return ++record.misbehaved, CSDK_CANCELLED;
    record.failure = Failure{*error,
                             toString(error->message),
                             toString(error->fix),
                             toString(error->vendor_code),
                             toString(error->raw),
                             toString(error->request_id)};
    return CSDK_OK;
  }
  static csdk_status progress(const csdk_host* host, csdk_call call, const csdk_progress* progress) {
    return during(host, call, [&](Record& record) { record.phases.push_back(toString(progress->phase)); });
  }
  static csdk_status token(const csdk_host* host, csdk_call call, csdk_bytes token) {
    return during(host, call, [&](Record& record) {
      record.tokens.emplace_back(reinterpret_cast<const char*>(token.data), token.size);
    });
  }
  static csdk_status sandbox(const csdk_host* host, csdk_call call, const csdk_sandbox_info* info) {
    return during(host, call, [&](Record& record) { record.sandboxes.emplace_back(toString(info->id), info->status); });
  }
  template <class T, csdk_str T::*Name>
  static csdk_status named(const csdk_host* host, csdk_call call, const T* item) {
    if (item->struct_size != sizeof(T)) return CSDK_INVALID_ARGUMENT;
    return during(host, call, [&](Record& record) { record.names.push_back(toString(item->*Name)); });
  }
  static csdk_status json(const csdk_host* host, csdk_call call, csdk_str json) {
    return during(host, call, [&](Record& record) { record.json.push_back(toString(json)); });
  }
  static csdk_status write(const csdk_host* host, csdk_call call, std::uint32_t stream, csdk_bytes data) {
    return during(host, call, [&](Record& record) {
      record.chunks.push_back({stream, std::string(reinterpret_cast<const char*>(data.data), data.size)});
    });
  }
  static csdk_status exit(const csdk_host* host, csdk_call call, const csdk_exit* exit) {
    return during(host, call, [&](Record& record) { record.exit = *exit; });
  }
  static const void* extension(const csdk_host* host, csdk_str id) {
    return toString(id) == CSDK_EXT_TIMER ? &of(host).timers_ : nullptr;
  }

  static csdk_status startTimer(const csdk_host* host, csdk_call call, std::int64_t delayNs, csdk_notify_fn fn,
                                void* ctx, std::uint64_t* out) {
    FakeHost& self = of(host);
    const std::lock_guard lock(self.mutex_);
    State& state = *self.calls_.at(call);
    if (state.record.status) return CSDK_CANCELLED;
    *out = state.timers.size() + 1;
    state.timers[*out] = std::jthread([=](std::stop_token stop) {
      std::mutex mutex;
      std::unique_lock waiting(mutex);
      std::condition_variable_any stopped;
      stopped.wait_for(waiting, stop, std::chrono::nanoseconds(delayNs), [] { return false; });
      if (!stop.stop_requested()) fn(ctx);
    });
    return CSDK_OK;
  }
  static csdk_status cancelTimer(const csdk_host* host, csdk_call call, std::uint64_t timer) {
    FakeHost& self = of(host);
    std::jthread running;
    const std::lock_guard lock(self.mutex_);
    auto& timers = self.calls_.at(call)->timers;
    if (const auto found = timers.find(timer); found != timers.end()) running = std::move(found->second);
    return CSDK_OK;
  }
};

// ---------------------------------------------------------------------------------------------- the host

FakeHost::FakeHost() {
  table = {.struct_size = sizeof table,
           .abi_minor = CSDK_ABI_MINOR,
           .ctx = this,
           .log = Slots::log,
           .now_mono_ns = Slots::nowMono,
           .now_wall_ms = Slots::nowWall,
           .deadline_ns = Slots::deadline,
           .is_cancelled = Slots::isCancelled,
           .on_cancel = Slots::onCancel,
           .on_resume = Slots::onResume,
           .complete = Slots::complete,
           .fail = Slots::fail,
           .progress = Slots::progress,
           .emit_token = Slots::token,
           .emit_sandbox = Slots::sandbox,
           .emit_entry = Slots::named<csdk_entry, &csdk_entry::name>,
           .emit_url = Slots::named<csdk_url, &csdk_url::url>,
           .emit_process = Slots::named<csdk_process, &csdk_process::id>,
           .emit_snapshot = Slots::named<csdk_snapshot, &csdk_snapshot::id>,
           .emit_template = Slots::named<csdk_template, &csdk_template::id>,
           .emit_json = Slots::json,
           .write = Slots::write,
           .exit = Slots::exit,
           .extension = Slots::extension};
  timers_ = {.struct_size = sizeof timers_,
             .abi_minor = CSDK_ABI_MINOR,
             .start = Slots::startTimer,
             .cancel = Slots::cancelTimer};
}

FakeHost::~FakeHost() = default;

csdk_call FakeHost::begin(std::int64_t deadlineNs) {
  const std::lock_guard lock(mutex_);
  calls_[++lastCall_] = std::make_unique<State>();
  calls_[lastCall_]->deadlineNs = deadlineNs;
  return lastCall_;
}

void FakeHost::cancel(csdk_call call) {
  std::unique_lock lock(mutex_);
  State& state = *calls_.at(call);
  state.cancelled = true;
  state.onCancel.fire(lock);
}

csdk_status FakeHost::end(csdk_call call, csdk_status returned) {
  if (returned != CSDK_PENDING) {
    Slots::complete(&table, call, returned);
  } else if (!waitFor(call, [](const Record& record) { return record.status.has_value(); })) {
    return CSDK_PENDING;
  }
  return *record(call).status;
}

csdk_status FakeHost::run(const std::function<csdk_status(csdk_call)>& operation) {
  const csdk_call call = begin();
  return end(call, operation(call));
}

Record FakeHost::last() { return record(lastCall_); }

Record FakeHost::record(csdk_call call) {
  const std::lock_guard lock(mutex_);
  return calls_.at(call)->record;
}

bool FakeHost::waitFor(csdk_call call, const std::function<bool(const Record&)>& ready) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, 10s, [&] { return ready(calls_.at(call)->record); });
}

std::string Record::stream(std::uint32_t which) const {
  std::string joined;
  for (const Chunk& chunk : chunks) {
    if (chunk.stream == which) joined += chunk.data;
  }
  return joined;
}

// ---------------------------------------------------------------------------------------------- source

FakeSource::FakeSource() {
  table_ = {.struct_size = sizeof table_,
            .flags = 0,
            .ctx = this,
            .size_hint = -1,
            .read = &FakeSource::read,
            .on_readable = &FakeSource::onReadable};
}

void FakeSource::push(const std::string& data) {
  std::unique_lock lock(mutex_);
  data_ += data;
  notifier_.fire(lock);
}

void FakeSource::end() {
  std::unique_lock lock(mutex_);
  ended_ = true;
  notifier_.fire(lock);
}

void FakeSource::cancel() {
  std::unique_lock lock(mutex_);
  cancelled_ = true;
  notifier_.fire(lock);
}

csdk_status FakeSource::read(const csdk_source* source, std::uint8_t* buffer, std::size_t capacity, std::size_t* size) {
  auto& self = *static_cast<FakeSource*>(source->ctx);
  const std::lock_guard lock(self.mutex_);
  *size = std::min(capacity, self.data_.size());
  if (self.cancelled_) return CSDK_CANCELLED;
  if (*size == 0) return self.ended_ ? CSDK_EOF : CSDK_AGAIN;
  std::memcpy(buffer, self.data_.data(), *size);
  self.data_.erase(0, *size);
  return CSDK_OK;
}

csdk_status FakeSource::onReadable(const csdk_source* source, csdk_notify_fn fn, void* ctx) {
  auto& self = *static_cast<FakeSource*>(source->ctx);
  std::unique_lock lock(self.mutex_);
  self.notifier_.set(lock, fn, ctx, self.ready());
  return CSDK_OK;
}

// ---------------------------------------------------------------------------------------------- small things

csdk_option textOption(const char* key, const char* value) {
  csdk_option option{};
  option.key = toAbi(key);
  option.kind = CSDK_OPTION_STR;
  option.s = {reinterpret_cast<const std::uint8_t*>(value), std::strlen(value)};
  return option;
}

std::int64_t monotonicNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace computesdk::test
