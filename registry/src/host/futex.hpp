#pragma once

#include <atomic>
#include <cstdint>

namespace computesdk::registry::host {

/// CLOCK_MONOTONIC in nanoseconds, the clock of every deadline here.
std::int64_t monotonicNs() noexcept;

/// A counter that threads can wait on until it changes. std::atomic::wait has no time limit, and a condition variable
/// costs the waker a mutex.
class EventCount {
 public:
  [[nodiscard]] std::uint32_t current() const noexcept { return count_.load(std::memory_order_seq_cst); }
  /// Wakes all waiters. Free of system calls when there are none.
  void notify() noexcept;
  /// Returns once the counter differs from `seen`, or at `deadlineNs` (0: none), or now and then for no reason.
  void wait(std::uint32_t seen, std::int64_t deadlineNs) noexcept;

 private:
  void waitUntil(std::uint32_t seen, std::int64_t deadlineNs) noexcept;

  std::atomic<std::uint32_t> count_{0};
  std::atomic<std::uint32_t> waiters_{0};
};

/// Exclusive, for std::lock_guard. Unlike a mutex it may be held while foreign code takes any number of others, in any
/// order: whoever uses it has shown that no two wait for each other, which checks of the order of locks cannot see.
class Turn {
 public:
  void lock() noexcept {
    while (taken_.exchange(1, std::memory_order_acquire) != 0) taken_.wait(1, std::memory_order_relaxed);
  }
  void unlock() noexcept {
    taken_.store(0, std::memory_order_release);
    taken_.notify_one();
  }

 private:
  std::atomic<int> taken_{0};
};

}  // namespace computesdk::registry::host
