#pragma once

#include <functional>

#include "daytona.hpp"

namespace computesdk::simulators {

/// The routes below /toolbox/ID: what the daemon in a sandbox serves.
class DaytonaToolbox {
 public:
  using Box = DaytonaSimulator::Box;
  using Live = DaytonaSimulator::Live;
  using Act = std::function<void(DaytonaToolbox&, Exchange&)>;

  static void addRoutes(DaytonaSimulator& service, Server& server);

 private:
  DaytonaToolbox(DaytonaSimulator& service, Live live)
      : service_(service), live_(std::move(live)), machine_(*live_.machine) {}

  /// The sandbox that the path names; nothing when it has answered.
  static std::optional<Live> enter(DaytonaSimulator& service, Exchange& exchange);
  static void add(DaytonaSimulator& service, Server& server, const char* method, const std::string& path, Act act,
                  bool streamed = false);
  static void addFileRoutes(DaytonaSimulator& service, Server& server);
  static void addProcessRoutes(DaytonaSimulator& service, Server& server);
  static void addTerminalRoutes(DaytonaSimulator& service, Server& server);

  // --- files
  void listFiles(Exchange& exchange);
  void statFile(Exchange& exchange);
  void makeFolder(Exchange& exchange);
  void removeFile(Exchange& exchange);
  void moveFile(Exchange& exchange);
  void setPermissions(Exchange& exchange);
  void download(Exchange& exchange);
  void downloadMany(Exchange& exchange);
  void upload(Exchange& exchange, bool many);
  void searchFiles(Exchange& exchange);
  void findInFiles(Exchange& exchange);
  std::string fileJson(const FileEntry& entry);

  // --- programs
  void execute(Exchange& exchange);
  void runCode(Exchange& exchange);
  /// Runs to its end and answers with what it wrote, both streams in one.
  void answerWith(Exchange& exchange, TaskSpec spec, std::int64_t timeoutSeconds);
  void createSession(Exchange& exchange);
  void listSessions(Exchange& exchange);
  void getSession(Exchange& exchange);
  void removeSession(Exchange& exchange);
  void sessionExecute(Exchange& exchange);
  void getCommand(Exchange& exchange);
  void logs(Exchange& exchange);
  void followLogs(Exchange& exchange, DaytonaCommand& command);
  void sendInput(Exchange& exchange);
  std::shared_ptr<DaytonaSession> session(Exchange& exchange);
  std::shared_ptr<DaytonaCommand> command(Exchange& exchange);

  // --- terminals
  void createTerminal(Exchange& exchange);
  void openTerminal(Exchange& exchange);
  void connectTerminal(Exchange& exchange);
  void listTerminals(Exchange& exchange);
  void getTerminal(Exchange& exchange);
  void removeTerminal(Exchange& exchange);
  void resizeTerminal(Exchange& exchange);
  std::shared_ptr<DaytonaTerminal> terminal(Exchange& exchange);
  /// Nothing: it has answered.
  std::shared_ptr<DaytonaTerminal> startTerminal(Exchange& exchange, DaytonaTerminal terminal);
  void serveTerminal(Exchange& exchange, DaytonaTerminal& terminal, std::string_view protocols, bool fromStart);

  [[nodiscard]] bool alive() const { return service_.fleet_.get(live_.box.id) != nullptr; }

  DaytonaSimulator& service_;
  Live live_;
  Machine& machine_;
};

/// The daemon's path: from the home folder, without dots.
std::string daytonaPath(const std::string& path);
/// An error of a file operation.
void respondFileError(Exchange& exchange, const MachineError& error);
/// The body as an object; false: it has answered.
bool readDaemonObject(Exchange& exchange, rapidjson::Document& body);

}  // namespace computesdk::simulators
