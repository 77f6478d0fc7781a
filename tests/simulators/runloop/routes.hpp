#pragma once

#include "runloop.hpp"

namespace computesdk::simulators {

class RunloopDevboxes {
 public:
  static void addRoutes(RunloopSimulator& service, Server& server);

 private:
  using Box = RunloopSimulator::Box;
  static void create(RunloopSimulator& service, Exchange& exchange);
  static bool readOrigin(RunloopSimulator& service, Exchange& exchange, const rapidjson::Value& body, Box& box,
                         std::string& files, RunloopSimulator::Blueprint& blueprint);
  static void list(RunloopSimulator& service, Exchange& exchange);
  static void update(RunloopSimulator& service, Exchange& exchange);
  static void wait(RunloopSimulator& service, Exchange& exchange);
  static void shutdown(RunloopSimulator& service, Exchange& exchange);
  static void suspend(RunloopSimulator& service, Exchange& exchange);
  static void resume(RunloopSimulator& service, Exchange& exchange);
  static void keepAlive(RunloopSimulator& service, Exchange& exchange);
  static void enableTunnel(RunloopSimulator& service, Exchange& exchange);
};

class RunloopExecutions {
 public:
  static void addRoutes(RunloopSimulator& service, Server& server);

 private:
  using Execution = RunloopSimulator::Execution;
  static void execute(RunloopSimulator& service, Exchange& exchange, bool async);
  static Execution start(RunloopSimulator& service, const RunloopSimulator::Live& live, const rapidjson::Value& body);
  static std::optional<Execution> named(RunloopSimulator& service, Exchange& exchange);
  static void wait(Exchange& exchange, const Execution& execution);
  static void kill(Exchange& exchange, const Execution& execution);
  static void sendInput(Exchange& exchange, const Execution& execution);
  static void stream(Exchange& exchange, const Execution& execution, Channel channel);
};

class RunloopFiles {
 public:
  static void addRoutes(RunloopSimulator& service, Server& server);
};

/// Disk snapshots and blueprints.
class RunloopImages {
 public:
  static void addRoutes(RunloopSimulator& service, Server& server);

 private:
  using Snapshot = RunloopSimulator::Snapshot;
  static void snapshot(RunloopSimulator& service, Exchange& exchange, bool async);
  static void listSnapshots(RunloopSimulator& service, Exchange& exchange);
  static void snapshotStatus(RunloopSimulator& service, Exchange& exchange);
  static void removeSnapshot(RunloopSimulator& service, Exchange& exchange);
  static void createBlueprint(RunloopSimulator& service, Exchange& exchange);
  static void listBlueprints(RunloopSimulator& service, Exchange& exchange);
  static void blueprint(RunloopSimulator& service, Exchange& exchange);
  static void removeBlueprint(RunloopSimulator& service, Exchange& exchange);
};

}  // namespace computesdk::simulators
