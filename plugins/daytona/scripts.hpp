#pragma once

#include "daytona/toolbox.hpp"

#include <string>
#include <string_view>
#include <vector>

// The daemon's sessions carry lines of text, know no end of input, and end their shell with the command that leaves it.
// Small POSIX shell scripts in the sandbox make of that what a command needs: output as bytes, input with an end,
// signals to whole trees of processes.
namespace computesdk::daytona {

// A runner writes what its command wrote, in base64, each piece as soon as it is there, to the stream that it came
// from; at last, on both streams, a line that begins with '.': on stdout ".exit N" or ".exit timeout".
//
// `sh -c kRunner sh WORD LINE INPUT DATA SECONDS NOTE`: WORD marks its processes, LINE is what a shell runs, INPUT is
// "none", "data" (DATA, in base64) or "lines" (its own stdin: lines of base64 up to one with a dot). SECONDS 0: no
// limit. NOTE is not looked at: for who lists commands.
extern const std::string_view kRunner;

/// In a terminal, `sh -c kGate sh WORD LINE`: waits until somebody watches, 3 s at most, and runs LINE.
extern const std::string_view kGate;
/// Arguments: WORD. Lets a gate go.
extern const std::string_view kOpenGate;
/// Arguments: WORD, "wait" or "look". Prints how a gate's command ended: a number, "running" or "none".
extern const std::string_view kTerminalOutcome;

/// Arguments: WORD, SIGNAL, WHICH. Signals the processes that a WORD marks: "all", the command with its descendants
/// ("group") or the command alone ("one"). The last two wait a moment for a command that is about to start. Prints
/// "none" when there was nothing.
extern const std::string_view kSignal;

/// A script and its arguments as one line, with a variable that marks what it starts. Empty `mark`: none.
std::string scriptLine(std::string_view script, const std::vector<std::string>& args, std::string_view mark = {});

/// Runs a script to its end and returns its output, at most 64 KiB, without the line breaks at its end. Throws
/// plugin::Error when it could not be run.
std::string runScript(Toolbox& toolbox, std::string_view script, const std::vector<std::string>& args,
                      std::int64_t timeoutSeconds = 30);

/// Kills a command that was given up, with all its descendants, and forgets its session. Never throws; logs.
void killQuietly(Toolbox& toolbox, std::string_view word, std::string_view session);

}  // namespace computesdk::daytona
