#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/json.hpp"
#include "harness/program.hpp"
#include "machine/fleet.hpp"

namespace computesdk::simulators {

/// What is accepted when the environment of the simulator names nothing else (BL_API_KEY, BL_WORKSPACE,
/// BL_CLIENT_CREDENTIALS).
inline constexpr const char* kBlaxelDefaultKey = "bl_0123456789abcdef0123456789abcdef";
inline constexpr const char* kBlaxelDefaultWorkspace = "sim-workspace";
inline constexpr const char* kBlaxelDefaultClient = "Y2xpZW50LWlkOmNsaWVudC1zZWNyZXQ=";

constexpr const char* kBlaxelHome = "/blaxel";

/// Blaxel's control plane below /v0, the API of each sandbox below /sbx/NAME, and the previews of ports by the
/// host name ID.preview.bl.run. Thread-safe.
class BlaxelSimulator : public Simulator {
 public:
  BlaxelSimulator();

  void serve(Server& server) override;
  std::vector<std::string> sandboxes() override { return fleet_.ids(); }
  void reset() override;

 private:
  friend class BlaxelControl;
  friend class BlaxelFiles;
  friend class BlaxelProcesses;
  friend class BlaxelSnapshots;

  struct Preview {
    std::string name, id;
    int port = 0;
    bool open = true;
    Clock::time_point createdAt;
    std::set<std::string> tokens;
  };
  struct Process {
    std::string name, command, directory;
    std::shared_ptr<Task> task;
    bool input = false;
    Clock::time_point startedAt;
    std::shared_ptr<std::optional<Clock::time_point>> endedAt;  ///< when its end was first seen
    std::string ordered;                                        ///< "killed" or "stopped": who asked for its end
  };
  struct Upload {
    std::string sandbox, path;
    std::uint32_t mode = 0644;
    std::map<std::int64_t, std::string> parts;
  };
  /// What the service keeps of a sandbox while it is there.
  struct Box {
    std::string name, specJson;
    std::map<std::string, std::string> labels;
    Clock::time_point createdAt, updatedAt;
    std::optional<Clock::time_point> endsAt;
    std::int64_t number = 0;
    std::map<std::string, Preview> previews;
    std::vector<std::shared_ptr<Process>> processes;
  };

  struct Snapshot {
    std::string id, name, source, files, specJson;
    Clock::time_point createdAt;
    std::int64_t number = 0;
  };

  using Act = std::function<void(Exchange&)>;
  using OnMachine = std::function<void(Exchange&, Machine&)>;
  /// A route of the control plane, for those who have the key.
  void route(Server& server, const char* method, const std::string& path, Act act);
  /// A route below a sandbox's address; `parts[0]` is its name.
  void sandboxRoute(Server& server, const char* method, const std::string& path, OnMachine act, bool streamed = false);
  bool admitted(Exchange& exchange);
  template <typename F>
  auto with(const std::string& name, F&& f) {
    const std::lock_guard lock(mutex_);
    const auto found = boxes_.find(name);
    return f(found == boxes_.end() ? nullptr : found->second.get());
  }
  void forget(const std::string& name);
  bool carryToPort(Exchange& exchange);

  const std::string key_, workspace_, client_;
  std::string url_;
  std::mutex mutex_;
  std::int64_t lastNumber_ = 0;
  std::map<std::string, std::shared_ptr<Box>> boxes_;
  std::map<std::string, Snapshot> snapshots_;
  std::map<std::string, Upload> uploads_;
  std::set<std::string> accessTokens_;
  Fleet fleet_;
};

std::string newBlaxelId(std::size_t length);
std::string isoTime(Clock::time_point time);
/// Control plane: {"code", "error", "message"}.
void respondBlaxelError(Exchange& exchange, int status, std::string_view message, std::string_view code = {});
/// Sandbox: {"error"}.
void respondSandboxError(Exchange& exchange, int status, std::string_view message);
/// A body as an object. False: it has answered.
bool readBlaxelBody(Exchange& exchange, std::string_view text, rapidjson::Document& body);

class BlaxelControl {
 public:
  using Box = BlaxelSimulator::Box;
  static void addRoutes(BlaxelSimulator& service, Server& server);
  static std::string view(const BlaxelSimulator& service, const Box& box, std::string_view status = "DEPLOYED");
  /// Takes the name and starts the machine. False: the name is taken.
  static bool begin(BlaxelSimulator& service, const std::shared_ptr<Box>& box, const rapidjson::Value* runtime,
                    const std::string& files = {});
  /// One page of items by their numbers, in the form that the client's version knows.
  static void respondPage(Exchange& exchange, const std::map<std::int64_t, std::string>& all);

 private:
  using Preview = BlaxelSimulator::Preview;
  static std::string view(const BlaxelSimulator& service, const Box& box, const Preview& preview);
  static void create(BlaxelSimulator& service, Exchange& exchange);
  static void update(BlaxelSimulator& service, Exchange& exchange);
  static void list(BlaxelSimulator& service, Exchange& exchange);
  static void destroy(BlaxelSimulator& service, Exchange& exchange);
  static void createPreview(BlaxelSimulator& service, Exchange& exchange);
  static void createPreviewToken(BlaxelSimulator& service, Exchange& exchange);
  static void token(BlaxelSimulator& service, Exchange& exchange);
};

/// Snapshots of sandboxes, and sandboxes of snapshots.
class BlaxelSnapshots {
 public:
  static void addRoutes(BlaxelSimulator& service, Server& server);

 private:
  using Box = BlaxelSimulator::Box;
  using Snapshot = BlaxelSimulator::Snapshot;
  static std::string view(const BlaxelSimulator& service, const Snapshot& snapshot, std::string_view status);
  static void take(BlaxelSimulator& service, Exchange& exchange, const std::string& source, const std::string& name);
  static void get(BlaxelSimulator& service, Exchange& exchange);
  static void list(BlaxelSimulator& service, Exchange& exchange);
  static void remove(BlaxelSimulator& service, Exchange& exchange, const std::string& id);
  static void fork(BlaxelSimulator& service, Exchange& exchange, const std::string& files, const std::string& specJson,
                   const std::string& snapshotId);
  static void forkSandbox(BlaxelSimulator& service, Exchange& exchange);
  static void restore(BlaxelSimulator& service, Exchange& exchange);
  static std::optional<Snapshot> find(BlaxelSimulator& service, Exchange& exchange, const std::string& id);
};

class BlaxelProcesses {
 public:
  static void addRoutes(BlaxelSimulator& service, Server& server);

 private:
  using Process = BlaxelSimulator::Process;
  static std::string view(Process& process);
  static std::shared_ptr<Process> named(BlaxelSimulator& service, Exchange& exchange);
  static void start(BlaxelSimulator& service, Exchange& exchange, Machine& machine);
  static void stream(Exchange& exchange, Process& process, OutputLog::Reader& reader);
  static void streamLogs(Exchange& exchange, Process& process);
  static void finish(Exchange& exchange, Process& process, bool kill);
};

class BlaxelFiles {
 public:
  static void addRoutes(BlaxelSimulator& service, Server& server);

 private:
  static void addMultipartRoutes(BlaxelSimulator& service, Server& server);
};

}  // namespace computesdk::simulators
