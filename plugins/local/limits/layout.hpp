// Where this process stands in the machine's control groups.
#pragma once

#include <array>
#include <string>

#include "file_tree.hpp"
#include "settings.hpp"

namespace computesdk::local::limits {

struct Layout {
  GroupKind kind = GroupKind::kNone;
  // The folder of this process's own group, one a controller; empty where the controller is not to be had. On v2
  // all are the same folder.
  std::array<std::string, kControllers> own;
  std::string unifiedMount;  // where v2 is mounted with its whole tree in sight; "" if it is not
  std::string why;           // of kNone: what is missing

  const std::string& of(Controller controller) const { return own[static_cast<std::size_t>(controller)]; }
  bool has(Controller controller) const { return !of(controller).empty(); }
};

// From /proc/self/mountinfo and /proc/self/cgroup. A mount that shows only a part of the tree (a container's) is
// understood; a group that lies outside of what is mounted counts as absent. Never fails: kNone says why.
Layout findLayout(FileTree& tree);

}  // namespace computesdk::local::limits
