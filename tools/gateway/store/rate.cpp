#include "store/rate.hpp"

#include <algorithm>

namespace computesdk::gateway {
namespace {

/// What is used of the limit, times the window.
std::int64_t used(const RateWindow& state, std::int64_t elapsed, std::int64_t window) {
  return state.count * window + state.before * (window - elapsed);
}

/// Milliseconds into a window until `before` of the one before weighs at most `room`.
std::int64_t fadesTo(std::int64_t before, std::int64_t room, std::int64_t window) {
  if (before <= room) return 0;
  return (window * (before - room) + before - 1) / before;
}

}  // namespace

RateWindow RateWindow::at(std::int64_t nowMs, std::int64_t windowMs) const {
  const std::int64_t current = nowMs / windowMs;
  if (current == index) return *this;
  return {current, 0, current == index + 1 ? count : 0};
}

bool RateWindow::admits(std::int64_t nowMs, std::int64_t limit, std::int64_t windowMs) const {
  return used(*this, nowMs % windowMs, windowMs) + windowMs <= limit * windowMs;
}

RateAnswer rateAnswer(const RateWindow& state, bool allowed, std::int64_t nowMs, std::int64_t limit,
                      std::int64_t windowMs) {
  const std::int64_t elapsed = nowMs % windowMs;
  RateAnswer answer;
  answer.allowed = allowed;
  answer.remaining = std::max<std::int64_t>(0, limit - (used(state, elapsed, windowMs) + windowMs - 1) / windowMs);
  if (allowed) return answer;
  const std::int64_t room = limit - 1;
  if (room < 0) {
    answer.retryAfterMs = windowMs;
  } else if (state.count <= room) {
    answer.retryAfterMs = fadesTo(state.before, room - state.count, windowMs) - elapsed;
  } else {
    answer.retryAfterMs = windowMs - elapsed + fadesTo(state.count, room, windowMs);
  }
  answer.retryAfterMs = std::max<std::int64_t>(1, answer.retryAfterMs);
  return answer;
}

}  // namespace computesdk::gateway
