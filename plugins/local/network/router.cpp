#include "router.hpp"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/veth.h>

#include "netlink.hpp"

namespace computesdk::local::network {
namespace {

constexpr int kNetlink = 16, kRaw = 3, kRouteProtocol = 0;
constexpr const char* kInside = "eth0";
constexpr const char* kOutside = "veth0";
constexpr const char* kTap = "tap0";

std::uint32_t sequence = 0;

// Sends a request and reads its acknowledgement. 0 or -errno.
int ask(int socket, NetlinkRequest& request) {
  request.finish(++sequence);
  if (!request.ok()) return -sys::kE2big;
  const sys::Word sent = sys::writeFd(socket, request.data(), request.size());
  if (sent < 0) return static_cast<int>(sent);
  static char answer[8192];
  for (;;) {
    const sys::Word size = sys::readFd(socket, answer, sizeof answer);
    if (size == -sys::kEintr) continue;
    if (size <= 0) return size == 0 ? -sys::kEio : static_cast<int>(size);
    int error = 0;
    if (findAcknowledgement(answer, static_cast<std::size_t>(size), sequence, error)) return error;
  }
}

// The index of a link in the socket's namespace, or -errno. Index by ioctl: one number is all that is wanted.
int indexOf(const char* name, int socket) {
  ifreq request{};
  for (int i = 0; name[i] != 0; ++i) request.ifr_name[i] = name[i];
  const int result = sys::ioctl(socket, 0x8933 /* SIOCGIFINDEX */, sys::word(&request));
  return result < 0 ? result : request.ifr_ifindex;
}

int makePair(int socket, int netNamespace) {
  NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.body(ifinfomsg{}).text(IFLA_IFNAME, kOutside).number(IFLA_MTU, kMtu);
  const std::size_t info = request.begin(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "veth");
  const std::size_t data = request.begin(IFLA_INFO_DATA);
  const std::size_t peer = request.begin(VETH_INFO_PEER);
  request.body(ifinfomsg{}).text(IFLA_IFNAME, kInside).number(IFLA_MTU, kMtu);
  request.number(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netNamespace));
  request.end(peer);
  request.end(data);
  request.end(info);
  return ask(socket, request);
}

// Up, and without an IPv6 address of its own making.
int raise(int socket, int index) {
  constexpr std::uint16_t kAddressMode = 8 /* IFLA_INET6_ADDR_GEN_MODE */;
  constexpr std::uint8_t kNone = 1;
  NetlinkRequest quiet(RTM_SETLINK, 0);
  ifinfomsg link{};
  link.ifi_index = index;
  quiet.body(link);
  const std::size_t families = quiet.begin(IFLA_AF_SPEC);
  const std::size_t six = quiet.begin(10 /* AF_INET6 */);
  quiet.attribute(kAddressMode, &kNone, sizeof kNone);
  quiet.end(six);
  quiet.end(families);
  static_cast<void>(ask(socket, quiet));  // a kernel without IPv6 has nothing to be told

  NetlinkRequest request(RTM_SETLINK, 0);
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  return ask(socket, request.body(link));
}

// By this message and not by /proc/sys, which is read-only in many a container.
int setDevice(int socket, int index, std::uint16_t what) {
  NetlinkRequest request(RTM_SETLINK, 0);
  ifinfomsg link{};
  link.ifi_index = index;
  request.body(link);
  const std::size_t families = request.begin(IFLA_AF_SPEC);
  const std::size_t four = request.begin(2 /* AF_INET */);
  const std::size_t settings = request.begin(IFLA_INET_CONF);
  request.number(what, 1);
  request.end(settings);
  request.end(four);
  request.end(families);
  return ask(socket, request);
}

int addAddress(int socket, int index, std::uint32_t address) {
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  ifaddrmsg body{};
  body.ifa_family = 2;
  body.ifa_prefixlen = 32;
  body.ifa_index = static_cast<std::uint32_t>(index);
  return ask(socket, request.body(body).number(IFA_LOCAL, address).number(IFA_ADDRESS, address));
}

struct Route {
  std::uint32_t address = 0;
  std::uint8_t prefix = 0;
  int link = 0;               // 0: unreachable
  std::uint32_t gateway = 0;  // 0: on the link itself
};

int addRoute(int socket, const Route& route) {
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  rtmsg body{};
  body.rtm_family = 2;
  body.rtm_dst_len = route.prefix;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_type = route.link != 0 ? RTN_UNICAST : RTN_UNREACHABLE;
  body.rtm_scope = route.link != 0 && route.gateway == 0 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  if (route.gateway != 0) body.rtm_flags = RTNH_F_ONLINK;
  request.body(body);
  if (route.prefix > 0) request.number(RTA_DST, route.address);
  if (route.link != 0) request.number(RTA_OIF, static_cast<std::uint32_t>(route.link));
  if (route.gateway != 0) request.number(RTA_GATEWAY, route.gateway);
  return ask(socket, request);
}

Failure failed(NetStep step, sys::Word error) { return {step, static_cast<int>(-error)}; }

int closeRanges(int socket, const Orders& orders) {
  for (const Range& range : kClosed) {
    if (const int result = addRoute(socket, {range.address, range.prefix}); result < 0) return result;
  }
  for (std::uint32_t i = 0; i < orders.hostAddressCount; ++i) {
    if (const int result = addRoute(socket, {orders.hostAddresses[i], 32}); result < 0) return result;
  }
  return 0;
}

}  // namespace

