#pragma once

#include "daytona/toolbox.hpp"

#include <cstdint>
#include <string>

// Commands by the daemon's plainest call, `POST /process/execute`, which answers once, with both streams in one text. A
// script in the sandbox starts the command apart from that call, keeps its output in order, and answers with what is
// there: at once when there is something new, else when there is, after 25 s at the latest. So a short command takes
// one request; one that goes on is asked for more by the same call; and all of it goes over connections that are kept.
namespace computesdk::daytona {

/// Whether a command can go this way: its input, if any, is known and small, and everything fits into one argument.
bool canSpool(const csdk_exec_args& args, const std::string& line);

/// Runs a command to its end and says how it ended. `line`: what a shell runs; `word` marks its processes. `endNs`:
/// when it is out of time, 0: never. False: the sandbox lacks what this road needs (mkfifo, timeout, room in /tmp), and
/// nothing was run. Throws plugin::Error, DEADLINE_EXCEEDED among them; then the command may still run.
bool runSpooled(Toolbox& toolbox, const csdk_exec_args& args, const std::string& line, const std::string& word,
                std::int64_t endNs);

/// Kills a command that was given up, with all its descendants, and forgets what it wrote. Never throws; logs.
void killSpooled(Toolbox& toolbox, const std::string& word);

}  // namespace computesdk::daytona
