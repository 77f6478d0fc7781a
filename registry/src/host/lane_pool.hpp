#pragma once

#include "operations.hpp"

#include <pthread.h>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

namespace computesdk::registry::host {

struct PoolLimits {
  std::array<std::size_t, 2> threads = {256, 16};    ///< by Lane
  std::array<std::size_t, 2> waiting = {1024, 256};  ///< jobs that may wait for a thread, by Lane
  std::size_t stackBytes = std::size_t{1} << 20;
};

/// One plug-in's threads in two lanes, so that what is short never waits behind streams. Threads are made when there is
/// work and no idle one, and joined by the destructor, but for those that were written off. Thread-safe.
class LanePool {
 public:
  struct Job {
    csdk_call call = 0;
    Op op = Op::open;
    const void* args = nullptr;
  };

  /// `run` does a job; it must not throw, and must not touch the pool's owner once its call was written off.
  LanePool(std::string name, PoolLimits limits, std::function<void(const Job&)> run);
  ~LanePool();
  LanePool(const LanePool&) = delete;
  LanePool& operator=(const LanePool&) = delete;

  /// False when too many jobs wait already.
  bool submit(Lane lane, const Job& job);
  /// Takes a job back that no thread has begun. False when one has.
  bool withdraw(Lane lane, csdk_call call);
  /// Gives up the thread that is stuck in this call: it ends when it comes back, and another may take its place.
  void writeOff(csdk_call call);
  /// Threads that were written off and have not come back.
  [[nodiscard]] std::size_t stuck() const;

 private:
  struct State;
  struct Worker {
    std::shared_ptr<State> state;
    Lane lane;
    pthread_t thread{};
    csdk_call call = 0;
    bool writtenOff = false;
  };
  struct LaneState {
    std::deque<Job> jobs;
    std::list<Worker> workers;
    std::size_t idle = 0;
    std::condition_variable work;
  };
  struct State {
    mutable std::mutex mutex;
    std::array<LaneState, 2> lanes;
    std::list<Worker> writtenOff;
    std::function<void(const Job&)> run;
    PoolLimits limits;
    std::string name;
    bool stopping = false;
  };

  static bool addWorker(const std::shared_ptr<State>& state, Lane lane);
  static void* enter(void* worker);
  static void serve(Worker& worker);
  static void forget(State& state, const Worker& worker);

  std::shared_ptr<State> state_;
};

}  // namespace computesdk::registry::host
