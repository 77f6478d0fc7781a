#include "commands/run.hpp"

#include "commands/input.hpp"
#include "core/errors.hpp"
#include "core/validate.hpp"

#include <algorithm>

namespace computesdk::detail {
namespace {

/// Beyond this, input goes through a source: the provider ABI takes no more at once.
constexpr std::size_t kInlineInputMax = std::size_t{1} << 20;
constexpr std::string_view kWhat = "cannot run a command";

/// A background command where the provider has no processes: the shell lets it go and says its number.
Result<CommandResult> runDetached(SandboxState& sandbox, const CommandLine& command, const RunOptions& options) {
  if (execDeadline(options.timeout)) {
    return methodUnsupported(sandbox.provider().name(), "a timeout of background commands",
                             "it has no processes of its own, and a command of the shell's outlives the call");
  }
  static constexpr std::string_view kScript = "nohup \"$@\" </dev/null >/dev/null 2>&1 & echo $!";
  std::vector<std::string> argv = {"/bin/sh", "-c", std::string(kScript), "sh"};
  if (command.isArgv()) {
    argv.insert(argv.end(), command.argv().begin(), command.argv().end());
  } else {
    argv.insert(argv.end(), {"/bin/sh", "-c", std::string(command.command())});
  }
  registry::ExecRequest request = execRequest(CommandLine(argv), options);
  const OutputCallback none;
  OutputCollector output(none, none, 256);
  const auto start = std::chrono::steady_clock::now();
  auto ended = sandbox.exec(request, output.function(), options.stop, deadlineIn(kControlTime));
  if (!ended) return std::move(ended).error();
  CommandResult result = output.result(*ended, start);
  while (!result.stdout_.empty() && result.stdout_.back() == '\n') result.stdout_.pop_back();
  if (result.exitCode != 0 || result.stdout_.empty()) {
    ErrorInfo error;
    error.code = ErrorCode::unknown;
    error.provider = sandbox.provider().name();
    error.sandboxId = sandbox.id();
    error.what = "cannot start a background command";
    error.why = result.stderr_.empty() ? "the sandbox's shell did not say its process number" : result.stderr_;
    return error;
  }
  result.commandId = std::exchange(result.stdout_, {});
  return result;
}

Result<CommandResult> runInBackground(SandboxState& sandbox, const CommandLine& command, const RunOptions& options) {
  if (!options.stdin_.empty() || options.stdinFd >= 0) {
    return invalidArgument(std::string(kWhat), "a background command takes no input here",
                           "use runCommandAsync, or processes().start with keepStdin");
  }
  if (!sandbox.features().process) return runDetached(sandbox, command, options);
  registry::ProcessStart start;
  start.exec = execRequest(command, options);
  auto started = sandbox.call(options.stop, deadlineIn(kControlTime),
                              [&](const registry::Target& target, const registry::CallContext& context) {
                                return sandbox.provider().processStart(target, start, context);
                              });
  if (!started) return std::move(started).error();
  CommandResult result;
  result.commandId = std::move(started->id);
  result.status.kind = ExitStatus::Kind::code;
  return result;
}

}  // namespace

void OutputCollector::take(OutputStream stream, std::span<const std::byte> bytes) {
  const bool toErr = stream == OutputStream::standardError;
  const std::string_view chunk(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string& kept = toErr ? err_ : out_;
  const std::size_t room = limit_ - std::min(limit_, kept.size());
  kept.append(chunk.substr(0, room));
  // Keeping nothing is a choice, not a loss.
  if (chunk.size() > room && limit_ > 0) truncated_ = true;
  const OutputCallback& callback = toErr ? onStderr_ : onStdout_;
  if (callback && !chunk.empty()) callback(chunk);
}

CommandResult OutputCollector::result(const ExitStatus& status, std::chrono::steady_clock::time_point start) {
  CommandResult result;
  result.stdout_ = std::move(out_);
  result.stderr_ = std::move(err_);
  result.status = status;
  result.exitCode = status.exitCode();
  result.duration = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  result.truncated = truncated_ || status.truncated;
  result.timedOut = status.kind == ExitStatus::Kind::timeout;
  return result;
}

Result<void> checkRunOptions(const CommandLine& command, const RunOptions& options) {
  if (auto checked = checkCommand(kWhat, command); !checked) return checked;
  if (auto checked = checkDirectory(kWhat, options.cwd); !checked) return checked;
  if (auto checked = checkEnvironment(kWhat, options.env); !checked) return checked;
  if (options.timeout && options.timeout->count() < 0) {
    return invalidArgument(std::string(kWhat), "the timeout is negative", "give 0 for none");
  }
  if (!options.stdin_.empty() && options.stdinFd >= 0) {
    return invalidArgument(std::string(kWhat), "both stdin_ and stdinFd are given", "give one of them");
  }
  return {};
}

registry::ExecRequest execRequest(const CommandLine& command, const RunOptions& options) {
  registry::ExecRequest request;
  request.argv = command.argv();
  request.command = command.command();
  request.cwd = options.cwd;
  if (!options.env.empty()) request.env = &options.env;
  if (options.timeout) request.timeout = *options.timeout;
  if (!options.options.empty()) request.options = &options.options;
  return request;
}

Deadline execDeadline(const std::optional<std::chrono::milliseconds>& timeout) noexcept {
  if (!timeout || timeout->count() == 0) return std::nullopt;
  return deadlineIn(*timeout + std::chrono::seconds(5));
}

Result<CommandResult> runCommand(SandboxState& sandbox, const CommandLine& command, const RunOptions& options) {
  if (auto checked = checkRunOptions(command, options); !checked) return std::move(checked).error();
  if (options.background) return runInBackground(sandbox, command, options);
  registry::ExecRequest request = execRequest(command, options);
  std::unique_ptr<registry::InputSource> source;
  if (options.stdinFd >= 0) {
    source = descriptorSource(options.stdinFd);
  } else if (options.stdin_.size() > kInlineInputMax) {
    source = bytesSource(std::as_bytes(std::span(options.stdin_)));
  } else {
    request.input = std::as_bytes(std::span(options.stdin_));
  }
  request.source = source.get();
  OutputCollector output(options.onStdout, options.onStderr, options.maxOutput);
  const auto start = std::chrono::steady_clock::now();
  auto ended = sandbox.exec(request, output.function(), options.stop, execDeadline(options.timeout));
  if (!ended) return std::move(ended).error();
  CommandResult result = output.result(*ended, start);
  result.commandId = sandbox.nextCommandId();
  return result;
}

}  // namespace computesdk::detail
