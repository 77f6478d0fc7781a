#include "core/start.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>

// Between fork and exec only plain system calls run; the thread sanitizer would count them as another thread's.
#ifdef __SANITIZE_THREAD__
#define CSDK_AFTER_FORK __attribute__((no_sanitize("thread")))
#else
#define CSDK_AFTER_FORK
#endif

namespace computesdk::sandboxd {
namespace {

std::optional<rlimit> limitForChildren;

ErrorInfo systemError(ErrorCode code, std::string what, int number) {
  ErrorInfo info;
  info.code = code;
  info.what = std::move(what);
  info.why = std::strerror(number);
  return info;
}

ErrorInfo noResources(const char* what, int number) {
  auto info = systemError(ErrorCode::resourceExhausted, std::string("cannot start a process: ") + what, number);
  info.fix = "end processes or terminals, or raise the sandbox's limits";
  info.retryable = true;
  return info;
}

bool makePipe(UniqueFd& readEnd, UniqueFd& writeEnd) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  readEnd.reset(ends[0]);
  writeEnd.reset(ends[1]);
  return true;
}

void makeNonBlocking(const UniqueFd& fd) { ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK); }

/// A pseudo terminal's two sides.
Result<void> openTerminal(const SpawnOptions& options, UniqueFd& master, UniqueFd& slave) {
  master.reset(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master) master.reset(::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  int lock = 0;
  if (!master || ::ioctl(master.get(), TIOCSPTLCK, &lock) != 0) {
    auto info = systemError(ErrorCode::unsupported, "this sandbox has no pseudo terminals", errno);
    info.fix = "mount devpts at /dev/pts and let /dev/ptmx be /dev/pts/ptmx; or use a terminal with pty false";
    return info;
  }
#ifdef TIOCGPTPEER
  slave.reset(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
#endif
  if (!slave) {
    unsigned number = 0;
    ::ioctl(master.get(), TIOCGPTN, &number);
    slave.reset(::open(("/dev/pts/" + std::to_string(number)).c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  if (!slave) return noResources("no pseudo terminal", errno);
  termios mode{};
  if (::tcgetattr(slave.get(), &mode) == 0) {
    mode.c_iflag |= IUTF8;
    ::tcsetattr(slave.get(), TCSANOW, &mode);
  }
  winsize size{};
  size.ws_col = options.columns;
  size.ws_row = options.rows;
  ::ioctl(master.get(), TIOCSWINSZ, &size);
  return {};
}

/// Everything that the two new processes need, made before the fork.
struct Plan {
  const char* program;
  char* const* argv;
  char* const* env;
  const char* cwd;
  int in, out, err;
  bool terminal;
  int status;  ///< write end
  bool limited;
  rlimit limit;
};

CSDK_AFTER_FORK pid_t forkQuietly() {
  // Neither handlers of fork nor locks of the C library matter to what runs here until exec.
  return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

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

CSDK_AFTER_FORK void becomeProgram(const Plan& plan, int failure) {
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

/// Life of the holder: starts the program, adopts what it leaves behind, tells how it ended, and goes last.
CSDK_AFTER_FORK void hold(const Plan& plan) {
  ::setsid();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ::prctl(PR_SET_NAME, "sandboxd-holder", 0, 0, 0);
  ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  int failure[2];
  if (::pipe2(failure, O_CLOEXEC) != 0) {
    tell(plan.status, HolderMessage::failed, errno, HolderMessage::fork);
    ::_exit(127);
  }
  const pid_t pid = forkQuietly();
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

ErrorInfo startFailure(const HolderMessage& message, const SpawnOptions& options, const std::string& program) {
  const int number = message.value;
  if (message.step == HolderMessage::fork) return noResources("no process", number);
  if (message.step == HolderMessage::folder) {
    return systemError(number == EACCES ? ErrorCode::permission : ErrorCode::invalidArgument,
                       "cannot work in the directory " + options.cwd, number);
  }
  if (message.step == HolderMessage::terminal) {
    return systemError(ErrorCode::unsupported, "cannot make a pseudo terminal the controlling one", number);
  }
  auto code = ErrorCode::invalidArgument;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::notFound;
  if (number == EACCES || number == EPERM) code = ErrorCode::permission;
  if (number == ENOMEM || number == EAGAIN) code = ErrorCode::resourceExhausted;
  auto info = systemError(code, "cannot execute " + program, number);
  if (number == E2BIG) info.fix = "write the command to a file and run that: a command line holds at most 128 KiB";
  return info;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

/// The child's descriptors. None lies among the three places into which they are copied.
struct ChildEnds {
  UniqueFd in, out, err, status;

  bool liftAbovePlaces() {
    for (auto* fd : {&in, &out, &err, &status}) {
      if (!*fd || fd->get() > 2) continue;
      const int above = ::fcntl(fd->get(), F_DUPFD_CLOEXEC, 3);
      if (above < 0) return false;
      fd->reset(above);
    }
    return true;
  }
};

Result<void> openStreams(const SpawnOptions& options, Started& ours, ChildEnds& theirs) {
  if (!makePipe(ours.status, theirs.status)) return noResources("no pipe", errno);
  if (options.streams == SpawnOptions::Streams::terminal) {
    if (auto opened = openTerminal(options, ours.out, theirs.out); !opened) return opened;
  } else {
    theirs.in.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!theirs.in || !makePipe(ours.out, theirs.out)) return noResources("no pipe", errno);
    if (options.streams == SpawnOptions::Streams::separate && !makePipe(ours.err, theirs.err)) {
      return noResources("no pipe", errno);
    }
  }
  if (!theirs.liftAbovePlaces()) return noResources("no descriptor", errno);
  return {};
}

}  // namespace

Result<Started> start(const SpawnOptions& options, const std::string& program) {
  Started ours;
  ChildEnds theirs;
  if (auto opened = openStreams(options, ours, theirs); !opened) return std::move(opened).error();
  const auto argv = pointers(options.argv);
  const auto env = pointers(options.env);
  Plan plan{};
  plan.program = program.c_str();
  plan.argv = argv.data();
  plan.env = env.data();
  plan.cwd = options.cwd.c_str();
  plan.terminal = options.streams == SpawnOptions::Streams::terminal;
  plan.out = theirs.out.get();
  plan.in = plan.terminal ? plan.out : theirs.in.get();
  plan.err = theirs.err ? theirs.err.get() : plan.out;
  plan.status = theirs.status.get();
  plan.limited = limitForChildren.has_value();
  if (limitForChildren) plan.limit = *limitForChildren;

  // No signal may reach the holder while it is still a copy of the daemon.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  ours.holder = forkQuietly();
  if (ours.holder == 0) hold(plan);
  const int forkError = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (ours.holder < 0) return noResources("no process", forkError);
  theirs = ChildEnds();

  HolderMessage message{};
  ssize_t got = 0;
  do {
    got = ::read(ours.status.get(), &message, sizeof message);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof message) || message.kind != HolderMessage::started) {
    while (::waitpid(ours.holder, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (got != static_cast<ssize_t>(sizeof message)) return noResources("it was killed at once", EAGAIN);
    return startFailure(message, options, program);
  }
  ours.pid = message.value;
  makeNonBlocking(ours.status);
  makeNonBlocking(ours.out);
  if (ours.err) makeNonBlocking(ours.err);
  return ours;
}

void raiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto before = limit;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) limitForChildren = before;
}

}  // namespace computesdk::sandboxd
