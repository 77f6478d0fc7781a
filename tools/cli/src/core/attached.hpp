#pragma once

#include <computesdk/computesdk.hpp>

#include <optional>
#include <string>
#include <vector>

// A command inside whose input and output are those of this program.
namespace computesdk::cli {

/// Options of run and exec about the command.
struct CommandFlags {
  std::optional<std::chrono::milliseconds> timeout;
  bool interactive = false;  ///< -i: hand on stdin though it is a terminal
  bool tty = false;          ///< -t
  bool json = false;
  std::int64_t statusFd = -1;
};

/// What is known at the end; for --json, --status-fd and the exit code.
struct CommandReport {
  std::string provider;
  std::string sandboxId;
  bool kept = true;
  std::optional<CommandResult> result;
  std::optional<ErrorInfo> error;  ///< ours, not the command's
};

/// Runs `argv` and passes bytes on as they come: stdin (when it is no terminal, or with -i), stdout and stderr; with
/// `json` output is kept instead. With -t on a pseudo-terminal of the sandbox, this one being raw meanwhile. The second
/// thread that it may need ends before it returns. Errors: those of runCommand; E_INTERNAL when stdout cannot take it.
Result<CommandResult> runAttached(Sandbox& sandbox, const std::vector<std::string>& argv, const CommandFlags& flags,
                                  const std::string& cwd, const StringMap& env);

/// Refuses a --status-fd that is not open for writing, and -t without a terminal. Keeps the descriptor from the
/// programs that we start.
Result<void> checkCommandFlags(const CommandFlags& flags);

/// Tells the end: the failure, or with `json` the result; writes --status-fd. Returns the program's exit code.
int finishCommand(const CommandReport& report, const CommandFlags& flags);

/// Says on stderr that the memory limit ended the command, which 137 does not say, or that output was dropped, which
/// nothing says. Nothing if neither is so.
void explainLimits(const ExitStatus& status, const Sandbox& sandbox);

/// {"command_id": …, "exit_code": …, …}
std::string resultJson(const CommandResult& result);

}  // namespace computesdk::cli
