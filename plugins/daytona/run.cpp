#include "daytona/run.hpp"

#include "common/base64.hpp"
#include "common/results.hpp"
#include "common/shell.hpp"
#include "common/text.hpp"
#include "common/upload.hpp"
#include "daytona/control.hpp"
#include "daytona/follow.hpp"
#include "daytona/scripts.hpp"

namespace computesdk::daytona {
namespace {

using plugin::view;

constexpr std::int64_t kMs = 1'000'000;
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

/// Where an exec is, for who has to end it.
struct Running {
  const std::string word = randomWord();
  const std::string session = std::string(kExecSession) + word;
};

void follow(Toolbox& toolbox, const csdk_exec_args& args, const Running& running, bool feed) {
  vendor::Session& session = toolbox.session();
  const plugin::Call& call = session.call();
  const std::string input = feed ? "lines" : args.input.size != 0 ? "data" : "none";
  const std::string data = input == "data" ? vendor::base64Encode(plugin::text(args.input)) : std::string();
  const std::string line =
      scriptLine(kRunner, {running.word, lineOf(args, toolbox.connection()), input, data, "0"}, running.word);
  const std::int64_t endNs = args.timeout_ms > 0 ? call.nowNs() + args.timeout_ms * kMs : 0;
  const CommandId id = startCommand(toolbox, running.session, line);
  LogStream log(toolbox, id, [&call](LogDecoder::Channel channel, std::string_view bytes) {
    call.write(channel == LogDecoder::Channel::standardError ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT,
               plugin::bytes(bytes));
  });
  std::optional<InputSender> sender;
  if (feed) sender.emplace(toolbox, id, args);
  const auto done = [&] {
    if (sender && !log.over()) sender->send();
    return log.over();
  };
  const bool callEndsFirst = call.deadlineNs().value_or(INT64_MAX) < endNs;
  try {
    session.until(done, callEndsFirst ? 0 : endNs);
  } catch (const plugin::Error& error) {
    if (error.status() != CSDK_DEADLINE_EXCEEDED || endNs == 0 || call.nowNs() < endNs) throw;
    killQuietly(toolbox, running.word, running.session);
    return call.exit(CSDK_EXIT_TIMEOUT, 0);
  }
  const Ended ended = log.ended();
  vendor::emitExitCode(call, ended.code);
  // The command is over, whatever becomes of its session.
  vendor::Request forget = toolbox.request("DELETE", "/process/session/" + running.session);
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
  const Running running;
  const bool feed = args.source != nullptr || args.input.size > kSmallInput;
  try {
    follow(toolbox, args, running, feed);
  } catch (const plugin::Error& error) {
    if (error.status() == CSDK_CANCELLED || error.status() == CSDK_DEADLINE_EXCEEDED) {
      toolbox.session().beginCleanup();
      killQuietly(toolbox, running.word, running.session);
    }
    throw;
  }
}

}  // namespace computesdk::daytona
