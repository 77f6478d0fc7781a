#pragma once

#include <computesdk/result.hpp>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/context.hpp"

namespace computesdk::sandboxd {

using Environment = std::map<std::string, std::string, std::less<>>;

/// What the command line and the environment ask for.
struct Options {
  Config config;
  bool help = false, version = false;
};

/// Reads `computesdk-sandboxd [start] --option value…` (argv[0] not among the words). The working directory is the one
/// asked for, as an absolute path without links, and exists. Reads the files that are named. Errors: E_USAGE for words
/// that are not understood, E_CONFIG for values that cannot be used.
Result<Options> readOptions(const std::vector<std::string>& words, const Environment& environment);

/// What processes of the sandbox inherit: the daemon's environment without the daemon's own secrets, with PATH, HOME,
/// USER and SHELL where they are not set.
Environment childEnvironment(Environment environment);

/// The text of `--help`.
std::string_view helpText();

/// Overwrites secrets in the memory that /proc shows of this process: the values after --access-token in `argv`, and
/// the variables of the environment that hold tokens; those are unset too. Before threads are started.
void wipeSecrets(int argc, char** argv);

/// Standard base64 with or without padding; white space is skipped. Nothing when it is none.
std::optional<std::string> decodeBase64(std::string_view text);

}  // namespace computesdk::sandboxd
