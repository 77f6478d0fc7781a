#include "tree_copy.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <vector>

#include "tree.hpp"

namespace computesdk::local::rootfs {
namespace {

constexpr std::size_t kDeepestCopy = 512;
constexpr off_t kPiece = 8 << 20;  // copied by one system call, which cannot be cancelled

class Copier {
 public:
  Copier(int to, CopyBudget& budget) : root_(to), budget_(budget) {}

  Status folder(int from, int to, const std::string& path, std::size_t depth) {
    if (depth > kDeepestCopy) {
      return Error{.kind = ErrorClass::kResourceExhausted, .message = "the tree is too deep to be copied: " + path};
    }
    const auto names = namesIn(from);
    if (!names.ok()) return names.error();
    for (const std::string& name : *names) {
      if (Status copied = entry(from, to, name, path.empty() ? name : path + "/" + name, depth); !copied.ok()) {
        return copied;
      }
    }
    return okStatus();
  }

  Status finish(int from, int to, const std::string& path) {
    struct stat status {};
    if (::fstat(from, &status) != 0) return failure("look at", path);
    if (Status kept = attributes(from, to, path); !kept.ok()) return kept;
    const timespec times[2] = {status.st_atim, status.st_mtim};
    if (::fchmod(to, status.st_mode & 07777) != 0 || ::futimens(to, times) != 0) return failure("finish", path);
    return okStatus();
  }

 private:
  static Error failure(const char* what, const std::string& path) {
    return systemError(errno, std::string("cannot ") + what + " " + path);
  }

  bool stopped() const { return budget_.cancelled && budget_.cancelled(); }
  static Error cancelled() { return Error{.kind = ErrorClass::kCancelled, .message = "the copy was cancelled"}; }

