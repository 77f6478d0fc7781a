#include "runloop/run.hpp"

#include "common/shell.hpp"
#include "common/text.hpp"
#include "runloop/executions.hpp"

namespace computesdk::runloop {
namespace {

using plugin::Error;
using vendor::JsonValue;

/// Of every command, so that one whose id never came can be found and killed.
constexpr std::string_view kMark = "COMPUTESDK_EXEC";

constexpr std::string_view kKillMarked = R"sh(
for p in /proc/[0-9]*; do
  grep -qsz "^$1\$" "$p/environ" && kill -KILL "${p#/proc/}"
done 2>/dev/null
:
)sh";

/// A command's stdin on its way: one message at a time, so that they stay in order.
class InputSender {
 public:
  InputSender(Devbox& devbox, const csdk_exec_args& args, std::string_view execution)
      : devbox_(devbox),
        operation_("executions/" + vendor::pathSegment(execution) + "/send_std_in"),
        pump_(devbox.session(), plugin::Input(args)) {}

  /// Sends what is there, as far as the service takes it. Cheap when there is nothing to do.
  void send() {
    while (!waiting_ && !done_) {
      if (pump_.next(piece_)) {
        start(inputMessage(piece_));
      } else if (pump_.ended()) {
        done_ = true;
        start(endOfInput());
      } else {
        return;
      }
    }
  }

 private:
  void start(const JsonValue& body) {
    waiting_ = true;
    status_ = 0;
    vendor::Handlers handlers;
    handlers.head = [this](const vendor::Answer& head) { status_ = head.status; };
    handlers.data = [](std::string_view) {};
    handlers.end = [this] {
      waiting_ = false;
      // The command closed its input or is over: what is left is for nobody.
      if (status_ < 200 || status_ >= 300) done_ = true;
    };
    handlers.fail = [](const vendor::Failure& failure) {
      vendor::Failure told = failure;
      told.message = "the command's input could not be sent: " + told.message;
      throw told.error();
    };
    devbox_.session().start(devbox_.api().post(devbox_.path(operation_), body), std::move(handlers));
  }

  Devbox& devbox_;
  const std::string operation_;
  vendor::InputPump pump_;
  std::string piece_;
  int status_ = 0;
  bool waiting_ = false, done_ = false;
};

/// Kills a command that was given up.
void killQuietly(Devbox& devbox, const std::string& execution, const std::string& mark) {
  try {
    if (execution.empty()) {
      runScript(devbox, kKillMarked, {std::string(kMark) + "=" + mark});
    } else {
      killExecution(devbox, execution);
    }
  } catch (const Error& error) {
    devbox.call().log(CSDK_LOG_WARN, std::string("a command that was given up may still run: ") + error.what());
  }
}

std::string lineOf(const Devbox& devbox, const csdk_exec_args& args, std::string_view shell, bool input,
                   const std::string& mark) {
  std::string line = vendor::shellLine(args, devbox.memory().directory);
  if (!shell.empty()) {
    // A named shell goes on after the command, with what that leaves in it.
    if (args.argv.count != 0) line = "(" + line + "\n)";
    if (input) {
      throw Error(CSDK_UNIMPLEMENTED, "a command in a named shell of Runloop's cannot be given input")
          .fix("put the input into a file, or run the command without shell_name");
    }
    return line;
  }
  if (input) line = fedLine(line);
  return "export " + std::string(kMark) + "=" + mark + "; " + line;
}

}  // namespace

void runCommand(Devbox& devbox, const csdk_exec_args& args) {
  const plugin::Call& call = devbox.call();
  const bool hasInput = args.source != nullptr || args.input.size != 0;
  const std::string shell(plugin::Options(args.options).text("shell_name").value_or(""));
  const std::string mark = newNonce();
  const std::string line = lineOf(devbox, args, shell, hasInput, mark);
  const std::int64_t endNs = args.timeout_ms > 0 ? call.nowNs() + args.timeout_ms * vendor::kNsPerMs : 0;
  std::string execution;
  try {
    execution = startExecution(devbox, line, hasInput, shell);
    Follower follower(devbox, execution);
    std::optional<InputSender> input;
    if (hasInput) input.emplace(devbox, args, execution);
    const bool callEndsFirst = call.deadlineNs().value_or(INT64_MAX) < endNs;
    try {
      follower.run(callEndsFirst ? 0 : endNs, [&] {
        if (input) input->send();
      });
    } catch (const Error& error) {
      if (error.status() != CSDK_DEADLINE_EXCEEDED || endNs == 0 || call.nowNs() < endNs) throw;
      killQuietly(devbox, execution, mark);
      return call.exit(CSDK_EXIT_TIMEOUT, 0);
    }
    follower.emitEnd();
  } catch (const Error& error) {
    if (error.status() == CSDK_CANCELLED || error.status() == CSDK_DEADLINE_EXCEEDED) {
      devbox.session().beginCleanup();
      killQuietly(devbox, execution, mark);
    }
    throw;
  }
}

}  // namespace computesdk::runloop
