#include "file_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace computesdk::local::limits {
namespace {

constexpr std::size_t kMostBytes = 1U << 20;

Error failure(const char* what, const std::string& path) { return systemError(errno, std::string(what) + " " + path); }

int openRetrying(const std::string& path, int flags) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

class RealFileTree final : public FileTree {
 public:
  Result<std::string> read(const std::string& path) override {
    const UniqueFd fd(openRetrying(path, O_RDONLY));
    if (!fd) return failure("cannot open", path);
    std::string text;
    char block[8192];
    for (;;) {
      const ssize_t n = ::read(fd.get(), block, sizeof block);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failure("cannot read", path);
      if (n == 0) return text;
      if (text.size() + static_cast<std::size_t>(n) > kMostBytes) {
        return systemError(EFBIG, "cannot read " + path);
      }
      text.append(block, static_cast<std::size_t>(n));
    }
  }

  Status write(const std::string& path, std::string_view text) override {
    const UniqueFd fd(openRetrying(path, O_WRONLY));
    if (!fd) return failure("cannot open", path);
    ssize_t n;
    do {
      n = ::write(fd.get(), text.data(), text.size());
    } while (n < 0 && errno == EINTR);
    if (n != static_cast<ssize_t>(text.size())) {
      if (n >= 0) errno = EIO;
      return failure("cannot write", path);
    }
    return okStatus();
  }

  Status makeDirectory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0755) != 0) return failure("cannot make folder", path);
    return okStatus();
  }

  Status removeDirectory(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return failure("cannot remove folder", path);
    return okStatus();
  }

  Result<std::vector<std::string>> folders(const std::string& path) override {
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) return failure("cannot list", path);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(folder)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != ".." && entry->d_type == DT_DIR) names.emplace_back(name);
    }
    ::closedir(folder);
    std::sort(names.begin(), names.end());
    return names;
  }

  bool exists(const std::string& path) override { return ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_EACCESS) == 0; }
  bool writable(const std::string& path) override { return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0; }

  Status setOwner(const std::string& path, uid_t uid, gid_t gid) override {
    if (::lchown(path.c_str(), uid, gid) != 0) return failure("cannot change the owner of", path);
    return okStatus();
  }

  Result<uid_t> owner(const std::string& path) override {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return failure("cannot look at", path);
    return status.st_uid;
  }

  void waitForExit(const std::string& path, std::chrono::milliseconds most) override {
    const UniqueFd events(openRetrying(path + "/cgroup.events", O_RDONLY));
    if (events) {
      char text[512];
      const ssize_t n = ::read(events.get(), text, sizeof text - 1);
      if (n > 0) {
        text[n] = 0;
        if (std::string_view(text).find("populated 0") != std::string_view::npos) return pause(most);
        pollfd waiting{events.get(), POLLPRI, 0};
        ::poll(&waiting, 1, static_cast<int>(std::min<std::chrono::milliseconds::rep>(most.count(), 1000)));
        return;
      }
    }
    pause(most);
  }

  Result<UniqueFd> openFolder(const std::string& path) override {
    UniqueFd fd(openRetrying(path, O_RDONLY | O_DIRECTORY));
    if (!fd) return failure("cannot open", path);
    return fd;
  }

  Result<UniqueFd> lockFolder(const std::string& path) override {
    auto folder = openFolder(path);
    if (folder.ok() && ::flock(folder->get(), LOCK_EX | LOCK_NB) != 0) return failure("cannot lock", path);
    return folder;
  }

 private:
  // No event tells of the moment: v1 has none, and v2's comes a little before the folder may go.
  static void pause(std::chrono::milliseconds most) {
    const auto wait = std::min<std::chrono::milliseconds::rep>(most.count(), 2);
    if (wait <= 0) return;
    const timespec time{0, static_cast<long>(wait * 1000000)};
    ::nanosleep(&time, nullptr);
  }
};

}  // namespace

std::shared_ptr<FileTree> realFileTree() { return std::make_shared<RealFileTree>(); }

}  // namespace computesdk::local::limits
