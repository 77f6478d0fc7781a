// The processes in sight of this one, by /proc.
#pragma once

#include "sys.hpp"

namespace computesdk::local {

struct Stat {
  int parent;
  char state;
};
inline bool readStat(int pid, Stat& stat) {
  char text[256];
  sys::Line<32> path;
  path << "/proc/" << pid << "/stat";
  if (sys::slurp(AT_FDCWD, path.text(), text, sizeof text) <= 0) return false;
  const char* end = text;  // of the name, which may hold anything
  for (const char* c = text; *c != 0; ++c) end = *c == ')' ? c : end;
  if (end[0] != ')' || end[1] == 0 || end[2] == 0) return false;
  stat.state = end[2];
  stat.parent = static_cast<int>(sys::number(end + 4));
  return true;
}

// Calls `visit(pid)` for each but process 1; how often it said yes.
template <typename Visit>
int forEachProcess(Visit visit) {
  const int folder = sys::openAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  if (folder < 0) return 0;
  alignas(8) static char entries[8192];
  int visited = 0;
  sys::Word size;
  while ((size = sys::call(__NR_getdents64, folder, sys::word(entries), sizeof entries)) > 0) {
    for (sys::Word at = 0; at < size;) {
      const char* entry = entries + at;
      at += *reinterpret_cast<const std::uint16_t*>(entry + 16);
      const int pid = static_cast<int>(sys::number(entry + 19));
      if (pid > 1 && visit(pid)) ++visited;
    }
  }
  sys::closeFd(folder);
  return visited;
}

// Kills every process of which `mine(pid)` holds, and what they start meanwhile. Looks again until nobody new is seen,
// dead or alive: one that has died since the list was taken may have a child that is younger than the list.
template <typename Mine>
void killEach(Mine mine) {
  std::uint64_t deadBefore = 0;
  for (int pass = 0; pass < 64; ++pass) {
    std::uint64_t dead = 0;
    const int living = forEachProcess([&](int pid) {
      Stat stat;
      if (!mine(pid) || !readStat(pid, stat)) return false;
      if (stat.state == 'Z' || stat.state == 'X') {
        dead += static_cast<std::uint64_t>(pid) * 0x9e3779b97f4a7c15;
        return false;
      }
      sys::killPid(pid, 9);
      return true;
    });
    if (living == 0 && dead == deadBefore) return;
    deadBefore = dead;
  }
}

}  // namespace computesdk::local
