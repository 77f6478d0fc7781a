#pragma once

#include <computesdk/command_line.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <string_view>

// Checks of what callers hand in. `what` begins the error: "cannot run a command". Errors: E_INVALID_ARGUMENT.
namespace computesdk::detail {

Result<void> checkCommand(std::string_view what, const CommandLine& command);
/// Names of variables: not empty, no '=' and no NUL; values: no NUL.
Result<void> checkEnvironment(std::string_view what, const StringMap& env);
/// Empty, or absolute and without NUL.
Result<void> checkDirectory(std::string_view what, std::string_view directory);
/// Not empty and without NUL.
Result<void> checkPath(std::string_view what, std::string_view path);
/// 1 to 256 bytes.
Result<void> checkId(std::string_view what, std::string_view id);
/// A sandbox's name: up to 256 bytes of text without control characters.
Result<void> checkName(std::string_view what, std::string_view nameSpace, std::string_view name, bool mayBeEmpty);

}  // namespace computesdk::detail
