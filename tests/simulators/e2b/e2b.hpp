#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/program.hpp"
#include "machine/fleet.hpp"

namespace computesdk::simulators {

/// The key that is accepted when the environment of the simulator names none (E2B_API_KEY).
inline constexpr const char* kE2bDefaultKey = "e2b_0123456789abcdef0123456789abcdef01234567";

/// E2B's two services on one port: the control plane (REST) and, by the headers E2b-Sandbox-Id and E2b-Sandbox-Port or
/// by the host name PORT-ID.anything, the envd of each sandbox and the ports of its programs. Thread-safe.
class E2bSimulator : public Simulator {
 public:
  E2bSimulator();

  void serve(Server& server) override;
  std::vector<std::string> sandboxes() override { return fleet_.ids(); }
  void reset() override;

 private:
  friend class E2bControl;
  friend class E2bProcesses;
  friend class E2bFiles;

  /// What the service keeps of one sandbox.
  struct Box {
    std::string id, templateId, alias, token, trafficToken;
    std::map<std::string, std::string> metadata, env;
    Clock::time_point startedAt, endAt;
    bool paused = false, autoPause = false, autoResume = false;
    std::string networkJson;  ///< as it was asked for
    int executions = 0;       ///< of code
  };
  struct Snapshot {
    std::string id, name, sandboxId, templateId, files;
    std::map<std::string, std::string> env;
  };
  /// A sandbox and its machine, as they were when it was asked for.
  struct Live {
    Box box;
    std::shared_ptr<Machine> machine;
  };

  std::optional<Live> find(const std::string& id);
  template <typename F>
  void change(const std::string& id, F&& f) {
    const std::lock_guard lock(mutex_);
    if (const auto found = boxes_.find(id); found != boxes_.end()) f(found->second);
  }
  /// Lets a paused one go on, with so much time from now.
  void resume(const Live& live, std::chrono::seconds timeout);
  bool expire(Machine& machine);

  /// envd's guard: the sandbox runs, the token fits. Nothing: it has answered.
  std::optional<Live> enter(Exchange& exchange, bool signedPath = false);
  bool carryToPort(Exchange& exchange);
  void executeCode(Exchange& exchange);
  static std::string newId(std::string_view prefix, std::size_t length);

  const std::string key_;
  std::mutex mutex_;
  std::map<std::string, Box> boxes_;
  std::map<std::string, Snapshot> snapshots_;
  Fleet fleet_;
};

/// "2026-11-21T09:35:46.379Z"
std::string isoTime(Clock::time_point time);
void respondError(Exchange& exchange, int status, std::string_view message);

/// What is told apart by the front of E2B: which sandbox, and which of its ports. Both empty: the control plane.
struct E2bTarget {
  std::string id;
  int port = 0;
};
E2bTarget targetOf(const Request& request);

constexpr int kEnvdPort = 49983;
constexpr int kCodePort = 49999;
constexpr const char* kHome = "/home/user";

}  // namespace computesdk::simulators
