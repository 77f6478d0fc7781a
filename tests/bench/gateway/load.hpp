#pragma once

#include "wire.hpp"

#include <functional>

// Load with a fixed number of callers, each of which asks again as soon as it is answered.
namespace computesdk::bench {

struct Load {
  long long nanoseconds = 0;         ///< from the first request to the last answer
  std::vector<long long> latencies;  ///< of each request, in nanoseconds

  /// Nanoseconds a request: what its rate is the inverse of.
  [[nodiscard]] long long each() const;
  /// `share` 0.5 is the median. Sorts.
  [[nodiscard]] long long quantile(double share);
  /// Takes the samples of another one in.
  void add(const Load& other);
};

/// One connection for each of `requests`, all of them on the calling thread. An answer other than 200 throws Problem,
/// and so does half a minute without any.
Load askInTurn(std::uint16_t port, const std::vector<std::string>& requests, std::chrono::milliseconds time);
/// One thread for each of `calls`.
Load callInTurn(const std::vector<std::function<void()>>& calls, std::chrono::milliseconds time);

}  // namespace computesdk::bench
