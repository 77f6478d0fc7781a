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

/// Ports of listening sockets by the inode of the socket.
using SocketPorts = std::map<std::uint64_t, std::uint16_t>;

/// Inode of each listening socket in a table of the form of /proc/net/tcp or tcp6, and its port. Lines that make no
/// sense are skipped.
void addListeningSockets(std::string_view table, SocketPorts& byInode);

/// Reads `proc` (a mounted proc filesystem). Thread-safe.
class PortScanner {
 public:
  explicit PortScanner(std::string proc = "/proc") : proc_(std::move(proc)) {}

  /// Every listening socket of the machine (its network namespace): inode and port.
  [[nodiscard]] SocketPorts listening() const;
  /// Those of `sockets` that any of the processes holds, by port. Processes that are gone or not ours to look at count
  /// for nothing.
  [[nodiscard]] std::set<std::uint16_t> portsOf(const std::vector<pid_t>& pids, const SocketPorts& sockets) const;
  /// This program sees the processes of a namespace that is not the machine's.
  [[nodiscard]] bool inOwnNamespace() const;

 private:
  std::string proc_;
};

/// Whether a server could listen on the port on all addresses, IPv4 and (if the machine has it) IPv6.
bool portIsFree(std::uint16_t port) noexcept;

}  // namespace computesdk::sandboxd
