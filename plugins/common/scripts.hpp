#pragma once

#include <string_view>

// Small POSIX shell scripts for sandboxes whose service has no method for the thing, run as `sh -c SCRIPT sh
// ARGUMENT…`.
namespace computesdk::vendor {

/// Arguments: signal, pid, "self" or "below". Sends a signal to a process and every descendant, or to the descendants
/// only; prints "none" when there is no such process. "below" waits for the first descendant, which a keeper is about
/// to start. After SIGKILL returns once they are dead, 2 s at most.
extern const std::string_view kSignalTree;

/// Arguments: folder, offset, "follow" or "kept". Writes what a keeper has kept in the files `out` and `err` of the
/// folder /tmp/.computesdk-UID-ARGUMENT from the offset on (counted over `out`, then `err`; below 0: from the end),
/// and, when asked, what comes after for as long as the keeper lives: the process of its file `pid`, or the one whose
/// number is the argument.
extern const std::string_view kFollowKept;

}  // namespace computesdk::vendor
