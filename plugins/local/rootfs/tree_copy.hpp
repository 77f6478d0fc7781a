// A faithful copy of a tree that overlays understand.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "../engine/result.hpp"

namespace computesdk::local::rootfs {

struct CopyBudget {
  std::uint64_t bytes, files;       // still allowed
  std::function<bool()> cancelled;  // asked before each entry and each few MiB; may be empty
  std::uint64_t copiedBytes = 0, copiedFiles = 0;
};

// Copies what is in the open folder `from` into the open, empty folder `to`. Kept: content with holes (FICLONE where
// there is reflink), modes, times, symlinks, hard links within the tree, user.* attributes, overlay whiteouts. Left
// out: sockets, pipes, devices. Owners become the caller's. kResourceExhausted beyond the budget, kCancelled.
Status copyTree(int from, int to, CopyBudget& budget);

}  // namespace computesdk::local::rootfs
