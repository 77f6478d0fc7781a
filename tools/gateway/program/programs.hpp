#pragma once

#include <computesdk/result.hpp>

#include "config/settings.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

// The program's verbs. Each returns its exit code; failures are told on stderr.
namespace computesdk::gateway {

int serveProgram(std::span<const std::string> words);
/// "create", "list" or "revoke" and what belongs to it.
int keyProgram(std::span<const std::string> words);

/// The command line of both: options that are settings, and those that are not.
struct CommandWords {
  Settings settings;
  std::string keyLabel, keyWorkspace = "0";
  bool json = false;
  std::vector<std::string> others;  ///< words that are no options
};
/// Reads --config first and the other options over it. Errors: E_USAGE, E_CONFIG.
Result<CommandWords> readCommandWords(std::span<const std::string> words);

std::optional<std::string> environmentVariable(std::string_view name);
/// Prints the five parts; the exit code of the failure.
int tell(const ErrorInfo& error);

}  // namespace computesdk::gateway
