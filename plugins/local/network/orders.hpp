// What the host tells the supervisor, and what it hears back: one message each way. Freestanding.
#pragma once

#include <cstdint>

namespace computesdk::local::network {

constexpr int kSupervisorSocket = 3;
constexpr std::uint32_t kMostHostAddresses = 1024;

enum OrderFlags : std::uint32_t { kOrderAsRoot = 1, kOrderSlirp = 2, kOrderDns = 4 };

// Followed by nothing; sent with two descriptors: the sandbox's network namespace, its lifetime.
struct Orders {
  std::uint32_t flags;
  std::uint32_t uid, gid;
  std::uint32_t timeoutMs;
  std::uint32_t hostAddressCount;
  std::uint32_t hostAddresses[kMostHostAddresses];
  char program[1024];
};

enum class NetStep : std::uint32_t {
  kUp,  // no failure: the network is there
  kOrders,
  kUser,
  kNamespaces,  // finding the sandbox's
  kOuter,       // joining the launcher's user namespace
  kSupervisor,
  kSandbox,  // joining the sandbox's
  kRouter,
  kVeth,
  kAddresses,
  kForwarding,
  kRoutes,
  kHelperStart,
  kHelperEnded,
  kTap,
};

struct Outcome {
  NetStep step;
  std::int32_t error;    // errno, or the helper's exit status for kHelperEnded
  char lastWords[1000];  // of the helper, NUL-terminated
};

}  // namespace computesdk::local::network
