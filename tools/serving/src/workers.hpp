#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace computesdk::serving {

/// Threads for work that blocks, started when there is something to do, with a bounded queue. Any thread.
class Workers {
 public:
  Workers(std::size_t threads, std::size_t queue) : most_(threads), room_(queue) {}
  /// Drops what waits and joins what runs.
  ~Workers() { stop(); }

  /// False when the queue is full, or after stop().
  bool add(std::function<void()> job);
  void stop();
  [[nodiscard]] std::size_t waiting() const;

 private:
  void serve();

  const std::size_t most_;
  const std::size_t room_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool stopped_ = false;
};

}  // namespace computesdk::serving
