#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class SandboxState;
}
class Overlays;

/// Fills `buffer` and says how many bytes; 0 at the end. May block, and a transfer that is stopped waits for it. What
/// it throws ends the transfer and comes out of it.
using ByteSource = std::function<std::size_t(std::span<std::byte> buffer)>;
/// Takes bytes in order. Must not block for long. What it throws ends the transfer and comes out of it.
using ByteSink = std::function<void(std::span<const std::byte> bytes)>;

struct WriteOptions {
  std::uint32_t mode = 0;  ///< permission bits; 0: the sandbox's default
  bool parents = true;     ///< make missing folders
  std::stop_token stop = {};
};

struct ReadOptions {
  std::int64_t offset = 0;
  std::int64_t length = -1;  ///< -1: to the end
  std::stop_token stop = {};
};

struct TransferOptions {
  std::function<void(const Progress&)> onProgress = {};  ///< runs on a runtime thread; must not block
  std::uint32_t mode = 0;                                ///< of the new file; 0: default
  bool parents = true;                                   ///< make missing folders
  std::stop_token stop = {};
};

struct TransferResult {
  std::int64_t bytes = 0;
};

/// Files of one sandbox. A small value that shares the sandbox's state; copy it freely. Thread-safe. Paths are absolute
/// or relative to the sandbox's working directory; they are bytes and are never shown to a shell.
///
/// Every operation may fail with E_FILE_NOT_FOUND, E_SANDBOX_GONE, E_INVALID_ARGUMENT (a path that is empty or holds a
/// NUL), E_PERMISSION, E_CANCELLED and what the provider says. Where the provider has no file operations they go
/// through commands, byte-exact all the same (Capabilities::filesystem is `emulated` then).
class COMPUTESDK_API Filesystem {
 public:
  /// The whole file. "File not found: <path>" when there is none.
  std::string readFile(std::string_view path, const ReadOptions& o = {}) { return readFile(nothrow, path, o).value(); }
  Result<std::string> readFile(Nothrow, std::string_view path, const ReadOptions& options = {});
  std::vector<std::byte> readFileBytes(std::string_view path, const ReadOptions& o = {}) {
    return readFileBytes(nothrow, path, o).value();
  }
  Result<std::vector<std::byte>> readFileBytes(Nothrow, std::string_view path, const ReadOptions& options = {});

  /// Replaces or makes a file. Readers see the old content or the new, never a part.
  void writeFile(std::string_view path, std::string_view content, const WriteOptions& o = {}) {
    writeFile(nothrow, path, content, o).value();
  }
  void writeFile(std::string_view path, std::span<const std::byte> content, const WriteOptions& o = {}) {
    writeFile(nothrow, path, content, o).value();
  }
  Result<void> writeFile(Nothrow, std::string_view path, std::string_view content, const WriteOptions& o = {}) {
    return writeFile(nothrow, path, std::as_bytes(std::span{content}), o);
  }
  Result<void> writeFile(Nothrow, std::string_view path, std::span<const std::byte> content,
                         const WriteOptions& options = {});

  /// Makes a folder and its missing parents; one that is there is a success. With `parents` false neither holds.
  void mkdir(std::string_view path, bool parents = true, std::stop_token stop = {}) {
    mkdir(nothrow, path, parents, std::move(stop)).value();
  }
  Result<void> mkdir(Nothrow, std::string_view path, bool parents = true, std::stop_token stop = {});

  /// Entries in byte order of their names, without "." and "..". "Directory not found: <path>" when there is none.
  std::vector<FileEntry> readdir(std::string_view path, std::stop_token stop = {}) {
    return readdir(nothrow, path, std::move(stop)).value();
  }
  Result<std::vector<FileEntry>> readdir(Nothrow, std::string_view path, std::stop_token stop = {});

  /// Whether something is there; a dangling symlink is not. Absence is no error.
  bool exists(std::string_view path, std::stop_token stop = {}) {
    return exists(nothrow, path, std::move(stop)).value();
  }
  Result<bool> exists(Nothrow, std::string_view path, std::stop_token stop = {});

  /// Removes a file, a symlink (not what it points to) or, with `recursive`, a folder with all that is in it.
  /// "File not found: <path>" when there is none; E_PRECONDITION for a folder that is not empty without `recursive`.
  void remove(std::string_view path, bool recursive = true, std::stop_token stop = {}) {
    remove(nothrow, path, recursive, std::move(stop)).value();
  }
  Result<void> remove(Nothrow, std::string_view path, bool recursive = true, std::stop_token stop = {});

  FileEntry stat(std::string_view path, bool followSymlinks = true, std::stop_token stop = {}) {
    return stat(nothrow, path, followSymlinks, std::move(stop)).value();
  }
  Result<FileEntry> stat(Nothrow, std::string_view path, bool followSymlinks = true, std::stop_token stop = {});

  /// Replaces a file at `to`.
  void rename(std::string_view from, std::string_view to, std::stop_token stop = {}) {
    rename(nothrow, from, to, std::move(stop)).value();
  }
  Result<void> rename(Nothrow, std::string_view from, std::string_view to, std::stop_token stop = {});

  /// Streams a local file, a stream or a function into the sandbox without holding it in memory. Its size there is
  /// checked afterwards: E_DATA_LOSS if it is another.
  TransferResult upload(const std::filesystem::path& local, std::string_view remote, const TransferOptions& o = {}) {
    return upload(nothrow, local, remote, o).value();
  }
  TransferResult upload(std::istream& local, std::string_view remote, const TransferOptions& o = {}) {
    return upload(nothrow, local, remote, o).value();
  }
  TransferResult upload(const ByteSource& source, std::string_view remote, const TransferOptions& o = {}) {
    return upload(nothrow, source, remote, o).value();
  }
  Result<TransferResult> upload(Nothrow, const std::filesystem::path& local, std::string_view remote,
                                const TransferOptions& options = {});
  Result<TransferResult> upload(Nothrow, std::istream& local, std::string_view remote,
                                const TransferOptions& options = {});
  Result<TransferResult> upload(Nothrow, const ByteSource& source, std::string_view remote,
                                const TransferOptions& options = {});

  /// Streams a file out of the sandbox. A local file is written beside its place and renamed when it is complete;
  /// nothing is left of it on failure.
  TransferResult download(std::string_view remote, const std::filesystem::path& local, const TransferOptions& o = {}) {
    return download(nothrow, remote, local, o).value();
  }
  TransferResult download(std::string_view remote, std::ostream& local, const TransferOptions& o = {}) {
    return download(nothrow, remote, local, o).value();
  }
  TransferResult download(std::string_view remote, const ByteSink& sink, const TransferOptions& o = {}) {
    return download(nothrow, remote, sink, o).value();
  }
  Result<TransferResult> download(Nothrow, std::string_view remote, const std::filesystem::path& local,
                                  const TransferOptions& options = {});
  Result<TransferResult> download(Nothrow, std::string_view remote, std::ostream& local,
                                  const TransferOptions& options = {});
  Result<TransferResult> download(Nothrow, std::string_view remote, const ByteSink& sink,
                                  const TransferOptions& options = {});

  /// Contents of folders put below others, by the sandbox's daemon. With <computesdk/overlay.hpp>.
  [[nodiscard]] Overlays overlay() const;

 private:
  friend class Sandbox;
  explicit Filesystem(std::shared_ptr<detail::SandboxState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::SandboxState> state_;
};

}  // namespace computesdk
