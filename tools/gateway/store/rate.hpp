#pragma once

#include "store/records.hpp"

#include <cstdint>

namespace computesdk::gateway {

/// A sliding window out of two fixed ones: what was counted in the one before weighs as much as of it is still inside.
struct RateWindow {
  std::int64_t index = 0;  ///< now / window
  std::int64_t count = 0;
  std::int64_t before = 0;  ///< of the window index - 1

  /// The same counts, seen from the window that `now` is in.
  [[nodiscard]] RateWindow at(std::int64_t nowMs, std::int64_t windowMs) const;
  /// Whether one more is let through at `now`; windowIndex is that of `now`.
  [[nodiscard]] bool admits(std::int64_t nowMs, std::int64_t limit, std::int64_t windowMs) const;
};

/// The answer after `state` was brought up to date (and counted, if allowed).
RateAnswer rateAnswer(const RateWindow& state, bool allowed, std::int64_t nowMs, std::int64_t limit,
                      std::int64_t windowMs);

}  // namespace computesdk::gateway
