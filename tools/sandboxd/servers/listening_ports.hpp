// Which TCP ports processes listen on, as /proc tells.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::sandboxd {

/// A process as /proc/PID/stat describes it.
struct ProcessEntry {
  pid_t pid = 0;
  pid_t parent = 0;
};

/// Inode of each listening socket in a table of the form of /proc/net/tcp or tcp6, and its port. Lines that make no
/// sense are skipped.
void addListeningSockets(std::string_view table, std::map<std::uint64_t, std::uint16_t>& byInode);

/// The entry of a line of /proc/PID/stat; pid 0 when it makes no sense. The program's name may hold anything.
ProcessEntry parseProcessEntry(std::string_view stat) noexcept;

/// Reads `proc` (a mounted proc filesystem). Thread-safe.
class PortScanner {
 public:
  explicit PortScanner(std::string proc = "/proc") : proc_(std::move(proc)) {}

  /// Ports on which any of the processes listens, in order. Processes that are gone or not ours to look at count for
  /// nothing.
  [[nodiscard]] std::set<std::uint16_t> portsOf(const std::vector<pid_t>& pids) const;
  /// All processes that can be seen.
  [[nodiscard]] std::vector<ProcessEntry> processes() const;
  /// Everything that descends from `root`, itself apart.
  [[nodiscard]] std::vector<pid_t> descendantsOf(pid_t root) const;
  /// This program sees the processes of a namespace that is not the machine's.
  [[nodiscard]] bool inOwnNamespace() const;

 private:
  std::string proc_;
};

/// Whether a server could listen on the port on all addresses, IPv4 and (if the machine has it) IPv6.
bool portIsFree(std::uint16_t port) noexcept;

}  // namespace computesdk::sandboxd
