#pragma once

#include <span>
#include <string>

namespace computesdk::cli {

/// The whole program; `words` follow its name. Returns the exit code. Throws nothing.
int runProgram(std::span<const std::string> words) noexcept;

}  // namespace computesdk::cli
