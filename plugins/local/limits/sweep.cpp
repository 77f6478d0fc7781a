// Names of launchers' folders, and the removal of those whose launcher is dead.
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <vector>

#include "delegation.hpp"

namespace computesdk::local::limits {
namespace {

constexpr std::string_view kPrefix = "computesdk-";
constexpr auto kPatience = std::chrono::milliseconds(1000);

void killForReal(pid_t pid) { ::kill(pid, SIGKILL); }

// Ends and removes one group and what is below it. True when it is gone.
bool removeTree(FileTree& tree, const std::string& folder, int depth, KillProcess kill) {
  if (depth > 4) return false;
  if (const auto children = tree.folders(folder); children.ok()) {
    for (const std::string& child : *children) removeTree(tree, folder + "/" + child, depth + 1, kill);
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    for (const pid_t pid : processesOf(tree, folder)) {
      if (pid != ::getpid()) kill(pid);
    }
    const Status removed = tree.removeDirectory(folder);
    if (removed.ok() || removed.error().systemError == ENOENT) return true;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (removed.error().systemError != EBUSY || left.count() <= 0) return false;
    tree.waitForExit(folder, left);
  }
}

}  // namespace

std::vector<pid_t> processesOf(FileTree& tree, const std::string& folder) {
  std::vector<pid_t> pids;
  const auto text = tree.read(folder + "/cgroup.procs");
  if (!text.ok()) return pids;
  for (std::size_t at = 0; at < text->size();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    pid_t pid = 0;
    std::from_chars(text->data() + at, text->data() + end, pid);
    if (pid > 0) pids.push_back(pid);  // 0: of a foreign pid namespace
    at = end + 1;
  }
  return pids;
}

std::string newDelegationName(uid_t uid) {
  std::uint64_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  char text[64];
  std::snprintf(text, sizeof text, "computesdk-%u-%016llx", static_cast<unsigned>(uid),
                static_cast<unsigned long long>(number));
  return text;
}

std::optional<uid_t> ownerInName(std::string_view name) {
  constexpr std::size_t kHex = 16;
  if (name.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  std::uint64_t uid = 0;
  std::size_t at = 0;
  for (; at < name.size() && at < 10 && name[at] >= '0' && name[at] <= '9'; ++at) {
    uid = uid * 10 + static_cast<std::uint64_t>(name[at] - '0');
  }
  if (at == 0 || (at > 1 && name[0] == '0') || uid > ~uid_t{0}) return std::nullopt;
  if (name.size() != at + 1 + kHex || name[at] != '-') return std::nullopt;
  if (name.find_first_not_of("0123456789abcdef", at + 1) != std::string_view::npos) return std::nullopt;
  return static_cast<uid_t>(uid);
}

std::size_t sweepStale(FileTree& tree, const Layout& layout, uid_t self, KillProcess kill) {
  if (kill == nullptr) kill = killForReal;
  std::size_t count = 0;
  for (const std::string& place : layout.places()) {
    const auto names = tree.writable(place) ? tree.folders(place) : Result<std::vector<std::string>>(Error{});
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      const std::string folder = place + "/" + name;
      const auto named = ownerInName(name);
      if (!named || (self != 0 && *named != self)) continue;
      const auto owner = tree.owner(folder);
      if (!owner.ok() || (*owner != *named && *owner != self)) continue;
      const auto lock = tree.lockFolder(folder);
      if (lock.ok() && removeTree(tree, folder, 0, kill)) ++count;
    }
  }
  return count;
}

}  // namespace computesdk::local::limits
