#pragma once

#include <computesdk/result.hpp>
#include <string>
#include <string_view>

#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {

/// Names that begin so are files that are being written; watchers do not tell of them.
inline constexpr std::string_view kTemporaryPrefix = ".computesdk-tmp-";

/// A file's new content, which nobody sees before it is whole: a temporary file beside it, renamed at the end. Owner
/// and permissions of a file that is replaced stay; a link is followed, and what it points to is replaced; missing
/// folders are made. Where renaming cannot be (a file that is a mount point, a folder without permission to write) a
/// file that is there is overwritten in place. Not thread-safe; whoever writes the same path at the same time uses
/// PathLocks.
class AtomicFile {
 public:
  /// E_INVALID_ARGUMENT for directories, devices, FIFOs and sockets.
  static Result<AtomicFile> begin(const std::string& path);
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  /// Without a commit, everything is as it was.
  ~AtomicFile();

  Result<void> append(std::string_view bytes);
  Result<void> commit();

 private:
  AtomicFile() = default;
  [[nodiscard]] Result<void> openTemporary(bool replaces);
  Result<void> overwrite();
  void discard() noexcept;

  std::string path_;       // as asked, for error texts
  std::string target_;     // what the links lead to
  std::string temporary_;  // empty: in place, or over
  UniqueFd descriptor_;
};

/// All at once.
Result<void> writeFile(const std::string& path, std::string_view content);

}  // namespace computesdk::sandboxd
