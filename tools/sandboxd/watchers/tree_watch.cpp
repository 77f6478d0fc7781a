#include "watchers/tree_watch.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/answer.hpp"
#include "files/atomic_file.hpp"
#include "files/io.hpp"
#include "files/paths.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_EXCL_UNLINK;

// File systems that the kernel makes up: endless, and without events.
bool isMadeUp(int folder) {
  struct statfs info {};
  if (fstatfs(folder, &info) != 0) return false;
  constexpr decltype(info.f_type) kMadeUp[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                                               DEBUGFS_MAGIC,    TRACEFS_MAGIC, DEVPTS_SUPER_MAGIC, SECURITYFS_MAGIC};
  return std::find(std::begin(kMadeUp), std::end(kMadeUp), info.f_type) != std::end(kMadeUp);
}

std::string below(const std::string& relative, std::string_view name) {
  return relative.empty() ? std::string(name) : relative + "/" + std::string(name);
}

struct WatchedFolderCloser {
  void operator()(DIR* folder) const { closedir(folder); }
};

}  // namespace

std::string_view nameOf(FileEvent::Kind kind) {
  constexpr std::string_view kNames[] = {"add", "change", "unlink", "addDir", "unlinkDir"};
  return kNames[static_cast<std::size_t>(kind)];
}

TreeWatch::TreeWatch(std::string real, GlobSet ignored, WatchLimits limits)
    : real_(std::move(real)), realName_(lastName(real_)), ignored_(std::move(ignored)), limits_(limits) {}

Result<std::unique_ptr<TreeWatch>> TreeWatch::open(const std::string& path, GlobSet ignored, WatchLimits limits) {
  const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free);
  struct stat info {};
  if (!real || stat(real.get(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return fileMissing(path);
    return ioFailure(errno, "Cannot watch " + path);
  }
  std::unique_ptr<TreeWatch> watch(new TreeWatch(real.get(), std::move(ignored), limits));
  watch->device_ = info.st_dev;
  watch->inotify_.reset(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch->inotify_) return ioFailure(errno, "Cannot watch " + path);
  const Clock::time_point now = Clock::now();
  watch->watchParent();
  watch->mark("", now);
  watch->enter("", now);
  const bool exhausted = watch->refused_ == ENOSPC;
  if (exhausted || !watch->watches_.contains("")) {
    ErrorInfo refusal = ioFailure(watch->refused_, "Cannot watch " + path);
    if (exhausted) refusal.code = ErrorCode::resourceExhausted;
    if (exhausted) refusal.fix = "leave folders out with `ignored`, or raise fs.inotify.max_user_watches";
    return refusal;
  }
  // What is there is not told.
  const auto poll = std::exchange(watch->nextPoll_, {});
  watch->settle(now + std::chrono::hours(1), [](const FileEvent&) {});
  watch->nextPoll_ = poll;
  if (watch->known_.size() < limits.entries) return watch;
  ErrorInfo refusal = invalid("Too many files to watch: " + path, {}, "leave folders out with `ignored`");
  refusal.code = ErrorCode::outOfRange;
  return refusal;
}

std::string TreeWatch::absolute(const std::string& relative) const {
  return relative.empty() ? real_ : joinPath(real_, relative);
}

bool TreeWatch::ignores(std::string_view relative) const {
  const std::string_view name = relative.substr(relative.rfind('/') + 1);
  return name.starts_with(kTemporaryPrefix) || ignored_.matches(relative);
}

// The folder above tells when the watched path itself is replaced or comes back. It may be closed to us.
void TreeWatch::watchParent() {
  if (real_ == "/") return;
  parent_ = inotify_add_watch(inotify_.get(), folderOf(real_).c_str(),
                              IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR);
}

bool TreeWatch::watchPath(const std::string& relative) {
  if (watches_.size() >= limits_.folders) {
    nextPoll_ = nextPoll_.value_or(Clock::now() + limits_.poll);
    return false;
  }
  const std::uint32_t how = relative.empty() ? IN_DONT_FOLLOW : IN_DONT_FOLLOW | IN_ONLYDIR;
  const int watch = inotify_add_watch(inotify_.get(), absolute(relative).c_str(), kEvents | how);
  if (watch < 0) {
    refused_ = errno;
    if (refused_ == ENOSPC) nextPoll_ = nextPoll_.value_or(Clock::now() + limits_.poll);
    return false;
  }
  // The kernel knows folders, not paths: one that came here by a road not seen is no longer where it was.
  const auto before = watchedBy_.find(watch);
  if (before != watchedBy_.end() && before->second != relative) watches_.erase(before->second);
  const auto other = watches_.find(relative);
  if (other != watches_.end() && other->second != watch) watchedBy_.erase(other->second);
  watchedBy_[watch] = relative;
  watches_[relative] = watch;
  return true;
}

void TreeWatch::forgetWatches(const std::string& relative) {
  const auto forget = [&](std::map<std::string, int>::iterator at) {
    inotify_rm_watch(inotify_.get(), at->second);
    watchedBy_.erase(at->second);
    return watches_.erase(at);
  };
  if (const auto own = watches_.find(relative); own != watches_.end()) forget(own);
  const std::string prefix = relative.empty() ? "" : relative + "/";
  for (auto at = watches_.lower_bound(prefix); at != watches_.end() && at->first.starts_with(prefix);) at = forget(at);
}

void TreeWatch::enter(const std::string& relative, Clock::time_point now) {
  std::vector<std::string> folders = {relative};
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    if (known_.size() + news_.size() > 2 * limits_.entries) return;
    readFolder(folder, now, folders);
  }
}

