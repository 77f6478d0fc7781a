#include "beneath.hpp"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace computesdk::local {
namespace {

Error refuse(ErrorClass kind, std::string message, std::string fix) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  error.fix = std::move(fix);
  return error;
}

// Without trailing slashes, the root stays "/".
std::string trimmed(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

Error pathError(int code, const std::string& path, const char* what) {
  Error error = systemError(code, std::string(what) + " " + path);
  switch (code) {
    case ENOENT: error.fix = "Check the path, or make the folders above it first."; break;
    case EACCES:
    case EPERM:
      error.fix =
          "Files are touched as the sandbox's own user: change the mode with a command inside, or choose another.";
      break;
    case ELOOP: error.fix = "Symlinks there lead in a circle, or are too many: look with `ls -l` inside."; break;
    case ENAMETOOLONG: error.fix = "A name has at most 255 bytes, a path 4095."; break;
    case EISDIR: error.fix = "It is a folder: name a file in it."; break;
    case ENOTDIR: error.fix = "A part of the path is a file: name a folder."; break;
    case EEXIST: error.fix = "Remove what is there, or choose another name."; break;
    case EROFS: error.fix = "Write below /home/sandbox, /work or /tmp; the rest of a sandbox is read-only."; break;
    case ENOSPC: error.fix = "The sandbox's disk is full: remove files, or create it with a larger disk."; break;
    case ENOSYS: error.why = "It needs openat2, Linux 5.6 or later."; break;
    default: break;
  }
  return error;
}

Result<std::string> insidePath(std::string_view path, std::string_view workdir) {
  if (path.empty()) return refuse(ErrorClass::kInvalidArgument, "The path is empty", "Give a path inside the sandbox.");
  if (path.find('\0') != std::string_view::npos) {
    return refuse(ErrorClass::kInvalidArgument, "The path holds a NUL byte", "Remove it.");
  }
  std::string whole = path[0] == '/' ? std::string(path) : std::string(workdir) + "/" + std::string(path);
  if (whole.size() > 4095) {
    return refuse(ErrorClass::kInvalidArgument, "The path is longer than 4095 bytes", "Use a shorter one.");
  }
  return whole;
}

Result<UniqueFd> openBeneath(int root, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<__u64>(flags | O_CLOEXEC | ((flags & O_PATH) != 0 ? 0 : O_NONBLOCK | O_NOCTTY));
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const long fd = syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    // EAGAIN: something above was renamed while the kernel made sure that ".." stays inside.
    if ((errno != EAGAIN && errno != EINTR) || attempt == 32) return pathError(errno, path, "Cannot open");
  }
}

Result<Place> openParent(int root, const std::string& path, bool follow) {
  Place place;
  place.path = trimmed(path);
  for (int links = 0; links < 40; ++links) {
    const std::size_t slash = place.path.rfind('/');
    place.name = place.path.substr(slash + 1);
    if (place.name.empty() || place.name == "." || place.name == "..") {
      return refuse(ErrorClass::kInvalidArgument, place.path + " does not end in a name",
                    "Name the file or folder itself.");
    }
    auto parent = openBeneath(root, slash == 0 ? "/" : place.path.substr(0, slash), O_PATH | O_DIRECTORY);
    if (!parent.ok()) return parent.error();
    place.parent = std::move(*parent);
    if (!follow) return place;
    place.found = fstatat(place.parent.get(), place.name.c_str(), &place.status, AT_SYMLINK_NOFOLLOW) == 0;
    if (!place.found || !S_ISLNK(place.status.st_mode)) return place;
    char target[4096];
    const ssize_t size = readlinkat(place.parent.get(), place.name.c_str(), target, sizeof target);
    if (size < 0) return pathError(errno, path, "Cannot follow");
    const std::string_view to(target, static_cast<std::size_t>(size));
    const std::string next = to.starts_with('/') ? std::string(to) : place.path.substr(0, slash + 1) + std::string(to);
    place.path = trimmed(next);
    if (place.path.size() > 4095) return pathError(ENAMETOOLONG, path, "Cannot follow");
  }
  return pathError(ELOOP, path, "Cannot follow");
}

}  // namespace computesdk::local
