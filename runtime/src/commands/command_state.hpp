#pragma once

#include <computesdk/command.hpp>

#include "commands/input.hpp"
#include "commands/run.hpp"
#include "core/sandbox_state.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace computesdk::detail {

/// A command that runs behind a Command handle. One thread follows it to its end and keeps the result; the handle, and
/// that thread, share this object. Thread-safe.
class CommandState : public std::enable_shared_from_this<CommandState> {
 public:
  CommandState(std::shared_ptr<SandboxState> sandbox, const CommandLine& command, const RunOptions& options);
  /// Starts the command and the thread. Once.
  Result<void> start();

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] bool running() const;
  /// Nothing when it still runs at `end`.
  Result<std::optional<CommandResult>> waitUntil(Deadline end, const std::stop_token& stop);
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> closeInput();
  Result<void> kill(int signal);
  Result<void> detach();
  /// A destructor's way: kills it unless it is detached, and waits 5 s at most.
  void end() noexcept;

 private:
  [[nodiscard]] bool native() const noexcept { return sandbox_->features().process; }
  [[nodiscard]] registry::ExecRequest request() const;
  void follow();
  Result<ExitStatus> followProcess();
  Result<ExitStatus> followExec();
  /// Calls one of process/1's functions on this command.
  template <typename F>
  auto process(F&& f, const std::stop_token& stop = {}) {
    return sandbox_->call(stop, deadlineIn(kControlTime), std::forward<F>(f));
  }

  const std::shared_ptr<SandboxState> sandbox_;
  const bool isArgv_;
  const std::vector<std::string> argv_;
  const std::string command_;
  const std::string input_;
  RunOptions options_;  ///< its views are not used
  OutputCollector output_;
  QueueSource queue_;       ///< input without process/1
  std::string id_;          ///< written by start, as the next
  bool following_ = false;  ///< whether the thread was started
  std::stop_source stop_;   ///< ends following
  std::optional<std::stop_callback<std::function<void()>>> userStop_;
  std::chrono::steady_clock::time_point begun_;

  mutable std::mutex mutex_;  ///< guards all below
  std::condition_variable_any ended_;
  std::optional<Result<CommandResult>> result_;
  int killedBy_ = 0;
  bool detached_ = false;
  bool inputClosed_ = false;
};

}  // namespace computesdk::detail
