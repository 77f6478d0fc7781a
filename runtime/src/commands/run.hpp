#pragma once

#include <computesdk/command.hpp>

#include "core/sandbox_state.hpp"

#include <memory>

namespace computesdk::detail {

class CommandState;

/// Takes the streams of one command: to the callbacks, and to the result up to a limit. One thread at a time.
class OutputCollector {
 public:
  OutputCollector(const OutputCallback& onStdout, const OutputCallback& onStderr, std::size_t limit)
      : onStdout_(onStdout), onStderr_(onStderr), limit_(limit) {}
  void take(OutputStream stream, std::span<const std::byte> bytes);
  [[nodiscard]] registry::OutputFunction function() {
    return [this](OutputStream stream, std::span<const std::byte> bytes) { take(stream, bytes); };
  }
  /// Moves the text out.
  CommandResult result(const ExitStatus& status, std::chrono::steady_clock::time_point start);

 private:
  const OutputCallback& onStdout_;
  const OutputCallback& onStderr_;
  const std::size_t limit_;
  std::string out_;
  std::string err_;
  bool truncated_ = false;
};

/// Errors: E_INVALID_ARGUMENT.
Result<void> checkRunOptions(const CommandLine& command, const RunOptions& options);
/// The request's parts that both ways of running share. It looks at `command` and `options`.
registry::ExecRequest execRequest(const CommandLine& command, const RunOptions& options);
/// When the provider is taken to hang: the command's time limit and the time that killing may take.
Deadline execDeadline(const std::optional<std::chrono::milliseconds>& timeout) noexcept;

/// Writes all of it to a process's input, in pieces that the provider ABI takes.
Result<void> writeToProcess(SandboxState& sandbox, std::string_view id, std::span<const std::byte> bytes,
                            const std::stop_token& stop);

/// Sandbox::runCommand.
Result<CommandResult> runCommand(SandboxState& sandbox, const CommandLine& command, const RunOptions& options);
/// Sandbox::runCommandAsync.
Result<std::shared_ptr<CommandState>> startCommand(const std::shared_ptr<SandboxState>& sandbox,
                                                   const CommandLine& command, const RunOptions& options);
/// Sandbox::runCode.
Result<CodeResult> runCode(SandboxState& sandbox, Filesystem files, std::string_view code, const CodeOptions& options);

}  // namespace computesdk::detail
