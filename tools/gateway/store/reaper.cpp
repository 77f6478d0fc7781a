#include "store/reaper.hpp"

namespace computesdk::gateway {

Reaper::Reaper(std::shared_ptr<Store> store, ProviderCalls calls, Options options)
    : store_(std::move(store)), calls_(std::move(calls)), options_(std::move(options)) {}

Reaper::~Reaper() { stop(); }

Result<Reaper::Outcome> Reaper::runOnce() { return look({}); }

Result<Reaper::Outcome> Reaper::look(const std::stop_token& stop) {
  Outcome outcome;
  while (!stop.stop_requested()) {
    // One at a time: its lease is for it alone, and other gateways get their share.
    auto taken = store_->takeDue(1, options_.lease);
    if (!taken) return std::move(taken).error();
    if (taken->empty()) break;
    const SandboxRecord& record = taken->front();
    auto destroyed = calls_.destroy(record);
    if (destroyed) {
      if (auto removed = store_->remove(record.id, record.lease); !removed) return std::move(removed).error();
    } else if (auto left = store_->removeFailed(record, options_.pauses); !left) {
      return std::move(left).error();
    }
    ++(destroyed ? outcome.destroyed : outcome.failed);
    if (options_.report) options_.report(record, destroyed ? nullptr : &destroyed.error());
  }
  return outcome;
}

void Reaper::start() {
  for (std::size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
  }
}

void Reaper::stop() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();
}

void Reaper::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    // A store that is away now is asked again at the next look.
    (void)look(stop);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, options_.interval, [] { return false; });
  }
}

}  // namespace computesdk::gateway
