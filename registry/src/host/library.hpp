#pragma once

#include "operations.hpp"

#include <computesdk/registry/loader.hpp>

#include <string>

namespace computesdk::registry {

/// Made by loadInProcess, kept for ever.
class LoadedPlugin {
 public:
  LoadedPlugin(const csdk_plugin& theirs, std::string name, std::string version)
      : tables(host::readTables(theirs)), name(std::move(name)), version(std::move(version)) {}

  const host::PluginTables tables;
  const std::string name;
  const std::string version;
};

namespace host {

/// An E_PLUGIN_LOAD for `manifest`.
ErrorInfo loadError(const Manifest& manifest, std::string why, std::string fix = {});

/// The same for what the dynamic linker said, with the cure for it.
ErrorInfo linkError(const Manifest& manifest, std::string why);

/// What the entry function said: the table, or the reason why there is none.
struct EntryAnswer {
  const csdk_plugin* table = nullptr;
  std::string refusal;
};

/// Maps the library, finds its entry and calls it. The library stays mapped for ever. Errors: E_PLUGIN_LOAD.
Result<EntryAnswer> enterLibrary(const Manifest& manifest, const LibraryFile& library);

/// Whether the table is one we can call, and the manifest's. Errors: E_PLUGIN_LOAD.
Result<void> checkTable(const Manifest& manifest, const csdk_plugin& table);

}  // namespace host
}  // namespace computesdk::registry
