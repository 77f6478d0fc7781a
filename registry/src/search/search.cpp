#include "search/search.hpp"

#include "search/product.hpp"
#include "values/fd.hpp"
#include "values/text.hpp"

#include <computesdk/plugin.h>

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

namespace computesdk::registry {
namespace {

constexpr std::string_view kSuffix = ".provider.json";
constexpr std::size_t kMaxFiles = 256;

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

ErrorInfo bad(const std::filesystem::path& file, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::manifest;
  error.what = "cannot use the manifest " + printable(file.string(), 4096);
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

/// Names of manifests in byte order.
std::vector<std::string> manifestNames(const std::filesystem::path& path, std::vector<std::string>& warnings) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
  if (!folder) {
    warnings.push_back("cannot read " + path.string() + ": " + std::strerror(errno));
    return names;
  }
  while (const dirent* entry = ::readdir(folder.get())) {
    std::string_view name = entry->d_name;
    if (name.size() > kSuffix.size() && name.ends_with(kSuffix)) names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  if (names.size() > kMaxFiles) {
    warnings.push_back(path.string() + " holds " + std::to_string(names.size()) +
                       " manifests; only the first 256 are read");
    names.resize(kMaxFiles);
  }
  return names;
}

/// Whether this build can load what the manifest describes, without opening it.
void checkLibrary(Found& found) {
  const Manifest& manifest = *found.manifest;
  if (manifest.abiMajor != CSDK_ABI_MAJOR || manifest.abiMinMinor > CSDK_ABI_MINOR) {
    std::string wanted = std::to_string(manifest.abiMajor);
    if (manifest.abiMajor == CSDK_ABI_MAJOR) wanted += "." + std::to_string(manifest.abiMinMinor);
    found.unusable = "it wants ABI " + wanted + ", this build offers " + std::to_string(CSDK_ABI_MAJOR) + "." +
                     std::to_string(CSDK_ABI_MINOR);
    found.unusableFix = manifest.abiMajor < CSDK_ABI_MAJOR ? "install a newer version of the provider"
                                                           : "update ComputeSDK, or install an older version of it";
    return;
  }
  if (manifest.library.empty()) {
    found.unusable = "the manifest names no library for " + std::string(platformName());
    found.unusableFix = "get a build of the provider for this machine";
    return;
  }
  struct stat info {};
  if (::stat(manifest.library.c_str(), &info) != 0) {
    std::string library = manifest.library.string();
    found.unusable = errno == ENOENT ? library + " not found" : library + ": " + std::strerror(errno);
    found.unusableFix = "install the provider again";
    return;
  }
  found.ofProduct = found.origin == Origin::product && info.st_uid == product().owner;
}

Found readOne(const std::filesystem::path& file, Origin origin, OwnershipCheck& ownership) {
  Found found;
  found.file = file;
  found.origin = origin;
  found.name = file.filename().string();
  found.name.resize(found.name.size() - kSuffix.size());
  UniqueFd fd = openForReading(file);
  if (!fd) {
    found.problem = errno == ELOOP ? bad(file, "it is a symbolic link", "put the file itself there")
                                   : bad(file, std::strerror(errno), "make it readable");
    return found;
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) {
    found.problem = bad(file, std::strerror(errno), "make it readable");
    return found;
  }
  auto owned = ownership.file(info, file);
  if (!owned) owned = ownership.folder(file.parent_path());
  if (owned) {
    found.problem = bad(file, "refused: " + owned->why, owned->fix);
    return found;
  }
  auto text = readWhole(fd.get(), kManifestMaxBytes);
  auto manifest = text ? parseManifest(*text, file)
                       : Result<std::shared_ptr<const Manifest>>(bad(file, text.error().why, "shorten it"));
  if (!manifest) {
    found.problem = std::move(manifest).error();
    return found;
  }
  found.manifest = *manifest;
  checkLibrary(found);
  return found;
}

}  // namespace

SearchResult search(const RegistryOptions& options) {
  SearchResult result;
  result.folders = searchFolders(options);
  std::set<std::string> names;
  for (const Folder& folder : result.folders) {
    if (!folder.shown.ignored.empty()) continue;
    OwnershipCheck ownership(ownershipRule(options, folder.origin));
    for (const std::string& name : manifestNames(folder.shown.path, result.warnings)) {
      Found found = readOne(folder.shown.path / name, folder.origin, ownership);
      if (found.manifest) {
        found.shadowed = !names.insert(found.name).second;
        for (const std::string& warning : found.manifest->warnings) {
          result.warnings.push_back(found.file.string() + ": " + warning);
        }
      }
      result.found.push_back(std::move(found));
    }
  }
  return result;
}

}  // namespace computesdk::registry
