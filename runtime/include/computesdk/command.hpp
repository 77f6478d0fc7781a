#pragma once

#include <computesdk/command_line.hpp>
#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

namespace computesdk {

namespace detail {
class CommandState;
class SandboxState;
}  // namespace detail

/// Takes output as it comes. Runs on a runtime thread, one at a time for a call, and must not block. What it throws
/// ends the command and comes out of the call.
using OutputCallback = std::function<void(std::string_view chunk)>;

/// How a command is run. Views and the descriptor are only used until the call returns; runCommandAsync copies the
/// text.
struct RunOptions {
  std::string cwd = {};                                   ///< absolute; empty: the sandbox's working directory
  StringMap env = {};                                     ///< added to the sandbox's
  std::optional<std::chrono::milliseconds> timeout = {};  ///< of the command, which ends as 124; nothing or 0: none
  bool background = false;                                ///< return at once; the result holds commandId only
  std::string_view stdin_ = {};                           ///< the whole input; exclusive with stdinFd
  int stdinFd = -1;                                       ///< a descriptor to read input from until its end; stays open
  OutputCallback onStdout = {};
  OutputCallback onStderr = {};
  std::size_t maxOutput = std::size_t{64} << 20;  ///< bytes kept of each stream; more is dropped, and `truncated`
  OptionMap options = {};                         ///< the vendor's own
  std::stop_token stop = {};                      ///< kills the command with its descendants
};

/// How a command ended. A non-zero exit code is a result, not an error.
struct CommandResult {
  std::string stdout_;
  std::string stderr_;
  int exitCode = 0;  ///< the command's; 128 + signal; 124 after the timeout; -1 when it cannot be known
  std::chrono::milliseconds duration{0};
  ExitStatus status;
  bool truncated = false;  ///< output was dropped, here or at the provider
  bool timedOut = false;
  std::string commandId;  ///< "cmd_1"; for a background command the id by which sandbox.processes() knows it
};

/// A command that runs while the program goes on: sandbox.runCommandAsync. Move-only. A command that was neither waited
/// for nor detached is killed by the destructor. Thread-safe, except that a moved-from one can only be assigned.
class COMPUTESDK_API Command {
 public:
  Command(Command&&) noexcept;
  Command& operator=(Command&&) noexcept;
  ~Command();

  [[nodiscard]] const std::string& id() const noexcept;
  [[nodiscard]] bool running() const;

  /// Waits for the end. Nothing when it still runs after `timeout`. May be called again: the answer stays.
  /// Errors: those of runCommand; E_CANCELLED when `stop` fired, and then the command goes on.
  std::optional<CommandResult> wait(std::chrono::milliseconds timeout, std::stop_token stop = {}) {
    return wait(nothrow, timeout, std::move(stop)).value();
  }
  Result<std::optional<CommandResult>> wait(Nothrow, std::chrono::milliseconds timeout, std::stop_token stop = {});
  CommandResult wait(std::stop_token stop = {}) { return wait(nothrow, std::move(stop)).value(); }
  Result<CommandResult> wait(Nothrow, std::stop_token stop = {});

  /// Hands bytes to the command's input. Errors: E_PRECONDITION when the input is closed or the command has ended.
  void write(std::span<const std::byte> bytes) { write(nothrow, bytes).value(); }
  void write(std::string_view text) { write(nothrow, std::as_bytes(std::span{text})).value(); }
  Result<void> write(Nothrow, std::span<const std::byte> bytes);
  /// Ends the command's input. Idempotent.
  void closeInput() { closeInput(nothrow).value(); }
  Result<void> closeInput(Nothrow);

  /// Sends a signal (Linux number) to the command and its descendants. To one that has ended: no effect. Without
  /// process/1 at the provider every signal ends the command.
  void kill(int signal = 15) { kill(nothrow, signal).value(); }
  Result<void> kill(Nothrow, int signal = 15);

  /// Lets the command go on without this object. Errors: E_UNSUPPORTED where the provider ties it to this call.
  void detach() { detach(nothrow).value(); }
  Result<void> detach(Nothrow);

 private:
  friend class detail::SandboxState;
  friend class Sandbox;
  explicit Command(std::shared_ptr<detail::CommandState> state);
  void end() noexcept;
  std::shared_ptr<detail::CommandState> state_;
};

/// How code is run.
struct CodeOptions {
  std::string language = {};  ///< "python", "node", "bash", …; empty: the sandbox's runtime, else found from the code
  std::string cwd = {};
  StringMap env = {};
  std::optional<std::chrono::milliseconds> timeout = {};
  std::string_view stdin_ = {};
  OutputCallback onStdout = {};
  OutputCallback onStderr = {};
  std::size_t maxOutput = std::size_t{64} << 20;
  std::stop_token stop = {};
};

struct CodeResult {
  std::string output;  ///< stdout, and after it stderr if there is any
  int exitCode = 0;
  std::string language;  ///< that it was run as
  std::string stdout_;
  std::string stderr_;
  std::chrono::milliseconds duration{0};
  ExitStatus status;
  bool truncated = false;
  bool timedOut = false;
};

/// The language that runCode takes for `code` when none is given: "python" if the text holds one of `print(`, `import
/// `, `def `, `sys.`, `json.`, `__`, `f"`, `f'`, `raise `, else "node". Thread-safe.
COMPUTESDK_API std::string_view detectLanguage(std::string_view code) noexcept;
/// Languages that runCode knows, without their other names ("py", "js", …).
COMPUTESDK_API std::span<const std::string_view> knownLanguages() noexcept;

}  // namespace computesdk
