#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/attached.hpp"

namespace computesdk::cli {

/// Runs a command on a pseudo-terminal of the sandbox, with this program's terminal raw and its size handed on, until
/// it ends. The terminal is put back on every way out. Both standard input and output must be a terminal. `stdout_` of
/// the result is empty. Errors: E_UNSUPPORTED without process/1 at the provider, and those of Processes::start.
Result<CommandResult> runOnTerminal(Sandbox& sandbox, const std::vector<std::string>& argv, const CommandFlags& flags,
                                    const std::string& cwd, const StringMap& env);

/// Joins this program's terminal, raw meanwhile, with a process that has one, until it ends; its output from `offset`
/// on. With `canLeave` the keys Ctrl-P Ctrl-Q end it and leave the process running: then the answer is empty.
Result<std::optional<ExitStatus>> attachTerminal(Process& process, bool canLeave, std::int64_t offset);

}  // namespace computesdk::cli
