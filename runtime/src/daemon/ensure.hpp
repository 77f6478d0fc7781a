#pragma once

#include <computesdk/daemon.hpp>

#include "core/sandbox_state.hpp"

#include <filesystem>
#include <string>
#include <string_view>

// Getting the daemon into a sandbox and running there.
namespace computesdk::detail {

/// Asks the sandbox for a daemon that runs; if there is none, puts the program into it and starts it. What there is to
/// remember lies in the sandbox, in a folder of its user (0700): the program by its hash, and port and token (0600) of
/// the daemon that runs, so that another process finds it. Blocks; one call at a time for a sandbox of this process,
/// and processes agree among themselves by a lock in that folder. Errors: those of Daemon::ensure.
Result<DaemonAddress> ensureDaemon(SandboxState& sandbox, const DaemonOptions& options);

/// The program for a machine as `uname -m` names it. Errors: E_UNSUPPORTED, naming the places that were looked at.
Result<std::filesystem::path> findDaemonProgram(std::string_view machine);

}  // namespace computesdk::detail
