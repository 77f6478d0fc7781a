#pragma once

#include <computesdk/computesdk.hpp>

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// config.toml: /etc/computesdk/config.toml, then $XDG_CONFIG_HOME/computesdk/config.toml, then ./computesdk.toml; what
// comes later wins, key by key.
namespace computesdk::cli {

struct Config {
  std::string provider;
  std::vector<std::string> providers;
  std::string strategy;
  bool fallbackOnError = false;
  std::string color;
  /// "net", "memory", "cpus", "pids", "disk", "ttl" -> as typed after the option, already found valid.
  std::map<std::string, std::string, std::less<>> defaults;
  std::vector<std::string> providerPaths;
  std::vector<std::string> allowProviders;
  std::vector<std::string> denyProviders;
  std::map<std::string, int> priorities;
  std::map<std::string, OptionMap> options;
  std::vector<std::string> warnings;  ///< files that were not read, and why
};

struct ConfigKey {
  std::string_view key;  ///< "*" stands for any name
  std::string_view type;
  bool project;
  std::string_view help;
};
std::span<const ConfigKey> configKeys();

/// Adds what `text` says to `config`. `file` is named in errors. `project`: of the working directory, where some keys
/// are refused. Errors: E_CONFIG with file, line and what is wrong; `config` may have changed by then. Thread-safe.
Result<void> readConfig(std::string_view text, const std::string& file, bool project, Config& config);

/// Reads the files that are there. Costs three failed opens when there are none.
Result<Config> loadConfig();

}  // namespace computesdk::cli
