#pragma once

#include "daytona/toolbox.hpp"

namespace computesdk::daytona {

/// exec: a command that somebody waits for.
void runCommand(Toolbox& toolbox, const csdk_exec_args& args);

/// Where a command runs: what the call says, or the sandbox's working directory.
std::string lineOf(const csdk_exec_args& args, const Connection& connection);

/// Sessions of commands that somebody waits for begin so.
inline constexpr std::string_view kExecSession = "computesdk-exec-";

}  // namespace computesdk::daytona
