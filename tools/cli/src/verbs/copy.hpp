#pragma once

#include <computesdk/computesdk.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/progress.hpp"

namespace computesdk::cli {

/// One side of cp. A word is local when it begins with "/", "." or "~" or holds no ":"; otherwise it is SB:PATH.
struct CopySide {
  std::string sandbox;  ///< empty: local
  std::string path;
};
CopySide parseCopySide(std::string_view word);

/// Whether a name that came from a sandbox is one plain component, so that joining it to a folder stays in the folder.
bool isPlainName(std::string_view name) noexcept;

/// Copies files and folders. As with `cp -r`, a folder that is there as the target takes the source in under its own
/// name. Symbolic links to files are copied as the files; links to folders, and whatever is neither file nor folder,
/// are left out and reported. Nothing outside of the target is written, whatever names the sandbox tells.
class Copier {
 public:
  /// `line` may be a line that shows nothing.
  Copier(Filesystem files, ProgressLine& line) : files_(std::move(files)), line_(line) {}

  Result<void> upload(const std::string& local, const std::string& remote);
  Result<void> download(const std::string& remote, const std::string& local);

  /// What was left out, each with its reason.
  [[nodiscard]] const std::vector<std::string>& skipped() const { return skipped_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  [[nodiscard]] std::int64_t count() const { return count_; }

 private:
  Result<void> uploadFile(const std::string& local, const std::string& remote, std::uint32_t mode);
  Result<void> uploadFolder(const std::string& local, const std::string& remote);
  Result<void> downloadFile(const FileEntry& entry, const std::string& remote, const std::string& local);
  Result<void> downloadFolder(const std::string& remote, const std::string& local);
  Result<void> downloadEntry(const FileEntry& entry, const std::string& remote, const std::string& local,
                             std::vector<std::pair<std::string, std::string>>& pending);
  TransferOptions options(const std::string& name, std::uint32_t mode);

  Filesystem files_;
  ProgressLine& line_;
  std::vector<std::string> skipped_;
  std::int64_t bytes_ = 0;
  std::int64_t count_ = 0;
};

}  // namespace computesdk::cli
