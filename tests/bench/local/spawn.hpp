// The baselines: commands started by posix_spawn, with the pipes that any caller who wants the output needs.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace computesdk::bench {

using Clock = std::chrono::steady_clock;

struct Spawned {
  int exitCode = -1;
  std::string output;
};

// Runs argv with stdout and stderr on pipes, reads both to their end and waits. `environment` empty: nothing is passed.
Spawned spawnAndWait(const std::vector<std::string>& argv, const std::vector<std::string>& environment = {});

// argv of bubblewrap with a private root of the same shape as the local provider's: own namespaces, read-only /usr, a
// tmpfs for what is writable.
std::vector<std::string> bubblewrap(const std::vector<std::string>& command);

// The program's path in $PATH, empty when it is not installed.
std::string findProgram(const std::string& name);

}  // namespace computesdk::bench
