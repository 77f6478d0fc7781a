#include "files/atomic_file.hpp"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "files/io.hpp"
#include "files/paths.hpp"

namespace computesdk::sandboxd {
namespace {

// Where the last name of the path leads, link by link. What it leads to need not be there.
Result<std::string> followLinks(std::string path) {
  for (int links = 0; links <= 40; ++links) {
    char text[PATH_MAX];
    const ssize_t length = readlink(path.c_str(), text, sizeof text);
    if (length < 0) return path;  // no link
    const std::string_view to(text, static_cast<std::size_t>(length));
    path = to.starts_with('/') ? std::string(to) : joinPath(folderOf(path), to);
  }
  return ioFailure(ELOOP, "Cannot write " + path);
}

void keepOwnerAndMode(int descriptor, const struct stat& old) {
  struct stat now {};
  mode_t mode = old.st_mode & 07777;
  const bool same = fstat(descriptor, &now) == 0 && now.st_uid == old.st_uid && now.st_gid == old.st_gid;
  // A file that could not be given to its owner must not run as somebody else.
  if (!same && fchown(descriptor, old.st_uid, old.st_gid) != 0) mode &= 0777;
  (void)fchmod(descriptor, mode);
}

}  // namespace

Result<AtomicFile> AtomicFile::begin(const std::string& path) {
  if (path.ends_with('/')) return invalid("Not a file path: " + path);
  AtomicFile file;
  file.path_ = path;
  Result<std::string> target = followLinks(path);
  if (!target) return target.error();
  file.target_ = std::move(*target);
  if (auto made = makeFolders(folderOf(file.target_)); !made) return made.error();
  struct stat old {};
  const bool replaces = stat(file.target_.c_str(), &old) == 0;
  if (replaces && S_ISDIR(old.st_mode)) return invalid("Is a directory: " + path);
  if (replaces && !S_ISREG(old.st_mode)) return invalid("Not a regular file: " + path);
  if (replaces && faccessat(AT_FDCWD, file.target_.c_str(), W_OK, AT_EACCESS) != 0) {
    return ioFailure(errno, "Cannot write " + path);
  }
  if (auto opened = file.openTemporary(replaces); !opened) return opened.error();
  if (replaces && !file.temporary_.empty()) keepOwnerAndMode(file.descriptor_.get(), old);
  return file;
}

Result<void> AtomicFile::openTemporary(bool replaces) {
  temporary_ = joinPath(folderOf(target_), Context::newId(kTemporaryPrefix));
  descriptor_.reset(open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (descriptor_) return {};
  temporary_.clear();
  const int number = errno;
  if (replaces && (number == EACCES || number == EPERM || number == EROFS)) {
    descriptor_.reset(open(target_.c_str(), O_RDWR | O_TRUNC | O_NOFOLLOW | O_CLOEXEC));
    if (descriptor_) return {};
  }
  return ioFailure(number, "Cannot write " + path_);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      descriptor_(std::move(other.descriptor_)) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this == &other) return *this;
  discard();
  path_ = std::move(other.path_);
  target_ = std::move(other.target_);
  temporary_ = std::exchange(other.temporary_, {});
  descriptor_ = std::move(other.descriptor_);
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (!temporary_.empty()) unlink(temporary_.c_str());
  temporary_.clear();
}

Result<void> AtomicFile::append(std::string_view bytes) {
  if (!writeAll(descriptor_.get(), bytes)) return ioFailure(errno, "Cannot write " + path_);
  return {};
}

Result<void> AtomicFile::commit() {
  if (temporary_.empty()) {
    if (close(descriptor_.release()) != 0) return ioFailure(errno, "Cannot write " + path_);
    return {};
  }
  if (rename(temporary_.c_str(), target_.c_str()) != 0) {
    // A file that is a mount point (/etc/hosts of a container) can be written, but not replaced.
    if (errno != EBUSY) return ioFailure(errno, "Cannot write " + path_);
    return overwrite();
  }
  temporary_.clear();
  if (close(descriptor_.release()) != 0) return ioFailure(errno, "Cannot write " + path_);
  return {};
}

Result<void> AtomicFile::overwrite() {
  const UniqueFd target(open(target_.c_str(), O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC));
  if (!target || lseek(descriptor_.get(), 0, SEEK_SET) < 0) return ioFailure(errno, "Cannot write " + path_);
  for (std::string piece;; piece.clear()) {
    if (!readUpTo(descriptor_.get(), 1 << 20, piece) || !writeAll(target.get(), piece)) {
      return ioFailure(errno, "Cannot write " + path_);
    }
    if (piece.empty()) return {};
  }
}

Result<void> writeFile(const std::string& path, std::string_view content) {
  Result<AtomicFile> file = AtomicFile::begin(path);
  if (!file) return file.error();
  if (auto written = file->append(content); !written) return written;
  return file->commit();
}

}  // namespace computesdk::sandboxd
