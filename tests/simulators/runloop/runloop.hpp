#pragma once

#include <cstdint>
#include <functional>
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

/// The key that is accepted when the environment of the simulator names none (RUNLOOP_API_KEY).
inline constexpr const char* kRunloopDefaultKey = "ak_0123456789abcdefghijkl";

/// Runloop's API and, by the host name PORT-TUNNELKEY.tunnel.anything, the tunnels into its devboxes. Long polls are
/// held for a second, so that clients have to ask again. Thread-safe.
class RunloopSimulator : public Simulator {
 public:
  RunloopSimulator();

  void serve(Server& server) override;
  std::vector<std::string> sandboxes() override { return fleet_.ids(); }
  void reset() override;

 private:
  friend class RunloopDevboxes;
  friend class RunloopExecutions;
  friend class RunloopFiles;
  friend class RunloopImages;
  friend struct RunloopViews;

  struct Tunnel {
    std::string key, mode, token;  ///< token: of an authenticated one
    std::int64_t createTime = 0;
    bool keepAlive = true, wake = false;
  };
  /// What the service keeps of one devbox, for good: it stays readable when it is shut down.
  struct Box {
    std::string id, status = "initializing", shutdownReason;
    std::optional<std::string> name, blueprintId, snapshotId;
    std::map<std::string, std::string> metadata;
    std::string launchJson;
    std::chrono::seconds keepAlive{3600};
    std::int64_t number = 0, createTime = 0, endTime = 0;
    std::vector<std::pair<std::string, std::int64_t>> transitions;
    Clock::time_point readyAt;
    std::optional<Tunnel> tunnel;
  };
  struct Execution {
    std::string id, boxId;
    std::optional<std::string> shell;
    std::shared_ptr<Task> task;
  };
  struct Snapshot {
    std::string id, boxId, files;
    std::optional<std::string> name, message;
    std::map<std::string, std::string> metadata;
    std::int64_t number = 0, createTime = 0;
    Clock::time_point readyAt;
  };
  struct Blueprint {
    std::string id, name, parametersJson;
    std::map<std::string, std::string> files;
    std::vector<std::string> commands;
    std::int64_t number = 0, createTime = 0;
    Clock::time_point readyAt;
  };
  /// A devbox and its machine, as they were when it was asked for.
  struct Live {
    Box box;
    std::shared_ptr<Machine> machine;  ///< nullptr: it is shut down
  };

  using Act = std::function<void(Exchange&)>;
  /// A route for those who have the key. What a machine cannot do is answered with 400.
  void route(Server& server, const char* method, const std::string& path, Act act, bool streamed = false);

  std::optional<Live> find(const std::string& id);
  /// The one that the path names. Nothing: it has answered 404.
  std::optional<Live> named(Exchange& exchange);
  /// The same, which must be able to run commands. Nothing: it has answered.
  std::optional<Live> running(Exchange& exchange);
  template <typename F>
  void change(const std::string& id, F&& f) {
    const std::lock_guard lock(mutex_);
    if (const auto found = boxes_.find(id); found != boxes_.end()) f(found->second);
  }
  static void enter(Box& box, const std::string& status);
  static void settle(Box& box);  ///< what time has changed
  bool expire(Machine& machine);
  bool carryToPort(Exchange& exchange);

  const std::string key_;
  std::mutex mutex_;
  std::int64_t lastNumber_ = 0;
  std::map<std::string, Box> boxes_;
  std::map<std::string, Execution> executions_;
  std::map<std::string, std::string> commands_;                ///< execution by devbox and command_id
  std::map<std::string, std::shared_ptr<std::mutex>> shells_;  ///< by devbox and name
  std::map<std::string, Snapshot> snapshots_;
  std::map<std::string, Blueprint> blueprints_;
  Fleet fleet_;
};

constexpr const char* kRunloopHome = "/home/user";
/// How long a long poll is held.
constexpr std::chrono::milliseconds kRunloopHold{1000};

std::string newRunloopId(std::string_view prefix, std::size_t length);
std::int64_t epochMs(Clock::time_point time);
void respondRunloopError(Exchange& exchange, int status, std::string_view message, const Headers& headers = {});
/// The body as an object; an absent one is an empty object. False: it has answered.
bool readRunloopBody(Exchange& exchange, rapidjson::Document& body);
/// A path as the API takes it: from the home folder, without dots.
std::string runloopPath(const std::string& path);
/// A body's member `statuses`, and how long to wait for one of them. Nothing: it has answered.
std::optional<std::vector<std::string>> readStatuses(Exchange& exchange, const rapidjson::Value& body);

}  // namespace computesdk::simulators
