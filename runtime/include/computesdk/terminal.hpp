#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class EventChannel;
class SandboxState;
}  // namespace detail

/// output: text that it printed, never a split character; error: what went wrong, also that the connection is lost for
/// good; destroyed: its shell has ended, with no text.
enum class TerminalEvent { output, error, destroyed };
/// Runs on a thread of the sandbox's events, one at a time for all handlers of the sandbox. Keep it short.
using TerminalHandler = std::function<void(std::string_view text)>;

struct TerminalOptions {
  bool pty = false;        ///< a terminal with a shell; else a place in which commands run one by one
  std::string shell = {};  ///< empty: the sandbox's $SHELL, bash or sh
  std::stop_token stop = {};
};

struct TerminalInfo {
  std::string id;
  bool pty = false;
  std::string status;  ///< "running" with a PTY, "ready" without
};

/// A command of a terminal without PTY. Text is UTF-8; invalid bytes are replaced.
struct TerminalCommand {
  std::string id;
  std::string terminalId;
  std::string command;
  std::string status;  ///< "running", "completed" (with any exit code), "failed" (not started, or killed)
  std::string stdout_;
  std::string stderr_;
  std::optional<int> exitCode;  ///< 128 + signal
  std::optional<std::chrono::milliseconds> duration;
  std::optional<SystemTime> startedAt;
  std::optional<SystemTime> finishedAt;
};

struct TerminalRunOptions {
  bool background = false;  ///< return at once; command and waitForCommand tell the rest
  std::stop_token stop = {};
};

/// One terminal in a sandbox. A small value; copies are the same terminal. Thread-safe. Losing it does not end the
/// terminal, its handlers go with the last copy. Errors of all: E_NOT_FOUND when it has ended, and those of
/// Daemon::ensure.
class COMPUTESDK_API Terminal {
 public:
  [[nodiscard]] const std::string& id() const noexcept { return info_.id; }
  [[nodiscard]] bool isPty() const noexcept { return info_.pty; }
  /// What was known when this was made.
  [[nodiscard]] const TerminalInfo& info() const noexcept { return info_; }

  /// With the first handler what the terminal printed lately (64 KiB) comes again. E_INVALID_ARGUMENT without a PTY.
  /// The number is for `off`. A handler must not hold a copy of the terminal or the sandbox: they would never end.
  std::uint64_t on(TerminalEvent event, TerminalHandler handler) {
    return on(nothrow, event, std::move(handler)).value();
  }
  Result<std::uint64_t> on(Nothrow, TerminalEvent event, TerminalHandler handler);
  /// Once it returns the handler does not run, unless it is a handler that calls this. Idempotent.
  void off(std::uint64_t handler) noexcept;

  /// To a PTY. E_INVALID_ARGUMENT without one.
  void write(std::string_view input, std::stop_token stop = {}) { write(nothrow, input, std::move(stop)).value(); }
  Result<void> write(Nothrow, std::string_view input, std::stop_token stop = {});
  void resize(std::uint32_t columns, std::uint32_t rows, std::stop_token stop = {}) {
    resize(nothrow, columns, rows, std::move(stop)).value();
  }
  Result<void> resize(Nothrow, std::uint32_t columns, std::uint32_t rows, std::stop_token stop = {});

  /// Runs a command to its end, or begins it. E_INVALID_ARGUMENT on a PTY. A non-zero exit code is a result.
  TerminalCommand execute(std::string_view command, const TerminalRunOptions& options = {}) {
    return execute(nothrow, command, options).value();
  }
  Result<TerminalCommand> execute(Nothrow, std::string_view command, const TerminalRunOptions& options = {});
  /// Oldest first, without their output.
  std::vector<TerminalCommand> commands(std::stop_token stop = {}) {
    return commands(nothrow, std::move(stop)).value();
  }
  Result<std::vector<TerminalCommand>> commands(Nothrow, std::stop_token stop = {});
  /// With its output so far.
  TerminalCommand command(std::string_view id, std::stop_token stop = {}) {
    return command(nothrow, id, std::move(stop)).value();
  }
  Result<TerminalCommand> command(Nothrow, std::string_view id, std::stop_token stop = {});
  /// Waits for its end; 0: for ever. E_TIMEOUT when it still runs then, which ends nothing.
  TerminalCommand waitForCommand(std::string_view id, std::chrono::seconds timeout = {}, std::stop_token stop = {}) {
    return waitForCommand(nothrow, id, timeout, std::move(stop)).value();
  }
  Result<TerminalCommand> waitForCommand(Nothrow, std::string_view id, std::chrono::seconds timeout = {},
                                         std::stop_token stop = {});

  /// Kills its shell or its commands.
  void destroy(std::stop_token stop = {}) { destroy(nothrow, std::move(stop)).value(); }
  Result<void> destroy(Nothrow, std::stop_token stop = {});

 private:
  friend class Terminals;
  Terminal(std::shared_ptr<detail::SandboxState> sandbox, TerminalInfo info);
  std::shared_ptr<detail::SandboxState> sandbox_;
  TerminalInfo info_;
  std::shared_ptr<detail::EventChannel> events_;
};

/// Terminals of one sandbox: sandbox.terminals(). A small value that shares the sandbox's state. Thread-safe.
class COMPUTESDK_API Terminals {
 public:
  Terminal create(const TerminalOptions& options = {}) { return create(nothrow, options).value(); }
  Result<Terminal> create(Nothrow, const TerminalOptions& options = {});
  std::vector<TerminalInfo> list(std::stop_token stop = {}) { return list(nothrow, std::move(stop)).value(); }
  Result<std::vector<TerminalInfo>> list(Nothrow, std::stop_token stop = {});
  Terminal retrieve(std::string_view id, std::stop_token stop = {}) {
    return retrieve(nothrow, id, std::move(stop)).value();
  }
  Result<Terminal> retrieve(Nothrow, std::string_view id, std::stop_token stop = {});
  void destroy(std::string_view id, std::stop_token stop = {}) { destroy(nothrow, id, std::move(stop)).value(); }
  Result<void> destroy(Nothrow, std::string_view id, std::stop_token stop = {});

 private:
  friend class Sandbox;
  explicit Terminals(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

}  // namespace computesdk
