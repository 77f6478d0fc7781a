#pragma once

#include "vercel/machine.hpp"

#include <computesdk/provider/call.hpp>

#include <cstdint>

namespace computesdk::vercel {

/// cwd, variables and `sudo` of an exec, put into a command's body.
void setEnvironment(vendor::JsonValue& body, const csdk_exec_args& args, const Machine& machine);

/// Runs a command to its end, with its output live.
void runCommand(Machine& machine, const csdk_exec_args& args);

}  // namespace computesdk::vercel
