#pragma once

#include "connect.hpp"

#include <list>
#include <map>
#include <memory>

namespace computesdk::net {

/// A connection that may serve several requests, one after the other.
struct Connection {
  std::unique_ptr<Wire> wire;
  Route route;
  bool reused = false;
  Clock::duration keptAlive = std::chrono::seconds(5);  ///< how long the peer keeps it open without a request
};

/// Connections between two requests. I/O thread only.
class Pool {
 public:
  static constexpr std::size_t kPerRoute = 128;
  static constexpr std::size_t kInAll = 256;
  static constexpr auto kLongest = std::chrono::seconds(55);

  explicit Pool(asio::io_context& io) : io_(io), sweep_(io) {}

  /// The connection that was used last. `safe`: the request may be sent again should the peer close at this moment;
  /// otherwise only a connection comes that the peer will surely keep for now.
  std::unique_ptr<Connection> take(const Route& route, bool safe);
  void put(std::unique_ptr<Connection> connection);
  void clear();
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    Clock::time_point since;
  };
  using Place = std::shared_ptr<Idle>;

  void watch(const Place& place);
  void drop(const Place& place);
  void sweepLater();

  asio::io_context& io_;
  asio::steady_timer sweep_;
  bool sweeping_ = false;
  std::map<Route, std::list<Place>> idle_;
  std::size_t size_ = 0;
};

}  // namespace computesdk::net
