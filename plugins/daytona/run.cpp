#include "daytona/run.hpp"

#include "common/base64.hpp"
#include "common/results.hpp"
#include "common/shell.hpp"
#include "common/text.hpp"
#include "common/upload.hpp"
#include "daytona/control.hpp"
#include "daytona/follow.hpp"
#include "daytona/scripts.hpp"
#include "daytona/spool.hpp"

namespace computesdk::daytona {
namespace {

using plugin::view;

/// Input that goes with the command itself: in base64 it fits into one argument.
constexpr std::size_t kSmallInput = std::size_t{48} << 10;

/// A command's stdin on its way: one piece at a time, so that they stay in order.
class InputSender {
 public:
  InputSender(Toolbox& toolbox, const CommandId& id, const csdk_exec_args& args)
      : toolbox_(toolbox), id_(id), pump_(toolbox.session(), plugin::Input(args)) {}

  /// Sends what is there, as far as the daemon takes it. Cheap when there is nothing to do.
  void send() {
    while (!waiting_ && !done_) {
      if (pump_.next(piece_)) {
        start();
      } else if (pump_.ended()) {
        done_ = true;
        piece_.clear();
        start();
      } else {
        return;
      }
    }
  }

 private:
  void start() {
    waiting_ = true;
    vendor::Handlers handlers;
    handlers.head = [this](const vendor::Answer& head) {
      // The command is over: what is left is for nobody.
      if (!head.ok()) done_ = true;
    };
    handlers.end = [this] { waiting_ = false; };
    handlers.fail = [](const vendor::Failure& failure) {
      vendor::Failure told = failure;
      told.message = "the command's input could not be sent: " + told.message;
      throw told.error();
    };
    vendor::Request request = inputRequest(toolbox_, id_, piece_);
    request.headTimeoutMs = INT32_MAX;  // the answer comes when the command has taken it
    toolbox_.session().start(request, std::move(handlers));
  }

  Toolbox& toolbox_;
  const CommandId& id_;
  vendor::InputPump pump_;
  std::string piece_;
  bool waiting_ = false, done_ = false;
};

/// A command that somebody waits for, on the road that suits it.
class Running {
 public:
  Running(Toolbox& toolbox, const csdk_exec_args& args)
      : toolbox_(toolbox), args_(args), line_(lineOf(args, toolbox.connection())) {
    const plugin::Call& call = toolbox.session().call();
    if (args.timeout_ms > 0) ownEndNs_ = call.nowNs() + args.timeout_ms * vendor::kNsPerMs;
    const bool callEndsFirst = call.deadlineNs().value_or(INT64_MAX) < ownEndNs_;
    waitUntilNs_ = callEndsFirst ? 0 : ownEndNs_;
  }

  void run() {
    const plugin::Call& call = toolbox_.session().call();
    try {
      spooled_ = canSpool(args_, line_);
      if (spooled_ && runSpooled(toolbox_, args_, line_, word_, waitUntilNs_)) return;
      spooled_ = false;
      runInSession();
    } catch (const plugin::Error& error) {
      if (error.status() != CSDK_DEADLINE_EXCEEDED || ownEndNs_ == 0 || call.nowNs() < ownEndNs_) throw;
      kill();
      call.exit(CSDK_EXIT_TIMEOUT, 0);
    }
  }
  void kill() {
    if (spooled_) return killSpooled(toolbox_, word_);
    killQuietly(toolbox_, word_, session_);
  }

 private:
  void runInSession();

  Toolbox& toolbox_;
  const csdk_exec_args& args_;
  const std::string word_ = randomWord();
  const std::string session_ = std::string(kExecSession) + word_;
  const std::string line_;
  std::int64_t ownEndNs_ = 0, waitUntilNs_ = 0;
  bool spooled_ = false;
};

/// What streams in, or is too long for a command's line, goes to a session of the daemon, whose output comes over a
/// WebSocket.
void Running::runInSession() {
  vendor::Session& session = toolbox_.session();
  const plugin::Call& call = session.call();
  const bool feed = args_.source != nullptr || args_.input.size > kSmallInput;
  const std::string input = feed ? "lines" : args_.input.size != 0 ? "data" : "none";
  const std::string data = input == "data" ? vendor::base64Encode(plugin::text(args_.input)) : std::string();
  const CommandId id = startCommand(toolbox_, session_, scriptLine(kRunner, {word_, line_, input, data, "0"}, word_));
  LogStream log(toolbox_, id, [&call](LogDecoder::Channel channel, std::string_view bytes) {
    call.write(channel == LogDecoder::Channel::standardError ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT,
               plugin::bytes(bytes));
  });
  std::optional<InputSender> sender;
  if (feed) sender.emplace(toolbox_, id, args_);
  const auto done = [&] {
    if (sender && !log.over()) sender->send();
    return log.over();
  };
  session.until(done, waitUntilNs_);
  const Ended ended = log.ended();
  vendor::emitExitCode(call, ended.code);
  // The command is over, whatever becomes of its session.
  vendor::Request forget = toolbox_.request("DELETE", "/process/session/" + session_);
  forget.retry = vendor::Retry::notSent;
  try {
    session.fetch(forget);
  } catch (const plugin::Error& error) {
    call.log(CSDK_LOG_DEBUG, std::string("a session was not removed: ") + error.what());
  }
}

}  // namespace

std::string lineOf(const csdk_exec_args& args, const Connection& connection) {
  return vendor::shellLine(args, connection.directory);
}

void runCommand(Toolbox& toolbox, const csdk_exec_args& args) {
  Running running(toolbox, args);
  try {
    running.run();
  } catch (const plugin::Error& error) {
    if (error.status() == CSDK_CANCELLED || error.status() == CSDK_DEADLINE_EXCEEDED) {
      toolbox.session().beginCleanup();
      running.kill();
    }
    throw;
  }
}

}  // namespace computesdk::daytona
