// Runs a host program under ptrace and kills one of the processes it leads to at a given system call.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace computesdk::local::testing {

enum class Role : std::uint8_t { kHost, kStarter, kKeeper, kLauncher, kBubblewrap, kInit, kCommand };
// Who cloned whom tells the roles apart: each is the child of the one before.
using Lineage = std::vector<Role>;
Lineage lineage(bool bubblewrap);
const char* toString(Role role);

struct Walk {
  bool killed = false;  // false: the victim ended before it came to that stop
  int hostCode = -1;    // exit code of the host, -1: it did not exit
  std::string alive;    // who lived on when the patience ended, empty: nobody. They are killed then
};

// Forks; the child runs `host` and exits with its result. SIGKILLs the first process of the role `victim` at its
// `stop`-th stop (counted from 1; each system call has two, at its entry and at its end), lets all others go on, and
// returns when none of them is left, also of those that lost their parent. A victim of stop 0 is never killed.
//
// Not thread-safe: reaps every child of this process, and makes it their reaper of orphans.
Walk walk(const std::function<int()>& host, const Lineage& roles, Role victim, int stop);

// Waits until this process has no child left. Who is still there after `seconds`: "" for nobody. They are killed then.
std::string awaitNobody(int seconds);

}  // namespace computesdk::local::testing
