// A connection to a message bus: authenticated, one call at a time.
#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <string_view>

#include "../engine/result.hpp"
#include "../engine/unique_fd.hpp"
#include "bus_message.hpp"

namespace computesdk::local::limits {

// Used by one thread at a time. Every function ends by the deadline given to open: kDeadlineExceeded.
class BusConnection {
 public:
  using Clock = std::chrono::steady_clock;

  // Connects, authenticates as this process's user and says Hello.
  static Result<BusConnection> open(std::string_view address, Clock::time_point deadline);

  // Sends a call and gives its answer. Signals that come meanwhile are kept for nextSignal. An error answer is
  // kUnavailable or kPermissionDenied with the bus's own words.
  Result<BusMessage> call(BusMessage message);
  // The next signal in the order of arrival.
  Result<BusMessage> nextSignal();

 private:
  BusConnection(UniqueFd fd, Clock::time_point deadline) : fd_(std::move(fd)), deadline_(deadline) {}
  Status sendAll(std::string_view bytes);
  Status fill();  // at least one more byte
  Result<std::string> line();
  Status authenticate();
  Result<BusMessage> receive();
  Status wait(short events);

  UniqueFd fd_;
  Clock::time_point deadline_;
  std::string input_;
  std::deque<BusMessage> signals_;
  std::uint32_t serial_ = 0;
};

}  // namespace computesdk::local::limits
