// Names of launchers' folders, and the removal of those whose launcher is dead.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cgroups.hpp"

namespace computesdk::local::limits {
namespace {

constexpr std::string_view kPrefix = "computesdk-";
constexpr auto kPatience = std::chrono::milliseconds(1000);

bool takeNumber(std::string_view& text, std::uint64_t& value, char end) {
  std::size_t at = 0;
  value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    if (value > (~std::uint64_t{0} - 9) / 10) return false;
    value = value * 10 + static_cast<std::uint64_t>(text[at] - '0');
  }
  if (at == 0 || (text[0] == '0' && at > 1)) return false;
  if (end == 0) return at == text.size();
  if (at >= text.size() || text[at] != end) return false;
  text.remove_prefix(at + 1);
  return true;
}

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

std::string DelegationName::text() const {
  char text[128];
  std::snprintf(text, sizeof text, "computesdk-%u-%llu-%d-%llu", static_cast<unsigned>(uid),
                static_cast<unsigned long long>(pidNamespace), static_cast<int>(pid),
                static_cast<unsigned long long>(startTicks));
  return text;
}

std::optional<DelegationName> DelegationName::parse(std::string_view text) {
  if (text.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  std::uint64_t uid, space, pid, start;
  if (!takeNumber(text, uid, '-') || !takeNumber(text, space, '-') || !takeNumber(text, pid, '-') ||
      !takeNumber(text, start, 0) || uid > ~uid_t{0} || pid == 0 || pid >= (1U << 30)) {
    return std::nullopt;
  }
  return DelegationName{static_cast<uid_t>(uid), space, static_cast<pid_t>(pid), start};
}

std::uint64_t startTicksOf(pid_t pid) {
  const auto tree = realFileTree();
  const auto text = tree->read("/proc/" + std::to_string(pid) + "/stat");
  if (!text.ok()) return 0;
  std::size_t at = text->rfind(')');  // the command's name may hold anything
  if (at == std::string::npos) return 0;
  for (int blank = 0; blank < 20 && at != std::string::npos; ++blank) at = text->find(' ', at + 1);
  if (at == std::string::npos) return 0;
  return std::strtoull(text->c_str() + at + 1, nullptr, 10);
}

std::uint64_t pidNamespace() {
  struct stat status {};
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

bool launcherIsAlive(const DelegationName& name) {
  if (name.pidNamespace != pidNamespace()) return true;  // not ours to judge
  const std::uint64_t start = startTicksOf(name.pid);
  return start != 0 && start == name.startTicks;
}

std::size_t sweepStale(FileTree& tree, const Layout& layout, uid_t uid, const IsAlive& isAlive, KillProcess kill) {
  if (kill == nullptr) kill = killForReal;
  std::size_t count = 0;
  for (std::size_t i = 0; i < kControllers; ++i) {
    const std::string& own = layout.own[i];
    bool seen = own.empty();
    for (std::size_t j = 0; j < i; ++j) seen = seen || layout.own[j] == own;
    if (seen) continue;
    const auto names = tree.folders(own);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      const auto parsed = DelegationName::parse(name);
      if (!parsed || parsed->uid != uid || isAlive(*parsed)) continue;
      const auto owner = tree.owner(own + "/" + name);
      if (!owner.ok() || (*owner != uid && *owner != ::geteuid())) continue;
      if (removeTree(tree, own + "/" + name, 0, kill)) ++count;
    }
  }
  return count;
}

}  // namespace computesdk::local::limits