Failure buildRouter(int userNamespace, int netNamespace, const Orders& orders, Router& router) {
  sys::Word result = 0;
  if (userNamespace >= 0) result = sys::call(__NR_setns, userNamespace, 0x10000000 /* CLONE_NEWUSER */);
  if (result == 0) result = sys::call(__NR_setns, netNamespace, CLONE_NEWNET);
  if (result < 0) return failed(NetStep::kSandbox, result);
  router.sandbox = sys::socket(kNetlink, kRaw, kRouteProtocol);
  const int inner = sys::socket(2, 2, 0);
  result = sys::call(__NR_unshare, CLONE_NEWNET);
  if (result < 0) return failed(NetStep::kRouter, result);
  router.router = sys::socket(kNetlink, kRaw, kRouteProtocol);
  router.events = sys::socket(kNetlink, kRaw | sys::kNonblock, kRouteProtocol);
  const int outer = sys::socket(2, 2, 0);
  for (const int socket : {router.sandbox, inner, router.router, router.events, outer}) {
    if (socket < 0) return failed(NetStep::kRouter, socket);
  }
  sockaddr_nl group{};
  group.nl_family = kNetlink;
  group.nl_groups = RTMGRP_LINK;
  result = sys::call(__NR_bind, router.events, sys::word(&group), sizeof group);
  if (result < 0) return failed(NetStep::kRouter, result);

  // Closed before there is a way out.
  result = closeRanges(router.router, orders);
  if (result < 0) return failed(NetStep::kRoutes, result);
  result = makePair(router.router, netNamespace);
  if (result < 0) return failed(NetStep::kVeth, result);
  const int outside = indexOf(kOutside, outer), inside = indexOf(kInside, inner);
  sys::closeFd(inner);
  sys::closeFd(outer);
  if (outside < 0 || inside < 0) return failed(NetStep::kVeth, outside < 0 ? outside : inside);

  result = addAddress(router.router, outside, kRouterAddress);
  if (result == 0) result = addAddress(router.sandbox, inside, kSandboxAddress);
  if (result == 0) result = raise(router.router, outside);
  if (result == 0) result = raise(router.sandbox, inside);
  if (result < 0) return failed(NetStep::kAddresses, result);
  result = setDevice(router.router, outside, IPV4_DEVCONF_FORWARDING);
  if (result < 0) return failed(NetStep::kForwarding, result);
  result = addRoute(router.router, {kSandboxAddress, 32, outside});
  if (result == 0) result = addRoute(router.sandbox, {0, 0, inside, kRouterAddress});
  return result < 0 ? failed(NetStep::kRoutes, result) : Failure{};
}

Failure waitForTap(const Router& router, std::int64_t deadlineMs) {
  const int socket = sys::socket(2, 2, 0);
  if (socket < 0) return failed(NetStep::kTap, socket);
  for (;;) {
    // Events first: one that comes between the look and the wait is then still to be read.
    static char event[8192];
    while (sys::readFd(router.events, event, sizeof event) > 0) {
    }
    if (indexOf(kTap, socket) > 0) break;
    const std::int64_t left = deadlineMs - sys::nowMs(sys::kMonotonic);
    if (left <= 0) return failed(NetStep::kTap, -sys::kEtimedout);
    struct {
      int fd;
      short events, revents;
    } waiting{router.events, 1 /* POLLIN */, 0};
    const __kernel_timespec time{left / 1000, left % 1000 * 1000000};
    sys::call(__NR_ppoll, sys::word(&waiting), 1, sys::word(&time), 0, 8);
  }
  sys::closeFd(socket);
  return {};
}

Failure connectTap(const Router& router, const Orders& orders) {
  const int socket = sys::socket(2, 2, 0);
  const int tap = indexOf(kTap, socket);
  sys::closeFd(socket);
  if (tap < 0) return failed(NetStep::kTap, tap);
  int result = addAddress(router.router, tap, kTapAddress);
  if (result == 0) result = raise(router.router, tap);
  if (result < 0) return failed(NetStep::kAddresses, result);
  result = setDevice(router.router, tap, IPV4_DEVCONF_FORWARDING);
  // slirp4netns asks who has the sandbox's address; the router answers for it.
  if (result == 0) result = setDevice(router.router, tap, IPV4_DEVCONF_PROXY_ARP);
  if (result < 0) return failed(NetStep::kForwarding, result);
  if ((orders.flags & kOrderDns) != 0) result = addRoute(router.router, {kNameServerAddress, 32, tap});
  if (result == 0) result = addRoute(router.router, {0, 0, tap, kGatewayAddress});
  return result < 0 ? failed(NetStep::kRoutes, result) : Failure{};
}

}  // namespace computesdk::local::network
