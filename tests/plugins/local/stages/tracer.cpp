#include "tracer.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <support/plain_fork.hpp>

namespace computesdk::local::testing {
namespace {

constexpr int kPatience = 20;

std::int64_t nowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

// A line of /proc/PID/status as a number, 0 when it is not there.
pid_t statusNumber(pid_t pid, const std::string& key) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return static_cast<pid_t>(strtol(line.c_str() + key.size() + 1, nullptr, 10));
  }
  return 0;
}

std::string describe(pid_t pid) {
  std::ifstream command("/proc/" + std::to_string(pid) + "/comm"), wait("/proc/" + std::to_string(pid) + "/syscall");
  std::string name, call;
  std::getline(command, name);
  std::getline(wait, call);
  return name + " (" + std::to_string(pid) + ") in system call " + call.substr(0, call.find(' '));
}

// SIGCHLD comes for each stop and each end; it is blocked and waited for, so that waiting has an end.
class ChildSignal {
 public:
  ChildSignal() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set_, &before_);
  }
  ~ChildSignal() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  ChildSignal(const ChildSignal&) = delete;
  ChildSignal& operator=(const ChildSignal&) = delete;
  // As waitpid for any child: 0 when nothing happened until `deadline`.
  pid_t next(int& status, std::int64_t deadline) const {
    for (;;) {
      const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
      if (pid != 0) return pid;
      const std::int64_t left = deadline - nowMs();
      if (left <= 0) return 0;
      const timespec wait{left / 1000, left % 1000 * 1000000};
      sigtimedwait(&set_, nullptr, &wait);
    }
  }
  const sigset_t* before() const { return &before_; }

 private:
  sigset_t set_, before_;
};

class Tracer {
 public:
  Tracer(const Lineage& lineage, Role victim, int stop) : lineage_(lineage), victim_(victim), stop_(stop) {}

  Walk run(const std::function<int()>& host) {
    int go[2];
    if (pipe2(go, O_CLOEXEC) != 0) abort();
    host_ = computesdk::testing::plainFork();
    if (host_ == 0) {
      sigprocmask(SIG_SETMASK, signals_.before(), nullptr);
      close(go[1]);
      char byte;
      while (read(go[0], &byte, 1) < 0 && errno == EINTR) {
      }
      close(go[0]);
      _exit(host());
    }
    close(go[0]);
    roles_[host_] = Role::kHost;
    constexpr long kOptions =
        PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SEIZE, host_, nullptr, kOptions) != 0 || ptrace(PTRACE_INTERRUPT, host_, nullptr, nullptr) != 0) {
      result_.alive = "nobody may be traced here";
      kill(host_, SIGKILL);
    }
    close(go[1]);
    serve();
    return result_;
  }

 private:
  void serve() {
    const std::int64_t deadline = nowMs() + kPatience * 1000;
    int status = 0;
    for (;;) {
      const pid_t pid = signals_.next(status, deadline);
      if (pid < 0) return;  // nobody is left
      if (pid == 0) {
        if (!result_.alive.empty()) return;
        giveUp();
        return;
      }
      if (WIFSTOPPED(status)) {
        stopped(pid, status);
      } else {
        if (pid == host_ && WIFEXITED(status)) result_.hostCode = WEXITSTATUS(status);
        roles_.erase(pid);
      }
    }
  }

  void stopped(pid_t pid, int status) {
    if (!roles_.contains(pid)) roles_[pid] = roleOf(pid);
    const int event = status >> 16, signal = WSTOPSIG(status);
    if (event == PTRACE_EVENT_CLONE || event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
      unsigned long child = 0;
      if (ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &child) == 0) {
        roles_.try_emplace(static_cast<pid_t>(child), below(roles_[pid]));
      }
    }
    if (signal == (SIGTRAP | 0x80) && counts(pid) && ++stops_ == stop_) {
      result_.killed = true;
      kill(pid, SIGKILL);
      return;
    }
    if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {  // a group's stop: it waits for SIGCONT
      ptrace(PTRACE_LISTEN, pid, nullptr, nullptr);
      return;
    }
    const bool own = event != 0 || signal == (SIGTRAP | 0x80);
    resume(pid, own ? 0 : signal);
  }

  void resume(pid_t pid, long signal) {
    const auto request = counts(pid) ? PTRACE_SYSCALL : PTRACE_CONT;
    ptrace(request, pid, nullptr, signal);  // fails when somebody killed it meanwhile: its end is reported next
  }

  // The first process of the victim's role, until it is killed.
  bool counts(pid_t pid) {
    if (result_.killed || stop_ == 0 || roles_[pid] != victim_) return false;
    if (counted_ == 0) counted_ = pid;
    return counted_ == pid;
  }

  Role below(Role role) const {
    const auto found = std::find(lineage_.begin(), lineage_.end(), role);
    return role == Role::kCommand || found == lineage_.end() ? Role::kCommand : *(found + 1);
  }

  // Of one that stopped before its parent reported it: the parent still stands at that report.
  Role roleOf(pid_t pid) const {
    const auto parent = roles_.find(statusNumber(pid, "PPid"));
    return parent == roles_.end() ? Role::kCommand : below(parent->second);
  }

  void giveUp() {
    for (const auto& [pid, role] : roles_) {
      result_.alive += std::string(result_.alive.empty() ? "" : ", ") + toString(role) + " " + describe(pid);
    }
    if (result_.alive.empty()) result_.alive = "somebody unknown";
    for (const auto& [pid, role] : roles_) kill(pid, SIGKILL);
    const std::int64_t deadline = nowMs() + 5000;
    int status = 0;
    while (signals_.next(status, deadline) > 0) {
    }
  }

  const Lineage& lineage_;
  const Role victim_;
  const int stop_;
  int stops_ = 0;
  pid_t host_ = -1, counted_ = 0;
  std::map<pid_t, Role> roles_;
  ChildSignal signals_;
  Walk result_;
};

}  // namespace

const char* toString(Role role) {
  constexpr const char* kNames[] = {"host", "starter", "keeper", "launcher", "bubblewrap", "init", "command"};
  return kNames[static_cast<std::uint8_t>(role)];
}

Lineage lineage(bool bubblewrap) {
  using enum Role;
  if (bubblewrap) return {kHost, kStarter, kKeeper, kLauncher, kBubblewrap, kInit, kCommand};
  return {kHost, kStarter, kLauncher, kInit, kCommand};
}

Walk walk(const std::function<int()>& host, const Lineage& roles, Role victim, int stop) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  return Tracer(roles, victim, stop).run(host);
}

std::string awaitNobody(int seconds) {
  const ChildSignal signals;
  const std::int64_t deadline = nowMs() + seconds * 1000LL;
  int status = 0;
  for (;;) {
    const pid_t pid = signals.next(status, deadline);
    if (pid < 0) return {};
    if (pid > 0) continue;
    std::string left;
    std::ifstream children("/proc/self/task/" + std::to_string(getpid()) + "/children");
    for (pid_t child = 0; children >> child;) {
      left += std::string(left.empty() ? "" : ", ") + describe(child);
      kill(child, SIGKILL);
    }
    while (signals.next(status, nowMs() + 5000) > 0) {
    }
    return left.empty() ? "somebody unknown" : left;
  }
}

}  // namespace computesdk::local::testing
