#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace computesdk::registry::host {

/// Of two calls that hand back a token for the same sandbox, the one that started later wins. Thread-safe.
class TokenOrder {
 public:
  /// The place of a call that starts now.
  std::uint64_t start() noexcept { return next_.fetch_add(1, std::memory_order_relaxed); }

  /// Whether no call that started after `place` has given a token for the sandbox; from now on this one has.
  bool claim(std::string_view sandboxId, std::uint64_t place) {
    std::lock_guard lock(mutex_);
    // Forgetting can only let an old token through where two calls overlap across the moment of forgetting.
    if (newest_.size() >= kRemembered) newest_.clear();
    auto known = newest_.find(sandboxId);
    if (known == newest_.end()) {
      newest_.emplace(sandboxId, place);
      return true;
    }
    if (known->second > place) return false;
    known->second = place;
    return true;
  }

 private:
  static constexpr std::size_t kRemembered = 10'000;
  std::atomic<std::uint64_t> next_{1};
  std::mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> newest_;
};

}  // namespace computesdk::registry::host
