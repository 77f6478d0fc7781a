#pragma once

#include "common/api.hpp"

#include <computesdk/provider/call.hpp>

namespace computesdk::gateway {

/// Runs a command in a terminal of its own at the sandbox's daemon, which is destroyed with it: so its time limit and
/// a cancellation kill it.
void runCommand(vendor::Session& session, const vendor::Api& daemon, const csdk_exec_args& args);

}  // namespace computesdk::gateway
