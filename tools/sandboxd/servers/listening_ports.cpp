#include "servers/listening_ports.hpp"

#include "core/unique_fd.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>

namespace computesdk::sandboxd {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

std::string readProcFile(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!fd) return text;
  char chunk[16384];
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk, sizeof chunk);
    if (got > 0) text.append(chunk, static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) return text;
  }
}

std::string_view nextWord(std::string_view& line) noexcept {
  const std::size_t first = line.find_first_not_of(' ');
  if (first == std::string_view::npos) return line = {};
  const std::size_t end = line.find(' ', first);
  const std::string_view word = line.substr(first, end == std::string_view::npos ? end : end - first);
  line = end == std::string_view::npos ? std::string_view() : line.substr(end);
  return word;
}

template <typename Number>
std::optional<Number> numberIn(std::string_view word, int base = 10) noexcept {
  Number number{};
  const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), number, base);
  if (problem != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return number;
}

/// "0100007F:1F90" -> 8080.
std::optional<std::uint16_t> portOfAddress(std::string_view address) noexcept {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  return numberIn<std::uint16_t>(address.substr(colon + 1), 16);
}

}  // namespace

void addListeningSockets(std::string_view table, SocketPorts& byInode) {
  while (!table.empty()) {
    const std::size_t end = table.find('\n');
    std::string_view line = table.substr(0, end);
    table = end == std::string_view::npos ? std::string_view() : table.substr(end + 1);
    nextWord(line);  // number
    const auto port = portOfAddress(nextWord(line));
    nextWord(line);                                                // other end
    if (nextWord(line) != "0A") continue;                          // TCP_LISTEN
    for (int skipped = 0; skipped < 5; ++skipped) nextWord(line);  // queues, timer, retransmissions, uid, timeout
    const auto inode = numberIn<std::uint64_t>(nextWord(line));
    if (port && inode && *inode != 0) byInode[*inode] = *port;
  }
}

SocketPorts PortScanner::listening() const {
  SocketPorts byInode;
  addListeningSockets(readProcFile(proc_ + "/net/tcp"), byInode);
  addListeningSockets(readProcFile(proc_ + "/net/tcp6"), byInode);
  return byInode;
}

std::set<std::uint16_t> PortScanner::portsOf(const std::vector<pid_t>& pids, const SocketPorts& sockets) const {
  std::set<std::uint16_t> ports;
  if (sockets.empty()) return ports;
  for (const pid_t pid : pids) {
    const std::string path = proc_ + "/" + std::to_string(pid) + "/fd";
    const Folder folder(::opendir(path.c_str()));
    if (!folder) continue;
    while (const dirent* item = ::readdir(folder.get())) {
      char target[64];
      const ssize_t length = ::readlinkat(::dirfd(folder.get()), item->d_name, target, sizeof target);
      std::string_view link(target, length > 0 ? static_cast<std::size_t>(length) : 0);
      if (!link.starts_with("socket:[") || !link.ends_with("]")) continue;
      link = link.substr(8, link.size() - 9);
      const auto inode = numberIn<std::uint64_t>(link);
      const auto socket = inode ? sockets.find(*inode) : sockets.end();
      if (socket != sockets.end()) ports.insert(socket->second);
    }
  }
  return ports;
}

bool PortScanner::inOwnNamespace() const {
  // The machine's first namespace of processes has a fixed inode (PROC_PID_INIT_INO).
  constexpr ino_t kFirstNamespace = 0xeffffffcU;
  struct stat info {};
  return ::stat((proc_ + "/self/ns/pid").c_str(), &info) == 0 && info.st_ino != kFirstNamespace;
}

bool portIsFree(std::uint16_t port) noexcept {
  // The IPv6 socket takes IPv6 only, so that the IPv4 one does not stand in its way.
  for (const int family : {AF_INET, AF_INET6}) {
    const UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) continue;
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int refused = 0;
    if (family == AF_INET) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      refused = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    } else {
      ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(port);
      refused = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    if (refused != 0 && (errno == EADDRINUSE || errno == EACCES)) return false;
  }
  return true;
}

}  // namespace computesdk::sandboxd
