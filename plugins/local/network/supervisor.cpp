// The process that holds a sandbox's way out: it takes on the sandbox's user, joins the launcher's user namespace,
// becomes process 1 of a pid namespace, builds the router, starts pasta there, and ends with the sandbox.
#include "../launcher/helper.hpp"
#include "../launcher/sys.hpp"
#include "orders.hpp"
#include "router.hpp"

namespace computesdk::local {
namespace {

using network::Failure;
using network::NetStep;
using network::Orders;

Orders orders;
network::Outcome outcome;
int netNamespace = -1, lifetime = -1, userNamespace = -1;
bool within;  // this process is in the sandbox's user namespace

Failure failed(NetStep step, sys::Word error) { return {step, static_cast<int>(-error)}; }

void report(const Failure& failure) {
  outcome.step = failure.step;
  outcome.error = failure.error;
  sys::call(__NR_sendto, network::kSupervisorSocket, sys::word(&outcome), sizeof outcome, 0x4000 /* MSG_NOSIGNAL */);
}

Failure readOrders() {
  ReceivedFds fds;
  const sys::Word size =
      receive(network::kSupervisorSocket, reinterpret_cast<char*>(&orders), sizeof orders, fds, true);
  if (size != sizeof orders || fds.count() != 2 || orders.hostAddressCount > network::kMostHostAddresses) {
    return failed(NetStep::kOrders, size < 0 ? size : -sys::kEinval);
  }
  orders.program[sizeof orders.program - 1] = 0;
  netNamespace = fds.take(0);
  lifetime = fds.take(1);
  return {};
}

// Where /dev/net/tun is root's alone, root shows it to the helper, which is not root, and to nobody else: a node that
// everybody may open, in a mount namespace of our own. What cannot be done here the helper will complain of.
void openTun() {
  constexpr std::uint32_t kCharacterDevice = 0020000, kTun = 10 << 8 | 200;
  struct statx status {};
  const sys::Word found = sys::call(__NR_statx, AT_FDCWD, sys::word("/dev/net/tun"), 0, STATX_MODE, sys::word(&status));
  if (found < 0 || (status.stx_mode & 06) == 06) return;
  if (sys::call(__NR_unshare, CLONE_NEWNS) < 0) return;
  constexpr unsigned long kPrivate = 1UL << 18, kRecursive = 16384, kNoSuid = 2, kNoExec = 8;
  if (sys::mount("none", "/", nullptr, kRecursive | kPrivate, nullptr) < 0) return;
  if (sys::mount("tmpfs", "/dev/net", "tmpfs", kNoSuid | kNoExec, "mode=0755,size=64k") < 0) return;
  sys::call(__NR_umask, 0);
  sys::call(__NR_mknodat, AT_FDCWD, sys::word("/dev/net/tun"), kCharacterDevice | 0666, kTun);
  sys::call(__NR_umask, 077);
}

Failure takeOnUser() {
  if ((orders.flags & network::kOrderAsRoot) == 0) return {};
  openTun();
  sys::Word result = sys::call(__NR_setgroups, 0, 0);
  if (result == 0) result = sys::call(__NR_setresgid, orders.gid, orders.gid, orders.gid);
  if (result == 0) result = sys::call(__NR_setresuid, orders.uid, orders.uid, orders.uid);
  return result < 0 ? failed(NetStep::kUser, result) : Failure{};
}

// The sandbox's user namespace from its network namespace, and the launcher's as its parent. A launcher has none of its
// own where bubblewrap makes the sandbox's: then only in the latter there is the right to make further namespaces.
Failure joinOuter() {
  constexpr unsigned long kOwner = 0xb701 /* NS_GET_USERNS */, kParent = 0xb702 /* NS_GET_PARENT */;
  userNamespace = sys::ioctl(netNamespace, kOwner, 0);
  if (userNamespace < 0) return failed(NetStep::kNamespaces, userNamespace);
  const int outer = sys::ioctl(userNamespace, kParent, 0);
  if (outer < 0) return failed(NetStep::kNamespaces, outer);
  sys::Word result = sys::call(__NR_setns, outer, CLONE_NEWUSER);
  sys::closeFd(outer);
  within = result == -sys::kEinval;  // this process is in the outer one already
  if (within) result = sys::call(__NR_setns, userNamespace, CLONE_NEWUSER);
  return result < 0 ? failed(NetStep::kOuter, result) : Failure{};
}

// The pid by which /proc shows this process: that of the host's, not of our own namespace.
int pidInProc() {
  char text[16] = {};
  const sys::Word size =
      sys::call(__NR_readlinkat, AT_FDCWD, sys::word("/proc/self"), sys::word(text), sizeof text - 1);
  return size > 0 ? static_cast<int>(sys::number(text)) : 0;
}

struct Word {
  Failure failure;
  int pid;
};

// Whoever looks at another's namespaces must be allowed all that the other is. pasta gives up most of its rights before
// it looks, so where it is in the router's user namespace itself, it is shown one who has none. True in that process.
bool leaveHolder(Failure& failure) {
  const sys::Word pid = sys::call(__NR_fork);
  if (pid < 0) failure = failed(NetStep::kSupervisor, pid);
  if (pid != 0) return false;
  const struct {
    std::uint32_t version;
    int pid;
  } header{0x20080522, 0};
  const std::uint32_t none[6] = {};
  sys::call(__NR_capset, sys::word(&header), sys::word(none));
  return true;
}

// The router's builder: answers on `pipe` when the helper may be started, then when the way is open.
[[noreturn]] void runRouter(int pipe, std::int64_t deadlineMs) {
  network::Router router;
  Word word{network::buildRouter(within ? -1 : userNamespace, netNamespace, orders, router), 0};
  const bool holder = within && word.failure.ok() && leaveHolder(word.failure);
  sys::prctl(4 /* PR_SET_DUMPABLE */, 1);  // so that the helper may open /proc/PID/ns
  if (holder || !within || !word.failure.ok()) {
    word.pid = pidInProc();
    sys::writeFd(pipe, &word, sizeof word);
  }
  if (!word.failure.ok()) sys::exitNow(1);
  if (!holder) {
    word.failure = network::waitForTap(router, deadlineMs);
    if (word.failure.ok()) word.failure = network::connectTap(router, orders);
    sys::writeFd(pipe, &word, sizeof word);
  }
  // The helper holds the namespace from now on; but it may look at /proc/PID again, so stay.
  for (;;) sys::call(__NR_pause);
}

[[noreturn]] void runHelper(int pid, int output) {
  sys::Line<16> target;
  target << pid;
  sys::Line<32> file;
  file << "/proc/" << pid << "/ns/net";
  const std::uint64_t none = 0;
  sys::call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, sys::word(&none), 0, 8);
  sys::dup3(output, 1, 0);
  sys::dup3(output, 2, 0);
  const char* const pasta[] = {"pasta",
                               "-f",
                               "-q",
                               "-4",
                               "--no-dhcp",
                               "--no-ndp",
                               "--no-dhcpv6",
                               "--no-ra",
                               "--no-map-gw",
                               "--no-netns-quit",
                               "-t",
                               "none",
                               "-u",
                               "none",
                               "-T",
                               "none",
                               "-U",
                               "none",
                               "-a",
                               "192.0.0.15",
                               "-n",
                               "24",
                               "-g",
                               "192.0.0.2",
                               "-m",
                               "65520",
                               "-I",
                               "tap0",
                               "--dns-forward",
                               "192.0.0.3",
                               within ? "--netns-only" : target.text(),
                               within ? "--netns" : nullptr,
                               file.text(),
                               nullptr};
  const char* const slirp[] = {
      "slirp4netns",      "--mtu",       "65520", "--cidr", "192.0.0.0/24", "--disable-host-loopback",
      "--enable-seccomp", target.text(), "tap0",  nullptr};
  const char* const environment[] = {nullptr};
  const char* const* arguments = (orders.flags & network::kOrderSlirp) != 0 ? slirp : pasta;
  const sys::Word result =
      sys::call(__NR_execve, sys::word(orders.program), sys::word(arguments), sys::word(environment));
  sys::exitNow(result == -sys::kEnoent ? 127 : 126);
}

struct Poll {
  int fd;
  short events, revents;
};

// Keeps the newest of what the helper says, but not its laments over an absent syslog.
void hear(int output) {
  char block[512];
  const sys::Word size = sys::readFd(output, block, sizeof block);
  if (size <= 0) return;
  constexpr sys::Word kRoom = sizeof outcome.lastWords - 1;
  sys::Word held = static_cast<sys::Word>(sys::length(outcome.lastWords));
  const sys::Word drop = held + size > kRoom ? held + size - kRoom : 0;
  memmove(outcome.lastWords, outcome.lastWords + drop, static_cast<std::size_t>(held - drop));
  held -= drop;
  memcpy(outcome.lastWords + held, block, static_cast<std::size_t>(size));
  outcome.lastWords[held + size] = 0;
}

// Reaps; true when that child is among the dead. Its exit status into `status`.
bool reap(int child, int& status) {
  bool found = false;
  for (;;) {
    int one = 0;
    const sys::Word pid = sys::call(__NR_wait4, -1, sys::word(&one), 1 /* WNOHANG */, 0);
    if (pid <= 0) return found;
    if (pid == child) {
      found = true;
      status = (one & 0x7f) != 0 ? 128 + (one & 0x7f) : one >> 8 & 0xff;
    }
  }
}

// Whatever way this returns, its caller exits, and the kernel ends the pid namespace with it.
Failure supervise() {
  sys::call(__NR_setsid);
  sys::call(__NR_chdir, sys::word("/"));
  const std::int64_t deadline = sys::nowMs(sys::kMonotonic) + orders.timeoutMs;
  int words[2], output[2];
  int result = sys::pipe2(words, O_CLOEXEC);
  if (result == 0) result = sys::pipe2(output, O_CLOEXEC | O_NONBLOCK);
  if (result < 0) return failed(NetStep::kSupervisor, result);
  const std::uint64_t children = std::uint64_t{1} << 16;  // SIGCHLD
  sys::call(__NR_rt_sigprocmask, 0 /* SIG_BLOCK */, sys::word(&children), 0, 8);
  const int signals = static_cast<int>(sys::call(__NR_signalfd4, -1, sys::word(&children), 8, O_CLOEXEC | O_NONBLOCK));
  const auto router = static_cast<int>(sys::call(__NR_fork));
  if (router == 0) runRouter(words[1], deadline);
  if (router < 0) return failed(NetStep::kSupervisor, router);
  sys::closeFd(words[1]);

  int helper = 0;
  bool up = false;
  for (;;) {
    Poll polls[] = {{lifetime, 1, 0},
                    {signals, 1, 0},
                    {output[0], 1, 0},
                    {up ? -1 : words[0], 1, 0},
                    {up ? -1 : network::kSupervisorSocket, 1, 0}};
    const std::int64_t left = deadline - sys::nowMs(sys::kMonotonic);
    const __kernel_timespec time{left > 0 ? left / 1000 : 0, left > 0 ? left % 1000 * 1000000 : 0};
    const sys::Word ready = sys::call(__NR_ppoll, sys::word(polls), 5, up ? 0 : sys::word(&time), 0, 8);
    if (ready < 0 && ready != -sys::kEintr) return failed(NetStep::kSupervisor, ready);
    if (polls[0].revents != 0) return failed(NetStep::kSandbox, -3 /* ESRCH */);
    if (polls[2].revents != 0) hear(output[0]);
    if (polls[1].revents != 0) {
      char drained[256];
      sys::readFd(signals, drained, sizeof drained);
      int status = 0;
      if (reap(helper, status) && helper > 0) {
        hear(output[0]);
        return {NetStep::kHelperEnded, status};
      }
    }
    if (polls[3].revents != 0) {
      Word word{};
      if (sys::readFd(words[0], &word, sizeof word) != sizeof word) return failed(NetStep::kRouter, -sys::kEio);
      if (!word.failure.ok()) return word.failure;
      if (helper == 0) {
        helper = static_cast<int>(sys::call(__NR_fork));
        if (helper == 0) runHelper(word.pid, output[1]);
        if (helper < 0) return failed(NetStep::kHelperStart, helper);
      } else {
        up = true;
        report({});
        sys::closeFd(network::kSupervisorSocket);
      }
    }
    if (polls[4].revents != 0) return failed(NetStep::kSupervisor, -sys::kEpipe);  // the host gave up
    if (!up && left <= 0) return failed(NetStep::kTap, -sys::kEtimedout);
  }
}

}  // namespace

int helperMain(int) {
  sys::closeRange(network::kSupervisorSocket + 1, ~0U);
  const int null = sys::openAt(AT_FDCWD, "/dev/null", O_RDWR);
  for (int i = 0; i < 3; ++i) sys::dup3(null, i, 0);
  if (null > network::kSupervisorSocket) sys::closeFd(null);
  Failure failure = readOrders();
  if (failure.ok()) failure = takeOnUser();
  if (failure.ok()) failure = joinOuter();
  if (failure.ok()) {
    const sys::Word pid = sys::call(__NR_clone, CLONE_NEWPID | 17 /* SIGCHLD */, 0, 0, 0, 0);
    if (pid > 0) return 0;
    failure = pid < 0 ? failed(NetStep::kSupervisor, pid) : supervise();
  }
  report(failure);
  return 1;
}

}  // namespace computesdk::local
