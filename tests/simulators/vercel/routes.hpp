#pragma once

#include "vercel.hpp"

// The routes of the service, by what they are about.
namespace computesdk::simulators {

/// Sandboxes: create, get, list, update, delete, fork; and what is done to their sessions as a whole.
class VercelControl {
 public:
  explicit VercelControl(VercelSimulator& service) : service_(service) {}
  static void addRoutes(VercelSimulator& service, Server& server);

 private:
  using Box = VercelSimulator::Box;
  using Run = VercelSimulator::Run;

  void create(Exchange& exchange, bool withRuntime);
  void get(Exchange& exchange);
  void list(Exchange& exchange);
  void update(Exchange& exchange);
  void remove(Exchange& exchange);
  void fork(Exchange& exchange);

  bool readBox(Exchange& exchange, const rapidjson::Value& body, Box& box);
  bool readSource(Exchange& exchange, const rapidjson::Value& body, Box& box, std::string& files);
  void makeAndRespond(Exchange& exchange, Box box, const std::string& files);
  std::optional<Box> find(Exchange& exchange);
  std::string answerJson(const Box& box, const Run& run, bool resumed);

  VercelSimulator& service_;
};

/// Sessions and snapshots.
class VercelSnapshots {
 public:
  explicit VercelSnapshots(VercelSimulator& service) : service_(service) {}
  static void addRoutes(VercelSimulator& service, Server& server);

 private:
  void listRuns(Exchange& exchange);
  void getRun(Exchange& exchange);
  void stop(Exchange& exchange);
  void extend(Exchange& exchange);
  void setNetwork(Exchange& exchange);
  void interactive(Exchange& exchange);
  void snapshot(Exchange& exchange);
  void list(Exchange& exchange);
  void get(Exchange& exchange);
  void remove(Exchange& exchange);

  VercelSimulator& service_;
};

class VercelCommands {
 public:
  static void addRoutes(VercelSimulator& service, Server& server);

 private:
  using Live = VercelSimulator::Live;
  using Command = VercelSimulator::Command;

  static void start(VercelSimulator& service, Exchange& exchange);
  static void get(VercelSimulator& service, Exchange& exchange);
  static void logs(VercelSimulator& service, Exchange& exchange);
  static void kill(VercelSimulator& service, Exchange& exchange);
  static std::optional<Command> find(VercelSimulator& service, Exchange& exchange);
  static std::string json(const Command& command, bool begun = false);
  static bool follow(VercelSimulator& service, Exchange& exchange, const Command& command, OutputLog::Reader* reader);
};

class VercelFiles {
 public:
  static void addRoutes(VercelSimulator& service, Server& server);

 private:
  static void read(VercelSimulator& service, Exchange& exchange);
  static void write(VercelSimulator& service, Exchange& exchange);
  static void makeDirectory(VercelSimulator& service, Exchange& exchange);
};

void respondStopped(Exchange& exchange);
/// A page of `items` (JSON objects) by the query's limit and cursor, as {"<name>": […], "pagination": {…}}.
void respondPage(Exchange& exchange, std::string_view name, const std::vector<std::string>& items);
/// The query's project is the one there is; false: it has answered.
bool checkProject(Exchange& exchange, const std::string& given, const std::string& project);

}  // namespace computesdk::simulators
