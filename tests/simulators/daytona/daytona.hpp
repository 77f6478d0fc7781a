#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/json.hpp"
#include "harness/program.hpp"
#include "machine/fleet.hpp"

namespace computesdk::simulators {

/// What is accepted when the environment of the simulator says nothing else (DAYTONA_API_KEY, DAYTONA_JWT_TOKEN).
inline constexpr const char* kDaytonaDefaultKey =
    "dtn_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
inline constexpr const char* kDaytonaDefaultToken = "eyJhbGciOiJub25lIn0.e30.simulator";
inline constexpr const char* kDaytonaOrganization = "5f9e0f0e-0000-4000-8000-00000000a0a0";
inline constexpr const char* kDaytonaHome = "/home/daytona";

/// A command of a session.
struct DaytonaCommand {
  std::string id, line;
  std::shared_ptr<Task> task;
  bool echo = true;  ///< what is typed is shown in its output
  std::mutex mutex;
  std::string typed;  ///< what is shown of that
};

/// A shell that keeps directory and variables from one command to the next.
struct DaytonaSession {
  std::string id;
  std::string stateFile;  ///< in the machine: what the shell knows
  std::vector<std::shared_ptr<DaytonaCommand>> commands;
};

struct DaytonaTerminal {
  std::string id, cwd;
  std::map<std::string, std::string> envs;
  TerminalSize size;
  std::string createdAt;
  std::shared_ptr<Task> task;
};

/// Daytona's two services on one port: the control plane below /api, the toolbox of each sandbox below /toolbox/ID, and
/// by the host name PORT-ID.proxy.sim.test or PORT-TOKEN.proxy.sim.test the ports of its programs. Thread-safe.
class DaytonaSimulator : public Simulator {
 public:
  /// A sandbox is on its way to a state until somebody has looked at it once, or so much time is over.
  explicit DaytonaSimulator(std::chrono::milliseconds passing = std::chrono::milliseconds(50));

  void serve(Server& server) override;
  std::vector<std::string> sandboxes() override { return fleet_.ids(); }
  void reset() override;

  /// What the service keeps of one sandbox.
  struct Box {
    std::string id, name, snapshot, user = "daytona", target = "us", networkAllowList, sandboxRunner;
    std::map<std::string, std::string> env, labels;
    std::string state = "started";     ///< what it is once it is settled
    std::string passing = "creating";  ///< shown until somebody has looked once: the way there
    std::string volumesJson = "[]";
    bool isPublic = false, networkBlockAll = false;
    double cpu = 1, gpu = 0, memory = 1, disk = 3;
    std::int64_t autoStop = 15, autoArchive = 10080, autoDelete = -1;
    Clock::time_point createdAt, updatedAt, lastActivityAt;
    std::optional<Clock::time_point> destroyAt;
    std::string previewToken;
    std::map<std::string, std::shared_ptr<DaytonaSession>> sessions;
    std::map<std::string, std::shared_ptr<DaytonaTerminal>> terminals;
  };
  struct Snapshot {
    std::string id, name, sandboxId, files;
    bool general = false;
    Clock::time_point createdAt;
  };
  /// A sandbox and its machine, as they were when it was asked for. No machine: it is being destroyed.
  struct Live {
    Box box;
    std::shared_ptr<Machine> machine;
  };

 private:
  friend class DaytonaControl;
  friend class DaytonaToolbox;

  /// By id or name. Stops it first when it was idle for too long.
  std::optional<Live> find(const std::string& idOrName);
  template <typename F>
  void change(const std::string& id, F&& f) {
    const std::lock_guard lock(mutex_);
    if (const auto found = boxes_.find(id); found != boxes_.end()) f(found->second);
  }
  void stopIdle(const std::string& id);
  /// Lets those arrive whose time on the way is over.
  void arrive();
  bool expire(Machine& machine);
  /// False: it has answered.
  bool authorized(Exchange& exchange) const;
  bool carryToPort(Exchange& exchange);

  const std::string key_, token_;
  const std::chrono::milliseconds passing_;
  std::string url_;
  std::mutex mutex_;
  std::map<std::string, Box> boxes_;
  std::map<std::string, Snapshot> snapshots_;       ///< by id
  std::map<std::string, std::string> signedPorts_;  ///< token → sandbox's id
  Fleet fleet_;
};

/// "2026-11-21T09:35:51.314Z"
std::string daytonaTime(Clock::time_point time);
std::string randomUuid();
std::string randomText(std::size_t length);
std::string queryOf(const Request& request, const std::string& name, const std::string& otherwise = {});
/// The number that a text is; nothing when it is none.
std::optional<std::int64_t> numberIn(std::string_view text);
/// An error as the control plane says it.
void respondApiError(Exchange& exchange, int status, std::string_view message);
/// An error as the daemon says it.
void respondDaemonError(Exchange& exchange, int status, std::string_view code, std::string_view message);

}  // namespace computesdk::simulators
