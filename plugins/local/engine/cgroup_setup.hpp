// Finds and prepares a place in the cgroup tree below which a launcher may make a cgroup a sandbox.
#pragma once

#include <cstdint>
#include <string>

#include "../protocol/wire.hpp"
#include "unique_fd.hpp"

namespace computesdk::local {

// Where the kernel shows its state; tests put a tree of their own here.
struct CgroupView {
  std::string mountInfo = "/proc/self/mountinfo";
  std::string ownCgroup = "/proc/self/cgroup";
  std::string prefix;  // before every mount point
};

struct CgroupPlace {
  protocol::CgroupKind kind = protocol::CgroupKind::kNone;
  UniqueFd memory, cpu;  // locked folders: the lock lives as long as a launcher holds them
};

// kNone when nothing may be written. `owner` becomes the owner of the new folders (as root). Removes what dead
// launchers left.
CgroupPlace prepareCgroups(const CgroupView& view, std::uint32_t owner);

}  // namespace computesdk::local
