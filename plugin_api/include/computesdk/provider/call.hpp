#pragma once

#include <computesdk/plugin.h>
#include <computesdk/provider/boundary.hpp>
#include <computesdk/provider/error.hpp>
#include <computesdk/provider/views.hpp>

#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace computesdk::plugin {

template <class F>
class CancelGuard;

/// One running operation. A small value: copy it into the thread that completes it. Every function may be called from
/// any thread; those that push throw Error(CSDK_CANCELLED) when the host wants no more, which ends the operation. The
/// provider must outlive it (provider_close waits for what is pending).
class Call {
 public:
  Call(const Host& host, csdk_call id) noexcept : host_(&host), id_(id) {}

  csdk_call id() const noexcept { return id_; }
  const Host& host() const noexcept { return *host_; }

  // Output. May block (back-pressure) in a "blocking" plug-in; returns CSDK_PAUSE in an "async" one, see onResume.
  csdk_status write(std::uint32_t stream, csdk_bytes data) const { return push(&csdk_host::write, stream, data); }
  csdk_status out(std::string_view data) const { return write(CSDK_STREAM_STDOUT, bytes(data)); }
  csdk_status err(std::string_view data) const { return write(CSDK_STREAM_STDERR, bytes(data)); }
  csdk_status data(csdk_bytes data) const { return write(CSDK_STREAM_DATA, data); }  ///< fs_read, port/1 dial

  // How the command ended; once, after its output.
  void exit(std::uint32_t kind, std::int32_t value, std::uint32_t flags = 0) const {
    auto result = make<csdk_exit>();
    result.kind = kind;
    result.value = value;
    result.flags = flags;
    push(&csdk_host::exit, &result);
  }
  void exitCode(int code, std::uint32_t flags = 0) const { exit(CSDK_EXIT_CODE, code, flags); }
  void exitSignal(int signal, std::uint32_t flags = 0) const { exit(CSDK_EXIT_SIGNAL, signal, flags); }

  // Results; `struct_size` is set here.
  void emit(csdk_sandbox_info info) const { pushStruct(&csdk_host::emit_sandbox, info); }
  void emit(csdk_entry entry) const { pushStruct(&csdk_host::emit_entry, entry); }
  void emit(csdk_url url) const { pushStruct(&csdk_host::emit_url, url); }
  void emit(csdk_process process) const { pushStruct(&csdk_host::emit_process, process); }
  void emit(csdk_snapshot snapshot) const { pushStruct(&csdk_host::emit_snapshot, snapshot); }
  void emit(csdk_template item) const { pushStruct(&csdk_host::emit_template, item); }
  /// The least that a sandbox is: its id and that it runs.
  void emitSandbox(std::string_view id, std::uint32_t status = CSDK_SANDBOX_RUNNING) const {
    auto info = make<csdk_sandbox_info>();
    info.id = str(id);
    info.status = status;
    emit(info);
  }
  void emitJson(std::string_view json) const { push(&csdk_host::emit_json, str(json)); }
  /// A newer token for the sandbox of this call.
  void token(std::string_view token) const { push(&csdk_host::emit_token, bytes(token)); }

  void progress(std::string_view phase, std::string_view message = {}, std::int64_t done = 0,
                std::int64_t total = 0) const {
    auto report = make<csdk_progress>();
    report.phase = str(phase);
    report.message = str(message);
    report.done = done;
    report.total = total;
    push(&csdk_host::progress, &report);
  }
  /// `level` is CSDK_LOG_DEBUG …; the host masks secrets.
  void log(std::uint32_t level, std::string_view message) const noexcept {
    host_->table().log(host_->self(), id_, level, str(message));
  }

  // Time, by the host's clock.
  std::int64_t nowNs() const noexcept { return host_->table().now_mono_ns(host_->self()); }
  /// Monotonic nanoseconds at which the call must be over; nullopt when it has no deadline.
  std::optional<std::int64_t> deadlineNs() const noexcept {
    const std::int64_t at = host_->table().deadline_ns(host_->self(), id_);
    return at != 0 ? std::optional(at) : std::nullopt;
  }

