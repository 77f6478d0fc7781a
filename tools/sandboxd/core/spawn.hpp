// Starting processes, reading what they write, and ending them with everything that they started.
//
// Every process is started below a small holder of its own, which adopts (PR_SET_CHILD_SUBREAPER) whatever the process
// leaves behind: also descendants that took a new session, a new group and a clean environment stay findable and are
// killed and reaped with it.
#pragma once

#include <sys/types.h>

#include <computesdk/result.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::serving {
class Loop;
}

namespace computesdk::sandboxd {

/// How a process ended.
struct ExitStatus {
  int code = 0;         ///< its exit code; 128+n when signal n ended it
  int signal = 0;       ///< that n, or 0
  bool killed = false;  ///< we had sent it a signal before
};

struct SpawnOptions {
  enum class Streams {
    separate,  ///< stdin /dev/null, a pipe each for stdout and stderr
    merged,    ///< stdin /dev/null, one pipe for both, told through onStdout
    terminal,  ///< a new pseudo terminal for all three, controlling; told through onStdout; write() and resize() work
  };
  std::vector<std::string> argv;  ///< argv[0]: a path, or a name looked up in PATH of `env`
  std::vector<std::string> env;   ///< "KEY=value", the whole environment
  std::string cwd;                ///< absolute
  Streams streams = Streams::separate;
  unsigned short columns = 80, rows = 24;  ///< of a terminal

  /// Called on the loop's thread with what was written, as it came (a UTF-8 character may be split between two calls).
  /// Empty: the output is read and dropped.
  std::function<void(std::string_view)> onStdout, onStderr;
  /// Called once on the loop's thread when the process itself ended and its output has been told. Descendants may
  /// still live; what they write later is read and dropped.
  std::function<void(const ExitStatus&)> onExit;
  /// Called once on the loop's thread, after onExit, when no descendant is left.
  std::function<void()> onGone;
};

/// A started process with its descendants. Thread-safe. Letting go of the last reference kills nothing.
class Process {
 public:
  virtual ~Process() = default;
  /// Of the process itself, also its process group and session.
  [[nodiscard]] virtual pid_t pid() const = 0;
  /// It ended (onExit has been called or is about to be).
  [[nodiscard]] virtual bool exited() const = 0;
  /// No descendant is left either.
  [[nodiscard]] virtual bool gone() const = 0;
  /// Sends a signal to the process group and to the groups of its descendants.
  virtual void signal(int number) = 0;
  /// SIGKILL to the process and all its descendants, again until none is left. Returns at once; onGone tells the end.
  virtual void kill() = 0;
  /// Process ids of the process (while it lives) and its living descendants. Reads /proc; not on the loop's thread when
  /// it can be helped.
  [[nodiscard]] virtual std::vector<pid_t> members() const = 0;
  /// Gives input to a terminal, in order with earlier calls. At most 1 MiB waits for a process that does not read; what
  /// is beyond is dropped and false told. False also for a process without terminal.
  virtual bool write(std::string_view input) = 0;
  /// Size of a terminal, in characters. False for a process without terminal, or once it is closed.
  virtual bool resize(unsigned short columns, unsigned short rows) = 0;
  /// Stops and resumes reading its output, so that a fast writer waits. Reading is on at the start.
  virtual void pauseOutput(bool pause) = 0;
};

/// Every process of the daemon. Thread-safe.
class Processes {
 public:
  explicit Processes(serving::Loop& loop);
  /// Kills everything that still runs, and reaps it.
  ~Processes();
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  /// Starts a process as leader of a new session. Errors: notFound (no such program), invalidArgument (the cwd is no
  /// folder), permission (program or folder may not be used), resourceExhausted (no process or descriptor to be had),
  /// each with the path. No callback comes before spawn returns when it is called on the loop's thread.
  Result<std::shared_ptr<Process>> spawn(SpawnOptions options);

  /// From now on this program adopts and reaps processes that it never started: as the first process of a container, or
  /// when somebody killed a holder. Only for a program whose children all come from here.
  void adoptStrangers();
  /// A child ended (SIGCHLD): reaps strangers.
  void reap();

  /// kill() for all. Returns when nothing is left or `seconds` are over. Nothing can be started afterwards.
  void stop(int seconds);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

/// Finds a program as execvp would: `name` with a slash as it is, else in `path` (the value of PATH). Empty: none that
/// may be executed.
std::string findProgram(std::string_view name, std::string_view path);

}  // namespace computesdk::sandboxd
