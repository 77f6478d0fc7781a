#pragma once

#include "e2b.hpp"
#include "harness/json.hpp"

namespace computesdk::simulators {

/// The routes of the control plane.
class E2bControl {
 public:
  explicit E2bControl(E2bSimulator& service) : service_(service) {}
  static void addRoutes(E2bSimulator& service, Server& server);

 private:
  using Live = E2bSimulator::Live;
  using Box = E2bSimulator::Box;
  using Snapshot = E2bSimulator::Snapshot;

  void create(Exchange& exchange);
  void connect(Exchange& exchange, bool timeoutRequired);
  void info(Exchange& exchange);
  void list(Exchange& exchange);
  void kill(Exchange& exchange);
  void setTimeout(Exchange& exchange);
  void pause(Exchange& exchange);
  void fork(Exchange& exchange);
  void metrics(Exchange& exchange);
  void setNetwork(Exchange& exchange);
  void snapshot(Exchange& exchange);
  void listSnapshots(Exchange& exchange);
  void removeTemplate(Exchange& exchange);
  static void listTemplates(Exchange& exchange);
  static void alias(Exchange& exchange);

  std::optional<Live> find(Exchange& exchange);
  std::optional<Snapshot> findSnapshot(const std::string& text);
  Box make(Box box, const std::string& files, std::chrono::seconds timeout);
  Snapshot keep(const Live& live, const std::string& name);

  E2bSimulator& service_;
};

}  // namespace computesdk::simulators
