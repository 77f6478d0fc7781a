#pragma once

#include <computesdk/plugin.h>

#include <string>
#include <string_view>

// A shell's line, for vendors whose commands are one. Prefer fields of the protocol wherever there are some.
namespace computesdk::vendor {

/// 'it'"'"'s': one word for any POSIX shell, whatever is in it (except NUL, which no argument can hold).
std::string shellQuote(std::string_view word);

/// [A-Za-z_][A-Za-z0-9_]*
bool isVariableName(std::string_view name) noexcept;

/// The command of an exec as one line: goes to the directory, exports the variables, runs argv without reading it again
/// or the command as it is. `cwd` is used where args has none. Throws plugin::Error (CSDK_INVALID_ARGUMENT) for a
/// variable whose name no shell takes.
std::string shellLine(const csdk_exec_args& args, std::string_view cwd = {});

}  // namespace computesdk::vendor
