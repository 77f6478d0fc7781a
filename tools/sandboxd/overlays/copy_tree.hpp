#pragma once

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/unique_fd.hpp"
#include "files/glob.hpp"

namespace computesdk::sandboxd {

/// What a copy has done so far.
struct CopyCounts {
  std::uint64_t files = 0;           ///< links too
  std::uint64_t folders = 0;         ///< without the target itself
  std::vector<std::string> skipped;  ///< at most 1000
};

/// Copies a folder's content into another in two steps: what is small at once, the rest later.
///
/// Nothing that exists in the target is changed. Files are copied or share their blocks until one side writes (never by
/// hard links); a link that leads into the source is made to lead to its counterpart in the target; FIFOs, sockets and
/// devices are left out, as are ".git" and what `ignored` says. Neither side's links are followed on the way, whatever
/// is moved meanwhile. Not thread-safe, except cancel().
class CopyTree {
 public:
  struct Options {
    std::string source, target;  ///< absolute, without links; both are there
    GlobSet ignored;
    bool share = true;                         ///< try to share blocks before copying
    std::uint64_t largeFile = 8U << 20U;       ///< bytes from which on a file is for later
    std::chrono::milliseconds patience{8000};  ///< after which all that is left is for later
  };
  explicit CopyTree(Options options) : options_(std::move(options)) {}

  /// The first step. False: it failed, and error() says why.
  bool copySmall();
  /// Whether there is a second step.
  [[nodiscard]] bool moreToDo() const { return !later_.empty(); }
  /// The second. `progress` is called between files now and then.
  bool copyRest(const std::function<void()>& progress);

  [[nodiscard]] const CopyCounts& counts() const { return counts_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  /// Makes the step that is under way fail soon. Any thread.
  void cancel() { cancelled_ = true; }

 private:
  /// A folder on both sides.
  struct Place {
    std::string relative;
    UniqueFd source, target;
    [[nodiscard]] std::string below(const std::string& name) const {
      return relative.empty() ? name : relative + "/" + name;
    }
  };
  enum class Opened { kYes, kSkipped, kFailed };

  bool begin();
  bool copyFolders(std::vector<std::string> folders);
  Opened openPlace(const std::string& relative, Place& place);
  bool copyEntry(const Place& place, const std::string& name, std::vector<std::string>& folders);
  bool copyFile(const Place& place, const std::string& name);
  bool copyLink(const Place& place, const std::string& name);
  bool makeFolder(const Place& place, const std::string& name, const struct stat& info,
                  std::vector<std::string>& folders);
  [[nodiscard]] bool copyBytes(int from, int to) const;
  bool setFolderModes();
  [[nodiscard]] bool putOff(const std::string& name, const struct stat& info) const;
  [[nodiscard]] std::string linkText(const std::string& relative, const std::string& text) const;
  void skip(const std::string& relative);
  bool fail(int number, const std::string& relative);

  const Options options_;
  UniqueFd source_, target_;
  struct stat sourceInfo_ {
  }, targetInfo_{};
  bool background_ = false;
  std::chrono::steady_clock::time_point deadline_;
  std::vector<std::string> later_;                           // files and folders, relative
  std::vector<std::pair<std::string, mode_t>> folderModes_;  // of those that may not be written
  CopyCounts counts_;
  std::string error_;
  std::function<void()> progress_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace computesdk::sandboxd
