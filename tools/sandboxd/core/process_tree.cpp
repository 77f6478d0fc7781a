#include "core/process_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>

#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {
namespace {

std::optional<ProcessEntry> readStat(int proc, const char* pid) {
  char path[64];
  std::snprintf(path, sizeof path, "%.20s/stat", pid);
  const UniqueFd file(::openat(proc, path, O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  char text[512];
  ssize_t got = 0;
  do {
    got = ::read(file.get(), text, sizeof text);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return std::nullopt;
  return parseStat({text, static_cast<std::size_t>(got)});
}

}  // namespace

std::optional<ProcessEntry> parseStat(std::string_view text) {
  const auto close = text.rfind(')');
  if (close == std::string_view::npos) return std::nullopt;
  ProcessEntry entry;
  const auto number = [](std::string_view& from, pid_t& to) {
    while (!from.empty() && from.front() == ' ') from.remove_prefix(1);
    const auto [end, error] = std::from_chars(from.data(), from.data() + from.size(), to);
    from.remove_prefix(static_cast<std::size_t>(end - from.data()));
    return error == std::errc();
  };
  auto head = text.substr(0, text.find(' '));
  auto rest = text.substr(close + 1);
  if (rest.size() < 3 || rest[0] != ' ' || !number(head, entry.pid)) return std::nullopt;
  entry.state = rest[1];
  rest.remove_prefix(2);
  if (!number(rest, entry.parent) || !number(rest, entry.group)) return std::nullopt;
  return entry;
}

std::vector<ProcessEntry> descendantsOf(pid_t ancestor) {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
  if (!proc) return {};
  std::multimap<pid_t, ProcessEntry> byParent;
  while (const auto* item = ::readdir(proc.get())) {
    if (item->d_name[0] < '1' || item->d_name[0] > '9') continue;
    const auto entry = readStat(::dirfd(proc.get()), item->d_name);
    if (entry) byParent.emplace(entry->parent, *entry);
  }
  std::vector<ProcessEntry> out;
  const auto addChildren = [&](pid_t parent) {
    const auto [begin, end] = byParent.equal_range(parent);
    for (auto child = begin; child != end; ++child) out.push_back(child->second);
  };
  addChildren(ancestor);
  // Entries are read one after the other, so a pid may have been used twice meanwhile: each parent counts once.
  for (std::size_t i = 0; i < out.size() && out.size() < 1000000; ++i) {
    const auto parent = out[i].pid;
    addChildren(parent);
    byParent.erase(parent);
  }
  return out;
}

void stopAndKill(const std::function<std::vector<ProcessEntry>()>& next) {
  std::set<pid_t> stopped;
  for (int round = 0; round < 64; ++round) {
    bool more = false;
    for (const auto& each : next()) {
      if (each.state == 'Z' || !stopped.insert(each.pid).second) continue;
      ::kill(each.pid, SIGSTOP);
      more = true;
    }
    if (!more) break;
  }
  for (const auto pid : stopped) ::kill(pid, SIGKILL);
}

bool procIsMounted() { return ::access("/proc/self/stat", R_OK) == 0; }

}  // namespace computesdk::sandboxd
