#pragma once

#include <computesdk/serving/loop.hpp>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/context.hpp"
#include "watchers/tree_watch.hpp"
#include "watchers/watchers.hpp"

namespace computesdk::sandboxd {

/// One watcher: waits for the kernel on the loop, looks at files on a worker, publishes on its channel.
class Watchers::Watcher : public std::enable_shared_from_this<Watchers::Watcher> {
 public:
  Watcher(Context& context, WatcherOptions options, std::unique_ptr<TreeWatch> tree);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] std::string json() const;
  /// Tells that it is there and begins to wait. Any thread.
  void start();
  /// After this nothing is told any more, and the context is not used. Any thread.
  void end();

 private:
  /// What the next look is waiting for.
  struct Next {
    std::optional<TreeWatch::Clock::time_point> due;
    bool more = false;  ///< there are events that have not been told
  };
  void wait(const Next& next);               // loop's thread
  void waitForReaders();                     // loop's thread
  void wake();                               // loop's thread
  void work();                               // a worker
  std::size_t tell(const FileEvent& event);  // gives the bytes told
  [[nodiscard]] std::optional<std::string> contentOf(const FileEvent& event) const;

  Context& context_;
  serving::Loop& loop_;
  Workers& workers_;
  const WatcherOptions options_;
  const std::string id_, channel_;
  // Loop's thread:
  serving::Watch watch_;
  serving::Timer timer_;
  bool ended_ = false;
  // Under the mutex:
  std::mutex mutex_;
  std::unique_ptr<TreeWatch> tree_;
  std::deque<FileEvent> untold_;
  bool silent_ = false;
};

}  // namespace computesdk::sandboxd
