#pragma once

#include "common/json_writer.hpp"
#include "e2b/envd.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What the daemon has no method for is done by small POSIX shell scripts, run in the sandbox as processes of their own:
// signals to whole trees of processes, and output that is kept for whoever attaches later.
namespace computesdk::e2b {

/// `Start`'s message for a command: {"process": {"cmd", "args", "cwd", "envs"}, "stdin"}.
vendor::JsonValue startMessage(std::string_view program, const std::vector<std::string>& args);

/// argv of an exec as the sandbox runs it: by the login shell that E2B's own client uses, so that PATH is the same.
std::vector<std::string> commandArgv(const csdk_exec_args& args);
/// The other way, for a person.
std::string commandText(const std::vector<std::string>& argv);

/// Runs a script to its end and returns its stdout (at most 64 KiB). Throws plugin::Error when it could not be run.
std::string runScript(Envd& envd, std::string_view script, const std::vector<std::string>& args);

/// Sends a signal to a process and every descendant; `below`: to the descendants only. False: there is no such process.
bool signalTree(Envd& envd, std::int64_t pid, int signal, bool below);

// Keepers write a line once they can be asked about, and note how their command ended.
/// `sh -c kKeeper sh SECONDS COMMAND…` runs a command with its output kept in files; SECONDS 0: no limit.
extern const std::string_view kKeeper;
/// `bash -c kGate bash COMMAND…` waits until somebody watches, 3 s at most, and runs the command: for terminals.
extern const std::string_view kGate;
/// Arguments: pid. Lets a gate go.
extern const std::string_view kOpenGate;
/// Arguments: pid, "wait" or "look". Prints how the command of a keeper ended: a number, "timeout", "killed",
/// "running", "none".
extern const std::string_view kOutcome;

}  // namespace computesdk::e2b
