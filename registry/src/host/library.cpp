#include "library.hpp"

#include "values/fd.hpp"

#define BOOST_DLL_USE_STD_FS
#include <boost/dll/shared_library.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <utility>

namespace computesdk::registry {
namespace host {
namespace {

constexpr auto kLoadMode = boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local;

void keepRefusal(void* ctx, csdk_str reason) {
  *static_cast<std::string*>(ctx) = std::string(view(reason).substr(0, 1024));
}

/// What to map. `kept` is set when the path goes through it; it must stay open as long as the library is mapped, that
/// is for ever: the dynamic linker knows a mapped file by the path it was given, so the number in /proc/self/fd/N must
/// not come to mean another file.
Result<boost::dll::fs::path> mappablePath(const Manifest& manifest, const LibraryFile& library, UniqueFd& kept) {
  if (library.descriptor < 0) return boost::dll::fs::path(library.path);
  if (library.byPath) {
    struct stat opened {
    }, named{};
    if (::fstat(library.descriptor, &opened) != 0 || ::stat(library.path.c_str(), &named) != 0 ||
        opened.st_dev != named.st_dev || opened.st_ino != named.st_ino) {
      return loadError(manifest, library.path.string() + " was replaced while it was being checked");
    }
    return boost::dll::fs::path(library.path);
  }
  kept = UniqueFd(::fcntl(library.descriptor, F_DUPFD_CLOEXEC, 3));
  if (!kept) return loadError(manifest, "no descriptor is left to keep " + library.path.string() + " open");
  return boost::dll::fs::path("/proc/self/fd/" + std::to_string(kept.get()));
}

/// Names the entry symbols of other majors that the library has.
std::string otherMajors(const boost::dll::shared_library& library) {
  for (int major = 0; major < 10; ++major) {
    if (major != CSDK_ABI_MAJOR && library.has("csdk_plugin_entry_v" + std::to_string(major))) {
      return "it is built for ABI major " + std::to_string(major) + ", this host speaks major " +
             std::to_string(CSDK_ABI_MAJOR);
    }
  }
  return "it does not export " CSDK_ENTRY_SYMBOL;
}

csdk_host_info hostInfo(std::string& refusal) {
  csdk_host_info info{};
  info.struct_size = sizeof info;
  info.abi_major = CSDK_ABI_MAJOR;
  info.abi_minor = CSDK_ABI_MINOR;
  info.draft = CSDK_ABI_DRAFT;
  info.host_name = toStr("computesdk");
  info.host_version = toStr(CSDK_HOST_VERSION);
  info.ctx = &refusal;
  info.refuse = &keepRefusal;
  return info;
}

/// What the dynamic linker said, out of Boost's sentence around it.
std::string linkerText(std::string text) {
  static constexpr std::string_view kBefore = "dlerror system message: ";
  if (const auto begin = text.find(kBefore); begin != std::string::npos) {
    text.erase(0, begin + kBefore.size());
    text.erase(std::min(text.rfind("): "), text.size()));
  }
  // It begins with the path it was given, which may be a number under /proc that says nothing to anybody.
  if (text.starts_with("/proc/self/fd/")) text.erase(0, text.find(": ") == std::string::npos ? 0 : text.find(": ") + 2);
  return text;
}

}  // namespace

ErrorInfo loadError(const Manifest& manifest, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::pluginLoad;
  error.what = "cannot load provider '" + manifest.name + "'";
  error.why = std::move(why);
  error.fix = fix.empty() ? "install a build of the provider that fits this version of ComputeSDK" : std::move(fix);
  error.provider = manifest.name;
  return error;
}

ErrorInfo linkError(const Manifest& manifest, std::string why) {
  std::string fix;
  if (const auto end = why.find(": cannot open shared object file"); end != std::string::npos) {
    fix = "install what brings " + why.substr(0, end) + ": apt-file search " + why.substr(0, end);
  } else if (why.find("undefined symbol") != std::string::npos) {
    fix = "install the library that has it, or a build of the provider that fits this machine";
  }
  return loadError(manifest, std::move(why), std::move(fix));
}

Result<EntryAnswer> enterLibrary(const Manifest& manifest, const LibraryFile& library) {
  static auto& loadedForEver = *new std::list<boost::dll::shared_library>;
  static auto& listMutex = *new std::mutex;
  UniqueFd kept;
  auto path = mappablePath(manifest, library, kept);
  if (!path) return std::move(path).error();
  try {
    // Unloading is never safe with threads and thread-local destructors about, so the handle is never given back.
    boost::dll::shared_library opened(*path, kLoadMode);
    (void)kept.release();
    std::unique_lock lock(listMutex);
    auto& loaded = loadedForEver.emplace_back(std::move(opened));
    lock.unlock();
    if (!loaded.has(CSDK_ENTRY_SYMBOL)) return loadError(manifest, otherMajors(loaded));
    auto* entry = loaded.get<const csdk_plugin*(const csdk_host_info*)>(CSDK_ENTRY_SYMBOL);
    EntryAnswer answer;
    const csdk_host_info info = hostInfo(answer.refusal);
    answer.table = entry(&info);
    return answer;
  } catch (const std::exception& error) {
    return linkError(manifest, linkerText(error.what()));
  } catch (...) {
    return loadError(manifest, "its entry function threw");
  }
}

Result<void> checkTable(const Manifest& manifest, const csdk_plugin& table) {
  // `draft` is at the same place in every draft, so it decides before anything else of the table is believed.
  if (table.struct_size < offsetof(csdk_plugin, draft) + sizeof table.draft || table.draft != CSDK_ABI_DRAFT) {
    const std::string theirs =
        table.struct_size < offsetof(csdk_plugin, reserved) ? "none" : std::to_string(table.draft);
    return loadError(
        manifest, "it is built for ABI draft " + theirs + ", this host speaks draft " + std::to_string(CSDK_ABI_DRAFT));
  }
  if (table.struct_size < offsetof(csdk_plugin, sandbox_create)) {
    return loadError(manifest, "its table ends before the functions that open and close a provider");
  }
  if (table.provider_open == nullptr) return loadError(manifest, "its table has no provider_open");
  if (table.abi_minor < static_cast<std::uint32_t>(manifest.abiMinMinor)) {
    return loadError(manifest, "its table has ABI minor " + std::to_string(table.abi_minor) +
                                   ", its manifest promises " + std::to_string(manifest.abiMinMinor));
  }
  if (view(table.name) != manifest.name) {
    return loadError(manifest, "the library calls itself '" + std::string(view(table.name).substr(0, 64)) +
                                   "', its manifest '" + manifest.name + "'");
  }
  return {};
}

}  // namespace host

Result<LoadedPlugin*> loadInProcess(const Manifest& manifest, const LibraryFile& library) {
  using FileId = std::pair<dev_t, ino_t>;
  static auto& mutex = *new std::mutex;
  static auto& loaded = *new std::map<FileId, std::unique_ptr<LoadedPlugin>>;

  struct stat file {};
  const int found = library.descriptor >= 0 ? ::fstat(library.descriptor, &file) : ::stat(library.path.c_str(), &file);
  if (found != 0) return host::loadError(manifest, library.path.string() + " is not there", "reinstall the provider");
  std::lock_guard lock(mutex);
  const FileId id{file.st_dev, file.st_ino};
  if (auto known = loaded.find(id); known != loaded.end()) {
    if (known->second->name == manifest.name) return known->second.get();
    return host::loadError(manifest, "the library is provider '" + known->second->name + "'");
  }
  auto answer = host::enterLibrary(manifest, library);
  if (!answer) return std::move(answer).error();
  if (answer->table == nullptr) {
    return host::loadError(manifest, "the plug-in refused: " +
                                         (answer->refusal.empty() ? std::string("no reason given") : answer->refusal));
  }
  if (auto fits = host::checkTable(manifest, *answer->table); !fits) return std::move(fits).error();
  const csdk_plugin table = host::readStruct(answer->table);
  auto plugin = std::make_unique<LoadedPlugin>(*answer->table, std::string(host::view(table.name)),
                                               std::string(host::view(table.version).substr(0, 64)));
  return loaded.emplace(id, std::move(plugin)).first->second.get();
}

}  // namespace computesdk::registry
