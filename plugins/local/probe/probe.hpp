// What this machine gives for isolation, found by really doing each thing in a short-lived child.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../engine/result.hpp"

namespace computesdk::local::probe {

enum class Verdict : std::uint8_t { kOk, kDegraded, kMissing };
std::string_view toString(Verdict verdict);

enum class Primitive : std::uint8_t {
  kUserNamespaces,  // with the exact cause of refusal
  kNamespaces,      // mount, pid, net, ipc, uts, cgroup inside of one
  kProcMount,       // a fresh /proc inside
  kSeccomp,
  kClone3,
  kOpenat2,
  kOverlay,  // in a user namespace
  kCgroups,
  kTerminals,  // /dev/ptmx and devpts newinstance
  kTun,
  kNetworkHelper,  // pasta, slirp4netns
  kBubblewrap,
  kMemfd,
  kPidfd,
};

struct Finding {
  Primitive primitive;
  std::string name;  // stable, for --json: "user-namespaces", "openat2", …
  Verdict verdict = Verdict::kMissing;
  bool needed = false;  // without it the own engine refuses
  std::string gives;    // what it is for, one line
  std::string found;    // of ok, where there are several: "v2", or a program's path
  std::string
      why;  // of degraded and missing: the exact cause, e.g. "kernel.apparmor_restrict_unprivileged_userns is 1"
  std::string cost;  // of degraded and missing: what is lost
  std::string fix;   // of degraded and missing: a command to run, or what to ask of whoever runs the container
};

struct Report {
  std::vector<Finding> findings;
  const Finding& of(Primitive primitive) const;
  // Everything needed is there.
  bool canIsolate() const;
  // The refusal: kUnavailable with cause and remedy of the first needed thing that is missing. Only if !canIsolate().
  Error refusal() const;
};

// The machine as the probe sees it.
class Machine {
 public:
  virtual ~Machine() = default;
  // Whether a primitive works: 0, or the errno that it met. `detail` becomes: of kUserNamespaces the step that failed
  // ("create", "maps", "use"); of kCgroups "v1", "v2" or why not; of programs the path found.
  virtual int attempt(Primitive primitive, std::string& detail) = 0;
  // Content of a small file without its last newline; "" if there is none.
  virtual std::string read(const std::string& path) = 0;
  virtual bool root() = 0;
};
// Tries in short-lived children of a small static helper, with an empty environment. As root the helper first takes
// on an unused uid, as the launcher does.
std::unique_ptr<Machine> realMachine();

// Answers with a given errno for the primitives set in it; everything else is asked of `inner`.
std::unique_ptr<Machine> failing(std::unique_ptr<Machine> inner, std::vector<std::pair<Primitive, int>> failures);

// Runs all probes (some milliseconds).
Report run(Machine& machine);
// Of the real machine, taken once a process. Thread-safe.
const Report& cached();

}  // namespace computesdk::local::probe
