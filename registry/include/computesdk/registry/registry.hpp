#pragma once

#include <computesdk/registry/provider.hpp>

#include <sys/types.h>
#include <unistd.h>

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
  uid_t user = ::geteuid();    ///< beside root, the one owner of files that is trusted
};
/// The real one (secure_getenv, HOME or else the password file's folder, geteuid).
Environment processEnvironment();

struct LogRecord {
  int level = 0;  ///< 1 debug, 2 info, 3 warning, 4 error
  std::string provider;
  std::string message;  ///< without secrets
};

/// A variable that did not come from the environment but from a file that the program read, such as ./.env.
struct FileVariable {
  std::string value;
  std::string origin;  ///< "./.env line 3", for messages
};

/// /usr/local/lib/computesdk/providers and /usr/lib/<triplet>/computesdk/providers.
std::vector<std::filesystem::path> defaultSystemFolders();

struct RegistryOptions {
  Environment environment = processEnvironment();
  /// Used for variables that a manifest marks secret and the environment lacks; never for COMPUTESDK_* names.
  std::map<std::string, FileVariable> fileVariables;
  std::vector<std::filesystem::path> extraPaths;  ///< searched first; absolute
  std::function<void(const LogRecord&)> log;      ///< any thread; must not block
  std::vector<std::string> allow;                 ///< if not empty, only these providers
  std::vector<std::string> deny;
  std::map<std::string, int> priorities;  ///< the user's, over the manifests'
  std::string configuredProvider;         ///< of the configuration file: counts after COMPUTESDK_PROVIDER

  // Where the product and the machine keep theirs; tests give their own.
  /// Nothing: <folder of the running library or program>/../lib/computesdk/providers. Empty: none.
  std::optional<std::filesystem::path> productFolder;
  std::vector<std::filesystem::path> systemFolders = defaultSystemFolders();
  std::filesystem::path policyFile = "/etc/computesdk/policy.json";
  std::filesystem::path pluginHost;  ///< computesdk-plugin-host; empty: looked for beside the product
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

/// The environment asks for a gateway: COMPUTESDK_API_KEY and a gateway URL are set.
struct GatewayMode {
  std::string url;          ///< without its user part; the variable holds it whole
  std::string urlVariable;  ///< COMPUTESDK_GATEWAY_URL or its alias COMPUTESDK_TRIBUTARY_URL
  std::string carrier;      ///< provider whose credentials go along (X-Provider); empty when none is complete
};

struct Detection {
  std::optional<std::string> selected;
  std::optional<GatewayMode> gateway;  ///< set: the provider named `gateway` is selected, or `error` says why not
  std::vector<Candidate> candidates;   ///< selected first, then by priority, then name
  std::vector<std::string> warnings;   ///< each to be shown once
  std::vector<std::string> notes;      ///< on the values of the selected one; opening it says them again
  std::optional<ErrorInfo> error;      ///< why nothing was selected
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

  /// A place where manifests are looked for.
  struct SearchFolder {
    std::filesystem::path path;
    std::string origin;   ///< "COMPUTESDK_PROVIDER_PATH", "user", "product", …
    std::string ignored;  ///< why it is not used; empty when it is
  };
  /// In order of precedence.
  [[nodiscard]] virtual std::vector<SearchFolder> searchPath() const = 0;

  /// Manifests in effect: the first good one of each name.
  [[nodiscard]] virtual std::vector<std::shared_ptr<const Manifest>> manifests() const = 0;
  [[nodiscard]] virtual std::shared_ptr<const Manifest> manifest(std::string_view name) const = 0;

  /// Which provider would be used. `explicitName`: the caller's choice, over COMPUTESDK_PROVIDER and detection.
  /// An explicit name wins over gateway mode too.
  [[nodiscard]] virtual Detection detect(std::optional<std::string_view> explicitName = {}) const = 0;

  /// Loads and opens a provider. The library of one name is loaded once a process and never unloaded. Errors:
  /// E_UNKNOWN_PROVIDER, E_POLICY, E_CONFIG for unknown keys, E_AUTH_MISSING and E_AUTH_FORMAT for credentials,
  /// E_PLUGIN_UNTRUSTED, E_PLUGIN_LOAD with each candidate's own reason, or the provider's refusal.
  virtual Result<std::shared_ptr<Provider>> openProvider(std::string_view name, const OpenOptions& options) = 0;

  /// Writes the hash of a plug-in into the user's trust file ($XDG_CONFIG_HOME/computesdk/trust.json), after the checks
  /// that loading it would make. `file` is its library or its manifest. Nothing changes on an error.
  virtual Result<void> trust(const std::filesystem::path& file) = 0;
};

}  // namespace computesdk::registry
