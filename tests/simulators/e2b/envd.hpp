#pragma once

#include <functional>
#include <string>

#include "connect.hpp"
#include "e2b.hpp"

namespace computesdk::simulators {

/// envd's process.Process.
class E2bProcesses {
 public:
  static void addRoutes(E2bSimulator& service, Server& server);

 private:
  using Live = E2bSimulator::Live;
  static void start(E2bSimulator& service, Exchange& exchange);
  static void connect(E2bSimulator& service, Exchange& exchange);
  static void follow(E2bSimulator& service, Exchange& exchange, const Live& live, Task& task,
                     std::unique_ptr<OutputLog::Reader> reader);
  static void list(Exchange& exchange, const Live& live);
  static void sendInput(Exchange& exchange, Task& task, const rapidjson::Value& message);
  static void sendSignal(Exchange& exchange, Task& task, const rapidjson::Value& message);
  static void streamInput(E2bSimulator& service, Exchange& exchange);
};

/// envd's filesystem.Filesystem and /files.
class E2bFiles {
 public:
  static void addRoutes(E2bSimulator& service, Server& server);

 private:
  static void download(E2bSimulator& service, Exchange& exchange);
  static void upload(E2bSimulator& service, Exchange& exchange);
  static void watch(E2bSimulator& service, Exchange& exchange);
  static void carryEvents(Exchange& exchange, OutputLog::Reader& reader, const rapidjson::Value& message,
                          Machine& machine);
  /// Whether the query carries a signature that fits, in place of the token.
  static bool isSigned(E2bSimulator& service, const Request& request, std::string_view operation);
};

/// envd's path: from the home folder, without dots.
std::string resolved(const std::string& path);
/// The Linux user that was asked for: "user" when none. Empty: there is no such user.
std::string userOf(const Request& request);
bool isDirectory(Machine& machine, const std::string& path);
/// A file as filesystem.EntryInfo.
std::string entryJson(const FileEntry& entry);

}  // namespace computesdk::simulators
