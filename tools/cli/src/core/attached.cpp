#include "core/attached.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/pty.hpp"
#include "core/terminal.hpp"
#include "core/units.hpp"

namespace computesdk::cli {
namespace {

/// What became of our own stdout and stderr.
struct OutputState {
  int failure = 0;       ///< errno of the first write that failed
  bool written = false;  ///< the command has written anything

  void pass(int fd, std::string_view bytes) {
    if (failure != 0 || bytes.empty()) return;
    written = true;
    if (writeAll(fd, bytes) || interrupted() != 0) return;
    failure = errno;
    // Nobody reads any more: what a pipe would have done to the command had it run here.
    stop(SIGPIPE);
  }
};

/// A command that is not there says nothing itself, and its shell is not there to say it.
void explainSilence(const CommandResult& result, const std::string& name) {
  if (result.status.kind != ExitStatus::Kind::code) return;
  if (result.exitCode == 127) printErr("computesdk: " + name + ": not found in the sandbox\n");
  if (result.exitCode == 126) printErr("computesdk: " + name + ": found in the sandbox, but it cannot be run\n");
}

ErrorInfo unknownOutcome(const CommandReport& report) {
  ErrorInfo error;
  error.code = ErrorCode::unknown;
  error.what = "cannot say how the command ended";
  error.why = "the provider lost sight of it";
  error.fix = "look into the sandbox for what it has done: computesdk exec " + report.sandboxId + " -- …";
  error.provider = report.provider;
  error.sandboxId = report.sandboxId;
  return error;
}

int exitCodeOf(const CommandReport& report) {
  if (interrupted() != 0) return 128 + interrupted();
  if (report.error || !report.result) return kOurFailure;
  return report.result->exitCode < 0 ? kOurFailure : report.result->exitCode;
}

std::string_view kindName(const CommandReport& report) {
  if (interrupted() != 0) return "interrupted";
  if (report.error || !report.result) return "error";
  switch (report.result->status.kind) {
    case ExitStatus::Kind::code: return "code";
    case ExitStatus::Kind::signal: return "signal";
    case ExitStatus::Kind::timeout: return "timeout";
    case ExitStatus::Kind::unknown: return "unknown";
  }
  return "unknown";
}

std::string statusJson(const CommandReport& report) {
  JsonWriter json;
  json.beginObject();
  json.field("exit_code", exitCodeOf(report)).field("kind", kindName(report));
  bool signalled = report.result && report.result->status.kind == ExitStatus::Kind::signal;
  signalled ? json.field("signal", report.result->status.value) : json.key("signal").null();
  json.field("out_of_memory", report.result && report.result->status.outOfMemory);
  json.field("truncated", report.result && report.result->status.truncated);
  report.result ? json.field("duration_ms", report.result->duration.count()) : json.key("duration_ms").null();
  json.optionalField("provider", report.provider).optionalField("sandbox_id", report.sandboxId);
  json.field("kept", report.kept && !report.sandboxId.empty());
  json.key("error");
  if (report.error) {
    json.beginObject();
    writeError(json, *report.error);
    json.endObject();
  } else {
    json.null();
  }
  json.endObject();
  return json.str();
}

}  // namespace

Result<void> checkCommandFlags(const CommandFlags& flags) {
  if (flags.statusFd >= 0) {
    int fd = static_cast<int>(flags.statusFd);
    int mode = fcntl(fd, F_GETFL);
    if (mode < 0 || (mode & O_ACCMODE) == O_RDONLY) {
      return usageFailure("cannot use --status-fd", "descriptor " + std::to_string(fd) + " is not open for writing",
                          "open it in the shell: computesdk run --status-fd 3 -- … 3>status.json");
    }
    if (fd > STDERR_FILENO) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  if (flags.tty && (!terminal().stdinIsTerminal || !terminal().stdoutIsTerminal)) {
    return usageFailure("cannot use -t", "stdin or stdout is no terminal", "leave -t out, or run it on a terminal");
  }
  if (flags.tty && flags.json) {
    return usageFailure("cannot use -t", "a terminal's output cannot be told apart for --json",
                        "leave out -t or --json");
  }
  return {};
}

Result<CommandResult> runAttached(Sandbox& sandbox, const std::vector<std::string>& argv, const CommandFlags& flags,
                                  const std::string& cwd, const StringMap& env) {
  if (flags.tty) {
    auto result = runOnTerminal(sandbox, argv, flags, cwd, env);
    if (result) explainLimits(result->status, sandbox);
    return result;
  }
  OutputState output;
  RunOptions options;
  options.cwd = cwd;
  options.env = env;
  options.timeout = flags.timeout;
  if (!terminal().stdinIsTerminal || flags.interactive) options.stdinFd = STDIN_FILENO;
  options.stop = stopToken();
  if (!flags.json) {
    options.maxOutput = 0;
    options.onStdout = [&output](std::string_view bytes) { output.pass(STDOUT_FILENO, bytes); };
    options.onStderr = [&output](std::string_view bytes) { output.pass(STDERR_FILENO, bytes); };
  }
  auto result = sandbox.runCommand(nothrow, CommandLine(argv), options);
  if (output.failure != 0 && output.failure != EPIPE) {
    return stdoutFailure(output.failure);
  }
  if (result && !flags.json && !output.written) explainSilence(*result, argv.front());
  if (result && !flags.json) explainLimits(result->status, sandbox);
  return result;
}

void explainLimits(const ExitStatus& status, const Sandbox& sandbox) {
  if (status.truncated) {
    std::string text = "computesdk: output beyond the sandbox's limit was dropped";
    if (sandbox.provider() == "local") text += "; a new one passes more with -o output_bytes=BYTES";
    printErr(text + "\n");
  }
  if (!status.outOfMemory) return;
  std::int64_t limit = sandbox.lastInfo().memoryBytes;
  std::string text = "computesdk: killed at the sandbox's memory limit";
  if (limit > 0) text += " of " + formatSize(limit) + "; a new one gets more with --memory " + formatSize(2 * limit);
  printErr(text + "\n");
}

int finishCommand(const CommandReport& given, const CommandFlags& flags) {
  CommandReport report = given;
  if (!report.error && report.result && report.result->exitCode < 0) report.error = unknownOutcome(report);
  // A stop that was asked for is no failure to explain.
  bool silent = interrupted() != 0 && (!report.error || report.error->code == ErrorCode::cancelled);
  if (silent) report.error.reset();
  int code = report.error && interrupted() == SIGPIPE ? kOurFailure : exitCodeOf(report);
  if (report.error) {
    fail(*report.error, flags.json);
  } else if (flags.json && report.result) {
    try {
      print(resultJson(*report.result) + "\n");
    } catch (const Error& error) {
      report.error = error.info();
      code = kOurFailure;
      fail(*report.error, false);
    }
  }
  if (flags.statusFd >= 0 && !writeAll(static_cast<int>(flags.statusFd), statusJson(report) + "\n")) {
    warn("cannot write to --status-fd: " + std::string(std::strerror(errno)));
  }
  return code;
}

std::string resultJson(const CommandResult& result) {
  JsonWriter json;
  json.beginObject();
  json.optionalField("command_id", result.commandId).field("exit_code", result.exitCode);
  json.field("stdout", result.stdout_);
  // The text form of bytes that are no text has lost them.
  if (!isUtf8(result.stdout_)) json.field("stdout_base64", base64(result.stdout_));
  json.field("stderr", result.stderr_);
  if (!isUtf8(result.stderr_)) json.field("stderr_base64", base64(result.stderr_));
  json.field("duration_ms", result.duration.count()).field("truncated", result.truncated);
  json.field("timed_out", result.timedOut).field("out_of_memory", result.status.outOfMemory);
  bool signalled = result.status.kind == ExitStatus::Kind::signal;
  signalled ? json.field("signal", result.status.value) : json.key("signal").null();
  json.endObject();
  return json.str();
}

}  // namespace computesdk::cli
