#include "network.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "orders.hpp"

extern "C" {
extern const char computesdk_local_network_start[] __attribute__((visibility("hidden")));
extern const char computesdk_local_network_end[] __attribute__((visibility("hidden")));
}

namespace computesdk::local::network {
namespace {

using Clock = std::chrono::steady_clock;

// The supervisor as a sealed file: nothing has to be installed, and nobody can change it while it runs.
int supervisorFile() {
  static const int file = [] {
    constexpr unsigned kExec = 0x10;  // MFD_EXEC, since 6.3; older kernels refuse the flag
    int fd = ::memfd_create("computesdk-local-net", MFD_CLOEXEC | MFD_ALLOW_SEALING | kExec);
    if (fd < 0) fd = ::memfd_create("computesdk-local-net", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const char* at = computesdk_local_network_start;
    while (fd >= 0 && at < computesdk_local_network_end) {
      const ssize_t n = ::write(fd, at, static_cast<std::size_t>(computesdk_local_network_end - at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return -1;
      at += n;
    }
    if (fd < 0) return -1;
    ::fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    if (fd > kSupervisorSocket) return fd;
    const int higher = ::fcntl(fd, F_DUPFD_CLOEXEC, kSupervisorSocket + 1);  // away from the socket's number
    ::close(fd);
    return higher;
  }();
  return file;
}

// Not fork: the caller's memory may hold keys. Its environment does not go along either.
int spawnSupervisor(int socket, pid_t& pid) {
  const int file = supervisorFile();
  if (file < 0) return ENOMEM;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, socket, kSupervisorSocket);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  char name[] = "computesdk-local-net";
  char* const arguments[] = {name, nullptr};
  char* const environment[] = {nullptr};
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const int result = ::posix_spawn(&pid, path.c_str(), &actions, &attributes, arguments, environment);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return result;
}

Status sendOrders(int socket, const Orders& orders, const JoinRequest& request) {
  const int fds[] = {request.netNamespace, request.lifetime};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fds)] = {};
  iovec part{const_cast<Orders*>(&orders), sizeof orders};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(header), fds, sizeof fds);
  if (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
    return systemError(errno, "cannot speak to the network's supervisor");
  return okStatus();
}

// What the helper said, on one line, without what it says to everybody.
std::string lastWords(const Outcome& outcome) {
  std::string words;
  std::string_view text(outcome.lastWords, ::strnlen(outcome.lastWords, sizeof outcome.lastWords));
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() || line.substr(0, 14) == "Failed to send") continue;
    if (!words.empty()) words += "; ";
    words += line;
  }
  return words;
}

struct Explanation {
  const char* why;
  const char* fix;
};

Explanation explain(NetStep step, Helper helper) {
  switch (step) {
    case NetStep::kUser: return {"the sandbox's user could not be taken on", "Start the program with CAP_SETUID."};
    case NetStep::kNamespaces:
    case NetStep::kOuter:
    case NetStep::kSandbox: return {"the sandbox's namespaces could not be joined; it may have ended", ""};
    case NetStep::kRouter: return {"no further network namespace could be made", "Check user.max_net_namespaces."};
    case NetStep::kVeth: return {"the kernel gave no veth pair", "Load the module: sudo modprobe veth"};
    case NetStep::kForwarding: return {"the kernel does not let the router forward", ""};
    case NetStep::kHelperStart:
    case NetStep::kHelperEnded:
      return helper == Helper::kPasta
                 ? Explanation{"pasta ended", "Check that this machine has a default route and /dev/net/tun."}
                 : Explanation{"slirp4netns ended", "Check that /dev/net/tun may be opened by every user."};
    case NetStep::kTap: return {"the helper made no network device in time", "Check /dev/net/tun: sudo modprobe tun"};
    default: return {"", ""};
  }
}

Error failure(const Outcome& outcome, Helper helper) {
  const Explanation explanation = explain(outcome.step, helper);
  Error error;
  error.kind = ErrorClass::kUnavailable;
  if (outcome.step == NetStep::kTap && outcome.error == ETIMEDOUT) error.kind = ErrorClass::kDeadlineExceeded;
  if (outcome.step == NetStep::kUser || outcome.step == NetStep::kOuter) error.kind = ErrorClass::kPermissionDenied;
  error.message = "network mode full could not be set up";
  error.why = explanation.why;
  if (outcome.step == NetStep::kHelperEnded) {
    error.why += " with status " + std::to_string(outcome.error);
  } else if (outcome.error != 0) {
    error.why += error.why.empty() ? "" : ": ";
    error.why += std::strerror(outcome.error);
    error.systemError = outcome.error;
  }
  if (const std::string words = lastWords(outcome); !words.empty()) error.why += ": " + words;
  error.fix = explanation.fix;
  return error;
}

