#include "access/failure_limiter.hpp"

namespace computesdk::gateway {

std::chrono::milliseconds FailureLimiter::fail(const std::string& address, std::chrono::steady_clock::time_point now) {
  std::lock_guard lock(mutex_);
  if (failures_.size() >= kMaxAddresses) {
    std::erase_if(failures_, [&](const auto& each) { return now - each.second.since >= window_; });
    if (failures_.size() >= kMaxAddresses) failures_.clear();
  }
  Failures& known = failures_[address];
  if (known.count == 0 || now - known.since >= window_) known = {0, now};
  ++known.count;
  if (known.count <= most_) return std::chrono::milliseconds(0);
  return std::chrono::ceil<std::chrono::milliseconds>(known.since + window_ - now);
}

}  // namespace computesdk::gateway
