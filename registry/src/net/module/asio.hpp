#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

// What the module uses of Asio. Everything here runs on the module's one I/O thread unless it says otherwise.
namespace computesdk::net {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

template <class T>
using Task = asio::awaitable<T>;

/// `co_await something(quietly)` answers an error_code instead of throwing it.
inline constexpr auto quietly = asio::as_tuple(asio::use_awaitable);

/// One coroutine waits here until another piece of code on the I/O thread opens the gate. An opening that nobody waited
/// for counts for the next wait.
class Gate {
 public:
  explicit Gate(asio::io_context& io) : timer_(io, Clock::time_point::max()) {}

  void open() {
    open_ = true;
    timer_.cancel();
  }
  Task<void> wait() {
    while (!open_) {
      timer_.expires_at(Clock::time_point::max());
      co_await timer_.async_wait(quietly);
    }
    open_ = false;
  }
  /// True when it was opened before `until`.
  Task<bool> waitUntil(Clock::time_point until) {
    while (!open_ && Clock::now() < until) {
      timer_.expires_at(until);
      co_await timer_.async_wait(quietly);
    }
    co_return std::exchange(open_, false);
  }

 private:
  asio::steady_timer timer_;
  bool open_ = false;
};

/// Runs a function at a time, unless it goes out of scope before.
class Watchdog {
 public:
  Watchdog(asio::io_context& io, Clock::time_point until, std::function<void()> bark)
      : state_(std::make_shared<State>()), timer_(io, until) {
    state_->bark = std::move(bark);
    // A timer that ran out but whose handler has not run yet cannot be called back; the state says that nobody is left.
    timer_.async_wait([state = state_](error_code error) {
      if (error || !state->bark) return;
      state->fired = true;
      state->bark();
    });
  }
  ~Watchdog() { state_->bark = nullptr; }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  [[nodiscard]] bool fired() const noexcept { return state_->fired; }

 private:
  struct State {
    std::function<void()> bark;
    bool fired = false;
  };
  std::shared_ptr<State> state_;
  asio::steady_timer timer_;
};

}  // namespace computesdk::net
