#pragma once

#include "body_budget.hpp"
#include "workers.hpp"

#include <computesdk/serving/server.hpp>

#include <computesdk/serving/websocket.hpp>

#include <map>
#include <unordered_map>
#include <unordered_set>

namespace computesdk::serving {

class Connection;
class HandedStream;
class Listener;

/// Where a connection came from.
struct ConnectionOrigin {
  std::string peer;
  std::uint16_t port = 0;
  bool secure = false;
};

/// What the connections of a server share. The loop's thread only, unless said otherwise.
struct Server::Core : std::enable_shared_from_this<Server::Core> {
  Core(Loop& theLoop, Router& theRouter, ServerOptions theOptions);
  ~Core();

  Result<void> start();
  /// A stream that a listener accepted.
  void accepted(StreamPtr stream, const Endpoint& endpoint, ConnectionOrigin origin);
  void serve(StreamPtr stream, ConnectionOrigin origin);
  /// The connection, tunnel or WebSocket is gone.
  void forget(Connection& connection);
  void forget(HandedStream& stream);
  void handed(HandedStream& stream);

  void stop(std::chrono::milliseconds deadline, std::function<void()> done);
  /// Closes everything at once.
  void cut();

  Router& routerFor(Request& request) { return chooser ? chooser(request) : router; }
  Response errorBody(int status, std::string_view code, std::string_view sentence) const;
  /// Adds the server's own fields to an answer. `origin` and `id` are the request's.
  void complete(Response& response, const Request& request, bool asItIs) const;
  void log(AccessRecord& record);
  [[nodiscard]] std::string newRequestId();
  [[nodiscard]] std::size_t open() const noexcept { return open_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool stopping() const noexcept { return stopping_; }

  Loop& loop;
  Router& router;
  ServerOptions options;
  std::function<Router&(Request&)> chooser;
  std::function<void(const Request&, Response&)> decorator;
  const std::shared_ptr<BodyBudget> bodies;  ///< requests may outlive the server
  Metrics metrics;
  Workers workers;
  std::vector<std::uint16_t> ports;

  Counter& bytesIn;
  Counter& bytesOut;
  Counter& accepts;
  Counter& refusals;  ///< requests that were not HTTP, too slow or too big
  Gauge& openConnections;
  Gauge& openWebSockets;
  Gauge& openTunnels;

 private:
  struct RouteNumbers {
    std::map<int, Counter*> byStatus;
    Histogram* durations = nullptr;
  };

  void sweep();
  void adjust(int by);
  void checkDone();
  void finish();

  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::unordered_set<HandedStream*> handed_;
  std::map<std::string, RouteNumbers, std::less<>> numbers_;
  std::atomic<std::size_t> open_{0};
  Timer sweeper_;
  Timer deadline_;
  std::vector<std::function<void()>> done_;
  std::string idPrefix_;
  std::uint64_t ids_ = 0;
  bool stopping_ = false;
  bool finished_ = false;
};

}  // namespace computesdk::serving
