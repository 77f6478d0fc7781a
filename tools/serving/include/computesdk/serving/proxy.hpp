#pragma once

#include <computesdk/serving/byte_stream.hpp>
#include <computesdk/serving/message.hpp>
#include <computesdk/serving/reply.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace computesdk::serving {

struct ProxyOptions {
  std::string target;                        ///< path and query for the upstream; "" for the client's own
  std::optional<std::string> host;           ///< Host for the upstream in place of the client's
  Headers set;                               ///< headers that replace the client's (Authorization for the upstream…)
  std::vector<std::string> remove;           ///< headers that are not passed on
  bool forwardedHeaders = true;              ///< X-Forwarded-For, -Proto, -Host
  std::chrono::milliseconds headTimeout{0};  ///< until the upstream's head; 0: as long as the client waits; 504
  /// Changes the upstream's head before it goes to the client.
  std::function<void(Response& head)> onHead;
  /// The upstream can carry another request: for a pool. Not called for tunnels and closed connections.
  std::function<void(StreamPtr idle)> onReusable;
  /// The upstream had ended before a byte of its answer came (a pooled connection that had gone stale). Only called
  /// when the request has no body, so that it can be sent again; returns true when it takes over `reply`.
  std::function<bool(Request request, Reply reply)> onStale;
};

/// Passes a request on to `upstream` and its answer back: any method, both bodies streamed with back-pressure in
/// constant memory, hop-by-hop headers removed. An upgrade (WebSocket or other) that the upstream accepts becomes a
/// tunnel of raw bytes; a refused one is an ordinary answer. An upstream that breaks is answered with 502. The route
/// should stream its body (Route::streamBody); else Request::body is passed on. The loop's thread only.
void proxy(Request request, Reply reply, StreamPtr upstream, ProxyOptions options = {});

}  // namespace computesdk::serving
