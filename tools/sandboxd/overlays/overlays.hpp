#pragma once

#include <rapidjson/document.h>

#include <computesdk/result.hpp>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace computesdk::sandboxd {

enum class OverlayStrategy { kSmart, kCopy };

/// What is asked for: the content of a template folder below a folder of the sandbox.
struct OverlayOptions {
  std::string source;               ///< absolute
  std::string target;               ///< relative to the working directory, and not above it
  std::vector<std::string> ignore;  ///< globs, over paths relative to `source`
  OverlayStrategy strategy = OverlayStrategy::kSmart;
};

/// Reads `{source, target, ignore?, strategy?}`; what else is there is not looked at. E_INVALID_ARGUMENT.
Result<OverlayOptions> overlayOptionsOf(const rapidjson::Value& object);

enum class OverlayStatus { kPending, kInProgress, kComplete, kFailed };

/// An overlay and how far its copy is. A plain value.
struct OverlayInfo {
  std::string id;
  OverlayOptions options;
  std::string createdAt;
  std::uint64_t copiedFiles = 0;
  std::uint64_t copiedDirs = 0;
  std::vector<std::string> skipped;  ///< relative to the source: ignored, special, or there already. At most 1000
  OverlayStatus status = OverlayStatus::kPending;
  std::string error;  ///< why it failed

  [[nodiscard]] bool done() const { return status == OverlayStatus::kComplete || status == OverlayStatus::kFailed; }
  /// "pending", "in_progress", "complete", "failed".
  [[nodiscard]] std::string_view statusText() const;
  /// {id, source, target, strategy, created_at, stats, copy_status, copy_error?}
  [[nodiscard]] std::string json() const;
};

/// The overlays of one sandbox. What is in the target is never replaced, and nothing written there reaches the source.
/// `context.find<Overlays>()` gives it to other rooms. Thread-safe.
class Overlays {
 public:
  explicit Overlays(std::string workingDirectory);
  /// As stop().
  ~Overlays();
  Overlays(const Overlays&) = delete;
  Overlays& operator=(const Overlays&) = delete;

  /// Copies what is small before it returns, and the rest (node_modules and its like, large files, what takes too long)
  /// in the background. Blocks. E_INVALID_ARGUMENT when the source is no folder or the target lies in it; a copy that
  /// fails later is told by the status.
  Result<OverlayInfo> create(const OverlayOptions& options);
  [[nodiscard]] std::optional<OverlayInfo> find(const std::string& id) const;
  /// Oldest first.
  [[nodiscard]] std::vector<OverlayInfo> list() const;
  /// Forgets it and ends its copy; what has been copied stays. False: unknown.
  bool remove(const std::string& id);

  /// Calls `done` once when the overlay is complete, failed or removed (then with status failed): at once, on this
  /// thread, if it is already; else on the copying thread. Unknown ids: at once, with status failed.
  void whenDone(const std::string& id, std::function<void(const OverlayInfo&)> done);

  /// Ends the copy under way and waits for it. Afterwards create() fails.
  void stop();

 private:
  struct Job;

  void work();

  const std::string workingDirectory_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Job>> jobs_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::thread thread_;
  bool stopped_ = false;
};

}  // namespace computesdk::sandboxd
