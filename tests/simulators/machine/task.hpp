#pragma once

#include <computesdk/computesdk.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "output_log.hpp"

namespace computesdk::simulators {

struct TerminalSize {
  std::uint32_t columns = 80, rows = 24;
};

struct TaskSpec {
  std::vector<std::string> argv;
  std::string cwd = {};  ///< absolute; empty: the machine's
  StringMap env = {};
  bool input = false;                             ///< its input stays open for write
  std::optional<TerminalSize> terminal = {};      ///< then all output is one stream, and there is input
  std::size_t keepBytes = std::size_t{16} << 20;  ///< output kept for readers that come later
  bool follow = false;  ///< open a reader before it starts: the caller must take it, since the program waits for it
  std::chrono::milliseconds timeout{0};  ///< it is killed then; 0: none
  bool hidden = false;                   ///< not among Machine::tasks: the simulator's own
  std::string tag = {};                  ///< for the simulator
};

/// One program on a machine. Outlives the connection that started it. Thread-safe.
class Task {
 public:
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  [[nodiscard]] std::int64_t pid() const noexcept { return pid_; }  ///< as the machine's own processes see it
  [[nodiscard]] const TaskSpec& spec() const noexcept { return spec_; }
  /// Follows the output, from what is kept or from now on.
  std::unique_ptr<OutputLog::Reader> follow(bool fromStart) { return log_->read(fromStart); }
  /// The reader that TaskSpec::follow asked for; once.
  std::unique_ptr<OutputLog::Reader> takeReader();
  [[nodiscard]] std::string kept(Channel channel) const { return log_->kept(channel); }

  [[nodiscard]] std::optional<TaskEnd> ended() const { return log_->ended(); }
  std::optional<TaskEnd> wait(std::chrono::milliseconds within) const { return log_->waitForEnd(within); }

  /// Hands bytes to the input. Waits while the program takes none; false once it has ended or the input is closed.
  bool write(std::string_view bytes);
  void closeInput();
  /// False when it has ended. `group`: to its process group.
  bool signal(int number, bool group = false);
  bool resize(TerminalSize size);

 private:
  friend class Machine;
  Task(Sandbox& sandbox, TaskSpec spec);
  void startPlain();
  void startTerminal();
  void run(int input);
  void takeErrorOutput(std::string_view text);
  void waitUntilStarted();
  void follow(Process process);
  void finish();  ///< once the machine has ended
  static TaskEnd toEnd(const ExitStatus& status);

  Sandbox& sandbox_;
  const TaskSpec spec_;
  const std::shared_ptr<OutputLog> log_;
  std::unique_ptr<OutputLog::Reader> reader_;
  std::int64_t pid_ = 0;
  std::optional<Process> process_;  ///< of one with a terminal
  std::mutex inputMutex_;
  int input_ = -1;

  std::mutex startMutex_;  ///< guards the three below and reader_
  std::condition_variable started_;
  std::string firstLine_;
  bool lineRead_ = false;
  std::optional<ErrorInfo> failure_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace computesdk::simulators
