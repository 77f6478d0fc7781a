#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <chrono>
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

/// smart: the sandbox's daemon decides how, and may share what cannot be changed; copy: plain copies.
enum class OverlayStrategy { smart, copy };
enum class OverlayStatus { unknown, pending, inProgress, complete, failed };
COMPUTESDK_API std::string_view toString(OverlayStatus status) noexcept;

struct OverlayOptions {
  std::string source = {};               ///< a folder of the sandbox, absolute
  std::string target = {};               ///< relative to the working directory
  std::vector<std::string> ignore = {};  ///< globs over the path below the source, or over any one of its names
  OverlayStrategy strategy = OverlayStrategy::smart;
  bool waitForCompletion = false;  ///< return when all is copied, as Overlays::waitForCompletion does
  std::stop_token stop = {};
};

struct OverlayInfo {
  std::string id;
  std::string source;
  std::string target;
  OverlayStrategy strategy = OverlayStrategy::smart;
  OverlayStatus status = OverlayStatus::unknown;
  std::string error;             ///< why it failed
  std::int64_t copiedFiles = 0;  ///< so far
  std::int64_t copiedDirs = 0;
  std::vector<std::string> skipped;  ///< ignored, special, or there already; relative to the source
  std::optional<SystemTime> createdAt;
};

/// Contents of folders that are put below other folders of a sandbox: sandbox.filesystem().overlay(). What is written
/// in the target never reaches the source, and what is there already is not replaced. A small value that shares the
/// sandbox's state. Thread-safe. Errors of all: E_NOT_FOUND for an unknown id, and those of Daemon::ensure.
class COMPUTESDK_API Overlays {
 public:
  /// Small files are there when it returns; heavy folders (node_modules, .venv and their like) come in the background.
  /// E_INVALID_ARGUMENT when the source is no folder, or the target lies in it or is not relative.
  OverlayInfo create(const OverlayOptions& options) { return create(nothrow, options).value(); }
  Result<OverlayInfo> create(Nothrow, const OverlayOptions& options);
  /// Oldest first.
  std::vector<OverlayInfo> list(std::stop_token stop = {}) { return list(nothrow, std::move(stop)).value(); }
  Result<std::vector<OverlayInfo>> list(Nothrow, std::stop_token stop = {});
  OverlayInfo retrieve(std::string_view id, std::stop_token stop = {}) {
    return retrieve(nothrow, id, std::move(stop)).value();
  }
  Result<OverlayInfo> retrieve(Nothrow, std::string_view id, std::stop_token stop = {});
  /// Forgets it and ends its copying. What has been copied stays.
  void destroy(std::string_view id, std::stop_token stop = {}) { destroy(nothrow, id, std::move(stop)).value(); }
  Result<void> destroy(Nothrow, std::string_view id, std::stop_token stop = {});
  /// Asks again, ever less often, until all is copied; 0: for ever. E_TIMEOUT when it is not by then, which ends
  /// nothing; E_PRECONDITION with the reason when it failed; E_CANCELLED at once when it is stopped.
  OverlayInfo waitForCompletion(std::string_view id, std::chrono::milliseconds timeout = std::chrono::minutes(5),
                                std::stop_token stop = {}) {
    return waitForCompletion(nothrow, id, timeout, std::move(stop)).value();
  }
  Result<OverlayInfo> waitForCompletion(Nothrow, std::string_view id,
                                        std::chrono::milliseconds timeout = std::chrono::minutes(5),
                                        std::stop_token stop = {});

 private:
  friend class Filesystem;
  explicit Overlays(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

}  // namespace computesdk