Status check(const JoinRequest& request, Orders& orders) {
  if (request.netNamespace < 0 || request.lifetime < 0) {
    return Error{.kind = ErrorClass::kInvalidArgument, .message = "a namespace and a lifetime are needed"};
  }
  if (request.helper.path.empty() || request.helper.path[0] != '/' ||
      request.helper.path.size() >= sizeof orders.program) {
    return Error{.kind = ErrorClass::kInvalidArgument, .message = "the network helper's path must be absolute"};
  }
  if (request.hostAddresses.size() > kMostHostAddresses) {
    return Error{.kind = ErrorClass::kResourceExhausted,
                 .message = "this machine has more addresses than can be closed to a sandbox"};
  }
  // A root that cannot become another user runs its sandboxes as itself; then there is nobody to change to.
  const bool change = ::geteuid() == 0 && request.uid != 0;
  orders.flags = (change ? kOrderAsRoot : 0U) | (request.helper.kind == Helper::kSlirp ? kOrderSlirp : 0U) |
                 (request.dns ? kOrderDns : 0U);
  orders.uid = request.uid;
  orders.gid = request.gid;
  orders.timeoutMs = static_cast<std::uint32_t>(request.timeout.count());
  orders.hostAddressCount = static_cast<std::uint32_t>(request.hostAddresses.size());
  for (std::size_t i = 0; i < request.hostAddresses.size(); ++i) orders.hostAddresses[i] = request.hostAddresses[i];
  std::memcpy(orders.program, request.helper.path.c_str(), request.helper.path.size() + 1);
  return okStatus();
}

Result<Outcome> waitForOutcome(int socket, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{socket, POLLIN, 0};
    const int ready = left <= 0 ? 0 : ::poll(&waiting, 1, static_cast<int>(std::min<long long>(left, 60000)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0 && left > 0) continue;
    if (ready <= 0) return Outcome{NetStep::kTap, ETIMEDOUT, {}};
    Outcome outcome{};
    const ssize_t size = ::recv(socket, &outcome, sizeof outcome, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size != sizeof outcome) return Outcome{NetStep::kSupervisor, ECONNRESET, {}};
    return outcome;
  }
}

}  // namespace

Result<HelperProgram> findHelper(const std::string& path) {
  const std::string folders = path.empty() ? "/usr/bin:/usr/local/bin:/bin:/usr/sbin:/sbin" : path;
  const struct {
    Helper kind;
    const char* name;
  } helpers[] = {{Helper::kPasta, "pasta"}, {Helper::kSlirp, "slirp4netns"}};
  for (const auto& helper : helpers) {
    for (std::size_t at = 0; at <= folders.size();) {
      std::size_t end = folders.find(':', at);
      if (end == std::string::npos) end = folders.size();
      const std::string program = folders.substr(at, end - at) + "/" + helper.name;
      if (program[0] == '/' && ::access(program.c_str(), X_OK) == 0) return HelperProgram{helper.kind, program};
      at = end + 1;
    }
  }
  return Error{.kind = ErrorClass::kUnavailable,
               .message = "network mode full needs pasta or slirp4netns, and neither is installed",
               .fix = "sudo apt-get install passt    (Fedora, Arch, Alpine: the package is called passt too)"};
}

std::string resolvConf() { return std::string("nameserver ") + kNameServer + "\n"; }

std::vector<std::uint32_t> hostAddresses() {
  std::vector<std::uint32_t> addresses;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    sockaddr_in address;
    std::memcpy(&address, one->ifa_addr, sizeof address);
    if ((ntohl(address.sin_addr.s_addr) >> 24) != 127) addresses.push_back(address.sin_addr.s_addr);
  }
  ::freeifaddrs(list);
  return addresses;
}

Status join(const JoinRequest& request) {
  Orders orders{};
  if (Status checked = check(request, orders); !checked.ok()) return checked;
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return systemError(errno, "cannot make a socket");
  const UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  pid_t pid = 0;
  const int spawned = spawnSupervisor(theirs.get(), pid);
  if (spawned != 0)
    return systemError(spawned, "cannot start the network's supervisor", "Check ulimit -u and free memory.");
  theirs.reset();
  Status sent = sendOrders(ours.get(), orders, request);
  // A little longer than the supervisor's own patience, whose answer says more.
  const auto outcome = waitForOutcome(ours.get(), Clock::now() + request.timeout + std::chrono::milliseconds(500));
  // What was started hands over to a process of its own session and is gone.
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!sent.ok()) return sent;
  if (!outcome.ok()) return outcome.error();
  if (outcome->step != NetStep::kUp) return failure(*outcome, request.helper.kind);
  return okStatus();
}

}  // namespace computesdk::local::network