void TreeWatch::readFolder(const std::string& relative, Clock::time_point now, std::vector<std::string>& folders) {
  const std::string path = absolute(relative);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  const std::unique_ptr<DIR, WatchedFolderCloser> folder(descriptor < 0 ? nullptr : fdopendir(descriptor));
  struct stat info {};
  if (folder && fstat(descriptor, &info) == 0 && info.st_dev != device_ && isMadeUp(descriptor)) return;
  watchPath(relative);  // before it is read, so that what comes in between is seen twice and not never
  if (!folder) return;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string child = below(relative, name);
    if (ignores(child)) continue;
    mark(child, now);
    bool isFolder = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) {
      isFolder = fstatat(descriptor, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
    }
    if (isFolder) folders.push_back(child);
  }
}

void TreeWatch::mark(const std::string& relative, Clock::time_point now) {
  News& news = news_.try_emplace(relative, News{now, now}).first->second;
  news.last = now;
}

void TreeWatch::lookEverywhere(Clock::time_point now) {
  nextPoll_.reset();
  mark("", now);
  for (const auto& [path, known] : known_) mark(path, now);
  enter("", now);
}

void TreeWatch::readEvents(Clock::time_point now) {
  alignas(struct inotify_event) char buffer[16 << 10];
  while (true) {
    const ssize_t got = read(inotify_.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    for (const char* at = buffer; at < buffer + got;) {
      struct inotify_event event {};
      memcpy(&event, at, sizeof event);
      const char* name = at + sizeof event;
      takeEvent(event.wd, event.mask, {name, strnlen(name, event.len)}, now);
      at = name + event.len;
    }
  }
}

void TreeWatch::takeEvent(int watch, std::uint32_t mask, std::string_view name, Clock::time_point now) {
  if ((mask & IN_Q_OVERFLOW) != 0) {  // what moved is not known either
    forgetWatches("");
    return lookEverywhere(now);
  }
  if (watch == parent_) {
    if (name != realName_) return;
    if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0) forgetWatches("");
    mark("", now);
    if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0) enter("", now);
    return;
  }
  const auto at = watchedBy_.find(watch);
  if (at == watchedBy_.end()) return;  // of a watch that is no more
  const std::string folder = at->second;
  if ((mask & IN_IGNORED) != 0) {
    watches_.erase(folder);
    watchedBy_.erase(watch);
    return;
  }
  if (name.empty()) {  // of the watched path itself; that of others comes by the folders above them
    if (folder.empty()) mark("", now);
    return;
  }
  const std::string path = below(folder, name);
  if (ignores(path)) return;
  mark(path, now);
  if ((mask & IN_ISDIR) == 0) return;
  // A folder that moves takes its watches along: they are set anew where it arrives.
  if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0) forgetWatches(path);
  if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0) enter(path, now);
}

}  // namespace computesdk::sandboxd
