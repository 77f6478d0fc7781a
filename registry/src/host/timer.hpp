#pragma once

#include <computesdk/plugin.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace computesdk::registry::host {

/// Runs functions at a time. One thread for the whole process, started with the first timer and never ended.
/// Thread-safe.
class TimerService {
 public:
  static TimerService& instance();

  /// Runs `fn` once at `atNs` of the monotonic clock; it must not block. Never 0. 0: too many timers.
  std::uint64_t start(std::int64_t atNs, std::function<void()> fn);
  /// Afterwards the function is not running and will not; from within the function itself it does not wait. False when
  /// it ran already.
  bool cancel(std::uint64_t timer);

 private:
  using Key = std::pair<std::int64_t, std::uint64_t>;  ///< when, number

  TimerService() = default;
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_, idle_;
  std::map<Key, std::function<void()>> pending_;
  std::unordered_map<std::uint64_t, std::int64_t> when_;
  std::uint64_t next_ = 1, running_ = 0;
  std::int64_t sleepsUntil_ =
      std::numeric_limits<std::int64_t>::max();  ///< while the thread waits: woken only for less
  bool started_ = false;
  std::thread::id thread_;
};

/// The host's csdk.timer/1.
extern const csdk_timer_ext kTimerExtension;

}  // namespace computesdk::registry::host
