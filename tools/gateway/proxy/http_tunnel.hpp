#pragma once

#include <computesdk/serving/byte_stream.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace computesdk::gateway {

/// A way through an HTTP proxy. `authorization` is secret.
struct HttpTunnel {
  std::string address;  ///< of the proxy, numeric
  std::uint16_t port = 0;
  std::string target;         ///< "host:port" that it connects to
  std::string authorization;  ///< value of Proxy-Authorization; empty: none
};

/// Connects through the proxy by CONNECT; what the handler gets leads to `target`. Any thread; `handler` runs on the
/// loop's thread. Errors: E_NETWORK when the proxy cannot be reached or refuses, with its status, and E_TIMEOUT after
/// `time`.
void dialTunnel(serving::Loop& loop, const HttpTunnel& tunnel, std::chrono::milliseconds time,
                serving::DialHandler handler);

}  // namespace computesdk::gateway
