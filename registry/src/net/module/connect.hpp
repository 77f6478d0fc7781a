#pragma once

#include "asio.hpp"
#include "failure.hpp"
#include "resolver.hpp"
#include "wire.hpp"

#include <compare>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace computesdk::net {

/// Where a connection leads and how. Connections of equal routes can stand in for each other.
struct Route {
  std::string host;
  std::uint16_t port = 0;
  bool tls = false;
  bool privateOk = false;
  std::string proxyHost;
  std::uint16_t proxyPort = 0;
  std::string proxyAuthorization;
  TrustSettings trust;

  friend bool operator==(const Route&, const Route&) = default;
  friend auto operator<=>(const Route&, const Route&) = default;

  /// "api.example.com:443".
  [[nodiscard]] std::string authority() const;
  /// As a Host header: without the scheme's own port.
  [[nodiscard]] std::string hostHeader() const;
};

struct Connected {
  std::unique_ptr<Wire> wire;
  Failure failure;  ///< when there is no wire
};

/// Lets a task be ended from outside, whatever it waits for.
class Abort {
 public:
  void operator()() {
    aborted_ = true;
    if (stop_) stop_();
  }
  [[nodiscard]] bool aborted() const noexcept { return aborted_; }

  /// While it lives, `stop` is what ends the wait.
  class Scope {
   public:
    Scope(Abort& abort, std::function<void()> stop) : abort_(abort), before_(std::move(abort.stop_)) {
      abort.stop_ = std::move(stop);
    }
    ~Scope() { abort_.stop_ = std::move(before_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Abort& abort_;
    std::function<void()> before_;
  };

 private:
  bool aborted_ = false;
  std::function<void()> stop_;
};

/// Resolves, connects, goes through the proxy, speaks TLS; at `until` at the latest. Addresses are tried in the
/// resolver's order, each for at most a third of the time. I/O thread only.
Task<Connected> connectTo(const Route& route, asio::io_context& io, Resolver& resolver, WireCounts& counts,
                          Clock::time_point until, Abort& abort);

}  // namespace computesdk::net
