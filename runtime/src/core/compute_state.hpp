#pragma once

#include <computesdk/compute.hpp>

#include "core/setup.hpp"

#include <memory>
#include <mutex>

namespace computesdk::detail {

/// What Compute and its handles share: the configuration in force. Thread-safe.
class ComputeState {
 public:
  explicit ComputeState(Seams seams)
      : seams_(std::move(seams)), setup_(std::make_shared<Setup>(ComputeConfig{}, seams_)) {}

  [[nodiscard]] std::shared_ptr<Setup> setup() const {
    std::lock_guard lock(mutex_);
    return setup_;
  }
  void replace(std::shared_ptr<Setup> setup) {
    std::lock_guard lock(mutex_);
    setup_ = std::move(setup);
  }
  [[nodiscard]] const Seams& seams() const noexcept { return seams_; }

 private:
  const Seams seams_;
  mutable std::mutex mutex_;
  std::shared_ptr<Setup> setup_;
};

}  // namespace computesdk::detail
