#include "sandbox_stand_in.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <support/plain_fork.hpp>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace computesdk::local::network {
namespace {

constexpr std::size_t kMost = 64;
struct Order {
  std::uint32_t way, address;
  std::int32_t patienceMs;
  std::uint16_t port;
};

void must(bool good, int code) {
  if (!good) ::_exit(code);
}

void put(const char* path, const char* text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  must(fd >= 0 && ::write(fd, text, std::strlen(text)) > 0, 90);
  ::close(fd);
}

void map(uid_t inner, uid_t outer) {
  char line[64];
  std::snprintf(line, sizeof line, "%u %u 1", static_cast<unsigned>(inner), static_cast<unsigned>(outer));
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", line);
  put("/proc/self/gid_map", line);
}

void sendWithFd(int channel, pid_t pid, int fd) {
  iovec part{&pid, sizeof pid};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  must(::sendmsg(channel, &message, 0) > 0, 91);
}

int begin(const Order& order, std::size_t index) {
  const bool udp = order.way >= 2;
  const int fd = ::socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = order.address;
  to.sin_port = htons(order.port);
  if (order.way == static_cast<std::uint32_t>(Way::kTcpBoundToDevice)) {
    if (::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4) != 0) return -errno;
  }
  if (!udp) {
    if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) return -errno;
    return fd;
  }
  char text[16];
  const int size = std::snprintf(text, sizeof text, "%zu", index);
  iovec part{text, static_cast<std::size_t>(size)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (order.way == static_cast<std::uint32_t>(Way::kUdpOnDevice)) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    info.ipi_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
  }
  return ::sendmsg(fd, &message, 0) < 0 ? -errno : fd;
}

long long nowMs() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

void tryAll(const Order* orders, std::size_t count, int* results, int patienceMs) {
  pollfd waiting[kMost];
  std::size_t open = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const int fd = begin(orders[i], i);
    results[i] = fd < 0 ? -fd : ETIMEDOUT;
    waiting[i] = {fd < 0 ? -1 : fd, POLLIN, 0};
    open += fd >= 0;
  }
  const long long end = nowMs() + patienceMs;
  while (open > 0 && nowMs() < end) {
    if (::poll(waiting, count, static_cast<int>(end - nowMs())) <= 0) break;
    for (std::size_t i = 0; i < count; ++i) {
      if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
      char text[64];
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(waiting[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
      results[i] = error != 0 ? error : ::recv(waiting[i].fd, text, sizeof text, 0) > 0 ? 0 : ECONNRESET;
      ::close(waiting[i].fd);
      waiting[i].fd = -1;
      --open;
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (waiting[i].fd >= 0) ::close(waiting[i].fd);
  }
}

[[noreturn]] void beInit(int channel, bool launcherAbove) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const uid_t uid = ::geteuid();
  must(::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, 92);
  map(launcherAbove ? 1000 : 0, launcherAbove ? 1000 : uid);
  sendWithFd(channel, ::getpid(), ::open("/proc/self/ns/net", O_RDONLY));
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  must(::syscall(SYS_capset, &header, none) == 0, 93);
  ::prctl(PR_SET_DUMPABLE, 0);  // as the real one
  for (;;) {
    Order orders[kMost];
    const ssize_t size = ::recv(channel, orders, sizeof orders, 0);
    if (size <= 0) ::_exit(0);
    int results[kMost] = {};
    const std::size_t count = static_cast<std::size_t>(size) / sizeof(Order);
    tryAll(orders, count, results, orders[0].patienceMs);
    must(::send(channel, results, count * sizeof(int), 0) > 0, 94);
  }
}

[[noreturn]] void beLauncher(int channel, bool launcherAbove) {
  if (::geteuid() == 0) {
    must(::setresgid(kSandboxUid, kSandboxUid, kSandboxUid) == 0, 95);
    must(::setresuid(kSandboxUid, kSandboxUid, kSandboxUid) == 0, 95);
    ::prctl(PR_SET_DUMPABLE, 1);
  }
  const uid_t uid = ::geteuid();
  if (launcherAbove) {
    must(::unshare(CLONE_NEWUSER) == 0, 96);
    map(1000, uid);
  }
  const pid_t init = computesdk::testing::plainFork();
  if (init == 0) beInit(channel, launcherAbove);
  ::close(channel);
  ::waitpid(init, nullptr, 0);
  ::_exit(0);
}

}  // namespace

uid_t SandboxStandIn::uid() const { return ::geteuid() == 0 ? kSandboxUid : ::geteuid(); }

SandboxStandIn::SandboxStandIn(bool launcherAbove) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) std::abort();
  channel_.reset(pair[0]);
  // Both end when the channel does.
  launcher_ = computesdk::testing::plainFork();
  if (launcher_ == 0) beLauncher(pair[1], launcherAbove);
  ::close(pair[1]);
  iovec part{&init_, sizeof init_};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(channel_.get(), &message, MSG_CMSG_CLOEXEC) <= 0 || CMSG_FIRSTHDR(&message) == nullptr) {
    int status = 0;
    ::waitpid(launcher_, &status, 0);
    std::fprintf(stderr, "the sandbox's stand-in ended with %d\n", status);
    std::abort();
  }
  int fd;
  std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  namespace_.reset(fd);
  lifetime_.reset(static_cast<int>(::syscall(SYS_pidfd_open, init_, 0)));
}

SandboxStandIn::~SandboxStandIn() { kill(); }

void SandboxStandIn::kill() {
  if (launcher_ == 0) return;
  ::kill(init_, SIGKILL);
  ::waitpid(launcher_, nullptr, 0);
  launcher_ = 0;
}

std::vector<int> SandboxStandIn::attempt(const std::vector<Attempt>& attempts, std::chrono::milliseconds patience) {
  std::vector<Order> orders;
  for (const Attempt& one : attempts) {
    orders.push_back({static_cast<std::uint32_t>(one.way), ::inet_addr(one.address.c_str()),
                      static_cast<std::int32_t>(patience.count()), one.port});
  }
  if (orders.size() > kMost || ::send(channel_.get(), orders.data(), orders.size() * sizeof(Order), MSG_NOSIGNAL) < 0)
    std::abort();
  std::vector<int> results(orders.size(), EIO);
  if (::recv(channel_.get(), results.data(), results.size() * sizeof(int), 0) < 0) std::abort();
  return results;
}

}  // namespace computesdk::local::network
