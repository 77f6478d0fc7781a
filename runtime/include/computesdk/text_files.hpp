#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class SandboxState;
}

struct TextFileInfo {
  std::string name;
  std::string path;  ///< as it was asked for
  std::int64_t size = 0;
  bool isDirectory = false;
  std::optional<SystemTime> modifiedAt;
};

struct FileOperation {
  enum class Kind { write, remove };
  std::string path = {};
  Kind kind = Kind::write;
  std::string content = {};
};

struct FileOperationResult {
  std::string path;
  bool success = false;
  std::string error;                 ///< why not
  std::optional<TextFileInfo> file;  ///< what was written
};

/// Text files of one sandbox by its daemon: sandbox.file(). What filesystem() has not: many changes in one call.
/// Content is UTF-8; for bytes use filesystem(). A small value that shares the sandbox's state. Thread-safe.
/// Errors of all: E_FILE_NOT_FOUND, E_INVALID_ARGUMENT, and those of Daemon::ensure.
class COMPUTESDK_API TextFiles {
 public:
  /// Makes or replaces a file, and its missing folders.
  TextFileInfo create(std::string_view path, std::string_view content = {}, std::stop_token stop = {}) {
    return create(nothrow, path, content, std::move(stop)).value();
  }
  Result<TextFileInfo> create(Nothrow, std::string_view path, std::string_view content = {}, std::stop_token stop = {});
  std::vector<TextFileInfo> list(std::string_view path = "/", std::stop_token stop = {}) {
    return list(nothrow, path, std::move(stop)).value();
  }
  Result<std::vector<TextFileInfo>> list(Nothrow, std::string_view path = "/", std::stop_token stop = {});
  /// The content.
  std::string retrieve(std::string_view path, std::stop_token stop = {}) {
    return retrieve(nothrow, path, std::move(stop)).value();
  }
  Result<std::string> retrieve(Nothrow, std::string_view path, std::stop_token stop = {});
  /// A file, or a folder with all in it.
  void destroy(std::string_view path, std::stop_token stop = {}) { destroy(nothrow, path, std::move(stop)).value(); }
  Result<void> destroy(Nothrow, std::string_view path, std::stop_token stop = {});
  bool exists(std::string_view path, std::stop_token stop = {}) {
    return exists(nothrow, path, std::move(stop)).value();
  }
  Result<bool> exists(Nothrow, std::string_view path, std::stop_token stop = {});
  /// Many changes; each file is changed wholly or not at all. The last operation on a path wins; one result a path, in
  /// the order of their bytes. That some fail is no error.
  std::vector<FileOperationResult> batchWrite(const std::vector<FileOperation>& operations, std::stop_token stop = {}) {
    return batchWrite(nothrow, operations, std::move(stop)).value();
  }
  Result<std::vector<FileOperationResult>> batchWrite(Nothrow, const std::vector<FileOperation>& operations,
                                                      std::stop_token stop = {});

 private:
  friend class Sandbox;
  explicit TextFiles(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

}  // namespace computesdk
