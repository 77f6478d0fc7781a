#pragma once

#include <rapidjson/document.h>

#include <computesdk/result.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace computesdk::sandboxd {

class Context;

/// What a client asks to be told of.
struct WatcherOptions {
  std::string path;  ///< as the client wrote it; events begin with it
  std::string absolute;
  bool includeContent = false;
  std::vector<std::string> ignored;
  std::optional<std::string> encoding;  ///< "raw" or "base64"
};

/// Reads `{path, includeContent?, ignored?, encoding?}`. E_INVALID_ARGUMENT.
Result<WatcherOptions> watcherOptionsOf(const std::string& directory, const rapidjson::Value& body);

/// The watchers of one sandbox. Each publishes on the channel "watcher:<id>"; none has a thread. Thread-safe.
class Watchers {
 public:
  static constexpr std::size_t kMost = 128;  ///< at a time
  /// Files above this are told without their content.
  static constexpr std::size_t kMaxContent = 1U << 20U;

  explicit Watchers(Context& context);
  ~Watchers();
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  /// Reads the tree, which blocks; what changes from here on is told. The answer is the watcher as JSON.
  /// E_FILE_NOT_FOUND, E_RESOURCE_EXHAUSTED (too many), E_OUT_OF_RANGE (too many files).
  Result<std::string> create(const WatcherOptions& options);
  /// The watcher as JSON; nothing when there is none of that id.
  [[nodiscard]] std::optional<std::string> find(const std::string& id) const;
  /// As a JSON array, oldest first.
  [[nodiscard]] std::string list() const;
  /// Tells `watcher:destroyed`, and nothing afterwards. False: unknown.
  bool remove(const std::string& id);
  /// Ends all of them.
  void stop();

 private:
  class Watcher;

  Context& context_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Watcher>> watchers_;
  std::size_t reserved_ = 0;  ///< being made
  bool stopped_ = false;
};

}  // namespace computesdk::sandboxd
