#include "small_internet.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <network/netlink.hpp>

namespace computesdk::local::network {
namespace {

void must(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::abort();
}

void ask(NetlinkRequest request) {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  request.finish(1);
  must(request.ok() && ::send(socket.get(), request.data(), request.size(), 0) > 0, "netlink send");
  char answer[4096];
  const ssize_t size = ::recv(socket.get(), answer, sizeof answer, 0);
  int error = EIO;
  must(size > 0 && findAcknowledgement(answer, static_cast<std::size_t>(size), 1, error), "netlink answer");
  errno = -error;
  must(error == 0, "netlink");
}

void up(const char* name) {
  ifinfomsg link{};
  link.ifi_index = static_cast<int>(::if_nametoindex(name));
  link.ifi_flags = link.ifi_change = IFF_UP;
  ask(NetlinkRequest(RTM_SETLINK, 0).body(link));
}

void address(const char* name, const std::string& text, std::uint8_t prefix) {
  ifaddrmsg body{};
  body.ifa_family = AF_INET;
  body.ifa_prefixlen = prefix;
  body.ifa_index = ::if_nametoindex(name);
  const std::uint32_t value = ::inet_addr(text.c_str());
  ask(NetlinkRequest(RTM_NEWADDR, NLM_F_CREATE).body(body).number(IFA_LOCAL, value).number(IFA_ADDRESS, value));
}

void defaultRoute(const char* gateway) {
  rtmsg body{};
  body.rtm_family = AF_INET;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_type = RTN_UNICAST;
  ask(NetlinkRequest(RTM_NEWROUTE, NLM_F_CREATE).body(body).number(RTA_GATEWAY, ::inet_addr(gateway)));
}

UniqueFd newNamespace() {
  UniqueFd made;
  std::thread([&] {
    must(::unshare(CLONE_NEWNET) == 0, "unshare");
    made.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    up("lo");
  }).join();
  must(static_cast<bool>(made), "namespace");
  return made;
}

void inside(const UniqueFd& space, const std::function<void()>& work) {
  std::thread([&] {
    must(::setns(space.get(), CLONE_NEWNET) == 0, "setns");
    work();
  }).join();
}

UniqueFd bound(int type, std::uint16_t port) {
  UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(port);
  must(::bind(socket.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0, "bind");
  const int on = 1;
  if (type == SOCK_STREAM) must(::listen(socket.get(), 64) == 0, "listen");
  if (type == SOCK_DGRAM) ::setsockopt(socket.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
  return socket;
}

}  // namespace

bool canMakeNetworks() {
  bool good = false;
  std::thread([&] { good = ::unshare(CLONE_NEWNET) == 0; }).join();
  return good;
}

SmallInternet::SmallInternet(const std::vector<std::string>& addresses)
    : host_(newNamespace()), outside_(newNamespace()), stop_(::eventfd(0, EFD_CLOEXEC)) {
  inside(host_, [&] {
    NetlinkRequest pair(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    pair.body(ifinfomsg{}).text(IFLA_IFNAME, "uplink");
    const std::size_t info = pair.begin(IFLA_LINKINFO);
    pair.text(IFLA_INFO_KIND, "veth");
    const std::size_t data = pair.begin(IFLA_INFO_DATA);
    const std::size_t peer = pair.begin(VETH_INFO_PEER);
    pair.body(ifinfomsg{}).text(IFLA_IFNAME, "downlink");
    pair.number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(outside_.get()));
    pair.end(peer);
    pair.end(data);
    pair.end(info);
    ask(pair);
    address("uplink", "198.51.100.2", 24);
    up("uplink");
    listeners_.push_back(bound(SOCK_STREAM, kPort));  // a service of the machine, open to everybody
  });
  inside(outside_, [&] {
    address("downlink", "198.51.100.1", 24);
    up("downlink");
    for (const std::string& one : addresses) address("lo", one, 32);
    listeners_.push_back(bound(SOCK_STREAM, kPort));
    datagrams_.push_back(bound(SOCK_DGRAM, kPort));
    datagrams_.push_back(bound(SOCK_DGRAM, 53));
  });
  inside(host_, [] { defaultRoute("198.51.100.1"); });
  server_ = std::thread([this] { serve(); });
}

SmallInternet::~SmallInternet() {
  const std::uint64_t one = 1;
  must(::write(stop_.get(), &one, sizeof one) > 0, "stop");
  server_.join();
}

void SmallInternet::onHost(const std::function<void()>& work) const { inside(host_, work); }

std::set<std::string> SmallInternet::reached() {
  const std::lock_guard lock(mutex_);
  return reached_;
}

// Greets every connection, echoes every datagram, and notes which address was meant.
void SmallInternet::serve() {
  for (;;) {
    std::vector<pollfd> waiting{{stop_.get(), POLLIN, 0}};
    for (const UniqueFd& one : listeners_) waiting.push_back({one.get(), POLLIN, 0});
    for (const UniqueFd& one : datagrams_) waiting.push_back({one.get(), POLLIN, 0});
    if (::poll(waiting.data(), waiting.size(), -1) <= 0 || waiting[0].revents != 0) return;
    for (const UniqueFd& listener : listeners_) {
      const UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client) continue;
      sockaddr_in local{};
      socklen_t size = sizeof local;
      ::getsockname(client.get(), reinterpret_cast<sockaddr*>(&local), &size);
      {
        const std::lock_guard lock(mutex_);
        reached_.insert(::inet_ntoa(local.sin_addr));
      }
      (void)!::send(client.get(), "hello", 5, MSG_NOSIGNAL);
    }
    for (const UniqueFd& socket : datagrams_) {
      char text[512];
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const ssize_t n = ::recvfrom(socket.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 0) continue;
      {
        const std::lock_guard lock(mutex_);
        reached_.insert("udp " + std::string(text, static_cast<std::size_t>(n)));
      }
      (void)!::sendto(socket.get(), text, static_cast<std::size_t>(n), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }
}

}  // namespace computesdk::local::network
