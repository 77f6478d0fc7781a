#pragma once

#include "e2b/envd.hpp"

#include <computesdk/provider/call.hpp>

namespace computesdk::e2b {

/// Runs a command to its end: output as it comes, stdin beside it, and how it ended. Out of time or cancelled, the
/// command and all its descendants are killed.
void runCommand(Envd& envd, const csdk_exec_args& args);

/// Fills `process` and the directory of a Start message.
void setEnvironment(vendor::JsonValue& message, const csdk_exec_args& args, const Connection& connection);

/// Pushes how a process ended.
struct Ended;
void emitEnd(const plugin::Call& call, const Ended& ended, std::uint32_t flags = 0);

}  // namespace computesdk::e2b
