#include "runloop/executions.hpp"

#include "common/base64.hpp"
#include "common/shell.hpp"
#include "common/text.hpp"

#include <memory>
#include <random>

namespace computesdk::runloop {
namespace {

using plugin::Error;
using vendor::Answer;
using vendor::Json;
using vendor::JsonValue;

/// How long outputs may stay open behind a program that has ended, held by what it left running.
constexpr std::int64_t kGraceMs = 2000;
/// So long without a byte: what the service had already has come.
constexpr std::int64_t kQuietMs = 250;

std::string hex(std::uint64_t number, int digits) {
  char text[32];
  const int size = std::snprintf(text, sizeof text, "%0*llx", digits, static_cast<unsigned long long>(number));
  return {text, static_cast<std::size_t>(size)};
}

std::uint64_t randomBits() {
  std::random_device random;
  return (static_cast<std::uint64_t>(random()) << 32) | random();
}

/// Version 7: by which the service knows a command that it has been sent twice.
std::string newCommandId(const plugin::Call& call) {
  const plugin::Host& host = call.host();
  const std::string time = hex(static_cast<std::uint64_t>(host.table().now_wall_ms(host.self())), 12);
  const std::string some = hex(randomBits(), 16), more = hex(randomBits(), 16);
  return time.substr(0, 8) + "-" + time.substr(8, 4) + "-7" + some.substr(0, 3) + "-" + "89ab"[randomBits() % 4] +
         some.substr(3, 3) + "-" + more.substr(0, 12);
}

std::string executionPath(std::string_view execution, std::string_view operation = {}) {
  std::string path = "executions/" + vendor::pathSegment(execution);
  if (!operation.empty()) path.append("/").append(operation);
  return path;
}

std::optional<Ended> endedOf(Json view) {
  if (view.text("status") != "completed") return {};
  Ended ended;
  ended.code = view["exit_status"].asInteger();
  ended.out = view.textOr("stdout");
  ended.err = view.textOr("stderr");
  ended.outCut = view.booleanOr("stdout_truncated", false);
  ended.errCut = view.booleanOr("stderr_truncated", false);
  return ended;
}

JsonValue untilCompleted() {
  JsonValue body = JsonValue::object();
  body.set("statuses", JsonValue::array().push("completed"));
  return body;
}

/// Takes what the service has already of both outputs; `tend` looks after them and says whether they are over.
void untilQuiet(vendor::Session& session, const OutputStream& out, const OutputStream& err,
                const std::function<bool()>& tend) {
  session.until([&] { return tend() || (out.connected() && err.connected()); });
  for (std::int64_t before = -1; !tend() && before != out.bytes() + err.bytes();) {
    before = out.bytes() + err.bytes();
    session.pause(kQuietMs);
  }
}

}  // namespace

std::string newNonce() { return hex(randomBits(), 16); }

std::string startExecution(Devbox& devbox, const std::string& line, bool input, std::string_view shell) {
  JsonValue body = JsonValue::object();
  body.set("command", line);
  if (input) body.set("attach_stdin", true);
  body.setText("shell_name", shell);
  vendor::Request request = devbox.api().post(devbox.path("execute_async"), body);
  return std::string(devbox.api().json(devbox.send(request), "execute_async").root().text("execution_id"));
}

EndWaiter::EndWaiter(Devbox& devbox, std::string_view execution) : devbox_(devbox), execution_(execution) { start(); }
EndWaiter::~EndWaiter() { devbox_.session().close(request_); }

void EndWaiter::start() {
  const vendor::Request request = devbox_.repeatable(executionPath(execution_, "wait_for_status"), untilCompleted());
  answered_ = false;
  answer_ = {};
  vendor::Handlers handlers;
  handlers.head = [this](const Answer& head) { answer_ = head; };
  handlers.data = [this](std::string_view bytes) {
    if (answer_.body.size() + bytes.size() > vendor::kJsonMaxBytes) {
      throw Error(CSDK_UNAVAILABLE, "Runloop's answer is too long").errorClass(CSDK_ERROR_PROTOCOL);
    }
    answer_.body += bytes;
  };
  handlers.end = [this] { answered_ = true; };
  handlers.fail = [this](const vendor::Failure& failure) {
    vendor::Failure told = devbox_.api().explain(failure);
    told.maybeApplied = true;  // the command runs
    throw told.error();
  };
  request_ = devbox_.session().start(request, std::move(handlers));
}

void EndWaiter::tend() {
  if (!answered_ || ended_) return;
  constexpr int kNotYet = 408;
  if (answer_.status != kNotYet && !answer_.ok()) throw devbox_.explain(answer_, true);
  if (answer_.ok()) ended_ = endedOf(devbox_.api().json(answer_, "wait_for_status").root());
  if (!ended_) start();
}

std::optional<Ended> lookAtExecution(Devbox& devbox, std::string_view execution) {
  const Answer answer = devbox.send(devbox.api().get(devbox.path(executionPath(execution))));
  return endedOf(devbox.api().json(answer, "look at a command").root());
}

void killExecution(Devbox& devbox, std::string_view execution) {
  JsonValue body = JsonValue::object();
  body.set("kill_process_group", true);
  // 400: it is over.
  devbox.send(devbox.repeatable(executionPath(execution, "kill"), body), {400, 409});
}

std::string fedLine(std::string_view line, std::string_view before) {
  return "exec " + std::string(before) + "bash -c " + vendor::shellQuote(line) +
         " bash < <(while IFS= read -r n && [ \"$n\" ]; do head -c \"$n\" | base64 -d; done 2>/dev/null)";
}

JsonValue inputMessage(std::string_view bytes) {
  const std::string text = vendor::base64Encode(bytes);
  JsonValue body = JsonValue::object();
  body.set("text", std::to_string(text.size()) + "\n" + text);
  return body;
}

JsonValue endOfInput() {
  JsonValue body = JsonValue::object();
  body.set("text", "").set("signal", "EOF");
  return body;
}

Follower::Follower(Devbox& devbox, std::string_view execution, std::int64_t skipOut, std::int64_t skipErr)
    : devbox_(devbox),
      out_(devbox, execution, "stdout", sink(CSDK_STREAM_STDOUT, skipOut)),
      err_(devbox, execution, "stderr", sink(CSDK_STREAM_STDERR, skipErr)),
      end_(devbox, execution) {}

OutputStream::Sink Follower::sink(std::uint32_t stream, std::int64_t skip) {
  return [this, stream, left = std::make_shared<std::int64_t>(skip)](std::string_view text) {
    const auto skipped = std::min<std::int64_t>(*left, static_cast<std::int64_t>(text.size()));
    *left -= skipped;
    text.remove_prefix(static_cast<std::size_t>(skipped));
    if (!text.empty()) devbox_.call().write(stream, plugin::bytes(text));
  };
}

bool Follower::tend() {
  out_.tend();
  err_.tend();
  end_.tend();
  return out_.over() && err_.over();
}

void Follower::run(std::int64_t deadlineNs, const std::function<void()>& more) {
  vendor::Session& session = devbox_.session();
  bool over = false;
  session.until(
      [&] {
        over = tend();
        if (more) more();
        return end_.ended().has_value();
      },
      deadlineNs);
  const std::int64_t graceNs = devbox_.call().nowNs() + kGraceMs * vendor::kNsPerMs;
  try {
    session.until([&] { return over || (over = tend()); }, graceNs);
  } catch (const Error& error) {
    if (error.status() != CSDK_DEADLINE_EXCEEDED || devbox_.call().nowNs() < graceNs) throw;
  }
  settle(out_, end_.ended()->out);
  settle(err_, end_.ended()->err);
}

// A stream that ended before the output did is taken up again, once.
void Follower::settle(OutputStream& stream, const std::string& end) {
  if (!stream.over() || stream.endsAs(end)) return;
  stream.goOn();
  devbox_.session().until([&] {
    stream.tend();
    return stream.over();
  });
}

void Follower::runKept() {
  untilQuiet(devbox_.session(), out_, err_, [this] { return tend(); });
}

Kept keptBytes(Devbox& devbox, std::string_view execution) {
  const auto ignore = [](std::string_view) {};
  OutputStream out(devbox, execution, "stdout", ignore), err(devbox, execution, "stderr", ignore);
  untilQuiet(devbox.session(), out, err, [&] {
    out.tend();
    err.tend();
    return out.over() && err.over();
  });
  return {out.bytes(), err.bytes()};
}

void Follower::emitEnd(std::uint32_t flags) {
  if (out_.lossy() || err_.lossy()) flags |= CSDK_EXIT_LOSSY;
  if (!end_.ended()) return devbox_.call().exit(CSDK_EXIT_UNKNOWN, 0, flags);
  runloop::emitEnd(devbox_, *end_.ended(), flags);
}

void emitEnd(Devbox& devbox, const Ended& ended, std::uint32_t flags) {
  constexpr std::int64_t kKilled = 137;
  if (!ended.code) return devbox.call().exit(CSDK_EXIT_UNKNOWN, 0, flags);
  if (*ended.code == kKilled) static_cast<void>(devbox.look());  // it may have died with its devbox
  vendor::emitExitCode(devbox.call(), *ended.code, flags);
}

ScriptResult runScript(Devbox& devbox, std::string_view script, const std::vector<std::string>& args) {
  std::string line = "exec sh -c " + vendor::shellQuote(script) + " sh";
  for (const std::string& arg : args) line += " " + vendor::shellQuote(arg);
  JsonValue body = JsonValue::object();
  body.set("command", line).set("command_id", newCommandId(devbox.call()));
  const vendor::JsonDocument view = devbox.api().json(devbox.send(devbox.repeatable("execute", body)), "execute");
  const std::string execution(view.root().text("execution_id"));
  std::optional<Ended> ended = endedOf(view.root());
  if (!ended) {
    EndWaiter waiter(devbox, execution);
    devbox.session().until([&] {
      waiter.tend();
      return waiter.ended().has_value();
    });
    ended = waiter.ended();
  }
  if (!ended->code) throw Error(CSDK_UNAVAILABLE, "Runloop did not say how a script ended");
  ScriptResult result{*ended->code, std::move(ended->out), std::move(ended->err)};
  if (ended->outCut) {
    result.out.clear();
    OutputStream whole(devbox, execution, "stdout", [&](std::string_view text) { result.out += text; });
    devbox.session().until([&] {
      whole.tend();
      return whole.over();
    });
  }
  while (result.out.ends_with('\n')) result.out.pop_back();
  return result;
}

}  // namespace computesdk::runloop
