#pragma once

#include "blaxel/stream.hpp"
#include "common/json_writer.hpp"

namespace computesdk::blaxel {

/// An exec's command as the one line that the API takes, with directory, variables and vendor options beside it.
vendor::JsonValue processBody(const Box& box, const csdk_exec_args& args, std::string_view name);

/// Runs a command to its end. Its process has a name from the start: it is fed by that and, when it is given up,
/// killed.
void runCommand(Box& box, const csdk_exec_args& args);

}  // namespace computesdk::blaxel
