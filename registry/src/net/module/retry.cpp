#include "retry.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>

namespace computesdk::net {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirst{250}, kLongest{10'000};
constexpr std::int64_t kMaxAskedMs = std::int64_t{24} * 3600 * 1000;

std::optional<std::int64_t> digits(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

std::optional<std::int64_t> dateMs(const std::string& text) {
  std::tm when{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &when);
  if (end == nullptr || *end != '\0') return {};
  return static_cast<std::int64_t>(::timegm(&when)) * 1000;
}

}  // namespace

std::optional<milliseconds> retryAfter(const Headers& headers, std::int64_t wallMs) {
  const auto bounded = [](std::int64_t ms) { return milliseconds(std::clamp<std::int64_t>(ms, 0, kMaxAskedMs)); };
  if (const std::string* ms = findHeader(headers, "retry-after-ms")) {
    if (const auto value = digits(*ms)) return bounded(*value);
  }
  const std::string* text = findHeader(headers, "retry-after");
  if (text == nullptr) return {};
  if (const auto seconds = digits(*text)) return bounded(std::min(*seconds, kMaxAskedMs / 1000) * 1000);
  if (const auto date = dateMs(*text)) return bounded(*date - wallMs);
  return {};
}

RetryPolicy::RetryPolicy(const csdk_http_retry& policy, Clock::time_point begin,
                         std::optional<Clock::time_point> deadline)
    : mode_(policy.mode),
      maxAttempts_(policy.max_attempts == 0 ? 3 : policy.max_attempts),
      end_(begin + kUnlimited),
      random_(std::random_device{}()) {
  if (policy.statuses.items != nullptr) {
    statuses_.assign(policy.statuses.items, policy.statuses.items + policy.statuses.count);
  }
  if (deadline) end_ = *deadline;
  if (policy.total_ms > 0) {
    const Clock::time_point own = begin + milliseconds(std::min(policy.total_ms, kMaxAskedMs));
    end_ = deadline ? std::min(own, end_) : own;
  }
}

milliseconds RetryPolicy::backoff(std::uint32_t attempts) {
  const std::uint32_t doublings = std::min(attempts - 1, 16U);
  const milliseconds whole = std::min(kLongest, kFirst * (1U << doublings));
  return whole - milliseconds(random(static_cast<std::uint64_t>(whole.count() / 2)));
}

RetryPolicy::Pause RetryPolicy::within(milliseconds pause, std::uint32_t attempts, Clock::time_point now) const {
  if (attempts >= maxAttempts_ || now + pause >= end_) return {};
  return pause;
}

RetryPolicy::Pause RetryPolicy::afterFailure(const Failure& failure, std::uint32_t attempts, Clock::time_point now) {
  if (mode_ == CSDK_HTTP_RETRY_NONE || failure.permanent) return {};
  if (failure.sent && !idempotent()) return {};
  return within(backoff(attempts), attempts, now);
}

RetryPolicy::Pause RetryPolicy::afterStatus(int status, std::optional<milliseconds> asked, std::uint32_t attempts,
                                            Clock::time_point now) {
  if (mode_ == CSDK_HTTP_RETRY_NONE) return {};
  const bool refused = (status == 429 || status == 503) && asked.has_value();
  const bool listed = idempotent() && std::find(statuses_.begin(), statuses_.end(), status) != statuses_.end();
  if (!refused && !listed) return {};
  if (!asked) return within(backoff(attempts), attempts, now);
  // A little later than asked, and not all clients at once.
  return within(*asked + milliseconds(random(static_cast<std::uint64_t>(asked->count() / 10 + 50))), attempts, now);
}

}  // namespace computesdk::net
