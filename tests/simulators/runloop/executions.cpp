// Commands: started, waited for, streamed, killed.
#include <charconv>
#include <csignal>

#include "output.hpp"
#include "routes.hpp"
#include "views.hpp"

namespace computesdk::simulators {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;
using State = OutputLog::Reader::State;

constexpr std::int64_t kShownLines = 100;
constexpr std::size_t kKeptBytes = std::size_t{256} << 20;
constexpr milliseconds kLookAround{50}, kIdle{2000};
constexpr std::int64_t kLongestHold = 25;

// A named shell keeps its folder and its variables in a file.
constexpr const char* kNamedShell = R"(
line=$1 state=$2
trap '{ printf "cd -- %q\n" "$PWD"; declare -px; } > "$state"' EXIT
[ ! -e "$state" ] || . "$state"
eval "$line")";

std::int64_t linesOf(const rapidjson::Value& body) {
  const std::string text = textOf(member(&body, "last_n"));
  std::int64_t lines = kShownLines;
  std::from_chars(text.data(), text.data() + text.size(), lines);
  return lines;
}

}  // namespace

RunloopExecutions::Execution RunloopExecutions::start(RunloopSimulator& service, const RunloopSimulator::Live& live,
                                                      const rapidjson::Value& body) {
  Execution execution;
  execution.id = newRunloopId("exec_", 20);
  execution.boxId = live.box.id;
  TaskSpec spec;
  spec.argv = {"/bin/bash", "-c", textOf(member(&body, "command"))};
  spec.input = truthOf(member(&body, "attach_stdin"));
  spec.keepBytes = kKeptBytes;
  std::shared_ptr<std::mutex> turn;
  if (member(&body, "shell_name") != nullptr) {
    execution.shell = textOf(member(&body, "shell_name"));
    spec.argv = {"/bin/bash", "-c", kNamedShell, "shell", spec.argv[2], "/tmp/.shell-" + *execution.shell};
    const std::lock_guard lock(service.mutex_);
    auto& shell = service.shells_[live.box.id + "/" + *execution.shell];
    if (!shell) shell = std::make_shared<std::mutex>();
    turn = shell;
  }
  // One command at a time: who comes next waits for the one before to end.
  const auto mine = turn ? std::unique_lock(*turn) : std::unique_lock<std::mutex>();
  if (turn) {
    std::vector<std::shared_ptr<Task>> before;
    {
      const std::lock_guard lock(service.mutex_);
      for (const auto& [id, each] : service.executions_) {
        if (each.boxId == live.box.id && each.shell == execution.shell) before.push_back(each.task);
      }
    }
    for (const auto& task : before) {
      while (!task->wait(milliseconds(1000))) {
      }
    }
  }
  execution.task = live.machine->start(std::move(spec));
  const std::lock_guard lock(service.mutex_);
  service.executions_[execution.id] = execution;
  return execution;
}

void RunloopExecutions::execute(RunloopSimulator& service, Exchange& exchange, bool async) {
  rapidjson::Document body;
  if (!readRunloopBody(exchange, body)) return;
  const auto live = service.running(exchange);
  if (!live) return;
  if (member(&body, "command") == nullptr) return respondRunloopError(exchange, 400, "command: is required");
  const std::string commandId = textOf(member(&body, "command_id"));
  const std::string key = live->box.id + "/" + commandId;
  std::optional<Execution> execution;
  if (!commandId.empty()) {  // the same command, asked for again
    const std::lock_guard lock(service.mutex_);
    const auto known = service.commands_.find(key);
    if (known != service.commands_.end()) execution = service.executions_.at(known->second);
  }
  if (!execution) {
    execution = start(service, *live, body);
    const std::lock_guard lock(service.mutex_);
    if (!commandId.empty()) service.commands_[key] = execution->id;
  }
  if (!async) {
    const std::int64_t seconds = numberOf(member(&body, "optimistic_timeout"), 1);
    execution->task->wait(milliseconds(1000) * std::min<std::int64_t>(seconds, kLongestHold));
  }
  exchange.respond(200, RunloopViews::of(*execution, linesOf(body)));
}

std::optional<RunloopExecutions::Execution> RunloopExecutions::named(RunloopSimulator& service, Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(1);
  if (!service.named(exchange)) return {};
  {
    const std::lock_guard lock(service.mutex_);
    const auto found = service.executions_.find(id);
    if (found != service.executions_.end() && found->second.boxId == exchange.request.parts.at(0)) return found->second;
  }
  respondRunloopError(exchange, 404, "Execution with id " + id + " not found");
  return {};
}

void RunloopExecutions::wait(Exchange& exchange, const Execution& execution) {
  rapidjson::Document body;
  if (!readRunloopBody(exchange, body) || !readStatuses(exchange, body)) return;
  const std::int64_t seconds = numberOf(member(&body, "timeout_seconds"), kLongestHold);
  const auto until = Steady::now() + std::min<milliseconds>(kRunloopHold, std::chrono::seconds(seconds));
  while (!execution.task->wait(kLookAround)) {
    if (exchange.stream.peerGone()) return exchange.cut();
    if (Steady::now() >= until) {
      return respondRunloopError(exchange, 408, "Timed out waiting for status", {{"x-should-retry", "true"}});
    }
  }
  exchange.respond(200, RunloopViews::of(execution, linesOf(body)));
}

