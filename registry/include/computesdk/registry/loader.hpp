#pragma once

#include <computesdk/registry/manifest.hpp>
#include <computesdk/registry/registry.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// Loading a plug-in that was found, checked and chosen, in this process or in one of its own.
namespace computesdk::registry {

/// A library that was opened and checked. `descriptor` is borrowed for the duration of a call; what is mapped is that
/// very file. -1: the path is opened. `byPath`: the library needs its own folder ($ORIGIN in RUNPATH), so it is loaded
/// by its path after a check that the path still leads to the same file.
struct LibraryFile {
  std::filesystem::path path;  ///< absolute
  int descriptor = -1;
  bool byPath = false;
};

/// One setting handed to provider_open. `value` of a secret stays out of logs and errors.
struct ConfigValue {
  std::string key;
  OptionValue value;
  bool secret = false;
};
using ResolvedConfig = std::vector<ConfigValue>;

/// How requests of plug-ins reach the network. Empty: the system's way.
struct NetworkSettings {
  std::string httpsProxy, httpProxy;  ///< URLs; may hold a user and a password
  std::string noProxy;                ///< hosts, .suffixes and address ranges that are reached directly
  std::string caFile, caDir;          ///< certificate authorities in place of the system's
  std::string extraCaFile;            ///< and beside them
};

/// What the host side tells the world. Copied into every provider.
struct HostHooks {
  std::function<void(const LogRecord&)> log;  ///< any thread; must not block
  std::function<std::int64_t()> wallMs;       ///< test seam of now_wall_ms; empty: the real clock
  std::filesystem::path pluginHost;           ///< computesdk-plugin-host; empty: findPluginHost()
  NetworkSettings network;
  std::chrono::milliseconds grace{5000};  ///< test seam: from cancellation or deadline until a call is given up
};

/// A library whose table was read and made whole. One for each file in a process; never unloaded, so never destroyed.
class LoadedPlugin;

/// Loads a library into this process and reads its table. A second call for the same file answers the same plug-in.
/// Thread-safe. Errors: E_PLUGIN_LOAD, saying which step refused.
Result<LoadedPlugin*> loadInProcess(const Manifest& manifest, const LibraryFile& library);

/// Opens a provider of a loaded plug-in. `trusted`: "inline" of the manifest is obeyed. Thread-safe. Errors: the
/// plug-in's own refusal of the configuration.
Result<std::shared_ptr<Provider>> openInProcess(LoadedPlugin& plugin, std::shared_ptr<const Manifest> manifest,
                                                const ResolvedConfig& config, HostHooks hooks, bool trusted);

/// Starts a process for the plug-in and opens a provider in it. The process is started again when it dies. Thread-safe.
/// Errors: E_PLUGIN_LOAD when the library is refused or kills the process, the plug-in's own refusal otherwise.
Result<std::shared_ptr<Provider>> openIsolated(std::shared_ptr<const Manifest> manifest, const LibraryFile& library,
                                               const ResolvedConfig& config, HostHooks hooks);

/// Loads the library once in a process of its own that is thrown away, so that one that crashes while loading does not
/// take this process along. 2 s at most. Errors: E_PLUGIN_LOAD with what happened.
Result<void> probeLibrary(const Manifest& manifest, const LibraryFile& library, const HostHooks& hooks);

/// Where computesdk-plugin-host is: beside the running program or library, in `../bin` of it, or in
/// `../lib/computesdk` of it. Errors: E_PLUGIN_LOAD naming the places.
Result<std::filesystem::path> findPluginHost();

/// Counts of what a plug-in did against the rules since it was loaded, and of calls that were given up.
struct PluginHealth {
  std::uint64_t misbehaviour = 0;  ///< late or double completions, pushes after the end, failures without a reason
  std::uint64_t abandoned = 0;     ///< calls given up past their deadline
  std::uint64_t deaths = 0;        ///< of the plug-in's process
};
/// Of a provider made by openInProcess or openIsolated; zeroes for any other. Thread-safe.
PluginHealth pluginHealth(const Provider& provider) noexcept;

}  // namespace computesdk::registry
