#pragma once

#include "abi_structs.hpp"

#include <computesdk/plugin.h>
#include <computesdk/registry/provider.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

// All operations of a plug-in as one list, because they share one shape: (provider, call, args).
namespace computesdk::registry::host {

/// Numbers travel on the wire: append only.
enum class Op : std::uint16_t {
  open,
  create,
  inspect,
  attach,
  list,
  destroy,
  release,
  url,
  exec,
  fsRead,
  fsWrite,
  fsList,
  fsStat,
  fsMkdir,
  fsRemove,
  fsRename,
  processStart,
  processList,
  processAttach,
  processWait,
  processWrite,
  processSignal,
  processResize,
  dial,
  snapshotCreate,
  snapshotList,
  snapshotRemove,
  templateList,
  templateInspect,
  templateBuild,
  templateRemove,
  namedFind,
  namedFindOrCreate,
  extend,
  pause,
  resume,
  vendorCall,
};
inline constexpr std::size_t kOps = static_cast<std::size_t>(Op::vendorCall) + 1;

/// Which threads of a plug-in's pool serve an operation. `control` is for what is short and must not wait behind
/// streams.
enum class Lane : std::uint8_t { streams, control };

/// A plug-in's tables made whole: as many bytes as both sides know, every missing slot answers CSDK_UNIMPLEMENTED.
struct PluginTables {
  csdk_plugin plugin;
  csdk_process_ext process;
  csdk_port_ext port;
  csdk_snapshot_ext snapshot;
  csdk_template_ext templates;
  csdk_named_ext named;
  csdk_lifetime_ext lifetime;
  csdk_vendor_call_ext vendorCall;
  std::uint64_t present;  ///< bit per Op: the plug-in has it
};

struct OpInfo {
  const char* method;  ///< as users know it: "getUrl"
  const char* phrase;  ///< "get the URL of a port"
  const StructInfo* args;
  Lane lane;
  csdk_status (*invoke)(const PluginTables&, csdk_provider*, csdk_call, const void* args);
  bool targetsSandbox;  ///< args begin with a csdk_target after the flags
};

const OpInfo& opInfo(Op op) noexcept;

inline bool has(std::uint64_t present, Op op) noexcept { return (present >> static_cast<unsigned>(op) & 1) != 0; }

/// Reads the tables of `theirs`, asking it for each extension.
PluginTables readTables(const csdk_plugin& theirs);

ProviderFeatures featuresOf(std::uint64_t present, std::uint32_t extendMeaning);

}  // namespace computesdk::registry::host
