#include "futex.hpp"

#include "stack.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace computesdk::registry::host {

std::int64_t monotonicNs() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

void EventCount::notify() noexcept {
  count_.fetch_add(1, std::memory_order_seq_cst);
  if (waiters_.load(std::memory_order_seq_cst) == 0) return;
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&count_), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void EventCount::wait(std::uint32_t seen, std::int64_t deadlineNs) noexcept {
  const std::int64_t soon = monotonicNs() + kShortWaitNs;
  if (deadlineNs != 0 && deadlineNs <= soon) return waitUntil(seen, deadlineNs);
  waitUntil(seen, soon);
  if (current() != seen || monotonicNs() < soon) return;
#ifndef __SANITIZE_THREAD__
  // Thread sanitizer delivers signals only in functions that it knows, which the raw call is not: there each wait is
  // short.
  releaseUnusedStack();
  waitUntil(seen, deadlineNs);
#endif
}

void EventCount::waitUntil(std::uint32_t seen, std::int64_t deadlineNs) noexcept {
  timespec until{};
  if (deadlineNs != 0) {
    until.tv_sec = deadlineNs / 1'000'000'000;
    until.tv_nsec = deadlineNs % 1'000'000'000;
  }
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  if (count_.load(std::memory_order_seq_cst) == seen) {
    ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&count_), FUTEX_WAIT_BITSET_PRIVATE, seen,
              deadlineNs == 0 ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  }
  waiters_.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace computesdk::registry::host
