#include "workers.hpp"

namespace computesdk::serving {

bool Workers::add(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return false;
  if (jobs_.size() >= idle_ && threads_.size() < most_) {
    threads_.emplace_back([this] { serve(); });
  } else if (jobs_.size() >= room_ + idle_) {
    return false;
  }
  jobs_.push_back(std::move(job));
  changed_.notify_one();
  return true;
}

void Workers::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
    --idle_;
    if (stopped_) return;
    {
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
    }
    lock.lock();
  }
}

void Workers::stop() {
  std::vector<std::thread> threads;
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    threads.swap(threads_);
    dropped.swap(jobs_);
    changed_.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
}

std::size_t Workers::waiting() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

}  // namespace computesdk::serving
