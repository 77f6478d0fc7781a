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

/// What is accepted when the environment of the simulator names nothing else (VERCEL_TOKEN, VERCEL_TEAM_ID,
/// VERCEL_PROJECT_ID). A JWT whose payload names the same team and project, and has not expired, is accepted too.
inline constexpr const char* kVercelDefaultToken = "vcp_sim_token_0123456789abcdef";
inline constexpr const char* kVercelDefaultTeam = "team_sim0123456789";
inline constexpr const char* kVercelDefaultProject = "prj_sim0123456789";

/// Vercel's sandboxes: named things that last, and sessions, each one run of a sandbox in a machine of its own. All
/// paths are below /api. The ports of programs answer by host name, sb-….vercel.run. Thread-safe.
class VercelSimulator : public Simulator {
 public:
  VercelSimulator();

  void serve(Server& server) override;
  /// Names, also of those that are stopped: they hold a disk.
  std::vector<std::string> sandboxes() override;
  void reset() override;

 private:
  friend class VercelControl;
  friend class VercelSnapshots;
  friend class VercelCommands;
  friend class VercelFiles;

  struct Route {
    std::string subdomain;
    int port = 0;
  };
  /// One run; its machine has the same id. Kept when it has stopped.
  struct Run {
    std::string id, sandbox, runtime, image, networkJson;
    std::int64_t timeout = 0, vcpus = 2;
    std::int64_t createdAt = 0, updatedAt = 0, stoppedAt = 0;
    bool running = true;
  };
  struct Box {
    std::string name, runtime, image, networkJson, currentRun, currentSnapshot;
    std::string unsaved;  ///< a run that has stopped, whose disk is still to be kept
    std::int64_t timeout = 0, vcpus = 2, createdAt = 0, updatedAt = 0, statusUpdatedAt = 0;
    bool persistent = true;
    std::map<std::string, std::string> tags, env;
    std::vector<Route> routes;
  };
  struct Snapshot {
    std::string id, sandbox, run, files;
    std::int64_t createdAt = 0, expiresAt = 0;
    bool removed = false;
  };
  struct Command {
    std::string id, run, cwd;
    std::int64_t startedAt = 0;
    std::shared_ptr<Task> task;
  };
  struct Live {
    Run run;
    std::shared_ptr<Machine> machine;
  };

  /// Whoever may not gets his answer, and false.
  bool mayEnter(Exchange& exchange) const;
  bool isToken(const std::string& token) const;
  /// Adds a route whose callers are checked and whose MachineErrors are answered.
  void route(Server& server, const char* method, const std::string& path, std::function<void(Exchange&)> act,
             bool streamed = false);

  std::optional<Box> box(const std::string& name);
  std::optional<Run> run(const std::string& id);
  /// The run of the request's path, with its machine; nothing: it has answered.
  std::optional<Live> enter(Exchange& exchange);
  /// Makes a machine and a run for a sandbox that is in boxes_.
  Run start(const Box& box, const std::string& files);
  /// Ends a run's processes. Its disk is kept if the sandbox is persistent or `keep` says so.
  std::optional<Snapshot> stop(const std::string& runId, bool keep);
  /// Keeps the disk of a run that ended by itself.
  void settle(const std::string& name);
  bool expire(Machine& machine);
  bool carryToPort(Exchange& exchange);

  std::string json(const Box& box);
  static std::string json(const Run& run);
  static std::string json(const Snapshot& snapshot);
  static std::string routesJson(const Box& box);

  const std::string token_, team_, project_;
  std::mutex settling_;  ///< taken before mutex_
  std::mutex mutex_;
  std::map<std::string, Box> boxes_;
  std::map<std::string, Run> runs_;
  std::map<std::string, Snapshot> snapshots_;
  std::map<std::string, Command> commands_;
  Fleet fleet_;
};

constexpr const char* kVercelHome = "/vercel/sandbox";
constexpr const char* kVercelRegion = "iad1";

std::int64_t epochMs();
std::string vercelId(std::string_view prefix, std::size_t length);
void respondError(Exchange& exchange, int status, std::string_view code, std::string_view message);
std::string queryText(const Request& request, const std::string& name, const std::string& otherwise = {});
/// The request's body as an object, {} when there is none; false: it has answered.
bool readObject(Exchange& exchange, rapidjson::Document& body);

}  // namespace computesdk::simulators
