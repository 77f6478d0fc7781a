#include "core/first_process.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace computesdk::sandboxd {
namespace {

constexpr int kHandedOn[] = {SIGTERM, SIGINT, SIGHUP};

/// Ends with the daemon.
[[noreturn]] void watchOver(pid_t daemon, const sigset_t& signals) {
  for (;;) {
    // Blocked signals reach the first process of a namespace too, which those with their default action do not.
    const int number = ::sigwaitinfo(&signals, nullptr);
    if (number < 0) continue;
    if (number != SIGCHLD) {
      ::kill(daemon, number);
      continue;
    }
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) != 0;) {
      if (ended < 0 && errno == EINTR) continue;
      if (ended < 0) break;
      if (ended == daemon) ::_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
  }
}

}  // namespace

void leaveFirstProcess() {
  if (::getpid() != 1) return;
  sigset_t signals, before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  for (const int number : kHandedOn) sigaddset(&signals, number);
  ::sigprocmask(SIG_BLOCK, &signals, &before);
  ::signal(SIGCHLD, SIG_DFL);  // ignored, the kernel would reap and nobody would hear of it
  const pid_t daemon = ::fork();
  if (daemon > 0) {
    ::prctl(PR_SET_NAME, "sandboxd-init", 0, 0, 0);
    watchOver(daemon, signals);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace computesdk::sandboxd
