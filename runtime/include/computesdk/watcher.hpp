#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class EventChannel;
class SandboxState;
}  // namespace detail

struct FileChange {
  enum class Kind { add, change, unlink, addDir, unlinkDir };
  Kind kind = Kind::change;
  std::string path;
  std::optional<std::string> content;  ///< with includeContent, of add and change
};
COMPUTESDK_API std::string_view toString(FileChange::Kind kind) noexcept;

struct WatchOptions {
  bool includeContent = false;
  std::vector<std::string> ignored = {};  ///< globs over the path below the folder, or over any one of its names
  std::stop_token stop = {};
};

struct WatcherInfo {
  std::string id;
  std::string path;
  bool includeContent = false;
  std::vector<std::string> ignored;
  std::string status;  ///< "active"
};

/// Watches a file or a folder with all below it. A small value; copies are the same watcher. Thread-safe. Losing it
/// does not end the watching, its handlers go with the last copy. Handlers run on a thread of the sandbox's events, one
/// at a time, and must not hold a copy of it or of the sandbox.
class COMPUTESDK_API FileWatcher {
 public:
  [[nodiscard]] const std::string& id() const noexcept { return info_.id; }
  [[nodiscard]] const WatcherInfo& info() const noexcept { return info_; }

  /// The number is for `off`. Changes from now on come.
  std::uint64_t onChange(std::function<void(const FileChange&)> handler) {
    return onChange(nothrow, std::move(handler)).value();
  }
  Result<std::uint64_t> onChange(Nothrow, std::function<void(const FileChange&)> handler);
  /// It was ended, here or by somebody else; or the connection is lost for good.
  std::uint64_t onDestroyed(std::function<void()> handler) { return onDestroyed(nothrow, std::move(handler)).value(); }
  Result<std::uint64_t> onDestroyed(Nothrow, std::function<void()> handler);
  /// Once it returns the handler does not run, unless it is a handler that calls this. Idempotent.
  void off(std::uint64_t handler) noexcept;

  /// E_NOT_FOUND when it has ended already.
  void destroy(std::stop_token stop = {}) { destroy(nothrow, std::move(stop)).value(); }
  Result<void> destroy(Nothrow, std::stop_token stop = {});

 private:
  friend class Watchers;
  FileWatcher(std::shared_ptr<detail::SandboxState> sandbox, WatcherInfo info);
  std::shared_ptr<detail::SandboxState> sandbox_;
  WatcherInfo info_;
  std::shared_ptr<detail::EventChannel> events_;
};

/// Watchers of one sandbox: sandbox.watcher(). A small value that shares the sandbox's state. Thread-safe.
class COMPUTESDK_API Watchers {
 public:
  /// E_FILE_NOT_FOUND when there is no such path.
  FileWatcher create(std::string_view path, const WatchOptions& options = {}) {
    return create(nothrow, path, options).value();
  }
  Result<FileWatcher> create(Nothrow, std::string_view path, const WatchOptions& options = {});
  std::vector<WatcherInfo> list(std::stop_token stop = {}) { return list(nothrow, std::move(stop)).value(); }
  Result<std::vector<WatcherInfo>> list(Nothrow, std::stop_token stop = {});
  FileWatcher retrieve(std::string_view id, std::stop_token stop = {}) {
    return retrieve(nothrow, id, std::move(stop)).value();
  }
  Result<FileWatcher> retrieve(Nothrow, std::string_view id, std::stop_token stop = {});
  void destroy(std::string_view id, std::stop_token stop = {}) { destroy(nothrow, id, std::move(stop)).value(); }
  Result<void> destroy(Nothrow, std::string_view id, std::stop_token stop = {});

 private:
  friend class Sandbox;
  explicit Watchers(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

}  // namespace computesdk
