#pragma once

#include "addresses.hpp"
#include "server_core.hpp"

namespace computesdk::serving {

/// One listening socket. The loop's thread only, apart from open().
class Listener {
 public:
  explicit Listener(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Binds and listens. Any thread.
  Result<void> open();
  /// Accepts until stop(); not while the server has as many connections as it may.
  void start(Server::Core& server);
  /// Goes on after a pause for too many connections.
  void resume();
  void stop();
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  Result<void> bindTo(const SocketAddress& address, const std::string& name);
  void await();
  void acceptSome();

  Endpoint endpoint_;
  Server::Core* server_ = nullptr;
  int descriptor_ = -1;
  std::uint16_t port_ = 0;
  bool ownsPath_ = false;
  bool waiting_ = false;
  Watch watch_;
  Timer pause_;
};

}  // namespace computesdk::serving
