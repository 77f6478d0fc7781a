#pragma once

#include "daytona/follow.hpp"

#include <string>

// csdk.process/1. A process without a terminal is a command in a session of its own, whose log the daemon keeps; one
// with a terminal is the shell of one of the daemon's terminals.
namespace computesdk::daytona {

struct ProcessId {
  bool terminal = false;
  std::string word;   ///< marks its processes
  CommandId command;  ///< of one without a terminal
  std::string terminalId;

  /// Throws plugin::Error (CSDK_NOT_FOUND) for what is no id of a process that was started here.
  static ProcessId of(csdk_str text);
  static ProcessId ofCommand(std::string word, std::string command);
  static ProcessId ofTerminal(std::string word);
  [[nodiscard]] std::string text() const;
};

/// The sessions and terminals of processes begin so.
inline constexpr std::string_view kKeepSession = "computesdk-keep-";
inline constexpr std::string_view kTerminalSession = "computesdk-tty-";

plugin::Error unknownProcess(const ProcessId& id);

void processStart(Toolbox& toolbox, const csdk_process_start_args& args);
void processList(Toolbox& toolbox);
void processAttach(Toolbox& toolbox, const csdk_process_args& args);
void processWait(Toolbox& toolbox, const csdk_process_args& args);
void processWriteStdin(Toolbox& toolbox, const csdk_process_args& args);
void processSignal(Toolbox& toolbox, const csdk_process_args& args);
void processResize(Toolbox& toolbox, const csdk_process_args& args);

/// What a process was started with, for who lists them: one word of letters and digits.
std::string noteOf(const csdk_process_start_args& args);
void emitProcess(Toolbox& toolbox, const ProcessId& id, std::string_view note, std::optional<int> code, bool running,
                 std::int64_t startedMs);

// Terminals.
void terminalStart(Toolbox& toolbox, const csdk_process_start_args& args);
void terminalList(Toolbox& toolbox);
void terminalAttach(Toolbox& toolbox, const ProcessId& id);
void terminalWait(Toolbox& toolbox, const ProcessId& id, bool wait);
void terminalWrite(Toolbox& toolbox, const ProcessId& id, const csdk_process_args& args);
void terminalResize(Toolbox& toolbox, const ProcessId& id, const csdk_process_args& args);

}  // namespace computesdk::daytona
