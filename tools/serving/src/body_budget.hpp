#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace computesdk::serving {

/// What the request bodies that a server holds may take of memory, all together. Any thread.
class BodyBudget {
 public:
  /// 0: no limit.
  explicit BodyBudget(std::uint64_t most) noexcept : most_(most) {}

  /// False: so many bytes more are not to be had; nothing is taken then.
  [[nodiscard]] bool take(std::uint64_t bytes) noexcept {
    const std::uint64_t before = held_.fetch_add(bytes, std::memory_order_relaxed);
    if (most_ == 0 || before + bytes <= most_) return true;
    give(bytes);
    return false;
  }
  void give(std::uint64_t bytes) noexcept { held_.fetch_sub(bytes, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t held() const noexcept { return held_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t most_;
  std::atomic<std::uint64_t> held_{0};
};

/// The share of one request's body, given back when the last copy of the request is gone.
class BodyShare {
 public:
  explicit BodyShare(std::shared_ptr<BodyBudget> budget) noexcept : budget_(std::move(budget)) {}
  ~BodyShare() { budget_->give(bytes_); }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;

  [[nodiscard]] bool grow(std::uint64_t bytes) noexcept {
    if (!budget_->take(bytes)) return false;
    bytes_ += bytes;
    return true;
  }

 private:
  const std::shared_ptr<BodyBudget> budget_;
  std::uint64_t bytes_ = 0;
};

}  // namespace computesdk::serving
