#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::simulators {

enum class Channel { standardOutput, standardError, terminal };

struct OutputChunk {
  Channel channel = Channel::standardOutput;
  std::string bytes;
};

/// How a task ended.
struct TaskEnd {
  bool signalled = false;
  int value = 0;          ///< exit code, or signal number
  bool timedOut = false;  ///< killed at TaskSpec::timeout
};

/// A task's output, for any number of readers at once. What nobody reads any more is dropped once more than `keepBytes`
/// are there; while a reader is behind by more than that and 1 MiB, the writer waits for it. Thread-safe.
class OutputLog : public std::enable_shared_from_this<OutputLog> {
 public:
  /// `mayBlock`: the writer waits for slow readers.
  OutputLog(std::size_t keepBytes, bool mayBlock) : keepBytes_(keepBytes), mayBlock_(mayBlock) {}

  class Reader {
   public:
    enum class State { chunk, end, waiting };
    Reader(std::shared_ptr<OutputLog> log, std::uint64_t next, std::uint64_t seen);
    ~Reader();
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    /// The next chunk; `end` after the last one; `waiting` when there is none within the time.
    State next(OutputChunk& chunk, std::chrono::milliseconds within);

   private:
    friend class OutputLog;
    const std::shared_ptr<OutputLog> log_;
    std::uint64_t next_;  ///< number of the chunk that comes next
    std::uint64_t seen_;  ///< bytes before it
  };

  /// Follows from the oldest byte that is kept, or only what comes from now on.
  std::unique_ptr<Reader> read(bool fromStart);
  /// Everything that is kept of one channel.
  std::string kept(Channel channel) const;

  void write(Channel channel, std::string_view bytes);
  void end(TaskEnd how);
  /// The writer waits for nobody from now on; slow readers lose what is dropped.
  void stopWaiting();
  [[nodiscard]] std::optional<TaskEnd> ended() const;
  /// Waits for the end; nothing when it has not come within the time.
  std::optional<TaskEnd> waitForEnd(std::chrono::milliseconds within) const;

 private:
  void dropWhatMayGo();
  std::uint64_t behind() const;

  const std::size_t keepBytes_;
  bool mayBlock_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<OutputChunk> chunks_;
  std::uint64_t first_ = 0;  ///< number of chunks_[0]
  std::uint64_t total_ = 0;  ///< bytes ever written
  std::size_t bytes_ = 0;    ///< in chunks_
  std::deque<Reader*> readers_;
  std::optional<TaskEnd> end_;
};

}  // namespace computesdk::simulators
