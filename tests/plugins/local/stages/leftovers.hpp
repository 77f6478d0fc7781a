// What a crash could leave on this machine, apart from processes.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace computesdk::local::testing {

class Leftovers {
 public:
  // Remembers what is there already, and as root gives this thread a mount namespace of its own. `scratch`: the folder
  // in which the registry is. `groups`: whether control groups are used; else those of others are none of our business.
  Leftovers(std::string scratch, bool groups);

  // To be called between a crash and the next start: control groups whose launcher is gone by now.
  void beforeNextStart();
  // To be called after it. One line for each registry entry, file, mount or group that should not be there.
  std::vector<std::string> found() const;

 private:
  std::string scratch_;
  bool looksAtMounts_;
  std::set<std::string> mounts_;
  std::vector<std::string> places_;  // folders in which launchers' groups are made
  std::set<std::string> known_, dead_;
};

}  // namespace computesdk::local::testing
