// The toolbox's programs and sessions.
#include <atomic>
#include <csignal>
#include <thread>
#include <utility>

#include "toolbox.hpp"

namespace computesdk::simulators {
namespace {

using std::chrono::milliseconds;
using State = OutputLog::Reader::State;

constexpr milliseconds kLookAround{50};  // how often one looks whether the peer or the sandbox is gone
constexpr std::string_view kStdoutMark = "\1\1\1", kStderrMark = "\2\2\2";
constexpr std::size_t kMessage = 1021;  // so that messages end anywhere, in a mark too

// A command in the shell that the session's last one left: one at a time, with what that had exported and where it was.
constexpr const char* kInSession = R"sh(
__state=$1 __line=$2
shift 2
exec 9>>"$__state.lock"
flock 9
[ -e "$__state" ] && . "$__state"
trap '__code=$?; { export -p; printf "cd -- %q\n" "$PWD"; } > "$__state"; exit $__code' EXIT
eval "$__line" 9>&-
)sh";

int codeOf(const TaskEnd& end) { return end.signalled ? 128 + end.value : end.value; }

// Output as a session's log has it: lines, each behind the mark of its stream. The last one ends whether or not it did,
// and zeros are lost.
class Labels {
 public:
  void take(const OutputChunk& chunk) {
    std::string& rest = chunk.channel == Channel::standardError ? error_ : out_;
    for (const char c : chunk.bytes) {
      if (c != 0) rest += c;
      if (c == '\n') flush(chunk.channel);
    }
  }
  void typed(const std::string& text) { log_.append(kStdoutMark).append(text); }
  void finish() {
    if (!out_.empty()) out_ += '\n', flush(Channel::standardOutput);
    if (!error_.empty()) error_ += '\n', flush(Channel::standardError);
  }
  std::string log() { return std::exchange(log_, {}); }
  const std::string& standardOutput() const { return allOut_; }
  const std::string& standardError() const { return allError_; }
  const std::string& both() const { return both_; }
  bool keep = false;

 private:
  void flush(Channel channel) {
    const bool error = channel == Channel::standardError;
    std::string& rest = error ? error_ : out_;
    log_.append(error ? kStderrMark : kStdoutMark).append(rest);
    if (keep) (error ? allError_ : allOut_) += rest, both_ += rest;
    rest.clear();
  }

  std::string out_, error_, log_, allOut_, allError_, both_;
};

std::string typedSoFar(DaytonaCommand& command) {
  const std::lock_guard lock(command.mutex);
  return command.typed;
}

// What a command has written until now.
Labels labelsOf(DaytonaCommand& command) {
  Labels labels;
  labels.keep = true;
  const auto reader = command.task->follow(true);
  for (OutputChunk chunk; reader->next(chunk, milliseconds(0)) == State::chunk;) labels.take(chunk);
  labels.finish();
  return labels;
}

JsonObject commandJson(const DaytonaCommand& command) {
  JsonObject object;
  object.add("id", command.id).add("command", command.line);
  if (const auto end = command.task->ended()) object.add("exitCode", codeOf(*end));
  return object;
}

std::string sessionJson(const DaytonaSession& session) {
  std::vector<std::string> commands;
  for (const auto& command : session.commands) commands.push_back(commandJson(*command).text());
  return JsonObject().add("sessionId", session.id).raw("commands", jsonArray(commands)).text();
}

}  // namespace

void DaytonaToolbox::answerWith(Exchange& exchange, TaskSpec spec, std::int64_t timeoutSeconds) {
  spec.follow = true;
  spec.keepBytes = 0;
  spec.timeout = std::chrono::seconds(timeoutSeconds);
  if (!spec.cwd.empty() && !machine_.exists(spec.cwd)) {
    return respondDaemonError(exchange, 400, "BAD_REQUEST", "chdir " + spec.cwd + ": no such file or directory");
  }
  const auto task = machine_.start(std::move(spec));
  const auto reader = task->takeReader();
  std::string result;
  for (OutputChunk chunk;;) {
    const State state = reader->next(chunk, kLookAround);
    if (state == State::end) break;
    if (state == State::chunk) result += chunk.bytes;
    if (state == State::waiting && (exchange.stream.peerGone() || !alive())) return exchange.cut();
  }
  if (!alive()) return exchange.cut();
  if (task->ended()->timedOut) {
    return respondDaemonError(exchange, 408, "PROCESS_EXECUTION_TIMEOUT", "command execution timeout");
  }
  std::erase(result, '\0');
  exchange.respond(200, JsonObject().add("exitCode", codeOf(*task->ended())).add("result", result).text());
}

