#pragma once

#include <computesdk/serving/loop.hpp>
#include <memory>
#include <string>

#include "core/spawn.hpp"
#include "socket/hub.hpp"

namespace computesdk::sandboxd {

/// Lets a process that writes faster than all its listeners read wait for them. A listener that keeps up sets the pace:
/// slower ones beside it are dropped when too much waits for them. Loop's thread only.
class Throttle {
 public:
  Throttle(serving::Loop& loop, Hub& hub, std::string channel) : loop_(loop), hub_(hub), channel_(std::move(channel)) {}

  /// Call after each publication of what `process` wrote.
  void look(const std::shared_ptr<Process>& process) {
    if (paused_ || !process || !hub_.congested(channel_)) return;
    paused_ = true;
    process->pauseOutput(true);
    again(process);
  }

 private:
  void again(const std::weak_ptr<Process>& weak) {
    timer_ = loop_.after(std::chrono::milliseconds(10), [this, weak] {
      const auto process = weak.lock();
      if (process && hub_.congested(channel_)) return again(process);
      paused_ = false;
      if (process) process->pauseOutput(false);
    });
  }

  serving::Loop& loop_;
  Hub& hub_;
  const std::string channel_;
  bool paused_ = false;
  serving::Timer timer_;
};

}  // namespace computesdk::sandboxd
