// Who descends from whom, read from /proc.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace computesdk::sandboxd {

struct ProcessEntry {
  pid_t pid = 0, parent = 0, group = 0;
  char state = '?';  ///< 'Z' is a zombie
};

/// Reads the text of /proc/PID/stat; the name in it may hold anything.
std::optional<ProcessEntry> parseStat(std::string_view text);

/// Every process below `ancestor`, itself not among them. Empty when /proc cannot be read.
std::vector<ProcessEntry> descendantsOf(pid_t ancestor);

/// Stops whatever `next` names until it names nothing new, so that nothing forks away between being seen and being
/// killed; then kills it all. Entries of zombies are passed over.
void stopAndKill(const std::function<std::vector<ProcessEntry>()>& next);

/// /proc is mounted and shows this process.
bool procIsMounted();

}  // namespace computesdk::sandboxd