void DaytonaToolbox::execute(Exchange& exchange) {
  rapidjson::Document body;
  if (!readDaemonObject(exchange, body)) return;
  const std::string line = textOf(member(&body, "command"));
  const std::int64_t timeout = numberOf(member(&body, "timeout"), 360);
  if (line.empty()) return respondDaemonError(exchange, 400, "BAD_REQUEST", "command is required");
  if (timeout < 0) return respondDaemonError(exchange, 400, "BAD_REQUEST", "timeout must not be negative");
  TaskSpec spec;
  spec.argv = {"/bin/bash", "-c", line};
  spec.env = textMapOf(member(&body, "envs"));
  if (const std::string cwd = textOf(member(&body, "cwd")); !cwd.empty()) spec.cwd = daytonaPath(cwd);
  answerWith(exchange, std::move(spec), timeout);
}

void DaytonaToolbox::runCode(Exchange& exchange) {
  rapidjson::Document body;
  if (!readDaemonObject(exchange, body)) return;
  const std::string language = textOf(member(&body, "language"), "python");
  TaskSpec spec;
  if (language == "python") spec.argv = {"/usr/bin/env", "python3", "-c"};
  if (language == "javascript" || language == "typescript") spec.argv = {"/usr/bin/env", "node", "-e"};
  if (spec.argv.empty()) return respondDaemonError(exchange, 400, "BAD_REQUEST", "unsupported language: " + language);
  spec.argv.push_back(textOf(member(&body, "code")));
  for (std::string& word : textsOf(member(&body, "argv"))) spec.argv.push_back(std::move(word));
  spec.env = textMapOf(member(&body, "envs"));
  answerWith(exchange, std::move(spec), numberOf(member(&body, "timeout"), 360));
}

std::shared_ptr<DaytonaSession> DaytonaToolbox::session(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  std::shared_ptr<DaytonaSession> found;
  service_.change(live_.box.id, [&](Box& box) {
    if (const auto at = box.sessions.find(id); at != box.sessions.end()) found = at->second;
  });
  if (!found) respondDaemonError(exchange, 404, "NOT_FOUND", "session not found");
  return found;
}

std::shared_ptr<DaytonaCommand> DaytonaToolbox::command(Exchange& exchange) {
  const auto owner = session(exchange);
  if (!owner) return {};
  std::shared_ptr<DaytonaCommand> found;
  service_.change(live_.box.id, [&](const Box&) {
    for (const auto& each : owner->commands) {
      if (each->id == exchange.request.parts.at(1)) found = each;
    }
  });
  if (!found) respondDaemonError(exchange, 404, "NOT_FOUND", "command not found");
  return found;
}

void DaytonaToolbox::createSession(Exchange& exchange) {
  rapidjson::Document body;
  if (!readDaemonObject(exchange, body)) return;
  auto made = std::make_shared<DaytonaSession>();
  made->id = textOf(member(&body, "sessionId"));
  made->stateFile = "/run/daytona-" + randomText(12);
  if (made->id.empty()) return respondDaemonError(exchange, 400, "BAD_REQUEST", "sessionId is required");
  bool taken = false;
  service_.change(live_.box.id, [&](Box& box) { taken = !box.sessions.try_emplace(made->id, made).second; });
  if (taken) return respondDaemonError(exchange, 409, "CONFLICT", "session already exists");
  exchange.respond(201, {}, {});
}

void DaytonaToolbox::listSessions(Exchange& exchange) {
  std::vector<std::string> items;
  service_.change(live_.box.id, [&](const Box& box) {
    for (const auto& [id, each] : box.sessions) items.push_back(sessionJson(*each));
  });
  exchange.respond(200, jsonArray(items));
}

void DaytonaToolbox::getSession(Exchange& exchange) {
  const auto found = session(exchange);
  if (!found) return;
  std::string json;
  service_.change(live_.box.id, [&](const Box&) { json = sessionJson(*found); });
  exchange.respond(200, json);
}

void DaytonaToolbox::removeSession(Exchange& exchange) {
  const auto found = session(exchange);
  if (!found) return;
  std::vector<std::shared_ptr<DaytonaCommand>> commands;
  service_.change(live_.box.id, [&](Box& box) {
    commands = found->commands;
    box.sessions.erase(found->id);
  });
  for (const auto& each : commands) each->task->signal(SIGKILL, true);
  exchange.respond(204);
}

