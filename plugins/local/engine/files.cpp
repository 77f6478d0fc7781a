// Files of a sandbox, read and written from outside: no command, no round trip, no way out of its root.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "beneath.hpp"
#include "sandbox_state.hpp"

namespace computesdk::local {
namespace {

FileStat toStat(const struct stat& status) {
  FileStat result;
  result.kind = S_ISREG(status.st_mode)   ? FileKind::kFile
                : S_ISDIR(status.st_mode) ? FileKind::kDirectory
                : S_ISLNK(status.st_mode) ? FileKind::kSymlink
                                          : FileKind::kOther;
  result.size = static_cast<std::uint64_t>(status.st_size);
  result.mode = status.st_mode & 07777;
  result.modifiedMs = status.st_mtim.tv_sec * 1000LL + status.st_mtim.tv_nsec / 1000000;
  return result;
}

Error notRegular(const std::string& path, const struct stat& status) {
  if (S_ISDIR(status.st_mode)) {
    Error error = systemError(EISDIR, path);
    error.kind = ErrorClass::kFailedPrecondition;
    error.fix = "List it, or name a file in it.";
    return error;
  }
  Error error;
  error.kind = ErrorClass::kFailedPrecondition;
  error.message = path + " is neither a file nor a folder";
  error.why =
      "Devices, pipes and sockets of a sandbox are not opened from outside: they could hold up or steer the host.";
  error.fix = "Use it with a command inside the sandbox.";
  return error;
}

Error cancelled(const std::string& path) {
  Error error;
  error.kind = ErrorClass::kCancelled;
  error.message = "The transfer of " + path + " was stopped";
  return error;
}

// A regular file, open for reading. Looked at before it is opened for real: opening a device can already act.
Result<UniqueFd> openRegular(int root, const std::string& path) {
  auto file = openBeneath(root, path, O_RDONLY);
  struct stat status {};
  if (!file.ok()) {
    if (file.error().systemError != ENXIO && file.error().systemError != EOPNOTSUPP) return file;
    auto node = openBeneath(root, path, O_PATH);  // a socket, or a pipe without a peer
    if (node.ok() && fstat(node->get(), &status) == 0) return notRegular(path, status);
    return file;
  }
  if (fstat(file->get(), &status) != 0) return pathError(errno, path, "Cannot look at");
  if (!S_ISREG(status.st_mode)) return notRegular(path, status);
  return file;
}

std::uint64_t randomNumber() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) number = reinterpret_cast<std::uint64_t>(&number);
  return number;
}

// No two of this process are alike, and another process's are not likely to be.
void temporaryName(char (&name)[40]) {
  static const std::uint64_t seed = randomNumber();
  static std::atomic<std::uint32_t> count = 0;
  snprintf(name, sizeof name, ".csdk-%016llx%08x", static_cast<unsigned long long>(seed), ++count);
}

