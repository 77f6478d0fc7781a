#pragma once

#include <string>
#include <vector>

#include "core/attached.hpp"

namespace computesdk::cli {

/// Runs a command on a pseudo-terminal of the sandbox, with this program's terminal raw and its size handed on, until
/// it ends. The terminal is put back on every way out. Both standard input and output must be a terminal. `stdout_` of
/// the result is empty. Errors: E_UNSUPPORTED without process/1 at the provider, and those of Processes::start.
Result<CommandResult> runOnTerminal(Sandbox& sandbox, const std::vector<std::string>& argv, const CommandFlags& flags,
                                    const std::string& cwd, const StringMap& env);

}  // namespace computesdk::cli
