#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/arguments.hpp"

namespace computesdk::cli {

/// `words` follow the verb. Returns the program's exit code.
using VerbFunction = int (*)(std::span<const std::string> words);

struct Verb {
  std::string_view name;  ///< "run", "fs cat"
  std::string_view usage;
  std::string_view summary;
  VerbFunction run;
};

/// Every verb, in the order of the help.
std::span<const Verb> verbs();

/// Parses for a verb. Nothing: go on; otherwise help or the failure was printed and this is the exit code.
std::optional<int> parseWords(Arguments& arguments, std::span<const std::string> words);
/// The same where every failure of ours is 125.
std::optional<int> parseCommandWords(Arguments& arguments, std::span<const std::string> words);

int runVerb(std::span<const std::string> words);
int createVerb(std::span<const std::string> words);
int ensureVerb(std::span<const std::string> words);
int findVerb(std::span<const std::string> words);
int execVerb(std::span<const std::string> words);
int shellVerb(std::span<const std::string> words);
int psVerb(std::span<const std::string> words);
int logsVerb(std::span<const std::string> words);
int attachVerb(std::span<const std::string> words);
int killVerb(std::span<const std::string> words);
int codeVerb(std::span<const std::string> words);
int lsVerb(std::span<const std::string> words);
int inspectVerb(std::span<const std::string> words);
int statsVerb(std::span<const std::string> words);
int urlVerb(std::span<const std::string> words);
int extendVerb(std::span<const std::string> words);
int rmVerb(std::span<const std::string> words);
int cpVerb(std::span<const std::string> words);
int fsCatVerb(std::span<const std::string> words);
int fsWriteVerb(std::span<const std::string> words);
int fsLsVerb(std::span<const std::string> words);
int fsStatVerb(std::span<const std::string> words);
int fsMkdirVerb(std::span<const std::string> words);
int fsRmVerb(std::span<const std::string> words);
int fsExistsVerb(std::span<const std::string> words);
int providerListVerb(std::span<const std::string> words);
int providerDetectVerb(std::span<const std::string> words);
int providerInfoVerb(std::span<const std::string> words);
int providerSearchPathVerb(std::span<const std::string> words);
int providerTrustVerb(std::span<const std::string> words);
int snapshotCreateVerb(std::span<const std::string> words);
int snapshotListVerb(std::span<const std::string> words);
int snapshotRmVerb(std::span<const std::string> words);
int gatewayServeVerb(std::span<const std::string> words);
int gatewayKeyVerb(std::span<const std::string> words);
int doctorVerb(std::span<const std::string> words);
int helpVerb(std::span<const std::string> words);
int completionVerb(std::span<const std::string> words);
int versionVerb(std::span<const std::string> words);

/// Every verb of a group, such as "fs"; empty for a word that is no group.
std::string groupHelp(std::string_view group);

/// The first screen: what the program is for, three examples, every verb.
std::string overview();

}  // namespace computesdk::cli
