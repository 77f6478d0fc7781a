#pragma once

#include <computesdk/error.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

/// State of one provider in detection.
enum class ProviderState { selected, ready, incomplete, absent, shadowed, unloadable, denied };
/// "selected", …
COMPUTESDK_API std::string_view toString(ProviderState state) noexcept;

/// Why a provider was chosen or not. Never holds a variable's value.
struct ProviderCandidate {
  std::string name;
  ProviderState state = ProviderState::absent;
  std::string why;
  std::string version;
  std::string manifestPath;
  int priority = 0;
  bool trusted = false;              ///< runs in this process
  std::vector<std::string> matched;  ///< variables that are set
  std::vector<std::string> missing;  ///< variables that are not
};

struct DetectionReport {
  std::optional<std::string> selected;
  std::vector<ProviderCandidate> candidates;  ///< selected first, then by priority, then by name
  std::vector<std::string> warnings;
  std::optional<ErrorInfo> error;  ///< why none was selected
};

/// One setting of a provider.
struct ProviderSetting {
  std::string key;               ///< for ComputeConfig::options: "api_key", or its twin "apiKey"
  std::vector<std::string> env;  ///< variables that may hold it
  bool secret = false;
  bool required = false;
  std::string prefix;  ///< how a value begins; may be empty
  std::string help;
};

/// What a provider's manifest says.
struct ProviderInfo {
  std::string name, version, title, vendor, license, homepage, description;
  std::string manifestPath;
  std::string libraryPath;
  std::string placement;  ///< "isolated", "any", "in-process"
  std::vector<ProviderSetting> settings;
  std::vector<std::string> capabilities;
  std::vector<std::string> setupSteps;
  std::string setupUrl;
  std::string manifestJson;
};

/// A folder in which providers are looked for.
struct ProviderFolder {
  std::string path;
  std::string origin;   ///< "COMPUTESDK_PROVIDER_PATH", "user", "product", …
  std::string ignored;  ///< why it is not used; empty when it is
};

}  // namespace computesdk
