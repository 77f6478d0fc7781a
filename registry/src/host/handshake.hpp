#pragma once

#include "remote_link.hpp"

#include <computesdk/registry/loader.hpp>

#include <functional>

namespace computesdk::registry::host {

/// What a plug-in's process says of the table it read.
struct RemoteHello {
  std::uint64_t present = 0;
  std::uint32_t extendMeaning = 0;
};

/// How long a process may take to load its library; what is slower is ended.
inline constexpr std::int64_t kProbeLimitNs = 2'000'000'000;
inline constexpr std::int64_t kStartLimitNs = 10'000'000'000;

using RemoteLog = std::function<void(std::uint32_t level, std::string_view text)>;

/// The next frame that is no log line, waiting until `deadlineNs`. Errors: E_PLUGIN_LOAD saying how the process ended.
Result<Frame> awaitFrame(RemoteLink& link, const Manifest& manifest, std::int64_t deadlineNs, const RemoteLog& log);

/// Waits for the process to have read the plug-in's table. Errors: E_PLUGIN_LOAD.
Result<RemoteHello> awaitHello(RemoteLink& link, const Manifest& manifest, std::int64_t deadlineNs,
                               const RemoteLog& log);

/// E_PLUGIN_LOAD for a process that ended before it was of use.
ErrorInfo diedWhileLoading(RemoteLink& link, const Manifest& manifest);

}  // namespace computesdk::registry::host
