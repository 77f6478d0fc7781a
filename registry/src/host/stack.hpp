#pragma once

#include <cstdint>

namespace computesdk::registry::host {

/// A wait that lasts so long may be a long one.
inline constexpr std::int64_t kShortWaitNs = 20'000'000;

/// Gives the memory back that deeper calls of this thread have touched below the caller's frame and nobody uses now:
/// with hundreds of commands waiting at once it is more than all that they need. Two system calls; for a thread that is
/// about to wait for long. Does nothing on the main thread and on stacks that are not the thread's own.
void releaseUnusedStack() noexcept;

}  // namespace computesdk::registry::host
