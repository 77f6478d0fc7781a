// What stands for a sandbox: a process in a user and network namespace of its own, below a launcher's user namespace,
// without capabilities, that connects where it is told to.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <engine/unique_fd.hpp>
#include <string>
#include <vector>

namespace computesdk::local::network {

constexpr uid_t kSandboxUid = 64000;

enum class Way : std::uint32_t {
  kTcp,
  kTcpBoundToDevice,  // SO_BINDTODEVICE eth0: IPv4 then takes every destination for on-link
  kUdp,
  kUdpOnDevice,  // the same by IP_PKTINFO
};

struct Attempt {
  Way way;
  std::string address;
  std::uint16_t port;
};

class SandboxStandIn {
 public:
  // Call it where the sandbox is to be born: its supervisor and pasta live in the caller's network namespace.
  // Without `launcherAbove` its user namespace is the only one, as bubblewrap makes it.
  explicit SandboxStandIn(bool launcherAbove = true);
  ~SandboxStandIn();
  int netNamespace() const { return namespace_.get(); }
  int lifetime() const { return lifetime_.get(); }
  uid_t uid() const;
  // All at once; 0 where an answer came in time, else the errno (ETIMEDOUT: nothing came).
  std::vector<int> attempt(const std::vector<Attempt>& attempts,
                           std::chrono::milliseconds patience = std::chrono::milliseconds(10000));
  void kill();

 private:
  pid_t launcher_ = 0, init_ = 0;
  UniqueFd channel_, namespace_, lifetime_;
};

}  // namespace computesdk::local::network