void RunloopExecutions::kill(Exchange& exchange, const Execution& execution) {
  rapidjson::Document body;
  if (!readRunloopBody(exchange, body)) return;
  execution.task->signal(SIGKILL, truthOf(member(&body, "kill_process_group")));
  execution.task->wait(std::chrono::seconds(2));
  exchange.respond(200, RunloopViews::of(execution, kShownLines));
}

void RunloopExecutions::sendInput(Exchange& exchange, const Execution& execution) {
  rapidjson::Document body;
  if (!readRunloopBody(exchange, body)) return;
  if (!execution.task->spec().input) return respondRunloopError(exchange, 400, "stdin is not attached");
  bool success = true;
  const auto* const text = member(&body, "text");
  const std::string signal = textOf(member(&body, "signal"));
  if (text != nullptr && !textOf(text).empty()) success = execution.task->write(textOf(text));
  if (signal == "EOF") {
    execution.task->closeInput();
  } else if (signal == "INTERRUPT") {
    success = execution.task->signal(SIGINT, true);
  } else if (!signal.empty()) {
    return respondRunloopError(exchange, 400, "signal: must be EOF or INTERRUPT");
  }
  exchange.respond(
      200,
      JsonObject().add("devbox_id", execution.boxId).add("execution_id", execution.id).add("success", success).text());
}

// Server-sent events with what one channel said from an offset on, until the program has ended. After some time
// without any, the stream ends with an error that asks the client to come again.
void RunloopExecutions::stream(Exchange& exchange, const Execution& execution, Channel channel) {
  const std::string given = runloopQuery(exchange.request, "offset");
  std::int64_t from = 0, seen = 0;
  const char* const end = given.data() + given.size();
  if (!given.empty() && (std::from_chars(given.data(), end, from).ptr != end || from < 0)) {
    return respondRunloopError(exchange, 400, "offset: must be a number of bytes");
  }
  exchange.begin(200, "text/event-stream");
  const auto reader = execution.task->follow(true);
  const auto send = [&](const std::string& text, std::int64_t offset) {
    return exchange.chunk("data: " + JsonObject().add("output", text).add("offset", offset).text() + "\n\n");
  };
  std::string rest;  // of a character that has not come whole; it is before `seen`
  OutputChunk chunk;
  auto last = Steady::now();
  for (;;) {
    const State state = reader->next(chunk, kLookAround);
    if (state == State::end) break;
    if (state == State::waiting) {
      if (exchange.stream.peerGone()) return;
      if (Steady::now() - last < kIdle) continue;
      exchange.chunk("event: error\ndata: {\"code\":408,\"message\":\"Stream idle timeout\"}\n\n");
      return exchange.end();
    }
    if (chunk.channel != channel) continue;
    const auto size = static_cast<std::int64_t>(chunk.bytes.size());
    const std::int64_t skipped = std::min(std::max<std::int64_t>(from - seen, 0), size);
    const std::int64_t offset = seen + skipped - static_cast<std::int64_t>(rest.size());
    seen += size;
    if (skipped == size) continue;
    const std::string bytes = rest + chunk.bytes.substr(static_cast<std::size_t>(skipped));
    const std::string text = utf8Of(bytes, &rest);
    last = Steady::now();
    if (!text.empty() && !send(text, offset)) return;
  }
  if (!rest.empty()) send(utf8Of(rest), seen - static_cast<std::int64_t>(rest.size()));
  exchange.end();
}

void RunloopExecutions::addRoutes(RunloopSimulator& service, Server& server) {
  const std::string base = "/v1/devboxes/*/";
  service.route(server, "POST", base + "execute", [&](Exchange& exchange) { execute(service, exchange, false); });
  service.route(server, "POST", base + "execute_async", [&](Exchange& exchange) { execute(service, exchange, true); });
  const auto add = [&](const char* method, const char* path, auto act) {
    service.route(server, method, base + "executions/*" + path, [&service, act](Exchange& exchange) {
      if (const auto execution = named(service, exchange)) act(exchange, *execution);
    });
  };
  add("GET", "", [](Exchange& exchange, const Execution& execution) {
    const std::string wanted = runloopQuery(exchange.request, "last_n");
    std::int64_t lines = kShownLines;
    std::from_chars(wanted.data(), wanted.data() + wanted.size(), lines);
    exchange.respond(200, RunloopViews::of(execution, lines));
  });
  add("POST", "/wait_for_status", wait);
  add("POST", "/kill", kill);
  add("POST", "/send_std_in", sendInput);
  add("GET", "/stream_stdout_updates",
      [](Exchange& exchange, const Execution& execution) { stream(exchange, execution, Channel::standardOutput); });
  add("GET", "/stream_stderr_updates",
      [](Exchange& exchange, const Execution& execution) { stream(exchange, execution, Channel::standardError); });
}

}  // namespace computesdk::simulators