// A file that is removed unless it was renamed into its place.
class Temporary {
 public:
  explicit Temporary(int parent) : parent_(parent) {}
  ~Temporary() {
    if (made_) unlinkat(parent_, name_, 0);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  int make(mode_t mode) {
    for (int attempt = 0; attempt < 100; ++attempt) {  // a command inside can have taken the next names
      temporaryName(name_);
      fd_.reset(openat(parent_, name_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
      if (fd_ || errno != EEXIST) break;
    }
    made_ = static_cast<bool>(fd_);
    if (!made_) return errno;
    return fchmod(fd_.get(), mode) == 0 ? 0 : errno;  // whatever the umask of this process
  }
  int write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return n < 0 ? errno : EIO;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return 0;
  }
  int place(const std::string& name) {
    if (renameat(parent_, name_, parent_, name.c_str()) != 0) return errno;
    made_ = false;
    return 0;
  }

 private:
  int parent_;
  char name_[40] = {};
  UniqueFd fd_;
  bool made_ = false;
};

constexpr int kMaxDepth = 500;

Status removeTree(int parent, const std::string& name, const std::string& shown, int depth) {
  if (depth > kMaxDepth) {
    Error error;
    error.kind = ErrorClass::kResourceExhausted;
    error.message = shown + ": folders are nested more than 500 deep";
    error.fix = "Remove it with a command inside: rm -rf.";
    return error;
  }
  const int fd = openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return pathError(errno, shown, "Cannot remove");
  DIR* folder = fdopendir(fd);
  if (folder == nullptr) {
    close(fd);
    return pathError(errno, shown, "Cannot remove");
  }
  Status result = okStatus();
  while (const dirent* entry = readdir(folder)) {
    const std::string child = entry->d_name;
    if (child == "." || child == "..") continue;
    if (unlinkat(dirfd(folder), child.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM) {
      result = pathError(errno, shown + "/" + child, "Cannot remove");
    } else {
      result = removeTree(dirfd(folder), child, shown + "/" + child, depth + 1);
    }
    if (!result.ok()) break;
  }
  closedir(folder);
  if (result.ok() && unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return pathError(errno, shown, "Cannot remove");
  }
  return result;
}

}  // namespace

Result<std::uint64_t> Sandbox::readFile(std::string_view path, std::uint64_t offset, std::uint64_t most,
                                        const Chunk& chunk, const std::function<void(std::uint64_t)>& expect) {
  auto whole = insidePath(path, state_->meta.workdir);
  if (!whole.ok()) return whole.error();
  UniqueFd file;
  {
    const SandboxIdentity identity(*state_);
    auto opened = openRegular(state_->root.get(), *whole);
    if (!opened.ok()) return opened.error();
    file = std::move(*opened);
  }
  if (offset > INT64_MAX) return std::uint64_t{0};
  alignas(64) std::byte first[16384];
  std::vector<std::byte> large;
  std::span<std::byte> block(first);
  std::uint64_t total = 0;
  while (total < most) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), most - total));
    const ssize_t n = pread(file.get(), block.data(), wanted, static_cast<off_t>(offset + total));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return pathError(errno, *whole, "Cannot read");
    if (n == 0) break;
    total += static_cast<std::uint64_t>(n);
    if (expect && large.empty() && static_cast<std::size_t>(n) == block.size()) {
      struct stat status {};
      if (fstat(file.get(), &status) == 0 && static_cast<std::uint64_t>(status.st_size) > offset) {
        expect(std::min(most, static_cast<std::uint64_t>(status.st_size) - offset));
      }
    }
    if (!chunk(block.first(static_cast<std::size_t>(n)))) return cancelled(*whole);
    if (large.empty() && static_cast<std::size_t>(n) == block.size()) {
      large.resize(256 * 1024);
      block = large;
    }
  }
  return total;
}

Result<std::string> Sandbox::readFile(std::string_view path, std::uint64_t most) {
  std::string content;
  bool tooLarge = false;
  auto size = readFile(path, 0, most == UINT64_MAX ? most : most + 1, [&](std::span<const std::byte> bytes) {
    content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    tooLarge = content.size() > most;
    return !tooLarge;
  });
  if (tooLarge) {
    Error error;
    error.kind = ErrorClass::kResourceExhausted;
    error.message = std::string(path) + " is larger than the " + std::to_string(most) + " bytes asked for";
    error.fix = "Read it in pieces, or allow more.";
    return error;
  }
  if (!size.ok()) return size.error();
  return content;
}

Result<std::uint64_t> Sandbox::writeFile(std::string_view path, const Fill& fill, std::uint32_t mode) {
  auto whole = insidePath(path, state_->meta.workdir);
  if (!whole.ok()) return whole.error();
  if ((mode & ~07777U) != 0) return pathError(EINVAL, *whole, "The mode is not valid for");
  const SandboxIdentity identity(*state_);
  auto place = openParent(state_->root.get(), *whole, true);
  if (!place.ok()) return place.error();
  if (place->found && !S_ISREG(place->status.st_mode)) return notRegular(*whole, place->status);
  Temporary file(place->parent.get());
  if (const int error = file.make(mode); error != 0) return pathError(error, *whole, "Cannot write");
  std::uint64_t total = 0;
  std::vector<std::byte> block(256 * 1024);
  for (;;) {
    auto size = fill(block);
    if (!size.ok()) return size.error();
    if (*size == 0) break;
    const std::size_t count = std::min(*size, block.size());
    if (const int error = file.write({block.data(), count}); error != 0)
      return pathError(error, *whole, "Cannot write");
    total += count;
  }
  if (const int error = file.place(place->name); error != 0) return pathError(error, *whole, "Cannot write");
  return total;
}

Status Sandbox::writeFile(std::string_view path, std::string_view content, std::uint32_t mode) {
  auto whole = insidePath(path, state_->meta.workdir);
  if (!whole.ok()) return whole.error();
  if ((mode & ~07777U) != 0) return pathError(EINVAL, *whole, "The mode is not valid for");
  const SandboxIdentity identity(*state_);
  auto place = openParent(state_->root.get(), *whole, true);
  if (!place.ok()) return place.error();
  if (place->found && !S_ISREG(place->status.st_mode)) return notRegular(*whole, place->status);
  Temporary file(place->parent.get());
  int error = file.make(mode);
  if (error == 0) error = file.write(std::as_bytes(std::span(content)));
  if (error == 0) error = file.place(place->name);
  return error == 0 ? okStatus() : Status(pathError(error, *whole, "Cannot write"));
}

