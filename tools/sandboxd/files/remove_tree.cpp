#include "files/remove_tree.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/answer.hpp"
#include "core/unique_fd.hpp"
#include "files/io.hpp"
#include "files/paths.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr int kOpenFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// A folder on the way down: how to know it again when coming back by "..", and its name in the one above.
struct Level {
  dev_t device;
  ino_t inode;
  std::string name;
};

struct Closer {
  void operator()(DIR* folder) const { closedir(folder); }
};

// Unlinks everything in the folder that is no folder; gives the name of a folder in it, if there is one.
std::optional<std::string> emptyOfFiles(int folder, int& number) {
  const int own = openat(folder, ".", kOpenFolder);
  const std::unique_ptr<DIR, Closer> entries(own < 0 ? nullptr : fdopendir(own));
  if (!entries) {
    number = errno;
    if (own >= 0) close(own);
    return {};
  }
  for (errno = 0; const dirent* entry = readdir(entries.get()); errno = 0) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entry->d_type == DT_DIR) return name;
    if (unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno == EISDIR || errno == EPERM) {  // some file systems tell no types
      struct stat info {};
      const int refused = errno;
      if (fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode)) return name;
      errno = refused;
    }
    number = errno;
    return {};
  }
  number = errno;
  return {};
}

class Remover {
 public:
  // Empties the folder that is open and closes it. 0 or an errno.
  int empty(UniqueFd top) {
    folder_ = std::move(top);
    while (true) {
      int number = 0;
      const std::optional<std::string> below = emptyOfFiles(folder_.get(), number);
      if (number != 0) return number;
      if (below) {
        number = down(*below);
      } else if (levels_.empty()) {
        return 0;
      } else {
        number = up();
      }
      if (number != 0) return number;
    }
  }

 private:
  int down(const std::string& name) {
    struct stat info {};
    if (fstat(folder_.get(), &info) != 0) return errno;
    UniqueFd next(openat(folder_.get(), name.c_str(), kOpenFolder));
    if (!next) return errno == ENOENT ? 0 : errno;
    levels_.push_back({info.st_dev, info.st_ino, name});
    folder_ = std::move(next);
    return 0;
  }

  int up() {
    UniqueFd above(openat(folder_.get(), "..", kOpenFolder));
    struct stat info {};
    if (!above || fstat(above.get(), &info) != 0) return errno;
    const Level& level = levels_.back();
    // Somebody moved the folder while we were in it: what is above now is none of ours.
    if (info.st_dev != level.device || info.st_ino != level.inode) return EBUSY;
    if (unlinkat(above.get(), level.name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT && errno != ENOTEMPTY) {
      return errno;
    }
    folder_ = std::move(above);
    levels_.pop_back();
    return 0;
  }

  UniqueFd folder_;
  std::vector<Level> levels_;
};

}  // namespace

Result<void> removeTree(const std::string& path) {
  struct stat info {};
  std::string plain = path;
  while (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
  if (lstat(plain.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return fileMissing(path);
    return ioFailure(errno, "Cannot delete " + path);
  }
  const std::string name = lastName(plain);
  if (normalPath(plain) == "/" || name == "." || name == "..") return invalid("Cannot delete " + path);
  if (!S_ISDIR(info.st_mode)) {
    if (unlink(plain.c_str()) != 0 && errno != ENOENT) return ioFailure(errno, "Cannot delete " + path);
    return {};
  }
  UniqueFd top(open(plain.c_str(), kOpenFolder));
  if (!top) return ioFailure(errno, "Cannot delete " + path);
  if (const int number = Remover{}.empty(std::move(top)); number != 0) {
    return ioFailure(number, "Cannot delete " + path);
  }
  if (rmdir(plain.c_str()) != 0 && errno != ENOENT) return ioFailure(errno, "Cannot delete " + path);
  return {};
}

}  // namespace computesdk::sandboxd
