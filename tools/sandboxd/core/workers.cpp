#include "core/workers.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace computesdk::sandboxd {

/// Threads hold the state, so that one that leaves by itself needs no owner.
struct Workers::State {
  explicit State(std::size_t threads) : limit(threads) {}

  std::mutex mutex;
  std::condition_variable work, left;
  std::deque<std::function<void()>> tasks;
  const std::size_t limit;
  std::size_t threads = 0, idle = 0;
  bool stopped = false;

  void serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      ++idle;
      const bool woken = work.wait_for(lock, std::chrono::seconds(20), [this] { return stopped || !tasks.empty(); });
      --idle;
      if (!woken || stopped) break;
      auto task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    }
    --threads;
    left.notify_all();
  }
};

Workers::Workers(std::size_t threads) : state_(std::make_shared<State>(threads)) {}

Workers::~Workers() { stop(); }

void Workers::run(std::function<void()> task) {
  bool more = false;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopped) return;
    state_->tasks.push_back(std::move(task));
    more = state_->tasks.size() > state_->idle && state_->threads < state_->limit;
    if (more) ++state_->threads;
  }
  state_->work.notify_one();
  if (!more) return;
  try {
    std::thread([state = state_] { state->serve(); }).detach();
  } catch (const std::system_error&) {
    // No thread to be had: those that are there do it; the very first one must exist, so it is done here.
    std::unique_lock lock(state_->mutex);
    if (--state_->threads > 0 || state_->tasks.empty()) return;
    auto last = std::move(state_->tasks.back());
    state_->tasks.pop_back();
    lock.unlock();
    last();
  }
}

void Workers::stop() {
  std::deque<std::function<void()>> dropped;
  std::unique_lock lock(state_->mutex);
  state_->stopped = true;
  dropped.swap(state_->tasks);
  state_->work.notify_all();
  state_->left.wait(lock, [this] { return state_->threads == 0; });
}

}  // namespace computesdk::sandboxd