Result<FileStat> Sandbox::stat(std::string_view path, bool followLast) {
  auto whole = insidePath(path, state_->meta.workdir);
  if (!whole.ok()) return whole.error();
  const SandboxIdentity identity(*state_);
  auto node = openBeneath(state_->root.get(), *whole, O_PATH | (followLast ? 0 : O_NOFOLLOW));
  if (!node.ok()) return node.error();
  struct stat status {};
  if (fstat(node->get(), &status) != 0) return pathError(errno, *whole, "Cannot look at");
  return toStat(status);
}

Result<bool> Sandbox::exists(std::string_view path) {
  auto found = stat(path);
  if (found.ok()) return true;
  const int code = found.error().systemError;
  if (code == ENOENT || code == ENOTDIR || code == ELOOP) return false;
  return found.error();
}

Result<std::vector<DirectoryEntry>> Sandbox::list(std::string_view path, std::size_t most) {
  auto whole = insidePath(path, state_->meta.workdir);
  if (!whole.ok()) return whole.error();
  const SandboxIdentity identity(*state_);
  auto opened = openBeneath(state_->root.get(), *whole, O_RDONLY | O_DIRECTORY);
  if (!opened.ok()) return opened.error();
  DIR* folder = fdopendir(opened->get());
  if (folder == nullptr) return pathError(errno, *whole, "Cannot list");
  opened->release();
  std::vector<DirectoryEntry> entries;
  bool full = false;
  while (const dirent* item = readdir(folder)) {
    const std::string_view name = item->d_name;
    if (name == "." || name == "..") continue;
    full = entries.size() == most;
    if (full) break;
    struct stat status {};
    if (fstatat(dirfd(folder), item->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone meanwhile
    entries.push_back({std::string(name), toStat(status)});
  }
  closedir(folder);
  if (full) {
    Error error;
    error.kind = ErrorClass::kResourceExhausted;
    error.message = *whole + " holds more than " + std::to_string(most) + " entries";
    error.fix = "List it with a command inside.";
    return error;
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

Status Sandbox::makeDirectory(std::string_view path, bool parents) {
  auto whole = insidePath(path, state_->meta.workdir);
  if (!whole.ok()) return whole.error();
  const SandboxIdentity identity(*state_);
  const int root = state_->root.get();
  for (std::size_t at = 1; parents && at < whole->size(); ++at) {
    if ((*whole)[at] != '/') continue;
    const std::string part = whole->substr(0, at);
    if (openBeneath(root, part, O_PATH | O_DIRECTORY).ok()) continue;
    auto place = openParent(root, part, false);
    if (!place.ok()) return place.error();
    if (mkdirat(place->parent.get(), place->name.c_str(), 0755) != 0 && errno != EEXIST) {
      return pathError(errno, part, "Cannot make the folder");
    }
  }
  if (parents && openBeneath(root, *whole, O_PATH | O_DIRECTORY).ok()) return okStatus();
  auto place = openParent(root, *whole, false);
  if (!place.ok()) return place.error();
  if (mkdirat(place->parent.get(), place->name.c_str(), 0755) != 0) {
    return pathError(errno, *whole, "Cannot make the folder");
  }
  return okStatus();
}

Status Sandbox::remove(std::string_view path, bool recursive) {
  auto whole = insidePath(path, state_->meta.workdir);
  if (!whole.ok()) return whole.error();
  const SandboxIdentity identity(*state_);
  auto place = openParent(state_->root.get(), *whole, false);
  if (!place.ok()) return place.error();
  const int parent = place->parent.get();
  if (unlinkat(parent, place->name.c_str(), 0) == 0) return okStatus();
  if (errno != EISDIR && errno != EPERM) return pathError(errno, *whole, "Cannot remove");
  if (unlinkat(parent, place->name.c_str(), AT_REMOVEDIR) == 0) return okStatus();
  if (errno != ENOTEMPTY || !recursive) return pathError(errno, *whole, "Cannot remove");
  return removeTree(parent, place->name, *whole, 0);
}

Status Sandbox::rename(std::string_view from, std::string_view to) {
  auto source = insidePath(from, state_->meta.workdir), target = insidePath(to, state_->meta.workdir);
  if (!source.ok()) return source.error();
  if (!target.ok()) return target.error();
  const SandboxIdentity identity(*state_);
  auto old = openParent(state_->root.get(), *source, false), place = openParent(state_->root.get(), *target, false);
  if (!old.ok()) return old.error();
  if (!place.ok()) return place.error();
  if (renameat(old->parent.get(), old->name.c_str(), place->parent.get(), place->name.c_str()) != 0) {
    return pathError(errno, *source, "Cannot rename");
  }
  return okStatus();
}

}  // namespace computesdk::local
