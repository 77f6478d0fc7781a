#include "template_source.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace computesdk::local::rootfs {
namespace {

bool folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool somethingAt(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

std::string realPath(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  std::string text = real == nullptr ? "" : real;
  std::free(real);
  return text;
}

// Whoever may write into the template or rename it away decides what sandboxes run.
Status othersCannotWrite(const std::string& path) {
  for (std::string at = path;; at = at.substr(0, at.rfind('/'))) {
    if (at.empty()) at = "/";
    struct stat status {};
    if (::lstat(at.c_str(), &status) != 0) return systemError(errno, "cannot look at " + at);
    const bool owned = status.st_uid == ::geteuid() || status.st_uid == 0;
    const bool open = (status.st_mode & 022) != 0;
    const bool sticky = (status.st_mode & S_ISVTX) != 0 && status.st_uid == 0 && at != path;
    if (!owned || (open && !sticky)) {
      return invalidArgument("the template " + path + " can be changed by other users, through " + at,
                             "chmod go-w " + at + "    (and let it belong to you or to root)");
    }
    if (at == "/") return okStatus();
  }
}

bool within(const std::string& path, const std::string& folder) {
  return path == folder || (path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 &&
                            (folder == "/" || path[folder.size()] == '/'));
}

}  // namespace

Result<SourceKind> classify(const std::string& path) {
  if (path.empty() || path[0] != '/') return invalidArgument("a template's path must be absolute: " + path);
  if (!somethingAt(path)) return systemError(ENOENT, "there is no template at " + path);
  if (!folder(path)) return invalidArgument("a template must be a folder: " + path);
  if (somethingAt(path + "/oci-layout") && somethingAt(path + "/index.json")) return SourceKind::kOciLayout;
  return SourceKind::kDirectory;
}

Result<std::string> validateDirectory(const std::string& path) {
  const auto kind = classify(path);
  if (!kind.ok()) return kind.error();
  if (*kind != SourceKind::kDirectory)
    return invalidArgument("this folder is an OCI layout, not a root file system: " + path);
  const std::string real = realPath(path);
  if (real.empty()) return systemError(errno, "cannot resolve " + path);
  if (real == "/")
    return invalidArgument("the machine's own root is no template",
                           "Leave the template out to get the machine's /usr.");
  for (const char* forbidden : {"/proc", "/sys", "/dev", "/run"}) {
    if (within(real, forbidden))
      return invalidArgument("a template may not be below " + std::string(forbidden) + ": " + path);
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
    const std::string realHome = realPath(home);
    if (!realHome.empty() && realHome != "/" && within(realHome, real)) {
      return invalidArgument("this folder would show your home folder to every sandbox: " + path);
    }
  }
  if (Status safe = othersCannotWrite(real); !safe.ok()) return safe.error();
  // A symlink here is a path in the template, not on this machine; that there is something is enough.
  if (!somethingAt(real + "/bin/sh") && !somethingAt(real + "/usr/bin") && !somethingAt(real + "/bin")) {
    return invalidArgument("this folder holds no root file system, neither /bin nor /usr/bin: " + path);
  }
  return real;
}

std::string cacheDirectory() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] == '/') {
    return std::string(cache) + "/computesdk/local";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] == '/') {
    return std::string(home) + "/.cache/computesdk/local";
  }
  return {};
}

}  // namespace computesdk::local::rootfs
