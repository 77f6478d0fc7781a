#include "e2b/run.hpp"

#include "common/base64.hpp"
#include "common/upload.hpp"
#include "e2b/scripts.hpp"
#include "e2b/stream.hpp"

#include <random>

namespace computesdk::e2b {
namespace {

using plugin::view;
using vendor::JsonValue;

/// Time that the daemon gives a command beyond ours, should this program be gone by then.
constexpr std::int64_t kGraceMs = 2000;

std::string newTag() {
  std::random_device random;
  std::string tag = "computesdk-exec-";
  for (int i = 0; i < 2; ++i) tag += std::to_string(random());
  return tag;
}

/// A command's stdin on its way: one message at a time, so that they stay in order.
class InputSender {
 public:
  InputSender(Envd& envd, const csdk_exec_args& args) : envd_(envd), pump_(envd.session(), plugin::Input(args)) {}

  /// Sends what is there, as far as the daemon takes it. Cheap when there is nothing to do.
  void send(std::int64_t pid) {
    while (!waiting_ && !done_) {
      if (pump_.next(piece_)) {
        JsonValue input = JsonValue::object();
        input.set("stdin", vendor::base64Encode(piece_));
        start("process.Process/SendInput", pid, &input);
      } else if (pump_.ended()) {
        done_ = true;
        start("process.Process/CloseStdin", pid, nullptr);
      } else {
        return;
      }
    }
  }

 private:
  void start(std::string_view method, std::int64_t pid, const JsonValue* input) {
    JsonValue process = JsonValue::object();
    process.set("pid", pid);
    JsonValue message = JsonValue::object();
    message.set("process", std::move(process));
    if (input != nullptr) message.set("input", *input);
    waiting_ = true;
    answer_ = {};
    vendor::Handlers handlers;
    handlers.head = [this](const vendor::Answer& head) { answer_ = head; };
    handlers.data = [this](std::string_view bytes) { answer_.body += bytes.substr(0, 4096); };
    handlers.end = [this] {
      waiting_ = false;
      // The command closed its input or is over: what is left is for nobody.
      if (!answer_.ok()) done_ = true;
    };
    handlers.fail = [](const vendor::Failure& failure) {
      vendor::Failure told = failure;
      told.message = "the command's input could not be sent: " + told.message;
      throw told.error();
    };
    envd_.session().start(envd_.rpcRequest(method, message), std::move(handlers));
  }

  Envd& envd_;
  vendor::InputPump pump_;
  vendor::Answer answer_;
  std::string piece_;
  bool waiting_ = false, done_ = false;
};

/// Kills a command that was given up. `pid` may not be known: then it is looked for by its tag.
void killQuietly(Envd& envd, std::optional<std::int64_t> pid, std::string_view tag) {
  try {
    if (!pid) {
      const vendor::JsonDocument list = envd.rpc("process.Process/List", JsonValue::object());
      for (const vendor::Json process : list["processes"].items()) {
        if (process.textOr("tag") == tag) pid = process.integer("pid");
      }
    }
    if (pid) signalTree(envd, *pid, 9, false);
  } catch (const plugin::Error& error) {
    envd.session().call().log(CSDK_LOG_WARN, std::string("a command that was given up may still run: ") + error.what());
  }
}

void push(const plugin::Call& call, ProcessStream::Channel channel, std::string_view bytes) {
  call.write(channel == ProcessStream::Channel::standardError ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT,
             plugin::bytes(bytes));
}

}  // namespace

void setEnvironment(JsonValue& message, const csdk_exec_args& args, const Connection& connection) {
  JsonValue& process = message.at("process");
  process.setText("cwd", args.cwd.size != 0 ? view(args.cwd) : std::string_view(connection.directory));
  if (args.env.count != 0) process.set("envs", JsonValue::of(args.env));
}

void emitEnd(const plugin::Call& call, const Ended& ended, std::uint32_t flags) {
  if (!ended.bySignal) {
    call.exitCode(ended.value, flags);
  } else if (ended.value != 0) {
    call.exitSignal(ended.value, flags);
  } else {
    call.exit(CSDK_EXIT_UNKNOWN, 0, flags);
  }
}

void runCommand(Envd& envd, const csdk_exec_args& args) {
  vendor::Session& session = envd.session();
  const plugin::Call& call = session.call();
  const bool hasInput = args.source != nullptr || args.input.size != 0;
  if (hasInput && !envd.connection().versionAtLeast(0, 5, 2)) {
    throw plugin::Error(CSDK_UNIMPLEMENTED,
                        "this sandbox's daemon (envd " + envd.connection().version + ") cannot end a command's input")
        .fix("rebuild its template, or put the input into a file");
  }
  const std::vector<std::string> argv = commandArgv(args);
  const std::string tag = newTag();
  JsonValue message = startMessage(argv.front(), {argv.begin() + 1, argv.end()});
  setEnvironment(message, args, envd.connection());
  message.set("stdin", hasInput).set("tag", tag);
  const std::int64_t limitMs = args.timeout_ms > 0 ? args.timeout_ms + kGraceMs : 0;
  const std::int64_t endNs = args.timeout_ms > 0 ? call.nowNs() + args.timeout_ms * vendor::kNsPerMs : 0;
  std::optional<std::int64_t> pid;
  try {
    ProcessStream stream(
        envd, envd.streamRequest("process.Process/Start", message, limitMs),
        [&call](ProcessStream::Channel channel, std::string_view bytes) { push(call, channel, bytes); });
    std::optional<InputSender> input;
    if (hasInput) input.emplace(envd, args);
    const auto done = [&] {
      pid = stream.pid();
      if (pid && input && !stream.over()) input->send(*pid);
      return stream.over();
    };
    const bool callEndsFirst = call.deadlineNs().value_or(INT64_MAX) < endNs;
    try {
      session.until(done, callEndsFirst ? 0 : endNs);
    } catch (const plugin::Error& error) {
      if (error.status() != CSDK_DEADLINE_EXCEEDED || endNs == 0 || call.nowNs() < endNs) throw;
      killQuietly(envd, pid, tag);
      call.exit(CSDK_EXIT_TIMEOUT, 0);
      return;
    }
    const bool late = endNs != 0 && call.nowNs() >= endNs;
    const bool killed = stream.ended() && stream.ended()->bySignal && stream.ended()->value == 9;
    if (endNs != 0 && (stream.errorCode() == "deadline_exceeded" || (late && killed))) {
      call.exit(CSDK_EXIT_TIMEOUT, 0);
      return;
    }
    stream.check();
    emitEnd(call, *stream.ended());
  } catch (const plugin::Error& error) {
    if (error.status() == CSDK_CANCELLED || error.status() == CSDK_DEADLINE_EXCEEDED) {
      session.beginCleanup();
      killQuietly(envd, pid, tag);
    }
    throw;
  }
}

}  // namespace computesdk::e2b
