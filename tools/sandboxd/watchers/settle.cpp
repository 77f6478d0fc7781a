// The second half of TreeWatch: looks at paths and tells what became of them.
#include <errno.h>
#include <time.h>

#include <utility>

#include "watchers/tree_watch.hpp"

namespace computesdk::sandboxd {
namespace {

using Kind = FileEvent::Kind;

// Kernels stamp files with a clock that ticks every 1 to 10 ms: what changes twice within a tick looks the same.
constexpr std::int64_t kTick = 20'000'000;

std::int64_t nanoseconds(const struct timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

std::string above(const std::string& relative) {
  const std::size_t slash = relative.rfind('/');
  return slash == std::string::npos ? "" : relative.substr(0, slash);
}

}  // namespace

std::optional<TreeWatch::Clock::time_point> TreeWatch::due() const {
  std::optional<Clock::time_point> due = nextPoll_;
  for (const auto& [path, news] : news_) {
    const Clock::time_point when = std::min(news.last + limits_.quiet, news.first + limits_.patience);
    if (!due || when < *due) due = when;
  }
  return due;
}

void TreeWatch::settle(Clock::time_point now, const Listener& listener) {
  if (nextPoll_ && now >= *nextPoll_) lookEverywhere(now);
  std::vector<std::string> quiet;
  for (const auto& [path, news] : news_) {
    if (now >= news.last + limits_.quiet || now >= news.first + limits_.patience) quiet.push_back(path);
  }
  for (const std::string& path : quiet) news_.erase(path);
  for (const std::string& path : quiet) look(path, listener, now);
}

bool TreeWatch::isFolder(const std::string& relative) const {
  const auto at = known_.find(relative);
  return at != known_.end() && at->second.folder;
}

void TreeWatch::look(const std::string& relative, const Listener& listener, Clock::time_point now) {
  if (!relative.empty() && !isFolder(above(relative))) {
    // What is in a folder is told after the folder.
    look(above(relative), listener, now);
    news_.erase(above(relative));
    if (!isFolder(above(relative))) return;
  }
  struct stat info {};
  const std::string path = absolute(relative);
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) tellGone(relative, listener);
    return;
  }
  if (known_.size() >= limits_.entries && !known_.contains(relative)) return;
  if (S_ISDIR(info.st_mode)) {
    lookAtFolder(relative, info, listener, now);
  } else {
    lookAtFile(relative, info, listener);
  }
}

void TreeWatch::lookAtFile(const std::string& relative, const struct stat& info, const Listener& listener) {
  if (isFolder(relative)) {
    forgetWatches(relative);
    tellGone(relative, listener);
    if (relative.empty()) watchPath(relative);
  }
  struct timespec wall {};
  clock_gettime(CLOCK_REALTIME, &wall);
  const std::int64_t modified = nanoseconds(info.st_mtim), age = nanoseconds(wall) - modified;
  const Known now{false, info.st_dev, info.st_ino, info.st_size, modified, age >= 0 && age < kTick};
  const auto at = known_.find(relative);
  if (at == known_.end()) {
    known_.emplace(relative, now);
    return listener({Kind::kAdd, relative});
  }
  const Known before = std::exchange(at->second, now);
  const bool same = before.device == now.device && before.inode == now.inode && before.size == now.size &&
                    before.modified == now.modified;
  if (relative.empty() && before.inode != now.inode) watchPath(relative);
  if (!same || before.justModified) listener({Kind::kChange, relative});
}

void TreeWatch::lookAtFolder(const std::string& relative, const struct stat& info, const Listener& listener,
                             Clock::time_point now) {
  const auto at = known_.find(relative);
  if (at != known_.end() && at->second.folder && at->second.inode == info.st_ino && at->second.device == info.st_dev) {
    return;
  }
  if (at != known_.end()) {  // another one in its place, or a file before
    tellGone(relative, listener);
    forgetWatches(relative);
    if (relative.empty()) device_ = info.st_dev;
    enter(relative, now);
  }
  Known folder;
  folder.folder = true;
  folder.device = info.st_dev;
  folder.inode = info.st_ino;
  known_.insert_or_assign(relative, folder);
  listener({Kind::kAddDir, relative});
}

void TreeWatch::tellGone(const std::string& relative, const Listener& listener) {
  const auto own = known_.find(relative);
  if (own == known_.end()) return;
  std::vector<std::pair<std::string, bool>> gone = {{relative, own->second.folder}};
  if (own->second.folder) {
    const std::string prefix = relative.empty() ? "" : relative + "/";
    for (auto at = known_.lower_bound(prefix); at != known_.end() && at->first.starts_with(prefix); ++at) {
      if (at != own) gone.emplace_back(at->first, at->second.folder);
    }
  }
  for (auto one = gone.rbegin(); one != gone.rend(); ++one) {
    known_.erase(one->first);
    listener({one->second ? Kind::kUnlinkDir : Kind::kUnlink, one->first});
  }
}

}  // namespace computesdk::sandboxd
