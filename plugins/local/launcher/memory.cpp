// How much a sandbox uses, and the watchdog that stands in for a memory cgroup where there is none.
#include "init.hpp"

namespace computesdk::local {
namespace {

constexpr std::int64_t kIntervalMs = 25;
constexpr std::uint64_t kPage = 4096;

std::uint64_t field(const char* text, const char* name) {
  for (const char* line = text; *line != 0;) {
    if (sys::startsWith(line, name)) {
      line += sys::length(name);
      while (*line == ' ' || *line == '\t') ++line;
      return sys::number(line) * 1024;
    }
    while (*line != 0 && *line != '\n') ++line;
    if (*line == '\n') ++line;
  }
  return 0;
}

// System V segments, attached or not: columns 15 and 16 of /proc/sysvipc/shm are resident and swapped bytes.
std::uint64_t systemV() {
  static char text[32768];
  if (sys::slurp(AT_FDCWD, "/proc/sysvipc/shm", text, sizeof text) <= 0) return 0;
  std::uint64_t sum = 0;
  const char* c = text;
  while (*c != 0 && *c != '\n') ++c;
  while (*c != 0) {
    ++c;
    for (int column = 1; *c != 0 && *c != '\n'; ++column) {
      while (*c == ' ') ++c;
      if (*c == 0 || *c == '\n') break;
      if (column == 15 || column == 16) sum += sys::number(c);
      while (*c != 0 && *c != ' ' && *c != '\n') ++c;
    }
  }
  return sum;
}

// Detached segments outlive whoever made them; after an end for lack of memory they would fill the sandbox for good.
// Those still attached go with their last process.
void removeSegments() {
  static char text[32768];
  if (sys::slurp(AT_FDCWD, "/proc/sysvipc/shm", text, sizeof text) <= 0) return;
  const char* c = text;
  while (*c != 0 && *c != '\n') ++c;
  while (*c != 0) {
    ++c;
    while (*c == ' ') ++c;
    while (*c != 0 && *c != ' ') ++c;  // past the key
    while (*c == ' ') ++c;
    if (*c >= '0' && *c <= '9') sys::call(__NR_shmctl, static_cast<sys::Word>(sys::number(c)), 0 /* IPC_RMID */, 0);
    while (*c != 0 && *c != '\n') ++c;
  }
}

struct ProcessMemory {
  std::uint64_t cheap = 0;  // an upper bound by statm
  std::uint64_t exact = 0;
  std::uint32_t count = 0;
};

std::uint64_t exactOf(int pid) {
  static char text[4096];
  sys::Line<48> path;
  path << "/proc/" << pid << "/smaps_rollup";
  if (sys::slurp(AT_FDCWD, path.text(), text, sizeof text) > 0) {
    // Shared pages count once over all who share them; a program that hides its maps pays the full sum below.
    return field(text, "Pss_Anon:") + field(text, "Pss_Shmem:") + field(text, "SwapPss:");
  }
  sys::Line<48> status;
  status << "/proc/" << pid << "/status";
  if (sys::slurp(AT_FDCWD, status.text(), text, sizeof text) <= 0) return 0;
  return field(text, "RssAnon:") + field(text, "RssShmem:") + field(text, "VmSwap:");
}

ProcessMemory processes(bool exact) {
  ProcessMemory memory;
  const int folder = sys::openAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  if (folder < 0) return memory;
  alignas(8) static char entries[8192];
  sys::Word size;
  while ((size = sys::call(__NR_getdents64, folder, sys::word(entries), sizeof entries)) > 0) {
    for (sys::Word at = 0; at < size;) {
      const char* entry = entries + at;
      at += *reinterpret_cast<const std::uint16_t*>(entry + 16);
      const int pid = static_cast<int>(sys::number(entry + 19));
      if (pid < 2) continue;
      ++memory.count;
      if (exact) {
        memory.exact += exactOf(pid);
        continue;
      }
      char text[96];
      sys::Line<32> path;
      path << "/proc/" << pid << "/statm";
      if (sys::slurp(AT_FDCWD, path.text(), text, sizeof text) <= 0) continue;
      const char* c = text;
      while (*c != 0 && *c != ' ') ++c;
      memory.cheap += sys::number(*c != 0 ? c + 1 : c) * kPage;
    }
  }
  sys::closeFd(folder);
  return memory;
}

struct FileSystem {
  long type, block;
  std::uint64_t blocks, free, available, files, filesFree;
  long rest[8];
};

FileSystem scratch() {
  FileSystem status{};
  sys::call(__NR_statfs, sys::word("/tmp"), sys::word(&status));
  return status;
}

}  // namespace

protocol::UsageBody measure(bool exact) {
  protocol::UsageBody usage{};
  const FileSystem disk = scratch();
  const auto block = static_cast<std::uint64_t>(disk.block);
  usage.diskTotal = disk.blocks * block;
  usage.diskUsed = (disk.blocks - disk.free) * block;
  usage.filesTotal = disk.files;
  usage.filesUsed = disk.files - disk.filesFree;
  const ProcessMemory memory = processes(exact);
  usage.processes = memory.count;
  usage.memoryBytes = (exact ? memory.exact : memory.cheap) + usage.diskUsed + systemV();
  std::uint64_t rusage[18] = {};
  sys::call(__NR_getrusage, -1 /* RUSAGE_CHILDREN */, sys::word(rusage));
  usage.cpuMicroseconds = (rusage[0] + rusage[2]) * 1000000 + rusage[1] + rusage[3];
  return usage;
}

bool cgroupKilled() {
  if (self.oomControl < 0) return false;
  char text[512];
  const sys::Word size = sys::preadFd(self.oomControl, text, sizeof text - 1, 0);
  if (size <= 0) return false;
  text[size] = 0;
  std::uint64_t kills = self.oomKills;
  for (const char* line = text; *line != 0;) {
    if (sys::startsWith(line, "oom_kill ")) kills = sys::number(line + 9);
    while (*line != 0 && *line != '\n') ++line;
    if (*line == '\n') ++line;
  }
  const bool more = kills > self.oomKills;
  if (more) dropSystemV();
  self.oomKills = kills;
  return more;
}

void dropSystemV() {
  if (self.config->isolated) removeSegments();
}

void checkMemory() {
  if (self.nextCheckMs == 0) return;
  const std::int64_t now = sys::nowMs(sys::kMonotonic);
  if (now < self.nextCheckMs) return;
  if (!haveChildren()) {
    self.nextCheckMs = 0;  // nothing runs, nothing grows: no wake-ups
    return;
  }
  self.nextCheckMs = now + kIntervalMs;
  if (measure(false).memoryBytes <= self.spec.memoryBytes) return;
  if (measure(true).memoryBytes <= self.spec.memoryBytes) return;
  for (Job& job : self.jobs) {
    if (job.used && job.pid != 0) job.outOfMemory = true;
  }
  sys::killPid(-1, 9);  // everything but ourselves
  dropSystemV();
}

}  // namespace computesdk::local
