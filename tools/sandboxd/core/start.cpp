#include "core/start.hpp"

#include "core/fork_server.hpp"
#include "core/holder.hpp"

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
  HolderPlan plan{};
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

  ours.holder = forkServerHolder(plan);
  int forkError = errno;
  if (ours.holder < 0) {
    // No signal may reach the holder while it is still a copy of the daemon.
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    ours.holder = bareFork();
    if (ours.holder == 0) hold(plan);
    forkError = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
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
