#pragma once

#include "runloop/devbox.hpp"

namespace computesdk::runloop {

/// Runs a command to its end: output as it comes, stdin beside it, and how it ended. Out of time or cancelled, the
/// command is killed with its process group.
void runCommand(Devbox& devbox, const csdk_exec_args& args);

}  // namespace computesdk::runloop
