#pragma once

#include "vercel/machine.hpp"

#include <computesdk/provider/call.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What Vercel's protocol has no word for is done by small POSIX shell scripts, run in the sandbox as commands: input,
// signals to whole trees of processes, output that is kept for whoever attaches later, and files but for their content.
namespace computesdk::vercel {

/// A word that nothing else in the sandbox holds.
std::string newKey();

/// argv of an exec as the sandbox runs it. A shell stands before programs too: it ends with 127 when one is not there.
std::vector<std::string> commandArgv(const csdk_exec_args& args);
/// The same for a person.
std::string commandText(const csdk_exec_args& args);

struct ScriptResult {
  std::int64_t code = 0;
  std::string out, err;  ///< at most 16 MiB and 4 KiB
};
/// Runs a script to its end. Throws plugin::Error when it could not be run.
ScriptResult runScript(Machine& machine, std::string_view script, const std::vector<std::string>& args);

/// The variable by which all processes of a command are found, whatever became of their parents.
inline constexpr std::string_view kMark = "COMPUTESDK_COMMAND";

/// Sends a signal to every process of a command. `patiently`: the command is about to start, so waits for its first
/// one. False: there is none.
bool signalCommand(Machine& machine, std::string_view key, int signal, bool patiently);

/// Bytes into the input of a command that was started with one, at most kPourMax; waits until the command takes them.
vendor::JsonValue pourBody(std::string_view key, std::string_view bytes);
/// The end of that input.
vendor::JsonValue closeBody(std::string_view key);
inline constexpr std::size_t kPourMax = std::size_t{64} << 10;

/// `sh -c kWithInput sh KEY COMMAND…`: its input comes by pourBody.
extern const std::string_view kWithInput;
/// `sh -c kWithWords sh COUNT WORD… COMMAND…`: its input is the words, base64.
extern const std::string_view kWithWords;
/// `sh -c kKeeper sh KEY SECONDS INPUT TAG TEXT COMMAND…` keeps a command's output in files and its end in a note;
/// SECONDS 0: no limit; INPUT 1: it has an input. Writes a line once it can be asked about.
extern const std::string_view kKeeper;
/// Arguments: key, "wait" or "look". Prints how a kept command ended: a number, "timeout", "killed", "running", "none".
extern const std::string_view kOutcome;
/// Prints key, state, pid, seconds, tag and text of every kept command, each ended by a NUL.
extern const std::string_view kListKept;

}  // namespace computesdk::vercel
