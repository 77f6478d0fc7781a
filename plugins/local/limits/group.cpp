// The groups of one sandbox.
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "cgroups.hpp"

namespace computesdk::local::limits {
namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') break;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// The value behind "key " at a line's start; 0 without it.
std::uint64_t field(std::string_view text, std::string_view key) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view line = text.substr(at, end - at);
    if (line.size() > key.size() && line.substr(0, key.size()) == key && line[key.size()] == ' ') {
      return number(line.substr(key.size() + 1));
    }
    at = end + 1;
  }
  return 0;
}

void killForReal(pid_t pid) { ::kill(pid, SIGKILL); }

}  // namespace

std::vector<pid_t> processesOf(FileTree& tree, const std::string& folder) {
  std::vector<pid_t> pids;
  const auto text = tree.read(folder + "/cgroup.procs");
  if (!text.ok()) return pids;
  for (std::size_t at = 0; at < text->size();) {
    std::size_t end = text->find('\n', at);
    if (end == std::string::npos) end = text->size();
    const std::uint64_t pid = number(std::string_view(*text).substr(at, end - at));
    if (pid > 0 && pid < (1U << 30)) pids.push_back(static_cast<pid_t>(pid));  // 0: of a foreign pid namespace
    at = end + 1;
  }
  return pids;
}

Group::Group(FileTree& tree, const Delegation& delegation, std::string_view id, KillProcess kill)
    : tree_(tree), kind_(delegation.kind()), kill_(kill != nullptr ? kill : killForReal) {
  for (std::size_t i = 0; i < kControllers; ++i) {
    const std::string& parent = delegation.folder(static_cast<Controller>(i));
    if (!parent.empty()) folders_[i] = parent + "/" + std::string(id);
  }
}

bool Group::set(Controller controller, const char* file, std::string_view text) {
  const std::string& folder = folders_[static_cast<std::size_t>(controller)];
  return !folder.empty() && tree_.write(folder + "/" + file, text).ok();
}

Status Group::create(const GroupLimits& limits) {
  Status done = okStatus();
  for (const std::string& folder : folders_) {
    if (folder.empty() || !done.ok()) continue;
    Status made = tree_.makeDirectory(folder);
    if (!made.ok() && made.error().systemError != EEXIST) done = std::move(made);
  }
  const Settings settings = settingsFor(kind_, limits);
  for (const Setting& setting : settings) {
    const std::string& folder = folders_[static_cast<std::size_t>(setting.controller)];
    if (!done.ok() || folder.empty()) continue;
    Status written = tree_.write(folder + "/" + setting.file, std::string_view(setting.value, setting.size));
    if (!written.ok() && setting.required) done = std::move(written);
  }
  if (!done.ok()) (void)remove(std::chrono::milliseconds(0));
  return done;
}

Status Group::add(pid_t pid) {
  const std::string* last = nullptr;
  for (const std::string& folder : folders_) {
    if (folder.empty() || (last != nullptr && *last == folder)) continue;
    Status moved = tree_.write(folder + "/cgroup.procs", std::to_string(pid));
    if (!moved.ok()) return moved;
    last = &folder;
  }
  return okStatus();
}

Result<UniqueFd> Group::openForClone() {
  if (kind_ != GroupKind::kV2) {
    return Error{.kind = ErrorClass::kUnimplemented, .message = "a process cannot be born into a v1 group"};
  }
  return tree_.openFolder(folders_[static_cast<std::size_t>(Controller::kFreezer)]);
}

Status Group::freeze(bool frozen) {
  const std::string& folder = folders_[static_cast<std::size_t>(Controller::kFreezer)];
  if (folder.empty()) return Error{.kind = ErrorClass::kUnimplemented, .message = "there is no freezer group"};
  if (kind_ == GroupKind::kV2) return tree_.write(folder + "/cgroup.freeze", frozen ? "1" : "0");
  return tree_.write(folder + "/freezer.state", frozen ? "FROZEN" : "THAWED");
}

Status Group::killAll() {
  if (kind_ == GroupKind::kV2 && set(Controller::kFreezer, "cgroup.kill", "1")) return okStatus();
  // A frozen process cannot fork; without a freezer, rounds until nobody is left outrun all but a fork bomb, which
  // pids.max or RLIMIT_NPROC ends.
  const bool frozen = freeze(true).ok();
  constexpr int kRounds = 1000;
  bool more = true;
  for (int round = 0; more && round < kRounds; ++round) {
    more = false;
    for (const std::string& folder : folders_) {
      if (folder.empty()) continue;
      for (const pid_t pid : processesOf(tree_, folder)) {
        if (pid == ::getpid()) continue;
        kill_(pid);
        more = true;
      }
    }
    if (frozen) break;
    if (more) tree_.waitForExit(folders_[0].empty() ? folders_[2] : folders_[0], std::chrono::milliseconds(2));
  }
  if (frozen) return freeze(false);
  if (more) return Error{.kind = ErrorClass::kFailedPrecondition, .message = "processes appear faster than they end"};
  return okStatus();
}

Status Group::remove(std::chrono::milliseconds patience) {
  const auto end = Clock::now() + patience;
  Status result = okStatus();
  for (const std::string& folder : folders_) {
    if (folder.empty()) continue;
    for (;;) {
      Status removed = tree_.removeDirectory(folder);
      if (removed.ok() || removed.error().systemError == ENOENT) break;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
      if (removed.error().systemError != EBUSY || left.count() <= 0) {
        result = std::move(removed);
        break;
      }
      tree_.waitForExit(folder, left);
    }
  }
  return result;
}

Group::Usage Group::usage() {
  Usage usage;
  const bool v1 = kind_ == GroupKind::kV1;
  const auto read = [&](Controller controller, const char* file) -> std::string {
    const std::string& folder = folders_[static_cast<std::size_t>(controller)];
    const auto text = folder.empty() ? Result<std::string>(Error{}) : tree_.read(folder + "/" + file);
    return text.ok() ? *text : std::string();
  };
  const std::string memory = read(Controller::kMemory, v1 ? "memory.usage_in_bytes" : "memory.current");
  if (!memory.empty()) {
    usage.hasMemory = true;
    usage.memoryBytes = number(memory);
    // The page cache that nobody has used for long is given back for the asking: it is no use of memory.
    const std::uint64_t cold =
        field(read(Controller::kMemory, "memory.stat"), v1 ? "total_inactive_file" : "inactive_file");
    usage.memoryBytes -= cold < usage.memoryBytes ? cold : usage.memoryBytes;
    usage.memoryPeakBytes = number(read(Controller::kMemory, v1 ? "memory.max_usage_in_bytes" : "memory.peak"));
    usage.outOfMemoryKills = field(read(Controller::kMemory, v1 ? "memory.oom_control" : "memory.events"), "oom_kill");
  }
  const std::string processes = read(Controller::kPids, "pids.current");
  if (!processes.empty()) {
    usage.hasProcesses = true;
    usage.processes = static_cast<std::uint32_t>(number(processes));
  }
  const std::string cpu = v1 ? read(Controller::kCpu, "cpuacct.usage") : read(Controller::kFreezer, "cpu.stat");
  if (!cpu.empty()) {
    usage.hasCpu = true;
    usage.cpuMicroseconds = v1 ? number(cpu) / 1000 : field(cpu, "usage_usec");
  }
  return usage;
}

}  // namespace computesdk::local::limits
