#pragma once

#include <computesdk/plugin.h>
#include <computesdk/provider/call.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>

// What the host lends to a call beside its results: input, timers, HTTP.
namespace computesdk::plugin {

/// Input of an exec, fs_write or dial: the inline bytes or the host's source, read the same way. One reader at a time.
class Input {
 public:
  Input(csdk_bytes given, const csdk_source* source) : inline_(given), self_(source) {
    if (source) source_ = readStruct(source);
  }
  explicit Input(const csdk_exec_args& args) : Input(args.input, args.source) {}
  explicit Input(const csdk_fs_args& args) : Input(args.input, args.source) {}
  explicit Input(const csdk_dial_args& args) : Input(csdk_bytes{}, args.source) {}

  /// Never blocks. CSDK_OK with *size > 0; CSDK_AGAIN: nothing there now; CSDK_EOF: the end. Throws when cancelled.
  csdk_status read(std::uint8_t* buffer, std::size_t capacity, std::size_t* size) {
    *size = 0;
    if (!self_) {
      *size = std::min(capacity, inline_.size);
      if (*size == 0) return CSDK_EOF;
      std::memcpy(buffer, inline_.data, *size);
      inline_ = {inline_.data + *size, inline_.size - *size};
      return CSDK_OK;
    }
    const csdk_status status = source_.read(self_, buffer, capacity, size);
    if (status < 0) throw Error(status, "the input ended early");
    return status;
  }

  /// Runs `fn` once when read would answer something other than CSDK_AGAIN, at once if it would now. Neither runs nor
  /// is running once the guard is gone. Inline input is always readable; there `fn` does not run.
  template <class F>
  class ReadableGuard : private Callback<F> {
   public:
    ReadableGuard(Input& input, F fn) : Callback<F>(std::move(fn)), input_(input) {
      if (!input_.self_) return;
      const csdk_status status = input_.source_.on_readable(input_.self_, &Callback<F>::run, this->ctx());
      if (status < 0) throw Error(status, "the input ended early");
    }
    ~ReadableGuard() {
      if (input_.self_) input_.source_.on_readable(input_.self_, nullptr, nullptr);
    }

   private:
    Input& input_;
  };
  template <class F>
  [[nodiscard]] ReadableGuard<F> onReadable(F fn) {
    return ReadableGuard<F>(*this, std::move(fn));
  }

  /// Blocks until everything came, handing each piece to `sink(span<const byte>)`. Throws when cancelled.
  template <class Sink>
  void readAll(Sink&& sink) {
    std::uint8_t buffer[16384];
    for (;;) {
      std::size_t size = 0;
      const csdk_status status = read(buffer, sizeof buffer, &size);
      if (status == CSDK_EOF) return;
      if (status == CSDK_AGAIN) {
        wait();
      } else {
        sink(std::as_bytes(std::span(buffer, size)));
      }
    }
  }

 private:
  void wait() {
    std::mutex mutex;
    std::condition_variable ready;
    bool readable = false;
    const auto registered = onReadable([&] {
      const std::lock_guard lock(mutex);
      readable = true;
      ready.notify_one();
    });
    std::unique_lock lock(mutex);
    ready.wait(lock, [&] { return readable; });
  }

  csdk_bytes inline_;
  const csdk_source* self_;
  csdk_source source_{};
};

/// Runs a function once after a delay, on a thread of the host, unless the call completes or the timer goes first. `fn`
/// must not block. Throws CSDK_UNIMPLEMENTED where the host has no csdk.timer/1.
template <class F>
class Timer : private Callback<F> {
 public:
  Timer(const Call& call, std::chrono::nanoseconds delay, F fn) : Callback<F>(std::move(fn)), call_(call) {
    if (!call.host().extension(CSDK_EXT_TIMER, table_)) throw Error(CSDK_UNIMPLEMENTED, "the host has no timers");
    const csdk_status status =
        table_.start(call.host().self(), call.id(), delay.count(), &Callback<F>::run, this->ctx(), &timer_);
    if (status < 0) throw Error(status, "the host could not start a timer");
  }
  ~Timer() { table_.cancel(call_.host().self(), call_.id(), timer_); }

 private:
  Call call_;
  csdk_timer_ext table_{};
  std::uint64_t timer_ = 0;
};

/// The host's HTTP and WebSocket client (csdk.http/1), for the requests of one call. Any thread; one waiter in next().
class Http {
 public:
  /// Throws CSDK_UNIMPLEMENTED where the host has none.
  explicit Http(const Call& call) : call_(call) {
    if (!call.host().extension(CSDK_EXT_HTTP, table_)) throw Error(CSDK_UNIMPLEMENTED, "the host has no HTTP client");
  }

  /// Begins a request; `struct_size` is set here. Returns its number.
  std::uint64_t start(csdk_http_request request) {
    request.struct_size = sizeof request;
    std::uint64_t number = 0;
    check(use(&csdk_http_ext::start, &request, &number), "the request could not be started");
    return number;
  }
  /// Waits for the next event of the call. CSDK_OK, CSDK_AGAIN (wake was called) or CSDK_EOF (nothing is left); throws
  /// when cancelled or at `deadlineNs` (0: the call's). What the event points to lives until the next next().
  csdk_status next(csdk_http_event& event, std::int64_t deadlineNs = 0) {
    event = make<csdk_http_event>();
    return check(use(&csdk_http_ext::next, deadlineNs, &event), "no answer came in time");
  }
  /// CSDK_OK or CSDK_PAUSE: go on after a CSDK_HTTP_WRITABLE event.
  csdk_status write(std::uint64_t request, csdk_bytes data, std::uint32_t flags = 0) {
    return check(use(&csdk_http_ext::write, request, flags, data), "the request is over");
  }
  /// Gives back credit for consumed bytes.
  void ack(std::uint64_t request, std::size_t size) noexcept { use(&csdk_http_ext::ack, request, size); }
  /// Ends a request at any point; a WebSocket with `code` and `reason`.
  void close(std::uint64_t request, std::int32_t code = 0, std::string_view reason = {}) noexcept {
    use(&csdk_http_ext::close, request, code, str(reason));
  }
  /// Makes next() answer CSDK_AGAIN; for an onReadable or onResume function.
  void wake() noexcept { use(&csdk_http_ext::wake); }

 private:
  template <class... Params, class... Args>
  csdk_status use(csdk_status (*csdk_http_ext::*slot)(const csdk_host*, csdk_call, Params...), Args... args) noexcept {
    return table_.*slot ? (table_.*slot)(call_.host().self(), call_.id(), args...) : CSDK_UNIMPLEMENTED;
  }
  static csdk_status check(csdk_status status, const char* message) {
    if (status < 0) throw Error(status, message);
    return status;
  }

  Call call_;
  csdk_http_ext table_{};
};

}  // namespace computesdk::plugin
