#pragma once

#include <computesdk/plugin.h>
#include <computesdk/provider/call.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <type_traits>
#include <utility>

// From a plain class to the ABI's tables. A class T may have
//
//   T(), T(const Options& config) or T(Call&, const Options& config)
//   create(Call&, const csdk_create_args&)            fsRead, fsWrite, fsList, fsStat, fsMkdir, fsRemove,
//   inspect, attach, destroy, release                 fsRename(Call&, const csdk_fs_args&)
//       (Call&, const csdk_target_args&)              url(Call&, const csdk_url_args&)
//   list(Call&, const csdk_list_args&)                exec(Call&, const csdk_exec_args&)
//
// and of the extensions, each offered when one of its methods is there:
//
//   process/1    processStart(Call&, const csdk_process_start_args&); processList, processAttach, processWait,
//                processWriteStdin, processSignal, processResize(Call&, const csdk_process_args&)
//   port/1       dial(Call&, const csdk_dial_args&)
//   snapshot/1   snapshotCreate, snapshotList, snapshotRemove(Call&, const csdk_snapshot_args&)
//   template/1   templateList, templateInspect, templateBuild, templateRemove(Call&, const csdk_template_args&)
//   named/1      namedFind, namedFindOrCreate(Call&, const csdk_named_args&)
//   lifetime/1   extend(Call&, const csdk_extend_args&); pause, resume(Call&, const csdk_target_args&);
//                static constexpr std::uint32_t kExtendMeaning = CSDK_EXTEND_…
//   vendor-call/1  vendorCall(Call&, const csdk_vendor_call_args&)
//   its own      static const void* extension(std::string_view id)
//
// Must-understand flags are refused for the class unless it says that it obeys them:
//   static constexpr std::uint32_t kCreateFlags = CSDK_CREATE_NETWORK | …;   kProcessFlags = CSDK_PROCESS_PTY;
//   static constexpr std::uint32_t kAttachFlags = CSDK_PROCESS_KEPT_ONLY;
//
// Arguments arrive as a copy in which fields that an older host did not have are zero.
namespace computesdk::plugin {

#ifdef CSDK_ABI_DRAFT
inline constexpr std::uint32_t kAbiDraft = CSDK_ABI_DRAFT;
#else
inline constexpr std::uint32_t kAbiDraft = 0;
#endif

/// What a csdk_provider is here: the author's object and the host that it was opened by.
template <class T>
struct Box {
  template <class... Args>
  explicit Box(const Host& opener, Args&&... args) : host(opener), object(std::forward<Args>(args)...) {}

