// Network `full`: a sandbox reaches the internet through pasta (else slirp4netns) and nothing else: no host
// loopback, no address of the host, no private, link-local, carrier-grade or metadata address.
//
//   sandbox's net namespace            router's net namespace (nobody inside)         host's
//   eth0 192.0.0.15/32  ---- veth ---- 192.0.0.1, routes: closed ranges unreachable,
//                                      default to tap0 ------------------------------ pasta, as the sandbox's uid
//
// Why a router between: unreachable routes in the sandbox's own namespace are no wall, since IPv4 takes a destination
// for on-link when the socket is bound to a device (SO_BINDTODEVICE, IP_PKTINFO: no privilege needed) and the lookup
// fails, and local multicast is not looked up at all. The router forwards, and forwarding obeys its routes; it
// forwards no multicast and no broadcast. IPv6 is not forwarded: the sandbox has no IPv6 address but ::1.
//
// A supervisor (static, empty environment, no open files but its own) is process 1 of a pid namespace that holds
// pasta. It ends when the sandbox does, and takes everything with it. Killing it cuts the network, nothing else.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "../engine/result.hpp"
#include "../engine/unique_fd.hpp"

namespace computesdk::local::network {

enum class Helper : std::uint8_t { kPasta, kSlirp };

struct HelperProgram {
  Helper kind = Helper::kPasta;
  std::string path;
};

// The first of pasta, slirp4netns in the folders of `path` (like $PATH; empty: the usual system folders). kUnavailable
// names the package when there is none.
Result<HelperProgram> findHelper(const std::string& path = {});

struct JoinRequest {
  HelperProgram helper;
  int netNamespace = -1;  // the sandbox's (an fd of init's /proc/self/ns/net); its user namespace is found from it
  int lifetime = -1;      // a pidfd of init: readable once the sandbox is gone
  // As root: the uid and gid behind the sandbox, which the supervisor takes on first; 0: it stays who it is.
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> hostAddresses;  // IPv4, network order; closed one by one. See hostAddresses()
  bool dns = true;                           // the host has a resolver: forward kNameServer to it
  std::chrono::milliseconds timeout{10000};
};

// The text for the sandbox's /etc/resolv.conf.
inline constexpr const char* kNameServer = "192.0.0.3";
std::string resolvConf();

// Every IPv4 address of this machine's interfaces but loopback.
std::vector<std::uint32_t> hostAddresses();

// Connects a sandbox. When it returns OK the network is up and every closed range is closed; call it before the
// first command is let run. On error nothing is left behind. Blocks; call from any thread.
// Errors: kUnavailable (helper, /dev/net/tun or veth missing), kPermissionDenied, kDeadlineExceeded, kInternal; the
// text holds the helper's own last words.
Status join(const JoinRequest& request);

}  // namespace computesdk::local::network
