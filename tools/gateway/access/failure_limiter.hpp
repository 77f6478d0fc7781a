#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>

namespace computesdk::gateway {

/// Slows down whoever guesses keys: after some failures of one address its further failures are answered with 429. A
/// right key is never held up by it. Thread-safe.
class FailureLimiter {
 public:
  FailureLimiter(std::size_t most, std::chrono::seconds window) : most_(most), window_(window) {}

  /// Counts a failure. How long the address should wait; zero: it may go on.
  std::chrono::milliseconds fail(const std::string& address, std::chrono::steady_clock::time_point now);

 private:
  struct Failures {
    std::size_t count = 0;
    std::chrono::steady_clock::time_point since;
  };
  static constexpr std::size_t kMaxAddresses = 10'000;
  const std::size_t most_;
  const std::chrono::seconds window_;
  std::mutex mutex_;
  std::map<std::string, Failures> failures_;
};

}  // namespace computesdk::gateway