  bool cancelled() const noexcept { return host_->table().is_cancelled(host_->self(), id_) != 0; }
  void throwIfCancelled() const {
    if (cancelled()) throw Error(CSDK_CANCELLED, "the call was cancelled");
  }
  /// Runs `fn` once when the call is cancelled, from any thread, at once if it is already; `fn` must not block. It is
  /// not running and will not run once the guard is gone. One at a time for a call.
  template <class F>
  [[nodiscard]] CancelGuard<F> onCancel(F fn) const {
    return CancelGuard<F>(*this, &csdk_host::on_cancel, std::move(fn));
  }
  /// The same for the moment at which output may go on after CSDK_PAUSE.
  template <class F>
  [[nodiscard]] CancelGuard<F> onResume(F fn) const {
    return CancelGuard<F>(*this, &csdk_host::on_resume, std::move(fn));
  }

  /// Ends an operation that returned CSDK_PENDING.
  void complete(csdk_status status) const noexcept { host_->call(&csdk_host::complete, id_, status); }
  /// Runs `fn` and completes with its outcome, an exception included; for the thread of a pending operation.
  template <class F>
  void completeWith(F&& fn) const noexcept;

  void fail(const Error& error) const noexcept {
    const csdk_error described = error.abi();
    host_->call(&csdk_host::fail, id_, &described);
  }

 private:
  template <class Slot, class... Args>
  csdk_status push(Slot slot, Args... args) const {
    const csdk_status status = host_->call(slot, id_, args...);
    if (status == CSDK_CANCELLED) throw Error(status, "the call was cancelled");
    if (status < 0) throw Error(status, "the host did not take a result");
    return status;
  }
  template <class Slot, class T>
  void pushStruct(Slot slot, T& value) const {
    value.struct_size = sizeof value;
    push(slot, static_cast<const T*>(&value));
  }

  const Host* host_;
  csdk_call id_;
};

/// Holds the function given to Call::onCancel or Call::onResume.
template <class F>
class CancelGuard : private Callback<F> {
 public:
  using Slot = csdk_status (*csdk_host::*)(const csdk_host*, csdk_call, csdk_notify_fn, void*);

  CancelGuard(const Call& call, Slot slot, F fn) : Callback<F>(std::move(fn)), call_(call), slot_(slot) {
    call_.host().call(slot_, call_.id(), static_cast<csdk_notify_fn>(&Callback<F>::run), this->ctx());
  }
  ~CancelGuard() {
    call_.host().call(slot_, call_.id(), static_cast<csdk_notify_fn>(nullptr), static_cast<void*>(nullptr));
  }

 private:
  Call call_;
  Slot slot_;
};

/// Runs `fn` and turns what it throws into a described failure: the one fence between C++ and the ABI.
/// Out of memory is answered without allocating.
template <class F>
csdk_status guard(const Call& call, F&& fn) noexcept {
  const auto plain = [&call](csdk_status status, const char* message) {
    auto error = make<csdk_error>();
    error.message = str(message);
    call.host().call(&csdk_host::fail, call.id(), static_cast<const csdk_error*>(&error));
    return status;
  };
  try {
    return std::forward<F>(fn)();
  } catch (const Error& error) {
    call.fail(error);
    return error.status();
  } catch (const std::bad_alloc&) {
    return plain(CSDK_RESOURCE_EXHAUSTED, "the provider ran out of memory");
  } catch (const std::exception& error) {
    return plain(CSDK_INTERNAL, error.what());
  } catch (...) {
    return plain(CSDK_INTERNAL, "the provider threw something that is not a std::exception");
  }
}

/// Calls an operation's method: void means that it is done.
template <class F>
csdk_status statusOf(F&& fn) {
  if constexpr (std::is_void_v<decltype(fn())>) {
    fn();
    return CSDK_OK;
  } else {
    return fn();
  }
}

template <class F>
void Call::completeWith(F&& fn) const noexcept {
  complete(guard(*this, [&] { return statusOf(fn); }));
}

}  // namespace computesdk::plugin
