#pragma once

#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// How the gateway works: a file, then the command line over it.
namespace computesdk::gateway {

/// A key that came from a file, a variable or the command line, with its workspace. Secret.
struct GivenKey {
  std::string key;
  std::string workspace = "0";
};

struct Settings {
  std::string listenAddress = "127.0.0.1";  ///< numeric
  std::uint16_t listenPort = 8080;          ///< 0: the kernel chooses
  std::string publicUrl;                    ///< no slash at its end; empty: from the address and port
  std::string publicDomain;                 ///< lower case; empty: path mode
  std::string store;  ///< "sqlite:FILE" or "redis://…", then secret; empty: the variable's, else the default file
  std::string tlsCertificate, tlsKey;  ///< PEM files, both or none
  std::string apiKeyFile;
  std::string apiKey;
  std::string defaultProvider = "local";
  std::map<std::string, std::string> providerAliases;
  std::map<std::string, OptionMap> providerOptions;
  std::vector<std::string> providerPaths, allowProviders, denyProviders;
  bool clientUrls = false;  ///< addresses in credential headers are obeyed
  bool metricsNeedKey = false;
  bool accessLog = false;
  std::chrono::milliseconds defaultTimeout = std::chrono::hours(1);
  std::chrono::milliseconds maxTimeout = std::chrono::hours(24);  ///< 0: none
  /// Calls that make a sandbox are answered by then, if need be before it is there: clients give up after 30 s.
  std::chrono::milliseconds patience = std::chrono::seconds(20);
  std::chrono::milliseconds drain = std::chrono::seconds(10);
  std::int64_t maxSandboxes = 100;  ///< a workspace may have at once; 0: no limit
  std::int64_t rateLimit = 1200;    ///< requests a minute of one key; 0: no limit
  std::int64_t workers = 64;
};

/// One setting: its name in the file is `key`, on the command line `--key` with dashes.
struct SettingKey {
  std::string_view key;
  std::string_view type;
  bool onCommandLine;
};
std::span<const SettingKey> settingKeys();

/// Sets one setting from text as the command line has it. Errors: E_USAGE.
Result<void> setSetting(Settings& settings, std::string_view key, std::string_view value);
/// Adds what a TOML text says. `file` is named in errors. Errors: E_CONFIG with file, line and what is wrong.
Result<void> readSettings(std::string_view text, const std::string& file, Settings& settings);
/// Where the store's address is looked for when neither a file nor the command line has one. It may hold a password.
inline constexpr const char* kStoreVariable = "COMPUTESDK_GATEWAY_STORE";
/// Whether the address of a store holds a password.
bool holdsPassword(std::string_view store) noexcept;
/// Checks what only the whole can tell, and fills in what follows from it. Errors: E_CONFIG.
Result<void> completeSettings(Settings& settings,
                              const std::function<std::optional<std::string>(std::string_view)>& environment);

/// Keys of an --api-key-file: a line is KEY or WORKSPACE KEY; empty lines and those that begin with # do not count.
/// Errors: E_CONFIG, without the key.
Result<std::vector<GivenKey>> parseKeyFile(std::string_view text, const std::string& file);
/// Reads a file that holds secrets. Errors: E_CONFIG when others may read it, or it cannot be read.
Result<std::string> readSecretFile(const std::string& file);
bool isWorkspace(std::string_view text) noexcept;
/// "90s", "15m", "1h30m", "250ms", "2d", "0". Nothing for anything else.
std::optional<std::chrono::milliseconds> parseDuration(std::string_view text) noexcept;

}  // namespace computesdk::gateway
