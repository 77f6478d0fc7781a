#pragma once

#include <computesdk/registry/registry.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

// HTTP of the host itself, not of a plug-in: the same module, proxies and certificates, without an egress list.
namespace computesdk::registry {

struct HttpExchangeRequest {
  std::string method = "GET";
  std::string url;  ///< http, https, ws or wss
  StringMap headers = {};
  std::string body = {};
  bool webSocket = false;
  std::chrono::milliseconds headTimeout{30'000};  ///< to the answer's head
};

/// Run on a thread of the network module, one at a time, in order; must not block.
struct HttpExchangeEvents {
  std::function<void(int status)> onHead = {};  ///< a WebSocket stands with 101
  /// Part of the body or of a text message; `last`: of the message.
  std::function<void(std::string_view data, bool last)> onData = {};
  /// The last of all. `problem`: empty after an orderly end; `sent`: the request may have reached the peer.
  std::function<void(std::string problem, bool sent)> onClosed = {};
};

/// A request under way. Its end closes it without waiting: events may still come, none after onClosed. Thread-safe.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  /// A whole text message of a WebSocket. False when it was not taken.
  virtual bool send(std::string_view text) = 0;
  /// Gives back credit: after 256 KiB that were not acknowledged the peer is held back.
  virtual void acknowledge(std::size_t bytes) = 0;
  virtual void close() = 0;
};

/// Begins a request. Errors: E_INVALID_ARGUMENT for what is no such URL, E_CONFIG for a proxy that cannot be used,
/// E_UNAVAILABLE without the module computesdk-net.
Result<std::unique_ptr<HttpExchange>> startHttpExchange(const HttpExchangeRequest& request, HttpExchangeEvents events,
                                                        const Environment& environment = processEnvironment());

}  // namespace computesdk::registry