void DaytonaToolbox::sessionExecute(Exchange& exchange) {
  rapidjson::Document body;
  const auto owner = session(exchange);
  if (!owner || !readDaemonObject(exchange, body)) return;
  const bool async = truthOf(member(&body, "runAsync")) || truthOf(member(&body, "async"));
  auto made = std::make_shared<DaytonaCommand>();
  made->id = randomUuid();
  made->line = textOf(member(&body, "command"));
  made->echo = !truthOf(member(&body, "suppressInputEcho"));
  if (made->line.empty()) return respondDaemonError(exchange, 400, "BAD_REQUEST", "command cannot be empty");
  TaskSpec spec;
  spec.argv = {"/bin/bash", "-c", kInSession, "bash", owner->stateFile, made->line};
  spec.input = async;
  spec.keepBytes = std::size_t{64} << 20;
  made->task = machine_.start(std::move(spec));
  bool there = false;
  service_.change(live_.box.id, [&](Box& box) {
    owner->commands.push_back(made);
    there = box.sessions.contains(owner->id);
  });
  if (!there) made->task->signal(SIGKILL, true);  // the session was removed meanwhile
  if (async) return exchange.respond(202, JsonObject().add("cmdId", made->id).text());
  while (!made->task->wait(kLookAround)) {
    if (exchange.stream.peerGone() || !alive()) return exchange.cut();
  }
  const Labels labels = labelsOf(*made);
  JsonObject answer;
  answer.add("cmdId", made->id).add("output", labels.both()).add("stdout", labels.standardOutput());
  answer.add("stderr", labels.standardError()).add("exitCode", codeOf(*made->task->ended()));
  exchange.respond(200, answer.text());
}

void DaytonaToolbox::getCommand(Exchange& exchange) {
  if (const auto found = command(exchange)) exchange.respond(200, commandJson(*found).text());
}

void DaytonaToolbox::logs(Exchange& exchange) {
  const auto found = command(exchange);
  if (!found) return;
  if (!exchange.request.header("upgrade").empty()) return followLogs(exchange, *found);
  const Labels labels = labelsOf(*found);
  const std::string typed = typedSoFar(*found);
  JsonObject answer;
  answer.add("output", typed + labels.both()).add("stdout", typed + labels.standardOutput());
  exchange.respond(200, answer.add("stderr", labels.standardError()).text());
}

void DaytonaToolbox::followLogs(Exchange& exchange, DaytonaCommand& command) {
  const auto reader = command.task->follow(true);
  const auto socket = exchange.upgrade();
  if (!socket) return;
  std::atomic<bool> hungUp{false};
  std::thread listener([&] {
    while (socket->receive()) {
    }
    hungUp = true;
  });
  Labels labels;
  std::size_t typed = 0;
  const auto pass = [&] {
    if (const std::string all = typedSoFar(command); all.size() > typed) {
      labels.typed(all.substr(typed));
      typed = all.size();
    }
    std::string log = labels.log();
    for (std::size_t at = 0; at < log.size(); at += kMessage) {
      if (!socket->send(std::string_view(log).substr(at, kMessage))) return false;
    }
    return true;
  };
  bool whole = false;
  for (OutputChunk chunk;;) {
    const State state = reader->next(chunk, kLookAround);
    if (state == State::chunk) labels.take(chunk);
    if (state == State::end) labels.finish(), whole = alive();
    if (!pass() || state == State::end) break;
    if (state == State::waiting && (hungUp || !alive())) break;
  }
  if (whole) socket->close(1000);
  // The peer answers a close with its own; one that does not is not waited for.
  for (int i = 0; whole && i < 200 && !hungUp; ++i) exchange.stream.pause(1);
  exchange.stream.shutdown();
  listener.join();
}

void DaytonaToolbox::sendInput(Exchange& exchange) {
  rapidjson::Document body;
  const auto found = command(exchange);
  if (!found || !readDaemonObject(exchange, body)) return;
  std::string data = textOf(member(&body, "data"));
  if (!data.ends_with('\n')) data += '\n';
  if (found->task->ended() || !found->task->write(data)) {
    return respondDaemonError(exchange, 410, "COMMAND_ALREADY_COMPLETED", "command has already completed");
  }
  if (found->echo) {
    const std::lock_guard lock(found->mutex);
    found->typed += data;
  }
  exchange.respond(204);
}

void DaytonaToolbox::addProcessRoutes(DaytonaSimulator& service, Server& server) {
  using Self = DaytonaToolbox;
  const auto route = [&](const char* method, const char* path, auto act) { add(service, server, method, path, act); };
  route("POST", "/process/execute", [](Self& self, Exchange& exchange) { self.execute(exchange); });
  route("POST", "/process/code-run", [](Self& self, Exchange& exchange) { self.runCode(exchange); });
  route("POST", "/process/session", [](Self& self, Exchange& exchange) { self.createSession(exchange); });
  route("GET", "/process/session", [](Self& self, Exchange& exchange) { self.listSessions(exchange); });
  route("GET", "/process/session/*", [](Self& self, Exchange& exchange) { self.getSession(exchange); });
  route("DELETE", "/process/session/*", [](Self& self, Exchange& exchange) { self.removeSession(exchange); });
  route("POST", "/process/session/*/exec", [](Self& self, Exchange& exchange) { self.sessionExecute(exchange); });
  route("GET", "/process/session/*/command/*", [](Self& self, Exchange& exchange) { self.getCommand(exchange); });
  route("GET", "/process/session/*/command/*/logs", [](Self& self, Exchange& exchange) { self.logs(exchange); });
  route("POST", "/process/session/*/command/*/input", [](Self& self, Exchange& exchange) { self.sendInput(exchange); });
}

}  // namespace computesdk::simulators
