#pragma once

#include "answer.hpp"
#include "failure.hpp"

#include <computesdk/plugin.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace computesdk::net {

/// How long an answer asks to wait: `retry-after-ms`, or Retry-After in seconds or as a date. `wallMs`: now.
std::optional<std::chrono::milliseconds> retryAfter(const Headers& headers, std::int64_t wallMs);

/// Decides about another attempt, by the policy that the plug-in attached. Attempts are spaced by 250 ms doubled each
/// time up to 10 s, of which a random part up to a half is left out, or as the peer asks.
class RetryPolicy {
 public:
  using Clock = std::chrono::steady_clock;
  using Pause = std::optional<std::chrono::milliseconds>;  ///< nothing: no further attempt

  /// `deadline`: of the call; without one, and without a total of the policy's own, at most kUnlimited is spent.
  RetryPolicy(const csdk_http_retry& policy, Clock::time_point begin, std::optional<Clock::time_point> deadline);

  static constexpr auto kUnlimited = std::chrono::seconds(60);

  [[nodiscard]] bool idempotent() const noexcept { return mode_ == CSDK_HTTP_RETRY_IDEMPOTENT; }
  /// The request's body is gone: no attempt after this one.
  void forbid() noexcept { mode_ = CSDK_HTTP_RETRY_NONE; }

  /// After a failure that came before the head of an answer. `attempts`: made so far.
  Pause afterFailure(const Failure& failure, std::uint32_t attempts, Clock::time_point now);
  /// After an answer's head that nobody has seen yet.
  Pause afterStatus(int status, std::optional<std::chrono::milliseconds> asked, std::uint32_t attempts,
                    Clock::time_point now);

 private:
  Pause within(std::chrono::milliseconds pause, std::uint32_t attempts, Clock::time_point now) const;
  std::chrono::milliseconds backoff(std::uint32_t attempts);
  std::uint64_t random(std::uint64_t below) { return std::uniform_int_distribution<std::uint64_t>(0, below)(random_); }

  std::uint32_t mode_, maxAttempts_;
  std::vector<std::uint16_t> statuses_;
  Clock::time_point end_;
  std::minstd_rand random_;
};

}  // namespace computesdk::net