  Host host;
  T object;
};

template <class T, class Args>
constexpr std::uint32_t understoodFlags() {
  if constexpr (std::is_same_v<Args, csdk_create_args> && requires { T::kCreateFlags; }) return T::kCreateFlags;
  if constexpr (std::is_same_v<Args, csdk_process_start_args> && requires { T::kProcessFlags; })
    return T::kProcessFlags;
  if constexpr (std::is_same_v<Args, csdk_process_args> && requires { T::kAttachFlags; }) return T::kAttachFlags;
  return 0;
}

/// Copies the arguments and what they point to in structs of their own, then calls `invoke`.
template <class T, class Args, class Invoke>
csdk_status readAndInvoke(T& object, Call& call, const Args* theirs, Invoke invoke) {
  Args args = readArgs(theirs, understoodFlags<T, Args>());
  if constexpr (std::is_same_v<Args, csdk_process_start_args>) {
    const csdk_exec_args exec = readArgs(args.exec, understoodFlags<T, csdk_exec_args>());
    args.exec = &exec;
    return statusOf([&] { return invoke(object, call, args); });
  } else if constexpr (std::is_same_v<Args, csdk_named_args>) {
    csdk_create_args create{};
    if (args.create) args.create = &(create = readArgs(args.create, understoodFlags<T, csdk_create_args>()));
    return statusOf([&] { return invoke(object, call, args); });
  } else {
    return statusOf([&] { return invoke(object, call, args); });
  }
}

/// The function in a slot: fence, copied arguments, the class's method.
template <class T, class Args, auto Invoke>
csdk_status operation(csdk_provider* provider, csdk_call id, const Args* args) noexcept {
  auto* box = reinterpret_cast<Box<T>*>(provider);
  Call call(box->host, id);
  return guard(call, [&] { return readAndInvoke(box->object, call, args, Invoke); });
}

// The slot's function if the class has the method, else NULL. A method of that name that cannot be called so is an
// error here rather than a slot that stays silently empty.
#define CSDK_DETAIL_SLOT(Args, method)                                                                               \
  [] {                                                                                                               \
    constexpr bool callable = requires(T & object, Call & call, const Args& args) { object.method(call, args); };    \
    if constexpr (callable) {                                                                                        \
      return &operation<T, Args, [](T& object, Call& call, const Args& args) { return object.method(call, args); }>; \
    } else {                                                                                                         \
      static_assert(                                                                                                 \
          !requires { &T::method; }, #method " must take (Call&, const " #Args "&)");                                \
      return nullptr;                                                                                                \
    }                                                                                                                \
  }()

/// Makes the object with the richest constructor that it has.
template <class T>
Box<T>* openBox(const Host& host, Call& call, const Options& config) {
  if constexpr (std::is_constructible_v<T, Call&, const Options&>) {
    return new Box<T>(host, call, config);
  } else if constexpr (std::is_constructible_v<T, const Options&>) {
    return new Box<T>(host, config);
  } else {
    return new Box<T>(host);
  }
}

template <class T>
csdk_status openProvider(const csdk_host* host, csdk_call id, const csdk_open_args* theirs,
                         csdk_provider** out) noexcept {
  try {
    const Host known(host);
    Call call(known, id);
    return guard(call, [&] {
      const csdk_open_args args = readArgs(theirs, 0);
      *out = reinterpret_cast<csdk_provider*>(openBox<T>(known, call, Options(args.config)));
      return CSDK_OK;
    });
  } catch (const Error& error) {  // a host without the functions that would describe it
    return error.status();
  } catch (...) {
    return CSDK_INTERNAL;
  }
}

template <class T>
void closeProvider(csdk_provider* provider) noexcept {
  delete reinterpret_cast<Box<T>*>(provider);
}

template <class Table>
constexpr Table makeTable() {
  Table table{};
  table.struct_size = sizeof table;
  table.abi_minor = CSDK_ABI_MINOR;
  return table;
}

template <class T>
constexpr csdk_process_ext makeProcess() {
  auto table = makeTable<csdk_process_ext>();
  table.start = CSDK_DETAIL_SLOT(csdk_process_start_args, processStart);
  table.list = CSDK_DETAIL_SLOT(csdk_process_args, processList);
  table.attach = CSDK_DETAIL_SLOT(csdk_process_args, processAttach);
  table.wait = CSDK_DETAIL_SLOT(csdk_process_args, processWait);
  table.write_stdin = CSDK_DETAIL_SLOT(csdk_process_args, processWriteStdin);
  table.signal = CSDK_DETAIL_SLOT(csdk_process_args, processSignal);
  table.resize = CSDK_DETAIL_SLOT(csdk_process_args, processResize);
  return table;
}

template <class T>
constexpr csdk_port_ext makePort() {
  auto table = makeTable<csdk_port_ext>();
  table.dial = CSDK_DETAIL_SLOT(csdk_dial_args, dial);
  return table;
}

template <class T>
constexpr csdk_snapshot_ext makeSnapshot() {
  auto table = makeTable<csdk_snapshot_ext>();
  table.create = CSDK_DETAIL_SLOT(csdk_snapshot_args, snapshotCreate);
  table.list = CSDK_DETAIL_SLOT(csdk_snapshot_args, snapshotList);
  table.remove = CSDK_DETAIL_SLOT(csdk_snapshot_args, snapshotRemove);
  return table;
}

template <class T>
constexpr csdk_template_ext makeTemplate() {
  auto table = makeTable<csdk_template_ext>();
  table.list = CSDK_DETAIL_SLOT(csdk_template_args, templateList);
  table.inspect = CSDK_DETAIL_SLOT(csdk_template_args, templateInspect);
  table.build = CSDK_DETAIL_SLOT(csdk_template_args, templateBuild);
  table.remove = CSDK_DETAIL_SLOT(csdk_template_args, templateRemove);
  return table;
}

template <class T>
constexpr csdk_named_ext makeNamed() {
  auto table = makeTable<csdk_named_ext>();
  table.find = CSDK_DETAIL_SLOT(csdk_named_args, namedFind);
  table.find_or_create = CSDK_DETAIL_SLOT(csdk_named_args, namedFindOrCreate);
  return table;
}

template <class T>
constexpr csdk_lifetime_ext makeLifetime() {
  auto table = makeTable<csdk_lifetime_ext>();
  table.extend = CSDK_DETAIL_SLOT(csdk_extend_args, extend);
  table.pause = CSDK_DETAIL_SLOT(csdk_target_args, pause);
  table.resume = CSDK_DETAIL_SLOT(csdk_target_args, resume);
  if constexpr (requires { &T::extend; }) table.extend_meaning = T::kExtendMeaning;
  return table;
}

template <class T>
constexpr csdk_vendor_call_ext makeVendorCall() {
  auto table = makeTable<csdk_vendor_call_ext>();
  table.call = CSDK_DETAIL_SLOT(csdk_vendor_call_args, vendorCall);
  return table;
}

template <class T>
const void* findExtension(csdk_str wanted) noexcept {
  static constexpr auto process = makeProcess<T>();
  static constexpr auto port = makePort<T>();
  static constexpr auto snapshot = makeSnapshot<T>();
  static constexpr auto templates = makeTemplate<T>();
  static constexpr auto named = makeNamed<T>();
  static constexpr auto lifetime = makeLifetime<T>();
  static constexpr auto vendorCall = makeVendorCall<T>();

  const std::string_view id = view(wanted);
  const auto offer = [](const auto& table, auto... slots) -> const void* { return (slots || ...) ? &table : nullptr; };
  if (id == CSDK_EXT_PROCESS) {
    return offer(process, process.start, process.list, process.attach, process.wait, process.write_stdin,
                 process.signal, process.resize);
  }
  if (id == CSDK_EXT_PORT) return offer(port, port.dial);
  if (id == CSDK_EXT_SNAPSHOT) return offer(snapshot, snapshot.create, snapshot.list, snapshot.remove);
  if (id == CSDK_EXT_TEMPLATE) {
    return offer(templates, templates.list, templates.inspect, templates.build, templates.remove);
  }
  if (id == CSDK_EXT_NAMED) return offer(named, named.find, named.find_or_create);
  if (id == CSDK_EXT_LIFETIME) return offer(lifetime, lifetime.extend, lifetime.pause, lifetime.resume);
  if (id == CSDK_EXT_VENDOR_CALL) return offer(vendorCall, vendorCall.call);
  if constexpr (requires { T::extension(id); }) return T::extension(id);
  return nullptr;
}

template <class T>
constexpr csdk_plugin makePlugin(std::string_view name, std::string_view version) {
  auto table = makeTable<csdk_plugin>();
  table.draft = kAbiDraft;
  table.name = str(name);
  table.version = str(version);
  table.provider_open = &openProvider<T>;
  table.provider_close = &closeProvider<T>;
  table.sandbox_create = CSDK_DETAIL_SLOT(csdk_create_args, create);
  table.sandbox_inspect = CSDK_DETAIL_SLOT(csdk_target_args, inspect);
  table.sandbox_attach = CSDK_DETAIL_SLOT(csdk_target_args, attach);
  table.sandbox_list = CSDK_DETAIL_SLOT(csdk_list_args, list);
  table.sandbox_destroy = CSDK_DETAIL_SLOT(csdk_target_args, destroy);
  table.sandbox_release = CSDK_DETAIL_SLOT(csdk_target_args, release);
  table.sandbox_url = CSDK_DETAIL_SLOT(csdk_url_args, url);
  table.exec = CSDK_DETAIL_SLOT(csdk_exec_args, exec);
  table.fs_read = CSDK_DETAIL_SLOT(csdk_fs_args, fsRead);
  table.fs_write = CSDK_DETAIL_SLOT(csdk_fs_args, fsWrite);
  table.fs_list = CSDK_DETAIL_SLOT(csdk_fs_args, fsList);
  table.fs_stat = CSDK_DETAIL_SLOT(csdk_fs_args, fsStat);
  table.fs_mkdir = CSDK_DETAIL_SLOT(csdk_fs_args, fsMkdir);
  table.fs_remove = CSDK_DETAIL_SLOT(csdk_fs_args, fsRemove);
  table.fs_rename = CSDK_DETAIL_SLOT(csdk_fs_args, fsRename);
  table.extension = &findExtension<T>;
  return table;
}

#undef CSDK_DETAIL_SLOT

/// The entry function: the table, or NULL with the reason when the host speaks another draft. Allocates nothing.
inline const csdk_plugin* enter(const csdk_host_info* theirs, const csdk_plugin& plugin) noexcept {
  try {
    const csdk_host_info info = readStruct(theirs);
    if (info.abi_major == CSDK_ABI_MAJOR && info.draft == kAbiDraft) return &plugin;
    char reason[256];
    const int size = std::snprintf(
        reason, sizeof reason,
        "plug-in %.*s speaks ABI %d draft %u, the host speaks ABI %u draft %u: build both from the same headers",
        static_cast<int>(plugin.name.size), plugin.name.data, CSDK_ABI_MAJOR, kAbiDraft, info.abi_major, info.draft);
    if (info.refuse && size > 0) {
      info.refuse(info.ctx, str(std::string_view(reason, std::min<std::size_t>(size, sizeof reason - 1))));
    }
  } catch (...) {  // not a csdk_host_info at all: there is nobody to tell
  }
  return nullptr;
}

}  // namespace computesdk::plugin

/// Makes `Class` the provider of this library; once, in a source file, outside of any namespace.
#define CSDK_PROVIDER(Class, providerName, providerVersion)                                                        \
  extern "C" CSDK_EXPORT const csdk_plugin* csdk_plugin_entry_v1(const csdk_host_info* info) {                     \
    static constexpr csdk_plugin kPlugin = ::computesdk::plugin::makePlugin<Class>(providerName, providerVersion); \
    return ::computesdk::plugin::enter(info, kPlugin);                                                             \
  }
