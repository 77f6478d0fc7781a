// The parts of init, process 1 of a sandbox.
#pragma once

#include "helper.hpp"

namespace computesdk::local {

constexpr int kMaxJobs = 1024;
constexpr int kMaxWatchers = 16;
constexpr int kMaxClients = 256;

// What an epoll event is about.
enum class Source : std::uint8_t { kClient, kLauncher, kSignals, kCall, kOutput, kWatcher, kFreezer };
// The tag tells a job from the one that had its slot before, within one batch of events.
constexpr std::uint64_t key(Source source, int index, int part = 0, std::uint32_t tag = 0) {
  return std::uint64_t(source) << 56 | std::uint64_t(tag & 0xffff) << 40 | std::uint64_t(part) << 32 |
         static_cast<std::uint32_t>(index);
}

// One command. A slot is free when pid is 0 and nothing is remembered.
struct Job {
  int pid;       // 0 once reaped
  int shownPid;  // stays, for the list
  std::uint32_t tag;
  std::uint32_t flags;  // protocol::ExecFlags
  bool used;
  bool outOfMemory;
  bool timedOut;
  bool sweep;                  // its end is the end of all that it started
  int call;                    // the caller's channel, -1 once closed
  int watchers[kMaxWatchers];  // of a background command
  int output[2];               // read ends (background) or the PTY master in [0]
  int input;                   // write end, or -1
  int ringFd;
  protocol::RingHeader* ring;
  std::int64_t startedMs;
  std::int64_t deadlineMs;  // of a background command, by the monotonic clock; 0: none
  protocol::ExitBody exit;
  char command[128];
};

// Everything that init knows.
struct Init {
  const Config* config;
  protocol::CreateBody spec;
  const char* workdir;
  int ownPid;
  int epoll, signals, launcher, rootFd, oomControl;
  int scratch;  // the folder of all that can be written, -1 without isolation
  int freezer;  // the channel of whoever had everything stopped, or -1
  int clients[kMaxClients];
  std::uint32_t nextTag;
  std::uint64_t oomKills;
  std::uint64_t filesAllowed;   // where the disk itself has no limit of files: those asked for, or left by a flood
  std::int64_t nextCheckMs;     // of memory, 0: nothing runs
  std::int64_t nextDeadlineMs;  // not after the first of the jobs' deadlines, 0: there is none
  Slots<Job, kMaxJobs> jobs;
};
extern Init self;

// jobs.cpp
void startCommand(const protocol::ExecRequest& request, ReceivedFds& fds);
void reapAll();
void handleCall(int index, std::uint32_t events);
void pumpOutput(int index, int stream);
void handleWatcher(int index, int which, std::uint32_t events);
void listProcesses(int call, std::uint64_t from);
void openProcess(int call, std::uint64_t pid);
bool haveChildren();
// Ends background commands whose time is up: TERM, and two seconds later KILL to all that they started.
void checkDeadlines();
// SIGKILL to everything that a job started, wherever it went. Signal to its group otherwise.
void signalJob(const Job& job, int number);
// SIGKILL to everything below, where no pid namespace does it at init's end.
void killDescendants();

// freeze.cpp
// Stops everything inside until the call's channel closes, which it takes.
void freeze(int call);
void thaw();

// memory.cpp
protocol::UsageBody measure();
void checkMemory();
// Whether the memory group's killer struck since the last call. Then it ends all the others as well.
bool groupKilled();
void countKills();  // those before the first command are none of ours

}  // namespace computesdk::local
