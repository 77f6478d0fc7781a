#pragma once

#include <computesdk/plugin.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

namespace computesdk::registry::host {

/// Lets one call at a time through for each key, for plug-ins that say so. Thread-safe.
class SerialGate {
 public:
  /// Waits for the key. CSDK_OK; CSDK_CANCELLED when `stop` fired; CSDK_DEADLINE_EXCEEDED at `deadlineNs` (0: none);
  /// CSDK_UNAVAILABLE when a call that was given up still holds it.
  csdk_status enter(std::string_view key, const std::stop_token& stop, std::int64_t deadlineNs);
  void leave(std::string_view key);
  /// The call that holds the key was given up; leave comes when the plug-in returns, if ever.
  void markStuck(std::string_view key);

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, bool, std::less<>> held_;  ///< key -> stuck
};

}  // namespace computesdk::registry::host
