#pragma once

#include <computesdk/detection.hpp>
#include <computesdk/export.hpp>
#include <computesdk/provider_handle.hpp>
#include <computesdk/result.hpp>
#include <computesdk/sandbox_manager.hpp>
#include <computesdk/types.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

/// Which of several providers makes the next sandbox.
enum class Strategy { priority, roundRobin };

enum class LogLevel { debug = 1, info, warning, error };
struct LogMessage {
  LogLevel level = LogLevel::info;
  std::string provider;  ///< may be empty
  std::string message;   ///< holds no secret
};

/// A variable that a program read from a file such as ./.env.
struct FileVariable {
  std::string value;
  std::string origin;  ///< "./.env line 3", for messages
};

/// How Compute works. Everything may be left out: then the provider is found from the environment.
struct ComputeConfig {
  std::string provider = {};                ///< the one to use
  OptionMap options = {};                   ///< its configuration, over the environment: {{"apiKey", key}}
  std::vector<std::string> providers = {};  ///< several, instead of `provider`
  std::map<std::string, OptionMap> providerOptions = {};  ///< their configuration, by provider
  Strategy strategy = Strategy::priority;
  /// Try the next provider when one fails to create. Never after a failure that may have left a sandbox behind, and
  /// never with `local` unless it is listed.
  bool fallbackOnError = false;
  std::string apiKey = {};      ///< of a ComputeSDK gateway; goes with gatewayUrl
  std::string gatewayUrl = {};  ///< use this gateway instead of providers on this machine
  std::string workspace = {};   ///< of named sandboxes; empty: "0"
  bool namedSandboxes = true;   ///< false: findOrCreate and find are refused where the provider has no names itself
  std::filesystem::path stateDirectory = {};              ///< empty: $XDG_STATE_HOME/computesdk
  std::vector<std::filesystem::path> providerPaths = {};  ///< searched for providers first; absolute
  std::vector<std::string> allowProviders = {};           ///< if not empty, only these
  std::vector<std::string> denyProviders = {};
  std::map<std::string, int> providerPriorities = {};  ///< over the manifests'
  std::function<void(const LogMessage&)> log = {};     ///< from any thread; must not block
  /// Value of an environment variable, instead of the process's environment.
  std::function<std::optional<std::string>(std::string_view name)> environment = {};
  /// Counts for variables that a provider marks secret and the environment lacks; never for COMPUTESDK_* names.
  std::map<std::string, FileVariable> fileVariables = {};
  std::string defaultProvider = {};  ///< of a configuration file: counts after COMPUTESDK_PROVIDER, before detection
};

/// The entry: sandboxes on the provider that is configured, or found from the environment on first use.
///
/// Thread-safe. Cheap to make: no file is read before the first use. Sandboxes and handles may outlive it. A detection
/// is made once; setConfig forgets it and applies to later calls.
class COMPUTESDK_API Compute {
 public:
  Compute();
  /// Errors: as setConfig.
  explicit Compute(ComputeConfig config);
  Compute(Compute&&) noexcept;
  Compute& operator=(Compute&&) noexcept;
  ~Compute();

  /// Replaces the configuration; nothing changes on failure. E_UNKNOWN_PROVIDER, E_AUTH_MISSING (a provider's settings
  /// are incomplete, with the steps to get them), E_AUTH_FORMAT, E_INVALID_ARGUMENT.
  void setConfig(ComputeConfig config) { setConfig(nothrow, std::move(config)).value(); }
  Result<void> setConfig(Nothrow, ComputeConfig config);
  /// Forgets the configuration: back to detection.
  void clearConfig();

  [[nodiscard]] SandboxManager sandbox() const;
  [[nodiscard]] ProviderHandle provider(std::string_view name) const;

  /// Every provider on this machine and why it was chosen or not. Opens no library.
  DetectionReport detect() { return detect(nothrow).value(); }
  Result<DetectionReport> detect(Nothrow);
  /// The manifests in effect.
  std::vector<ProviderInfo> providers() { return providers(nothrow).value(); }
  Result<std::vector<ProviderInfo>> providers(Nothrow);
  /// Where they are looked for, in order.
  std::vector<ProviderFolder> providerFolders() { return providerFolders(nothrow).value(); }
  Result<std::vector<ProviderFolder>> providerFolders(Nothrow);
  /// Lets a provider run inside programs of this user: writes the hash of `file`, a library or manifest, to the trust
  /// file.
  void trustProvider(const std::filesystem::path& file) { trustProvider(nothrow, file).value(); }
  Result<void> trustProvider(Nothrow, const std::filesystem::path& file);

 private:
  friend class ComputeTestAccess;
  explicit Compute(std::shared_ptr<detail::ComputeState> state);
  std::shared_ptr<detail::ComputeState> state_;
};

}  // namespace computesdk
