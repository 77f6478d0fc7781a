#include "operations.hpp"

#include <array>

namespace computesdk::registry::host {
namespace {

template <auto Table, auto Slot, typename Args>
csdk_status invokeSlot(const PluginTables& tables, csdk_provider* provider, csdk_call call, const void* args) {
  return ((tables.*Table).*Slot)(provider, call, static_cast<const Args*>(args));
}

/// Opening has an extra result and is called apart.
csdk_status invokeNothing(const PluginTables&, csdk_provider*, csdk_call, const void*) { return CSDK_UNIMPLEMENTED; }

template <typename Args>
csdk_status missing(csdk_provider*, csdk_call, const Args*) {
  return CSDK_UNIMPLEMENTED;
}
void missingClose(csdk_provider*) {}

// CSDK_OP(op, table member, table type, slot, args type, args info, lane, targets a sandbox, method, phrase)
#define CSDK_OPERATIONS(X)                                                                                             \
  X(create, plugin, csdk_plugin, sandbox_create, csdk_create_args, kCreateArgs, streams, false, "create",              \
    "create a sandbox")                                                                                                \
  X(inspect, plugin, csdk_plugin, sandbox_inspect, csdk_target_args, kTargetArgs, control, true, "getById",            \
    "look up a sandbox")                                                                                               \
  X(attach, plugin, csdk_plugin, sandbox_attach, csdk_target_args, kTargetArgs, streams, true, "attach",               \
    "attach to a sandbox")                                                                                             \
  X(list, plugin, csdk_plugin, sandbox_list, csdk_list_args, kListArgs, control, false, "list", "list sandboxes")      \
  X(destroy, plugin, csdk_plugin, sandbox_destroy, csdk_target_args, kTargetArgs, control, true, "destroy",            \
    "destroy a sandbox")                                                                                               \
  X(release, plugin, csdk_plugin, sandbox_release, csdk_target_args, kTargetArgs, control, true, "release",            \
    "release a sandbox")                                                                                               \
  X(url, plugin, csdk_plugin, sandbox_url, csdk_url_args, kUrlArgs, control, true, "getUrl", "get the URL of a port")  \
  X(exec, plugin, csdk_plugin, exec, csdk_exec_args, kExecArgs, streams, true, "runCommand", "run a command")          \
  X(fsRead, plugin, csdk_plugin, fs_read, csdk_fs_args, kFsArgs, streams, true, "filesystem.readFile", "read a file")  \
  X(fsWrite, plugin, csdk_plugin, fs_write, csdk_fs_args, kFsArgs, streams, true, "filesystem.writeFile",              \
    "write a file")                                                                                                    \
  X(fsList, plugin, csdk_plugin, fs_list, csdk_fs_args, kFsArgs, streams, true, "filesystem.readdir",                  \
    "list a directory")                                                                                                \
  X(fsStat, plugin, csdk_plugin, fs_stat, csdk_fs_args, kFsArgs, streams, true, "filesystem.exists", "look up a file") \
  X(fsMkdir, plugin, csdk_plugin, fs_mkdir, csdk_fs_args, kFsArgs, streams, true, "filesystem.mkdir",                  \
    "make a directory")                                                                                                \
  X(fsRemove, plugin, csdk_plugin, fs_remove, csdk_fs_args, kFsArgs, streams, true, "filesystem.remove",               \
    "remove a file")                                                                                                   \
  X(fsRename, plugin, csdk_plugin, fs_rename, csdk_fs_args, kFsArgs, streams, true, "filesystem.rename",               \
    "rename a file")                                                                                                   \
  X(processStart, process, csdk_process_ext, start, csdk_process_start_args, kProcessStartArgs, streams, false,        \
    "runCommand in the background", "start a background command")                                                      \
  X(processList, process, csdk_process_ext, list, csdk_process_args, kProcessArgs, control, true, "processes",         \
    "list processes")                                                                                                  \
  X(processAttach, process, csdk_process_ext, attach, csdk_process_args, kProcessArgs, streams, true, "attach",        \
    "attach to a process")                                                                                             \
  X(processWait, process, csdk_process_ext, wait, csdk_process_args, kProcessArgs, streams, true, "wait",              \
    "wait for a process")                                                                                              \
  X(processWrite, process, csdk_process_ext, write_stdin, csdk_process_args, kProcessArgs, control, true,              \
    "writeStdin", "write to a process")                                                                                \
  X(processSignal, process, csdk_process_ext, signal, csdk_process_args, kProcessArgs, control, true, "signal",        \
    "signal a process")                                                                                                \
  X(processResize, process, csdk_process_ext, resize, csdk_process_args, kProcessArgs, control, true, "resize",        \
    "resize a terminal")                                                                                               \
  X(dial, port, csdk_port_ext, dial, csdk_dial_args, kDialArgs, streams, true, "dial", "connect to a port")            \
  X(snapshotCreate, snapshot, csdk_snapshot_ext, create, csdk_snapshot_args, kSnapshotArgs, streams, true,             \
    "snapshots", "make a snapshot")                                                                                    \
  X(snapshotList, snapshot, csdk_snapshot_ext, list, csdk_snapshot_args, kSnapshotArgs, control, true, "snapshots",    \
    "list snapshots")                                                                                                  \
  X(snapshotRemove, snapshot, csdk_snapshot_ext, remove, csdk_snapshot_args, kSnapshotArgs, control, true,             \
    "snapshots", "remove a snapshot")                                                                                  \
  X(templateList, templates, csdk_template_ext, list, csdk_template_args, kTemplateArgs, control, false, "templates",  \
    "list templates")                                                                                                  \
  X(templateInspect, templates, csdk_template_ext, inspect, csdk_template_args, kTemplateArgs, control, false,         \
    "templates", "look up a template")                                                                                 \
  X(templateBuild, templates, csdk_template_ext, build, csdk_template_args, kTemplateArgs, streams, false,             \
    "templates", "build a template")                                                                                   \
  X(templateRemove, templates, csdk_template_ext, remove, csdk_template_args, kTemplateArgs, control, false,           \
    "templates", "remove a template")                                                                                  \
  X(namedFind, named, csdk_named_ext, find, csdk_named_args, kNamedArgs, control, false, "find",                       \
    "find a named sandbox")                                                                                            \
  X(namedFindOrCreate, named, csdk_named_ext, find_or_create, csdk_named_args, kNamedArgs, streams, false,             \
    "findOrCreate", "find or create a named sandbox")                                                                  \
  X(extend, lifetime, csdk_lifetime_ext, extend, csdk_extend_args, kExtendArgs, control, true, "extendTimeout",        \
    "extend a sandbox's life")                                                                                         \
  X(pause, lifetime, csdk_lifetime_ext, pause, csdk_target_args, kTargetArgs, streams, true, "pause",                  \
    "pause a sandbox")                                                                                                 \
  X(resume, lifetime, csdk_lifetime_ext, resume, csdk_target_args, kTargetArgs, streams, true, "resume",               \
    "resume a sandbox")                                                                                                \
  X(vendorCall, vendorCall, csdk_vendor_call_ext, call, csdk_vendor_call_args, kVendorCallArgs, streams, true,         \
    "native", "call the vendor's own operation")

#define CSDK_OP_ROW(op, table, tableType, slot, argsType, argsInfo, lane, targets, method, phrase) \
  OpInfo{method, phrase, &argsInfo, Lane::lane, &invokeSlot<&PluginTables::table, &tableType::slot, argsType>, targets},

constexpr std::array<OpInfo, kOps> kOpTable = {
    OpInfo{"open", "open the provider", &kOpenArgs, Lane::control, &invokeNothing, false},
    CSDK_OPERATIONS(CSDK_OP_ROW)};

template <typename Table>
Table readExtension(const csdk_plugin& theirs, const char* id) {
  if (theirs.extension == nullptr) return Table{};
  return readStruct(static_cast<const Table*>(theirs.extension(toStr(id))));
}

}  // namespace

const OpInfo& opInfo(Op op) noexcept { return kOpTable[static_cast<std::size_t>(op)]; }

PluginTables readTables(const csdk_plugin& theirs) {
  PluginTables tables{};
  tables.plugin = readStruct(&theirs);
  tables.process = readExtension<csdk_process_ext>(tables.plugin, CSDK_EXT_PROCESS);
  tables.port = readExtension<csdk_port_ext>(tables.plugin, CSDK_EXT_PORT);
  tables.snapshot = readExtension<csdk_snapshot_ext>(tables.plugin, CSDK_EXT_SNAPSHOT);
  tables.templates = readExtension<csdk_template_ext>(tables.plugin, CSDK_EXT_TEMPLATE);
  tables.named = readExtension<csdk_named_ext>(tables.plugin, CSDK_EXT_NAMED);
  tables.lifetime = readExtension<csdk_lifetime_ext>(tables.plugin, CSDK_EXT_LIFETIME);
  tables.vendorCall = readExtension<csdk_vendor_call_ext>(tables.plugin, CSDK_EXT_VENDOR_CALL);

  tables.present |= 1;
#define CSDK_FILL_SLOT(op, table, tableType, slot, argsType, argsInfo, lane, targets, method, phrase) \
  if (tables.table.slot != nullptr) {                                                                 \
    tables.present |= std::uint64_t{1} << static_cast<unsigned>(Op::op);                              \
  } else {                                                                                            \
    tables.table.slot = &missing<argsType>;                                                           \
  }
  CSDK_OPERATIONS(CSDK_FILL_SLOT)
#undef CSDK_FILL_SLOT
  if (tables.plugin.provider_close == nullptr) tables.plugin.provider_close = &missingClose;
  return tables;
}

ProviderFeatures featuresOf(std::uint64_t present, std::uint32_t extendMeaning) {
  ProviderFeatures features;
  features.list = has(present, Op::list);
  features.inspect = has(present, Op::inspect);
  features.attach = has(present, Op::attach);
  features.destroy = has(present, Op::destroy);
  features.url = has(present, Op::url);
  features.exec = has(present, Op::exec);
  features.fsRead = has(present, Op::fsRead);
  features.fsWrite = has(present, Op::fsWrite);
  features.fsList = has(present, Op::fsList);
  features.fsStat = has(present, Op::fsStat);
  features.fsMkdir = has(present, Op::fsMkdir);
  features.fsRemove = has(present, Op::fsRemove);
  features.fsRename = has(present, Op::fsRename);
  features.process = has(present, Op::processStart);
  features.pty = features.process && has(present, Op::processResize);
  features.port = has(present, Op::dial);
  features.snapshot = has(present, Op::snapshotCreate);
  features.templates = has(present, Op::templateList);
  features.named = has(present, Op::namedFindOrCreate);
  features.vendorCall = has(present, Op::vendorCall);
  features.extend = has(present, Op::extend);
  features.pause = has(present, Op::pause);
  features.resume = has(present, Op::resume);
  if (features.extend && extendMeaning <= CSDK_EXTEND_FROM_CREATION) {
    features.extendMeaning = static_cast<ExtendMeaning>(extendMeaning);
  }
  return features;
}

}  // namespace computesdk::registry::host
