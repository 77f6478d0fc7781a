#include "lane_pool.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace computesdk::registry::host {

LanePool::LanePool(std::string name, PoolLimits limits, std::function<void(const Job&)> run)
    : state_(std::make_shared<State>()) {
  state_->name = std::move(name);
  state_->limits = limits;
  state_->run = std::move(run);
}

LanePool::~LanePool() {
  std::list<Worker> workers;
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    for (LaneState& lane : state_->lanes) {
      lane.work.notify_all();
      workers.splice(workers.end(), lane.workers);
    }
  }
  for (Worker& worker : workers) ::pthread_join(worker.thread, nullptr);
}

bool LanePool::submit(Lane lane, const Job& job) {
  const auto index = static_cast<std::size_t>(lane);
  LaneState& place = state_->lanes[index];
  std::lock_guard lock(state_->mutex);
  if (place.jobs.size() >= place.idle && place.workers.size() < state_->limits.threads[index]) addWorker(state_, lane);
  if (place.workers.empty() || place.jobs.size() >= state_->limits.waiting[index]) return false;
  place.jobs.push_back(job);
  place.work.notify_one();
  return true;
}

bool LanePool::withdraw(Lane lane, csdk_call call) {
  std::lock_guard lock(state_->mutex);
  return std::erase_if(state_->lanes[static_cast<std::size_t>(lane)].jobs,
                       [call](const Job& job) { return job.call == call; }) != 0;
}

void LanePool::writeOff(csdk_call call) {
  std::lock_guard lock(state_->mutex);
  for (LaneState& lane : state_->lanes) {
    for (auto worker = lane.workers.begin(); worker != lane.workers.end(); ++worker) {
      if (worker->call != call) continue;
      worker->writtenOff = true;
      ::pthread_detach(worker->thread);
      state_->writtenOff.splice(state_->writtenOff.end(), lane.workers, worker);
      return;
    }
  }
}

std::size_t LanePool::stuck() const {
  std::lock_guard lock(state_->mutex);
  return state_->writtenOff.size();
}

bool LanePool::addWorker(const std::shared_ptr<State>& state, Lane lane) {
  LaneState& place = state->lanes[static_cast<std::size_t>(lane)];
  Worker& worker = place.workers.emplace_back(Worker{.state = state, .lane = lane});
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, state->limits.stackBytes);
  const bool made = ::pthread_create(&worker.thread, &attributes, &LanePool::enter, &worker) == 0;
  ::pthread_attr_destroy(&attributes);
  if (!made) place.workers.pop_back();
  return made;
}

void* LanePool::enter(void* worker) {
  serve(*static_cast<Worker*>(worker));
  return nullptr;
}

void LanePool::serve(Worker& worker) {
  const std::shared_ptr<State> state = worker.state;
  char name[16];
  std::snprintf(name, sizeof name, "%s-%s", worker.lane == Lane::streams ? "str" : "ctl", state->name.c_str());
  ::pthread_setname_np(::pthread_self(), name);
  LaneState& lane = state->lanes[static_cast<std::size_t>(worker.lane)];
  std::unique_lock lock(state->mutex);
  for (;;) {
    while (lane.jobs.empty() && !state->stopping) {
      ++lane.idle;
      lane.work.wait(lock);
      --lane.idle;
    }
    if (lane.jobs.empty()) return;
    const Job job = lane.jobs.front();
    lane.jobs.pop_front();
    worker.call = job.call;
    lock.unlock();
    state->run(job);
    lock.lock();
    worker.call = 0;
    if (worker.writtenOff) return forget(*state, worker);
  }
}

void LanePool::forget(State& state, const Worker& worker) {
  state.writtenOff.remove_if([&worker](const Worker& other) { return &other == &worker; });
}

}  // namespace computesdk::registry::host
