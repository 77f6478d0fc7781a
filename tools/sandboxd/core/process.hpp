// One started process, as the loop sees it. Inside core only.
#pragma once

#include <computesdk/serving/loop.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/spawn.hpp"
#include "core/start.hpp"

namespace computesdk::sandboxd {

/// Reads the streams of a process on the loop and tells its end. Held by the loop's callbacks and by Processes until no
/// descendant is left.
class RunningProcess final : public Process, public std::enable_shared_from_this<RunningProcess> {
 public:
  /// What whoever keeps them all is told, on the loop's thread.
  struct Owner {
    std::function<void()> orphaned;             ///< somebody killed the holder: what was below it has lost its place
    std::function<void(RunningProcess&)> gone;  ///< the holder has been reaped
  };
  RunningProcess(serving::Loop& loop, SpawnOptions options, Started started, Owner owner);

  /// Begins to read. Loop's thread.
  void begin();
  /// Lets go of the loop; nothing is called afterwards. Loop's thread.
  void abandon();
  [[nodiscard]] pid_t holder() const { return holder_; }

  [[nodiscard]] pid_t pid() const override { return pid_; }
  [[nodiscard]] bool exited() const override;
  [[nodiscard]] bool gone() const override;
  void signal(int number) override;
  void kill() override;
  [[nodiscard]] std::vector<pid_t> members() const override;
  bool write(std::string_view input) override;
  bool resize(unsigned short columns, unsigned short rows) override;
  void pauseOutput(bool pause) override;

 private:
  /// One stream that is read.
  struct Stream {
    UniqueFd fd;
    serving::Watch watch;
    std::function<void(std::string_view)> sink;
    bool armed = false;
  };

  void arm(Stream& stream);
  /// Reads up to `most` bytes; true when there may be more.
  bool pump(Stream& stream, std::size_t most);
  void closeStream(Stream& stream);
  void onStatus();
  void onEnded(int status);
  void finishWhenDrained();
  void finish();
  void reap();
  void killAgain();
  void killAll();
  void flushInput();
  void close();

  serving::Loop& loop_;
  SpawnOptions options_;
  const pid_t holder_, pid_;
  Owner owner_;

  // Loop's thread.
  UniqueFd status_;
  serving::Watch statusWatch_;
  Stream out_, err_;
  bool paused_ = false, finished_ = false, closed_ = false, holderEnded_ = false;
  std::optional<ExitStatus> ended_;
  serving::Timer grace_, reapTimer_, killTimer_;
  std::chrono::milliseconds reapDelay_{1};

  mutable std::mutex mutex_;
  bool exitedFlag_ = false, reaped_ = false, signalled_ = false, killing_ = false;
  std::deque<std::string> input_;
  std::size_t inputBytes_ = 0;
  bool writing_ = false;
  bool terminalOpen_ = false;
};

}  // namespace computesdk::sandboxd
