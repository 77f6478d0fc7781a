#include "tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace computesdk::local::rootfs {
namespace {

constexpr std::size_t kDeepest = 256, kMostLinks = 40;

std::vector<std::string> pieces(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (!part.empty() && part != ".") parts.emplace_back(part);
  }
  return parts;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string path;
  for (const std::string& part : parts) path += (path.empty() ? "" : "/") + part;
  return path;
}

UniqueFd folderIn(int folder, const std::string& name) {
  return UniqueFd(::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Result<UniqueFd> walk(int root, const std::vector<std::string>& folders) {
  UniqueFd at(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const std::string& name : folders) {
    if (!at) break;
    at = folderIn(at.get(), name);
  }
  if (!at) return systemError(errno, "cannot open a folder of the tree");
  return at;
}

std::string linkIn(int folder, const std::string& name) {
  char target[4097];
  const ssize_t size = ::readlinkat(folder, name.c_str(), target, sizeof target - 1);
  return size > 0 ? std::string(target, static_cast<std::size_t>(size)) : std::string();
}

Status removeBelow(int folder, const std::string& name, std::size_t depth) {
  if (::unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) return okStatus();
  if (errno != EISDIR && errno != EPERM) return systemError(errno, "cannot remove " + name);
  if (depth > kDeepest * 4) return invalidArgument("a tree is too deep to be removed");
  {
    UniqueFd inner = folderIn(folder, name);
    if (!inner && errno == EACCES && ::fchmodat(folder, name.c_str(), 0700, 0) == 0) inner = folderIn(folder, name);
    if (!inner) return systemError(errno, "cannot open " + name);
    ::fchmod(inner.get(), 0700);
    const auto names = namesIn(inner.get());
    if (!names.ok()) return names.error();
    for (const std::string& child : *names) {
      if (Status removed = removeBelow(inner.get(), child, depth + 1); !removed.ok()) return removed;
    }
  }
  if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return systemError(errno, "cannot remove " + name);
  }
  return okStatus();
}

}  // namespace

Result<std::vector<std::string>> splitPath(std::string_view path) {
  std::vector<std::string> parts = pieces(path);
  if (parts.empty()) return invalidArgument("a path in a layer is empty");
  if (parts.size() > kDeepest) return invalidArgument("a path in a layer is too deep");
  for (const std::string& part : parts) {
    if (part == "..") return invalidArgument("a path in a layer leaves it: " + std::string(path));
    if (part.size() > 255) return invalidArgument("a name in a layer is too long");
  }
  return parts;
}

Result<Place> locate(int root, const std::vector<std::string>& parts, bool make) {
  std::vector<std::string> done;                                    // real folders so far
  std::vector<std::string> todo(parts.rbegin() + 1, parts.rend());  // backwards
  UniqueFd at(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!at) return systemError(errno, "cannot open the tree");
  std::size_t links = 0;
  while (!todo.empty()) {
    const std::string name = todo.back();
    todo.pop_back();
    if (name == "..") {
      if (!done.empty()) done.pop_back();
      auto back = walk(root, done);
      if (!back.ok()) return back.error();
      at = std::move(*back);
      continue;
    }
    if (make) ::mkdirat(at.get(), name.c_str(), 0755);
    UniqueFd inner = folderIn(at.get(), name);
    if (inner) {
      done.push_back(name);
      if (done.size() > kDeepest) return invalidArgument("a path is too deep");
      at = std::move(inner);
      continue;
    }
    const int error = errno;
    const std::string target = linkIn(at.get(), name);
    if (target.empty()) return systemError(error, "cannot open the folder " + joined(done) + "/" + name);
    if (++links > kMostLinks) return invalidArgument("too many symlinks in " + joined(parts));
    if (target[0] == '/') {
      done.clear();
      auto back = walk(root, done);
      if (!back.ok()) return back.error();
      at = std::move(*back);
    }
    const auto more = pieces(target);
    todo.insert(todo.end(), more.rbegin(), more.rend());
  }
  Place place;
  place.folder = std::move(at);
  place.name = parts.back();
  done.push_back(place.name);
  place.canonical = joined(done);
  return place;
}

Status removeAll(int folder, const std::string& name) { return removeBelow(folder, name, 0); }
Status removePath(const std::string& path) { return removeBelow(AT_FDCWD, path, 0); }

Result<std::vector<std::string>> namesIn(int folder) {
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* list = copy >= 0 ? ::fdopendir(copy) : nullptr;
  if (list == nullptr) return systemError(errno, "cannot list a folder");
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(list)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(list);
  return names;
}

Status makeFolders(const std::string& path, std::uint32_t mode) {
  for (std::size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    if (::mkdir(path.substr(0, at).c_str(), mode) != 0 && errno != EEXIST) {
      // Read-only or closed parents matter only if what is below is not there either.
      const int error = errno;
      struct stat status {};
      if (::stat(path.substr(0, at).c_str(), &status) != 0) return systemError(error, "cannot make the folder " + path);
    }
  }
  return okStatus();
}

std::string randomName() {
  std::uint64_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != sizeof number) {
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

Result<std::string> readSmallFile(const std::string& path, std::size_t most) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return systemError(errno, "cannot open " + path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return invalidArgument(path + " is no regular file");
  if (static_cast<std::uint64_t>(status.st_size) > most) return systemError(EFBIG, path);
  std::string text;
  char block[8192];
  for (;;) {
    const ssize_t n = ::read(file.get(), block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return systemError(errno, "cannot read " + path);
    if (n == 0) return text;
    text.append(block, static_cast<std::size_t>(n));
    if (text.size() > most) return systemError(EFBIG, path);
  }
}

Status writeNewFile(int folder, const std::string& name, std::string_view text) {
  const UniqueFd file(::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return systemError(errno, "cannot make " + name);
  while (!text.empty()) {
    const ssize_t n = ::write(file.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return systemError(errno, "cannot write " + name);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return okStatus();
}

Status giveTo(int folder, std::uint32_t owner) {
  if (owner == kCaller || owner == ::geteuid()) return okStatus();
  if (::fchown(folder, owner, owner) != 0) return systemError(errno, "cannot change the owner of a folder");
  const auto names = namesIn(folder);
  if (!names.ok()) return names.error();
  for (const std::string& name : *names) {
    const UniqueFd inner(::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (inner) {
      if (Status given = giveTo(inner.get(), owner); !given.ok()) return given;
    } else if (errno != ENOTDIR && errno != ELOOP) {  // a folder all the same
      return systemError(errno, "cannot open the folder " + name);
    } else if (::fchownat(folder, name.c_str(), owner, owner, AT_SYMLINK_NOFOLLOW) != 0) {
      return systemError(errno, "cannot change the owner of " + name);
    }
  }
  return okStatus();
}

}  // namespace computesdk::local::rootfs
