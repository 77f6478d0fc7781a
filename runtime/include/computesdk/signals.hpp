#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

namespace computesdk {

namespace detail {
class EventChannel;
class SandboxState;
}  // namespace detail

struct SandboxSignal {
  enum class Kind { port, error, serverReady };
  Kind kind = Kind::port;
  std::uint16_t port = 0;
  std::string url;
  bool open = true;     ///< of port: opened, or closed
  std::string message;  ///< of error
};

/// The signals of a sandbox while they are on. A small value; copies are the same. Thread-safe. Losing it switches
/// nothing off, its handlers go with the last copy; they run on a thread of the sandbox's events, one at a time, and
/// must not hold a copy of it or of the sandbox.
class COMPUTESDK_API SignalService {
 public:
  using Handler = std::function<void(const SandboxSignal&)>;
  /// The numbers are for `off`.
  std::uint64_t onPort(Handler handler) { return onPort(nothrow, std::move(handler)).value(); }
  Result<std::uint64_t> onPort(Nothrow, Handler handler);
  std::uint64_t onError(Handler handler) { return onError(nothrow, std::move(handler)).value(); }
  Result<std::uint64_t> onError(Nothrow, Handler handler);
  std::uint64_t onServerReady(Handler handler) { return onServerReady(nothrow, std::move(handler)).value(); }
  Result<std::uint64_t> onServerReady(Nothrow, Handler handler);
  /// All of them.
  std::uint64_t onSignal(Handler handler) { return onSignal(nothrow, std::move(handler)).value(); }
  Result<std::uint64_t> onSignal(Nothrow, Handler handler);
  /// Once it returns the handler does not run, unless it is a handler that calls this. Idempotent.
  void off(std::uint64_t handler) noexcept;

  /// Switches the sandbox's signals off, for everybody.
  void stop(std::stop_token stop = {}) { this->stop(nothrow, std::move(stop)).value(); }
  Result<void> stop(Nothrow, std::stop_token stop = {});

 private:
  friend class Signals;
  SignalService(std::shared_ptr<detail::SandboxState> sandbox, std::string channel);
  std::shared_ptr<detail::SandboxState> sandbox_;
  std::shared_ptr<detail::EventChannel> events_;
};

/// Signals of one sandbox: sandbox.signals(). A small value that shares the sandbox's state. Thread-safe.
class COMPUTESDK_API Signals {
 public:
  /// Switches them on: from now on ports that servers open and close are told. Idempotent.
  SignalService start(std::stop_token stop = {}) { return start(nothrow, std::move(stop)).value(); }
  Result<SignalService> start(Nothrow, std::stop_token stop = {});
  void stop(std::stop_token stop = {}) { this->stop(nothrow, std::move(stop)).value(); }
  Result<void> stop(Nothrow, std::stop_token stop = {});
  bool active(std::stop_token stop = {}) { return active(nothrow, std::move(stop)).value(); }
  Result<bool> active(Nothrow, std::stop_token stop = {});

  // Signals of one's own. Nobody hears them while signals are off. E_INVALID_ARGUMENT for port 0.
  void emitPort(std::uint16_t port, bool open, std::string_view url, std::stop_token stop = {}) {
    emitPort(nothrow, port, open, url, std::move(stop)).value();
  }
  Result<void> emitPort(Nothrow, std::uint16_t port, bool open, std::string_view url, std::stop_token stop = {});
  void emitError(std::string_view message, std::stop_token stop = {}) {
    emitError(nothrow, message, std::move(stop)).value();
  }
  Result<void> emitError(Nothrow, std::string_view message, std::stop_token stop = {});
  void emitServerReady(std::uint16_t port, std::string_view url, std::stop_token stop = {}) {
    emitServerReady(nothrow, port, url, std::move(stop)).value();
  }
  Result<void> emitServerReady(Nothrow, std::uint16_t port, std::string_view url, std::stop_token stop = {});

 private:
  friend class Sandbox;
  explicit Signals(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

}  // namespace computesdk
