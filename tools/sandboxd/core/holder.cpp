#include "core/holder.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/start.hpp"

// Between fork and exec only plain system calls run; the thread sanitizer would count them as another thread's.
#ifdef __SANITIZE_THREAD__
#define CSDK_AFTER_FORK __attribute__((no_sanitize("thread")))
#else
#define CSDK_AFTER_FORK
#endif

namespace computesdk::sandboxd {
namespace {

CSDK_AFTER_FORK void tell(int fd, std::int32_t kind, std::int32_t value, std::int32_t step) {
  const HolderMessage message{kind, value, step};
  // Shorter than PIPE_BUF: all or nothing. The daemon may be gone; the holder does its work all the same.
  while (::write(fd, &message, sizeof message) < 0 && errno == EINTR) {
  }
}

CSDK_AFTER_FORK void closeFrom(unsigned first) {
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, first, ~0U, 0U) == 0) return;
#endif
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto end = limit.rlim_cur < 65536 ? static_cast<unsigned>(limit.rlim_cur) : 65536U;
  for (unsigned fd = first; fd < end; ++fd) ::close(static_cast<int>(fd));
}

/// Puts `fd` at the place `to`, also when it is there already.
CSDK_AFTER_FORK void place(int fd, int to) {
  if (fd == to) {
    ::fcntl(fd, F_SETFD, 0);
  } else {
    ::dup2(fd, to);
  }
}

CSDK_AFTER_FORK void becomeProgram(const HolderPlan& plan, int failure) {
  struct sigaction normal {};
  normal.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &normal, nullptr);
  std::int32_t step = HolderMessage::terminal;
  bool good = ::setsid() >= 0;
  // The three places of the program come last: what they are copied from lies above them (see start()).
  if (good && plan.terminal) good = ::ioctl(plan.out, TIOCSCTTY, 0) == 0;
  if (good) {
    step = HolderMessage::folder;
    good = ::chdir(plan.cwd) == 0;
  }
  if (good) {
    step = HolderMessage::exec;
    place(plan.in, 0);
    place(plan.out, 1);
    place(plan.err, 2);
    if (plan.limited) ::setrlimit(RLIMIT_NOFILE, &plan.limit);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(plan.program, plan.argv, plan.env);
  }
  tell(failure, HolderMessage::failed, errno, step);
  ::_exit(127);
}

}  // namespace

CSDK_AFTER_FORK pid_t bareFork(unsigned long flags) {
  return static_cast<pid_t>(::syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

CSDK_AFTER_FORK void hold(const HolderPlan& plan) {
  ::setsid();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ::prctl(PR_SET_NAME, "sandboxd-holder", 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  int failure[2];
  if (::pipe2(failure, O_CLOEXEC) != 0) {
    tell(plan.status, HolderMessage::failed, errno, HolderMessage::fork);
    ::_exit(127);
  }
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  const pid_t pid = bareFork();  // sanitizers watch memory that vfork shares
#else
  const pid_t pid = ::vfork();
#endif
  if (pid == 0) becomeProgram(plan, failure[1]);
  if (pid < 0) {
    tell(plan.status, HolderMessage::failed, errno, HolderMessage::fork);
    ::_exit(127);
  }
  ::close(failure[1]);
  HolderMessage message{};
  ssize_t got = 0;
  do {
    got = ::read(failure[0], &message, sizeof message);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof message)) {
    tell(plan.status, message.kind, message.value, message.step);
    ::_exit(127);
  }
  tell(plan.status, HolderMessage::started, pid, 0);
  ::dup2(plan.status, 0);
  closeFrom(1);
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended == pid) tell(0, HolderMessage::ended, status, 0);
    if (ended < 0 && errno == ECHILD) ::_exit(0);
  }
}

}  // namespace computesdk::sandboxd
