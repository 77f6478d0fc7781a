#pragma once

#include <computesdk/result.hpp>

#include "core/sandbox_state.hpp"
#include "daemon/http_message.hpp"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

namespace computesdk::detail {

/// What happens on a WebSocket: on one thread, one at a time. `onText` may block, which holds the other end back.
struct SocketEvents {
  std::function<void(std::string_view text)> onText;
  /// Once, the last of all: the connection is gone.
  std::function<void(std::string why)> onClosed;
};

/// An open WebSocket. Thread-safe.
class Socket {
 public:
  virtual ~Socket() = default;  ///< closes it
  /// False when it is closed.
  virtual bool send(std::string_view text) = 0;
  /// Text of that many bytes has been dealt with.
  virtual void consumed(std::size_t bytes) = 0;
  /// No event comes once this has returned, unless it is called by one.
  virtual void close() noexcept = 0;
};

/// A way to a daemon. Thread-safe. Errors of both: E_UNAVAILABLE when nothing answers, and then nothing was sent;
/// E_NETWORK, E_PROTOCOL, E_TIMEOUT, E_CANCELLED.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual Result<HttpAnswer> send(const HttpRequest& request, const std::stop_token& stop) = 0;
  /// Waits until the WebSocket stands.
  virtual Result<std::unique_ptr<Socket>> open(const std::string& target, SocketEvents events,
                                               const std::stop_token& stop) = 0;
};

/// Through the provider's streams into the sandbox. `sandbox` outlives it and its sockets.
std::unique_ptr<Transport> dialTransport(SandboxState& sandbox, std::uint16_t port, std::string token);
/// Through a URL, http or https; `headers` go with each request.
std::unique_ptr<Transport> urlTransport(SandboxState& sandbox, std::string url, StringMap headers,
                                        const std::string& token);

/// How a WebSocket's upgrade failed, from the answer to it.
ErrorInfo upgradeRefused(int status);

}  // namespace computesdk::detail
