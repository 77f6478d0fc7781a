#include "blaxel/run.hpp"

#include "common/results.hpp"
#include "common/shell.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "common/upload.hpp"

#include <charconv>

namespace computesdk::blaxel {
namespace {

using plugin::view;
using vendor::JsonValue;

/// Time that the sandbox gives a command beyond ours, should this program be gone by then.
constexpr std::int64_t kGraceMs = 3000;

/// A command's stdin on its way: one request at a time, so that the pieces stay in order.
class InputSender {
 public:
  InputSender(Box& box, const csdk_exec_args& args, std::string path)
      : box_(box), path_(std::move(path)), pump_(box.session(), plugin::Input(args)) {}

  /// Sends what is there, as far as the sandbox takes it. Cheap when there is nothing to do.
  void send() {
    while (!waiting_ && !done_) {
      if (pump_.next(piece_)) {
        vendor::Request request = box_.api().request("POST", path_);
        request.headers.emplace_back("Content-Type", "application/octet-stream");
        request.body = piece_;
        start(request);
      } else if (pump_.ended()) {
        done_ = true;
        start(box_.api().remove(path_));
      } else {
        return;
      }
    }
  }

 private:
  void start(const vendor::Request& request) {
    waiting_ = true;
    good_ = false;
    vendor::Handlers handlers;
    handlers.head = [this](const vendor::Answer& head) { good_ = head.ok(); };
    handlers.data = [](std::string_view) {};
    handlers.end = [this] {
      waiting_ = false;
      // The command closed its input or is over: what is left is for nobody.
      if (!good_) done_ = true;
    };
    handlers.fail = [](const vendor::Failure& failure) {
      vendor::Failure told = failure;
      told.message = "the command's input could not be sent: " + told.message;
      throw told.error();
    };
    box_.session().start(request, std::move(handlers));
  }

  Box& box_;
  const std::string path_;
  vendor::InputPump pump_;
  std::string piece_;
  bool waiting_ = false, done_ = false, good_ = false;
};

/// Kills a command that was given up.
void killQuietly(Box& box, const std::string& name) {
  try {
    const vendor::Answer answer = box.send(box.api().get("/process/" + name), {404});
    if (answer.status == 404) return;  // it was never started
    const vendor::JsonDocument process = box.api().json(answer, "a process");
    const std::string_view number = process.root().text("pid");
    std::int64_t pid = 0;
    std::from_chars(number.data(), number.data() + number.size(), pid);
    if (pid > 1 && process.root().textOr("status") == "running") signalProcess(box, pid, 9, true);
  } catch (const plugin::Error& error) {
    box.session().call().log(CSDK_LOG_WARN, std::string("a command that was given up may still run: ") + error.what());
  }
}

}  // namespace

JsonValue processBody(const Box& box, const csdk_exec_args& args, std::string_view name) {
  csdk_exec_args plain = args;  // directory and variables have members of their own
  plain.cwd = {};
  plain.env = {};
  JsonValue body = JsonValue::object();
  body.set("command", vendor::shellLine(plain)).set("name", name);
  body.setText("workingDir", args.cwd.size != 0 ? view(args.cwd) : std::string_view(box.directory()));
  if (args.env.count != 0) body.set("env", JsonValue::of(args.env));
  body.setOptions(args.options, {"name", "region", "lifecycle", "network", "volumes", "runtime"});
  return body;
}

void runCommand(Box& box, const csdk_exec_args& args) {
  vendor::Session& session = box.session();
  const plugin::Call& call = session.call();
  const std::string name = newName(std::string(kOwnPrefix) + "exec-");
  const bool hasInput = args.source != nullptr || args.input.size != 0;
  JsonValue body = processBody(box, args, name);
  body.set("waitForCompletion", true);
  if (hasInput) body.set("stdin", true);
  if (args.timeout_ms > 0) body.set("timeout", vendor::ceilSeconds(args.timeout_ms + kGraceMs));
  const std::int64_t endNs = args.timeout_ms > 0 ? call.nowNs() + args.timeout_ms * vendor::kNsPerMs : 0;
  vendor::Request request = box.api().post("/process", body);
  request.headers.emplace_back("Accept", "text/event-stream");
  request.idleTimeoutMs = 0;
  bool lossy = false;
  try {
    CommandStream stream(box, request, [&](bool error, std::string_view text) {
      lossy = lossy || text.find("\xef\xbf\xbd") != std::string_view::npos;
      call.write(error ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT, plugin::bytes(text));
    });
    std::optional<InputSender> input;
    if (hasInput) input.emplace(box, args, "/process/" + name + "/stdin");
    const auto done = [&] {
      if (input && stream.running()) input->send();
      return stream.over();
    };
    const bool callEndsFirst = call.deadlineNs().value_or(INT64_MAX) < endNs;
    try {
      session.until(done, callEndsFirst ? 0 : endNs);
    } catch (const plugin::Error& error) {
      if (error.status() != CSDK_DEADLINE_EXCEEDED || endNs == 0 || call.nowNs() < endNs) throw;
      killQuietly(box, name);
      call.exit(CSDK_EXIT_TIMEOUT, 0);
      return;
    }
    const Outcome outcome = stream.outcome();
    if (endNs != 0 && outcome.status == "killed" && call.nowNs() >= endNs) {
      call.exit(CSDK_EXIT_TIMEOUT, 0);
    } else {
      vendor::emitExitCode(call, outcome.exitCode, lossy ? CSDK_EXIT_LOSSY : 0);
    }
  } catch (const plugin::Error& error) {
    if (error.status() == CSDK_CANCELLED || error.status() == CSDK_DEADLINE_EXCEEDED) {
      session.beginCleanup();
      killQuietly(box, name);
    }
    throw;
  }
}

}  // namespace computesdk::blaxel
