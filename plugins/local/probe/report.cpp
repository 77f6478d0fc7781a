#include <cstdlib>

#include "causes.hpp"
#include "probe.hpp"

namespace computesdk::local::probe {
namespace {

struct Line {
  Primitive primitive;
  const char* name;
  bool needed;
  Verdict without;
  const char* gives;
  const char* cost;
};

constexpr Line kLines[] = {
    {Primitive::kUserNamespaces, "user-namespaces", true, Verdict::kMissing, "isolation without root",
     "no sandbox can be made"},
    {Primitive::kNamespaces, "namespaces", true, Verdict::kMissing,
     "own processes, mounts, network, IPC and host name for each sandbox", "no sandbox can be made"},
    {Primitive::kProcMount, "proc-mount", true, Verdict::kMissing, "a /proc that shows only the sandbox's processes",
     "no sandbox can be made"},
    {Primitive::kSeccomp, "seccomp", true, Verdict::kMissing, "a filter on the kernel's interfaces",
     "no sandbox can be made"},
    {Primitive::kMemfd, "memfd", true, Verdict::kMissing, "a helper that nobody can overwrite",
     "no sandbox can be made"},
    {Primitive::kPidfd, "pidfd", true, Verdict::kMissing, "certainty about which process is meant",
     "no sandbox can be made"},
    {Primitive::kTerminals, "terminals", true, Verdict::kMissing, "terminals inside that are not the caller's",
     "no sandbox can be made"},
    {Primitive::kClone3, "clone3", false, Verdict::kDegraded, "the newest way to make processes",
     "nothing; the older call is used"},
    {Primitive::kOpenat2, "openat2", false, Verdict::kDegraded, "fs, cp and code, safe from symlink races",
     "fs, cp, code and network mode full are refused"},
    {Primitive::kOverlay, "overlay", false, Verdict::kDegraded, "templates that can be written, snapshots",
     "templates stay read-only, and nothing starts from a snapshot"},
    {Primitive::kCgroups, "cgroups", false, Verdict::kDegraded, "hard limits of memory and cpu",
     "memory and cpu limits are soft: a watchdog and pinning to cores"},
    {Primitive::kTun, "tun", false, Verdict::kMissing, "network mode full", "no network mode full"},
    {Primitive::kNetworkHelper, "network-helper", false, Verdict::kMissing,
     "network mode full, by pasta or slirp4netns", "no network mode full"},
    {Primitive::kBubblewrap, "bubblewrap", false, Verdict::kDegraded,
     "a second engine where only profiled programs may use user namespaces", "no second engine"},
};

Finding judge(const Line& line, Machine& machine) {
  Finding finding;
  finding.primitive = line.primitive;
  finding.name = line.name;
  finding.needed = line.needed;
  finding.gives = line.gives;
  std::string detail;
  const int error = machine.attempt(line.primitive, detail);
  if (error == 0) {
    finding.verdict = Verdict::kOk;
    finding.found = std::move(detail);
    return finding;
  }
  finding.verdict = line.without;
  Cause cause = causeOf(line.primitive, error, detail, machine);
  finding.why = std::move(cause.why);
  finding.fix = std::move(cause.fix);
  finding.cost = line.cost;
  return finding;
}

class Failing final : public Machine {
 public:
  Failing(std::unique_ptr<Machine> inner, std::vector<std::pair<Primitive, int>> failures)
      : inner_(std::move(inner)), failures_(std::move(failures)) {}
  int attempt(Primitive primitive, std::string& detail) override {
    for (const auto& [failing, error] : failures_) {
      if (failing == primitive) return error;
    }
    return inner_->attempt(primitive, detail);
  }
  std::string read(const std::string& path) override { return inner_->read(path); }
  bool root() override { return inner_->root(); }

 private:
  std::unique_ptr<Machine> inner_;
  std::vector<std::pair<Primitive, int>> failures_;
};

}  // namespace

std::string_view toString(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk: return "ok";
    case Verdict::kDegraded: return "degraded";
    default: return "missing";
  }
}

const Finding& Report::of(Primitive primitive) const {
  for (const Finding& finding : findings) {
    if (finding.primitive == primitive) return finding;
  }
  std::abort();  // every report holds every primitive
}

bool Report::canIsolate() const {
  for (const Finding& finding : findings) {
    if (finding.needed && finding.verdict == Verdict::kMissing) return false;
  }
  return true;
}

Error Report::refusal() const {
  for (const Finding& finding : findings) {
    if (!finding.needed || finding.verdict != Verdict::kMissing) continue;
    Error error;
    error.kind = ErrorClass::kUnavailable;
    error.message = "this machine cannot isolate: " + finding.name + " cannot be used";
    error.why = finding.why;
    error.fix = finding.fix;
    return error;
  }
  return {};
}

Report run(Machine& machine) {
  Report report;
  for (const Line& line : kLines) report.findings.push_back(judge(line, machine));
  return report;
}

const Report& cached() {
  static const Report report = [] {
    const auto machine = realMachine();
    return run(*machine);
  }();
  return report;
}

std::unique_ptr<Machine> failing(std::unique_ptr<Machine> inner, std::vector<std::pair<Primitive, int>> failures) {
  return std::make_unique<Failing>(std::move(inner), std::move(failures));
}

}  // namespace computesdk::local::probe
