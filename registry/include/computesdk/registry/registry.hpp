#pragma once

#include <computesdk/registry/provider.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Finds providers, chooses one, loads it safely.
namespace computesdk::registry {

/// Where the registry looks at the world; tests give their own.
struct Environment {
  /// Value of a variable; empty counts as unset.
  std::function<std::optional<std::string>(std::string_view name)> get;
  std::filesystem::path home;  ///< of the user
  bool secure = false;         ///< AT_SECURE: the environment and the user's folders are off
};
/// The real one (secure_getenv).
Environment processEnvironment();

struct LogRecord {
  int level = 0;  ///< 1 debug, 2 info, 3 warning, 4 error
  std::string provider;
  std::string message;  ///< without secrets
};

struct RegistryOptions {
  Environment environment = processEnvironment();
  std::vector<std::filesystem::path> extraPaths;  ///< searched first; absolute
  std::function<void(const LogRecord&)> log;      ///< any thread; must not block
  std::vector<std::string> allow;                 ///< if not empty, only these providers
  std::vector<std::string> deny;
  std::map<std::string, int> priorities;  ///< the user's, over the manifests'
};

/// State of one provider in detection.
enum class CandidateState { selected, ready, incomplete, absent, shadowed, unloadable, denied };
std::string_view toString(CandidateState state) noexcept;

struct Candidate {
  std::string name;
  CandidateState state = CandidateState::absent;
  std::string why;  ///< what matched, what is missing, why it lost; no values
  std::filesystem::path manifestPath;
  std::string version;
  int priority = 0;
  bool trusted = false;              ///< loaded in process
  std::vector<std::string> matched;  ///< variable names that are set
  std::vector<std::string> missing;  ///< variable names that are not
};

struct Detection {
  std::optional<std::string> selected;
  std::vector<Candidate> candidates;  ///< selected first, then by priority, then name
  std::vector<std::string> warnings;  ///< each to be shown once
  std::optional<ErrorInfo> error;     ///< why nothing was selected
};

struct OpenOptions {
  OptionMap config;  ///< explicit configuration, over the environment: manifest keys or camelCase twins ("apiKey")
};

/// All that is known of providers on this machine. Thread-safe.
class Registry {
 public:
  /// Reads the manifests; opens no library. A bad manifest becomes a candidate that is unloadable, never an error here.
  static Result<std::shared_ptr<Registry>> open(RegistryOptions options);
  virtual ~Registry() = default;

  /// Folders in order, with why each is used or not (`path`, `note`).
  struct SearchFolder {
    std::filesystem::path path;
    std::string origin;   ///< "COMPUTESDK_PROVIDER_PATH", "user", "product", …
    std::string ignored;  ///< why it is not used; empty when it is
  };
  [[nodiscard]] virtual std::vector<SearchFolder> searchPath() const = 0;

  /// Manifests in effect (the first of each name), and nothing else.
  [[nodiscard]] virtual std::vector<std::shared_ptr<const Manifest>> manifests() const = 0;
  [[nodiscard]] virtual std::shared_ptr<const Manifest> manifest(std::string_view name) const = 0;

  /// Which provider would be used. `explicitName`: the caller's choice, over COMPUTESDK_PROVIDER and detection.
  [[nodiscard]] virtual Detection detect(std::optional<std::string_view> explicitName = {}) const = 0;

  /// Loads and opens a provider. The library of one name is loaded once a process and never unloaded.
  virtual Result<std::shared_ptr<Provider>> openProvider(std::string_view name, const OpenOptions& options) = 0;

  /// Writes the hash of a plug-in into the user's trust file. `file` is its library or its manifest.
  virtual Result<void> trust(const std::filesystem::path& file) = 0;
};

}  // namespace computesdk::registry
