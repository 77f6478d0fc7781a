// How much a sandbox uses, and the watchdog that stands in for a memory cgroup where there is none.
#include "../limits/watchdog.hpp"
#include "init.hpp"
#include "process_table.hpp"

namespace computesdk::local {
namespace {

using limits::MemorySample;
using limits::MemoryVerdict;

constexpr std::uint64_t kPage = 4096;

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
  std::uint64_t bytes = 0;
  std::uint32_t count = 0;
};

std::uint64_t exactOf(int pid) {
  static char text[4096];
  sys::Line<48> path;
  path << "/proc/" << pid << "/smaps_rollup";
  sys::Word size = sys::slurp(AT_FDCWD, path.text(), text, sizeof text);
  if (size > 0) return limits::proportionalBytes(text, static_cast<std::size_t>(size));
  // A program that hides its maps pays the full sum.
  sys::Line<48> status;
  status << "/proc/" << pid << "/status";
  size = sys::slurp(AT_FDCWD, status.text(), text, sizeof text);
  return size > 0 ? limits::residentBytes(text, static_cast<std::size_t>(size)) : 0;
}

// An upper bound.
std::uint64_t cheapOf(int pid) {
  char text[96];
  sys::Line<32> path;
  path << "/proc/" << pid << "/statm";
  if (sys::slurp(AT_FDCWD, path.text(), text, sizeof text) <= 0) return 0;
  const char* c = text;
  while (*c != 0 && *c != ' ') ++c;
  return sys::number(*c != 0 ? c + 1 : c) * kPage;
}

ProcessMemory processes(bool exact) {
  ProcessMemory memory;
  forEachProcess([&](int pid) {
    ++memory.count;
    memory.bytes += exact ? exactOf(pid) : cheapOf(pid);
    return true;
  });
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

std::uint64_t used(const FileSystem& disk) {
  return (disk.blocks - disk.free) * static_cast<std::uint64_t>(disk.block);
}

MemorySample sample(bool exact) { return {processes(exact).bytes, used(scratch()), systemV()}; }

// Everything but ourselves goes, whoever it was that found too little memory.
void endAll() {
  for (Job& job : self.jobs) {
    if (job.used && job.pid != 0) job.outOfMemory = true;
  }
  sys::killPid(-1, 9);
  removeSegments();
}

// bubblewrap's tmpfs cannot be given a number. After a flood files may be removed, which takes time, but not added.
bool tooManyFiles() {
  if (!self.config->bubblewrap) return false;
  const FileSystem disk = scratch();
  const std::uint64_t used = disk.files - disk.filesFree;
  const bool flood = used > self.filesAllowed && used > self.spec.inodes;
  self.filesAllowed = used;
  return flood;
}

std::uint64_t kills() {
  if (self.oomControl < 0) return 0;
  char text[512];
  const sys::Word size = sys::preadFd(self.oomControl, text, sizeof text - 1, 0);
  if (size <= 0) return 0;
  text[size] = 0;
  for (const char* line = text; *line != 0;) {
    if (sys::startsWith(line, "oom_kill ")) return sys::number(line + 9);
    while (*line != 0 && *line != '\n') ++line;
    if (*line == '\n') ++line;
  }
  return 0;
}

}  // namespace

protocol::UsageBody measure() {
  protocol::UsageBody usage{};
  const FileSystem disk = scratch();
  usage.diskTotal = disk.blocks * static_cast<std::uint64_t>(disk.block);
  usage.diskUsed = used(disk);
  usage.filesTotal = self.config->bubblewrap ? self.spec.inodes : disk.files;
  usage.filesUsed = disk.files - disk.filesFree;
  const ProcessMemory memory = processes(true);
  usage.processes = memory.count;
  usage.memoryBytes = MemorySample{memory.bytes, usage.diskUsed, systemV()}.total();
  std::uint64_t rusage[18] = {};
  sys::call(__NR_getrusage, -1 /* RUSAGE_CHILDREN */, sys::word(rusage));
  usage.cpuMicroseconds = (rusage[0] + rusage[2]) * 1000000 + rusage[1] + rusage[3];
  return usage;
}

bool groupKilled() {
  const std::uint64_t now = kills();
  if (now <= self.oomKills) return false;
  self.oomKills = now;
  endAll();
  return true;
}

void countKills() { self.oomKills = kills(); }

void checkMemory() {
  if (self.nextCheckMs == 0) return;
  const std::int64_t now = sys::nowMs(sys::kMonotonic);
  if (now < self.nextCheckMs) return;
  if (!haveChildren()) {
    self.nextCheckMs = 0;  // nothing runs, nothing grows: no wake-ups
    return;
  }
  self.nextCheckMs = now + limits::kWatchIntervalMs;
  if (tooManyFiles()) sys::killPid(-1, 9);
  if ((self.spec.flags & protocol::kCreateHardMemory) != 0) return;
  MemoryVerdict verdict = limits::judge(sample(false), self.spec.memoryBytes, false);
  if (verdict == MemoryVerdict::kLookAgain) verdict = limits::judge(sample(true), self.spec.memoryBytes, true);
  if (verdict == MemoryVerdict::kKill) endAll();
}

}  // namespace computesdk::local
