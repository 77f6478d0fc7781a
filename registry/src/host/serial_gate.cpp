#include "serial_gate.hpp"

#include <chrono>

namespace computesdk::registry::host {

csdk_status SerialGate::enter(std::string_view key, const std::stop_token& stop, std::int64_t deadlineNs) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] {
    const auto found = held_.find(key);
    return found == held_.end() || found->second;
  };
  if (deadlineNs == 0) {
    changed_.wait(lock, stop, ready);
  } else {
    changed_.wait_until(lock, stop, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(deadlineNs)), ready);
  }
  if (!ready()) return stop.stop_requested() ? CSDK_CANCELLED : CSDK_DEADLINE_EXCEEDED;
  return held_.try_emplace(std::string(key), false).second ? CSDK_OK : CSDK_UNAVAILABLE;
}

void SerialGate::leave(std::string_view key) {
  {
    std::lock_guard lock(mutex_);
    if (auto found = held_.find(key); found != held_.end()) held_.erase(found);
  }
  changed_.notify_all();
}

void SerialGate::markStuck(std::string_view key) {
  {
    std::lock_guard lock(mutex_);
    if (auto found = held_.find(key); found != held_.end()) found->second = true;
  }
  changed_.notify_all();
}

}  // namespace computesdk::registry::host
