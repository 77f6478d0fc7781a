#include "search/product.hpp"
#include "search/search.hpp"
#include "values/text.hpp"

#include <pwd.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

namespace computesdk::registry {
namespace {

constexpr const char* kSecure = "the program runs with raised privileges, so the user has no say in it";

std::filesystem::path homeFolder() {
  if (const char* home = ::secure_getenv("HOME"); home != nullptr && *home == '/') return home;
  passwd entry{};
  passwd* found = nullptr;
  std::string buffer(16 * 1024, '\0');
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr &&
      found->pw_dir != nullptr) {
    return found->pw_dir;
  }
  return {};
}

/// Collects folders; each distinct one is searched once.
class FolderList {
 public:
  explicit FolderList(const RegistryOptions& options) : options_(options) {}

  /// `ignored`: a reason known beforehand.
  void add(const std::filesystem::path& path, Origin origin, std::string label, std::string ignored = {}) {
    Folder folder{{path, std::move(label), std::move(ignored)}, origin};
    if (folder.shown.ignored.empty()) folder.shown.ignored = problem(path, origin);
    folders_.push_back(std::move(folder));
  }

  std::vector<Folder> take() { return std::move(folders_); }

 private:
  std::string problem(const std::filesystem::path& path, Origin origin) {
    if (path.empty()) return "an empty entry would mean the working directory";
    if (!path.is_absolute()) return "a relative path would depend on the working directory";
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
      return errno == ENOENT || errno == ENOTDIR ? "does not exist" : std::strerror(errno);
    }
    if (!S_ISDIR(info.st_mode)) return "is not a folder";
    bool usersWord = origin == Origin::environment || origin == Origin::user;
    if (usersWord && options_.environment.user == 0) {
      OwnershipCheck rootsAlone({.user = 0, .rootOnly = true, .writers = {}});
      if (auto found = rootsAlone.folder(path)) return "as root only folders of root count: " + found->why;
    }
    if (!seen_.insert({info.st_dev, info.st_ino}).second) return "is searched already";
    return {};
  }

  const RegistryOptions& options_;
  std::vector<Folder> folders_;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

void addFromEnvironment(const RegistryOptions& options, FolderList& list) {
  constexpr const char* kName = "COMPUTESDK_PROVIDER_PATH";
  auto value = options.environment.get ? options.environment.get(kName) : std::nullopt;
  if (!value || value->empty()) return;
  std::string_view rest = *value;
  for (;;) {
    auto colon = rest.find(':');
    list.add(std::filesystem::path(rest.substr(0, colon)), Origin::environment, kName,
             options.environment.secure ? kSecure : "");
    if (colon == std::string_view::npos) return;
    rest.remove_prefix(colon + 1);
  }
}

void addOfUser(const RegistryOptions& options, FolderList& list) {
  const Environment& environment = options.environment;
  auto data = environment.get ? environment.get("XDG_DATA_HOME") : std::nullopt;
  std::string label = "XDG_DATA_HOME";
  std::filesystem::path base;
  if (data && !data->empty()) {
    base = *data;
  } else if (!environment.home.empty()) {
    base = environment.home / ".local/share";
    label = "user";
  } else {
    return;
  }
  list.add(base / "computesdk/providers", Origin::user, label, environment.secure ? kSecure : "");
}

}  // namespace

Environment processEnvironment() {
  Environment out;
  out.get = [](std::string_view name) -> std::optional<std::string> {
    const char* value = ::secure_getenv(std::string(name).c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
  out.home = homeFolder();
  out.secure = ::getauxval(AT_SECURE) != 0;
  out.user = ::geteuid();
  return out;
}

std::vector<std::filesystem::path> defaultSystemFolders() {
#if defined(__x86_64__)
  constexpr const char* kTriplet = "x86_64-linux-gnu";
#else
  constexpr const char* kTriplet = "aarch64-linux-gnu";
#endif
  return {"/usr/local/lib/computesdk/providers", std::filesystem::path("/usr/lib") / kTriplet / "computesdk/providers"};
}

std::vector<Folder> searchFolders(const RegistryOptions& options) {
  FolderList list(options);
  for (const auto& path : options.extraPaths) list.add(path, Origin::added, "added by the program");
  addFromEnvironment(options, list);
  addOfUser(options, list);
  const auto& own = options.productFolder ? *options.productFolder : product().folder;
  if (!own.empty()) list.add(own, Origin::product, "product");
  for (const auto& path : options.systemFolders) list.add(path, Origin::system, "system");
  return list.take();
}

OwnershipRule ownershipRule(const RegistryOptions& options, Origin origin) {
  OwnershipRule rule;
  rule.user = options.environment.user;
  rule.rootOnly = rule.user == 0 && (origin == Origin::environment || origin == Origin::user);
  if (origin == Origin::product) {
    // What may write the running program may as well write its plug-ins: nothing is gained by refusing it.
    rule.user = product().owner;
    rule.writers = product().writingGroups;
  }
  return rule;
}

}  // namespace computesdk::registry
