#pragma once

#include <computesdk/result.hpp>
#include <computesdk/serving/byte_stream.hpp>
#include <computesdk/serving/loop.hpp>
#include <computesdk/serving/metrics.hpp>
#include <computesdk/serving/router.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::serving {

/// A line of the access log. Holds no secret: no headers, and `target` without the values of token parameters.
struct AccessRecord {
  std::string id;
  std::string peer;
  std::string method;
  std::string target;
  std::string route;  ///< pattern; "" for unknown paths
  std::string host;
  int status = 0;  ///< 0: the client went away before there was one
  std::uint64_t bytesIn = 0;
  std::uint64_t bytesOut = 0;
  std::chrono::microseconds duration{0};
};

/// One JSON object without a newline, with the time in RFC 3339.
[[nodiscard]] std::string formatAccess(const AccessRecord& record);
/// The target with the values of `token`, `session_token`, `access_token`, `api_key` and `code` replaced by "***".
[[nodiscard]] std::string maskTarget(std::string_view target);
/// Does this header hold a secret (Authorization, Cookie, X-*-API-Key, X-*-Token…)? For whoever prints headers.
[[nodiscard]] bool secretHeader(std::string_view name) noexcept;

/// A connection that was accepted and may need a handshake (TLS) before it carries HTTP.
using Handshake = std::function<void(StreamPtr plain, DialHandler ready)>;

struct Endpoint {
  std::string address;     ///< numeric: "127.0.0.1", "::1", "0.0.0.0"
  std::uint16_t port = 0;  ///< 0: the kernel chooses; Server::ports() tells
  std::string unixPath;    ///< in place of address and port; an old socket there is replaced; '@…' is abstract
  int descriptor = -1;     ///< in place of all: a listening socket that is taken over
  Handshake handshake;     ///< see tls.hpp; empty: plain
};

struct ServerOptions {
  std::vector<Endpoint> endpoints;
  std::size_t headLimit = 64u << 10;   ///< bytes of request line and headers; more is 431
  std::uint64_t bodyLimit = 1u << 20;  ///< bytes of a body where the route says nothing; more is 413
  std::uint64_t bodyBudget = 0;        ///< bytes of all bodies in Request::body at a time; 0: any number. More is 503
  std::chrono::milliseconds headTimeout{10'000};   ///< from the first byte of a request to the end of its head; 408
  std::chrono::milliseconds bodyTimeout{30'000};   ///< without a byte of the body; 408
  std::chrono::milliseconds writeTimeout{30'000};  ///< without the client taking a byte of the answer
  std::chrono::milliseconds idleTimeout{75'000};   ///< between requests of a connection
  std::size_t maxConnections = 20'000;             ///< further ones wait in the kernel's queue
  std::size_t workers = 8;                         ///< threads for blocking routes, started on first need
  std::size_t workerQueue = 256;                   ///< requests that wait for one; more are answered with 503
  std::string serverName;                          ///< Server header; "" for none
  bool collapseLeadingSlashes = false;             ///< "//v1/x" is "/v1/x"
  bool cors = false;  ///< OPTIONS is 204; Access-Control-* on every answer, the origin echoed
  std::string corsHeaders = "Authorization, Content-Type, X-Request-Timeout";  ///< what a preflight allows
  bool securityHeaders =
      true;  ///< X-Content-Type-Options, Referrer-Policy, X-Frame-Options, Cache-Control where absent
  bool requestIdHeader = true;  ///< X-Request-Id on answers
  /// Body of the server's own errors (404, 405, 408, 413, 500…); empty: Response::error.
  std::function<Response(int status, std::string_view code, std::string_view sentence)> errorBody;
  /// Called on the loop's thread for every answer; must not block.
  std::function<void(const AccessRecord&)> accessLog;
};

/// The server. Build, start, stop; start() and stop() once each. The router is the caller's and outlives it.
class Server {
 public:
  Server(Loop& loop, Router& router, ServerOptions options);
  /// Closes everything at once when stop() was not called. Not on the loop's thread while the loop runs.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Chooses the router of a request, by its host or the beginning of its path, which it may rewrite; on the loop's
  /// thread, before the hooks. Before start().
  void select(std::function<Router&(Request& request)> chooser);
  /// Further header fields of every answer, on the loop's thread. Before start().
  void decorate(std::function<void(const Request& request, Response& response)> decorator);

  /// Listens. E_INVALID_ARGUMENT for an address that is not numeric, E_NETWORK when it is taken; nothing listens then.
  Result<void> start();
  /// Ports in the order of the endpoints; 0 for Unix sockets. After start().
  [[nodiscard]] std::vector<std::uint16_t> ports() const;

  /// Takes no more connections, closes those that wait for a request, lets answers under way finish and closes
  /// WebSockets with 1001; what is left at the deadline is cut off. `done` is called on the loop's thread. Any thread.
  void stop(std::chrono::milliseconds deadline, std::function<void()> done);
  /// The same, and waits. Not on the loop's thread.
  void stop(std::chrono::milliseconds deadline);

  /// Runs blocking work on the server's pool; false when its queue is full. Any thread.
  bool work(std::function<void()> job);
  [[nodiscard]] Metrics& metrics() noexcept;
  [[nodiscard]] Loop& loop() noexcept;
  [[nodiscard]] std::size_t connections() const noexcept;

  struct Core;

 private:
  std::shared_ptr<Core> core_;
};

/// Answers with metrics.text(); for `router.on("GET", "/metrics", …)`.
[[nodiscard]] Handler metricsHandler(Metrics& metrics);

}  // namespace computesdk::serving