  Status entry(int from, int to, const std::string& name, const std::string& path, std::size_t depth) {
    if (stopped()) return cancelled();
    struct stat status {};
    if (::fstatat(from, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno == ENOENT ? okStatus() : Status(failure("look at", path));
    }
    const bool whiteout = S_ISCHR(status.st_mode) && status.st_rdev == ::makedev(0, 0);
    if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode) && !whiteout)
      return okStatus();
    if (budget_.files == 0) {
      return Error{.kind = ErrorClass::kResourceExhausted, .message = "there are more files than allowed"};
    }
    --budget_.files;
    ++budget_.copiedFiles;
    if (whiteout) return hide(to, name, path);
    if (S_ISLNK(status.st_mode)) return symlink(from, to, name, path, status);
    if (S_ISDIR(status.st_mode)) {
      const UniqueFd inner(::openat(from, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!inner) return failure("open", path);
      if (::mkdirat(to, name.c_str(), 0700) != 0) return failure("make", path);
      const UniqueFd copy(::openat(to, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!copy) return failure("open", path);
      if (Status copied = folder(inner.get(), copy.get(), path, depth + 1); !copied.ok()) return copied;
      return finish(inner.get(), copy.get(), path);
    }
    return regular(from, to, name, path);
  }

  Status symlink(int from, int to, const std::string& name, const std::string& path, const struct stat& status) {
    char target[4097];
    const ssize_t size = ::readlinkat(from, name.c_str(), target, sizeof target - 1);
    if (size < 0) return failure("read the symlink", path);
    target[size] = 0;
    if (::symlinkat(target, to, name.c_str()) != 0) return failure("make", path);
    const timespec times[2] = {status.st_atim, status.st_mtim};
    ::utimensat(to, name.c_str(), times, AT_SYMLINK_NOFOLLOW);
    return okStatus();
  }

  // Where the device may not be made, the form that overlays know since 6.7: an empty file with a mark, in a folder
  // with a mark.
  Status hide(int to, const std::string& name, const std::string& path) {
    if (::mknodat(to, name.c_str(), S_IFCHR, ::makedev(0, 0)) == 0) return okStatus();
    const UniqueFd mark(::openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!mark || ::fsetxattr(mark.get(), "user.overlay.whiteout", "y", 1, 0) != 0 ||
        ::fsetxattr(to, "user.overlay.opaque", "x", 1, 0) != 0) {
      return failure("keep the deletion of", path);
    }
    return okStatus();
  }

  Status regular(int from, int to, const std::string& name, const std::string& path) {
    const UniqueFd source(::openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (!source || ::fstat(source.get(), &status) != 0) return failure("open", path);
    if (!S_ISREG(status.st_mode)) return okStatus();  // became something else meanwhile
    const std::pair<dev_t, ino_t> identity(status.st_dev, status.st_ino);
    if (status.st_nlink > 1) {
      if (const auto first = links_.find(identity); first != links_.end()) {
        if (::linkat(root_, first->second.c_str(), to, name.c_str(), 0) != 0) return failure("link", path);
        return okStatus();
      }
    }
    const UniqueFd copy(::openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!copy) return failure("make", path);
    if (Status copied = content(source.get(), copy.get(), status, path); !copied.ok()) return copied;
    if (status.st_nlink > 1) links_.emplace(identity, path);
    return finish(source.get(), copy.get(), path);
  }

  Status content(int from, int to, const struct stat& status, const std::string& path) {
    const auto blocks = static_cast<std::uint64_t>(status.st_blocks) * 512;
    const std::uint64_t held = std::min<std::uint64_t>(static_cast<std::uint64_t>(status.st_size), blocks);
    if (held > budget_.bytes) {
      return Error{.kind = ErrorClass::kResourceExhausted, .message = "there is more content than allowed"};
    }
    budget_.bytes -= held;
    budget_.copiedBytes += held;
    if (::ioctl(to, FICLONE, from) == 0) return okStatus();
    off_t at = 0;
    while (at < status.st_size) {
      off_t begin = ::lseek(from, at, SEEK_DATA), end = status.st_size;
      if (begin < 0 && errno == ENXIO) break;  // only a hole is left
      if (begin < 0) begin = at;               // no such knowledge here: all is data
      const off_t hole = ::lseek(from, begin, SEEK_HOLE);
      if (hole > begin) end = std::min<off_t>(hole, end);
      if (Status copied = range(from, to, begin, end, path); !copied.ok()) return copied;
      at = end;
    }
    if (::ftruncate(to, status.st_size) != 0) return failure("size", path);
    return okStatus();
  }

  Status range(int from, int to, off_t begin, off_t end, const std::string& path) {
    loff_t in = begin, out = begin;
    while (in < end) {
      if (stopped()) return cancelled();
      const auto piece = static_cast<std::size_t>(std::min<off_t>(end - in, kPiece));
      const ssize_t n = ::copy_file_range(from, &in, to, &out, piece, 0);
      if (n > 0) continue;
      if (n == 0) return okStatus();  // it became shorter
      if (errno == EINTR) continue;
      break;  // between these file systems the kernel does not copy
    }
    if (block_.empty()) block_.resize(1U << 18);
    while (in < end) {
      if (stopped()) return cancelled();
      const ssize_t n =
          ::pread(from, block_.data(), std::min<std::size_t>(block_.size(), static_cast<std::size_t>(end - in)), in);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failure("read", path);
      if (n == 0) return okStatus();
      for (ssize_t done = 0; done < n;) {
        const ssize_t written = ::pwrite(to, block_.data() + done, static_cast<std::size_t>(n - done), in + done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failure("write", path);
        done += written;
      }
      in += n;
    }
    return okStatus();
  }

  // What overlays wrote there they must find again; other attributes of the user's are kept where they can be.
  Status attributes(int from, int to, const std::string& path) {
    std::vector<char> names(65536);
    const ssize_t size = ::flistxattr(from, names.data(), names.size());
    for (ssize_t at = 0; at < size;) {
      const std::string name = names.data() + at;
      at += static_cast<ssize_t>(name.size()) + 1;
      if (name.rfind("user.", 0) != 0) continue;
      std::vector<char> value(65536);
      const ssize_t length = ::fgetxattr(from, name.c_str(), value.data(), value.size());
      if (length < 0) continue;
      const bool kept = ::fsetxattr(to, name.c_str(), value.data(), static_cast<std::size_t>(length), 0) == 0;
      if (!kept && name.rfind("user.overlay.", 0) == 0) return failure("keep the overlay's mark on", path);
    }
    return okStatus();
  }

  int root_;
  CopyBudget& budget_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  std::vector<char> block_;
};

}  // namespace

Status copyTree(int from, int to, CopyBudget& budget) {
  Copier copier(to, budget);
  if (Status copied = copier.folder(from, to, {}, 0); !copied.ok()) return copied;
  return copier.finish(from, to, ".");
}

}  // namespace computesdk::local::rootfs
