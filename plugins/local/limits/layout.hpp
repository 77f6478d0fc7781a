// Where this process stands in the machine's control groups.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "file_tree.hpp"
#include "settings.hpp"

namespace computesdk::local::limits {

// A v2 group with processes may not hand controllers on, so a host that is alone in its group moves to this one below.
constexpr const char* kHostLeaf = "/computesdk-host";

struct Layout {
  GroupKind kind = GroupKind::kNone;
  // The folder of this process's own group, one a controller; empty where the controller is not to be had. On v2
  // all are `unified`.
  std::array<std::string, kControllers> own;
  std::string unified;       // on v2: the folder of this process's own group, or the one above its leaf kHostLeaf
  std::string unifiedMount;  // where v2 is mounted with its whole tree in sight; "" if it is not
  std::string why;           // of kNone: what is missing

  const std::string& of(Controller controller) const { return own[static_cast<std::size_t>(controller)]; }
  bool has(Controller controller) const { return !of(controller).empty(); }
  // Below which launchers' folders are made, each once.
  std::vector<std::string> places() const;
};

// From /proc/self/mountinfo and /proc/self/cgroup; where the memory controller is v1's, nothing else is read. A mount
// that shows only a part of the tree (a container's) is understood; a group that lies outside of what is mounted
// counts as absent. v2 counts when it has a controller for this process or the memory controller anywhere. Never
// fails: kNone says why.
Layout findLayout(FileTree& tree);

}  // namespace computesdk::local::limits
