#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <chrono>
#include <computesdk/result.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/unique_fd.hpp"
#include "files/glob.hpp"

namespace computesdk::sandboxd {

/// Something that happened below what is watched.
struct FileEvent {
  enum class Kind { kAdd, kChange, kUnlink, kAddDir, kUnlinkDir };
  Kind kind;
  std::string path;  ///< relative to what is watched; empty: itself
};
/// "add", "change", "unlink", "addDir", "unlinkDir".
std::string_view nameOf(FileEvent::Kind kind);

/// How much a watch may hold.
struct WatchLimits {
  std::size_t entries = 200'000;            ///< files and folders known
  std::size_t folders = 200'000;            ///< folders with a watch of the kernel's; the rest is polled
  std::chrono::milliseconds poll{2000};     ///< ... this often
  std::chrono::milliseconds quiet{50};      ///< a path is looked at when nothing happened to it for so long,
  std::chrono::milliseconds patience{500};  ///< or when its first news is so old
};

/// Watches a file, or a folder with everything below it.
///
/// What the kernel says (inotify) only tells where to look: each path that something happened to is looked at once it
/// is quiet, and compared with what was there before. So a burst is one event, a file that is created and written is
/// one `add`, one that is renamed over another a `change`, a move is the old path's `unlink` and the new one's `add`,
/// and when the kernel's queue overflowed everything is looked at again. A new folder is read after its watch is set,
/// so nothing in it is missed. Links are not followed, except the watched path itself; /proc and its like are not
/// entered.
///
/// Not thread-safe. No call waits for anything but the disk.
class TreeWatch {
 public:
  using Clock = std::chrono::steady_clock;
  using Listener = std::function<void(const FileEvent&)>;

  /// What is there now is known, not told. E_FILE_NOT_FOUND; E_OUT_OF_RANGE with more files than `limits`;
  /// E_RESOURCE_EXHAUSTED when the kernel grants no more watches.
  static Result<std::unique_ptr<TreeWatch>> open(const std::string& path, GlobSet ignored, WatchLimits limits = {});

  /// Readable when readEvents() has something to read.
  [[nodiscard]] int descriptor() const { return inotify_.get(); }
  /// Takes in all that the kernel has to say.
  void readEvents(Clock::time_point now);
  /// When settle() is worth the next call; nothing when nothing is waiting.
  [[nodiscard]] std::optional<Clock::time_point> due() const;
  /// Looks at the paths that are quiet and tells what happened: folders before what is in them, and after it when they
  /// are gone.
  void settle(Clock::time_point now, const Listener& listener);

 private:
  struct Known {
    bool folder = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t modified = 0;  ///< nanoseconds
    bool justModified = false;  ///< another change now might leave the same time stamp
  };
  struct News {
    Clock::time_point first, last;
  };

  TreeWatch(std::string real, GlobSet ignored, WatchLimits limits);
  [[nodiscard]] std::string absolute(const std::string& relative) const;
  [[nodiscard]] bool ignores(std::string_view relative) const;

  // tree_watch.cpp: from events to paths to look at
  void watchParent();
  bool watchPath(const std::string& relative);
  void forgetWatches(const std::string& relative);
  void enter(const std::string& relative, Clock::time_point now);
  void readFolder(const std::string& relative, Clock::time_point now, std::vector<std::string>& folders);
  void mark(const std::string& relative, Clock::time_point now);
  void lookEverywhere(Clock::time_point now);
  void takeEvent(int watch, std::uint32_t mask, std::string_view name, Clock::time_point now);

  // settle.cpp: from paths to events
  void look(const std::string& relative, const Listener& listener, Clock::time_point now);
  void lookAtFile(const std::string& relative, const struct stat& info, const Listener& listener);
  void lookAtFolder(const std::string& relative, const struct stat& info, const Listener& listener,
                    Clock::time_point now);
  void tellGone(const std::string& relative, const Listener& listener);
  [[nodiscard]] bool isFolder(const std::string& relative) const;

  const std::string real_;  // without links
  const std::string realName_;
  const GlobSet ignored_;
  const WatchLimits limits_;
  UniqueFd inotify_;
  dev_t device_ = 0;
  int parent_ = -1;
  int refused_ = 0;  // errno of the last watch that the kernel refused
  std::map<std::string, Known> known_;
  std::map<std::string, News> news_;
  std::map<std::string, int> watches_;              // relative path -> watch
  std::unordered_map<int, std::string> watchedBy_;  // and back
  std::optional<Clock::time_point> nextPoll_;       // set while folders are without a watch
};

}  // namespace computesdk::sandboxd
