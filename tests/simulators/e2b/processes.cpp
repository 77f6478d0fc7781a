#include <charconv>
#include <csignal>
#include <cstring>

#include "envd.hpp"

namespace computesdk::simulators {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;
using State = OutputLog::Reader::State;

constexpr milliseconds kLookAround{50};  // how often one looks whether the peer or the sandbox is gone

milliseconds headerTime(const Request& request, const char* name, milliseconds unit, milliseconds otherwise) {
  const std::string text = request.header(name);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number < 0) return otherwise;
  return unit * number;
}

// Go's words.
std::string signalText(int number) {
  switch (number) {
    case SIGHUP: return "hangup";
    case SIGINT: return "interrupt";
    case SIGQUIT: return "quit";
    case SIGABRT: return "aborted";
    case SIGKILL: return "killed";
    case SIGSEGV: return "segmentation fault";
    case SIGPIPE: return "broken pipe";
    case SIGALRM: return "alarm clock";
    case SIGTERM: return "terminated";
    default: return "signal " + std::to_string(number);
  }
}

std::string event(std::string_view name, const JsonObject& value) {
  return JsonObject().raw("event", JsonObject().raw(name, value.text()).text()).text();
}

std::string startEvent(const Task& task) { return event("start", JsonObject().add("pid", task.pid())); }

std::string dataEvent(const OutputChunk& chunk) {
  const char* const name = chunk.channel == Channel::terminal         ? "pty"
                           : chunk.channel == Channel::standardOutput ? "stdout"
                                                                      : "stderr";
  return event("data", JsonObject().add(name, base64(chunk.bytes)));
}

// What is at its default is absent.
std::string endEvent(const TaskEnd& end) {
  JsonObject object;
  const std::string status =
      end.signalled ? "signal: " + signalText(end.value) : "exit status " + std::to_string(end.value);
  if (end.signalled || end.value != 0) object.add("exitCode", end.signalled ? -1 : end.value);
  if (!end.signalled) object.add("exited", true);
  object.add("status", status);
  if (end.signalled || end.value != 0) object.add("error", status);
  return event("end", object);
}

RpcError unknownProcess(const rapidjson::Value* selector) {
  const rapidjson::Value* const tag = member(selector, "tag");
  const std::string what =
      tag != nullptr ? "tag " + textOf(tag) : "pid " + std::to_string(numberOf(member(selector, "pid")));
  return {"not_found", "process with " + what + " not found"};
}

std::shared_ptr<Task> select(Machine& machine, const rapidjson::Value* selector) {
  const std::string tag = textOf(member(selector, "tag"));
  if (tag.empty()) return machine.task(numberOf(member(selector, "pid")));
  for (auto& task : machine.tasks()) {
    if (task->spec().tag == tag) return task;
  }
  return nullptr;
}

// The terminal's size; false when there is none.
bool readSize(const rapidjson::Value& message, TerminalSize& size) {
  const rapidjson::Value* const given = member(member(&message, "pty"), "size");
  size.columns = static_cast<std::uint32_t>(numberOf(member(given, "cols"), size.columns));
  size.rows = static_cast<std::uint32_t>(numberOf(member(given, "rows"), size.rows));
  return member(&message, "pty") != nullptr;
}

TaskSpec readSpec(const rapidjson::Value& message, const Request& request) {
  const rapidjson::Value* const process = member(&message, "process");
  TaskSpec spec;
  spec.argv = textsOf(member(process, "args"));
  spec.argv.insert(spec.argv.begin(), textOf(member(process, "cmd")));
  spec.env = textMapOf(member(process, "envs"));
  spec.cwd = resolved(textOf(member(process, "cwd")));
  spec.tag = textOf(member(&message, "tag"));
  spec.input = truthOf(member(&message, "stdin"), true);
  TerminalSize size;
  if (readSize(message, size)) spec.terminal = size;
  spec.keepBytes = 0;
  spec.follow = true;
  spec.timeout = headerTime(request, "connect-timeout-ms", milliseconds(1), milliseconds(0));
  return spec;
}

}  // namespace

std::string resolved(const std::string& path) {
  std::string whole = path == "~" || path.starts_with("~/") ? kHome + path.substr(1) : path;
  if (!whole.starts_with('/')) whole = std::string(kHome) + "/" + whole;
  std::string clean = std::filesystem::path(whole).lexically_normal();
  while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
  return clean;
}

std::string userOf(const Request& request) {
  std::string header = request.header("authorization"), decoded;
  if (header.empty()) return "user";
  if (!header.starts_with("Basic ") || !unbase64(header.substr(6), decoded)) return {};
  decoded.resize(std::min(decoded.find(':'), decoded.size()));
  return decoded == "user" || decoded == "root" ? decoded : std::string();
}

void E2bProcesses::start(E2bSimulator& service, Exchange& exchange) {
  rapidjson::Document message;
  const auto live = service.enter(exchange);
  if (!live || !readStream(exchange, message)) return;
  RpcStream stream(exchange);
  const TaskSpec spec = readSpec(message, exchange.request);
  if (spec.argv.at(0).empty()) return stream.end({"invalid_argument", "process.cmd: value is required"});
  std::shared_ptr<Task> task;
  try {
    Machine& machine = *live->machine;
    if (!isDirectory(machine, spec.cwd)) {
      return stream.end({"invalid_argument", "cwd '" + spec.cwd + "' does not exist"});
    }
    task = machine.start(spec);
  } catch (const MachineError& error) {
    if (error.kind() == MachineError::Kind::gone) return exchange.cut();
    return stream.end({"invalid_argument", "error starting process '" + spec.argv[0] + "': " + error.what()});
  }
  follow(service, exchange, *live, *task, task->takeReader());
}

void E2bProcesses::connect(E2bSimulator& service, Exchange& exchange) {
  rapidjson::Document message;
  const auto live = service.enter(exchange);
  if (!live || !readStream(exchange, message)) return;
  const auto task = select(*live->machine, member(&message, "process"));
  if (!task) return RpcStream(exchange).end(unknownProcess(member(&message, "process")));
  follow(service, exchange, *live, *task, task->follow(false));
}

void E2bProcesses::follow(E2bSimulator& service, Exchange& exchange, const Live& live, Task& task,
                          std::unique_ptr<OutputLog::Reader> reader) {
  const auto began = Steady::now();
  const auto limit = headerTime(exchange.request, "connect-timeout-ms", milliseconds(1), milliseconds(0));
  const auto pause = headerTime(exchange.request, "keepalive-ping-interval", milliseconds(1000), milliseconds(90000));
  auto lastPing = began;
  RpcStream stream(exchange);
  if (!reader || !stream.send(startEvent(task))) return;
  OutputChunk chunk;
  for (;;) {
    const State state = reader->next(chunk, kLookAround);
    if (state == State::chunk) {
      if (!stream.send(dataEvent(chunk))) return;
      continue;
    }
    const auto now = Steady::now();
    if (limit.count() > 0 && now - began >= limit)
      return stream.end({"deadline_exceeded", "context deadline exceeded"});
    if (state == State::end) break;
    if (exchange.stream.peerGone()) return;
    const auto still = service.find(live.box.id);
    if (!still || still->box.paused) return exchange.cut();
    if (pause.count() > 0 && now - lastPing >= pause) {
      lastPing = now;
      if (!stream.send(event("keepalive", {}))) return;
    }
  }
  if (!service.find(live.box.id)) return exchange.cut();  // it ended with its sandbox
  if (task.ended()->timedOut) return stream.end({"deadline_exceeded", "context deadline exceeded"});
  if (stream.send(endEvent(*task.ended()))) stream.end();
}

void E2bProcesses::list(Exchange& exchange, const Live& live) {
  std::vector<std::string> items;
  for (const auto& task : live.machine->tasks()) {
    const TaskSpec& spec = task->spec();
    JsonObject config;
    config.add("cmd", spec.argv[0]);
    config.raw("args", jsonStrings({spec.argv.begin() + 1, spec.argv.end()})).add("envs", spec.env);
    if (spec.cwd != kHome) config.add("cwd", spec.cwd);
    JsonObject item;
    item.raw("config", config.text()).add("pid", task->pid());
    if (!spec.tag.empty()) item.add("tag", spec.tag);
    items.push_back(item.text());
  }
  JsonObject answer;
  if (!items.empty()) answer.raw("processes", jsonArray(items));
  respondUnary(exchange, answer.text());
}

namespace {

// Bytes of a ProcessInput for this task; the reason when it takes none of them.
RpcError writeInput(Task& task, const rapidjson::Value* input) {
  const bool terminal = task.spec().terminal.has_value();
  const rapidjson::Value* const bytes = member(input, terminal ? "pty" : "stdin");
  std::string decoded;
  if (bytes == nullptr) {
    return {"invalid_argument", terminal ? "tty assigned to process" : "tty not assigned to process"};
  }
  if (!unbase64(textOf(bytes), decoded)) return {"invalid_argument", "unmarshal message: invalid base64"};
  if (task.write(decoded)) return {};
  return {"internal", terminal ? "error writing to tty" : "error writing to stdin: stdin not enabled or closed"};
}

}  // namespace

void E2bProcesses::sendInput(Exchange& exchange, Task& task, const rapidjson::Value& message) {
  const RpcError error = writeInput(task, member(&message, "input"));
  if (!error.code.empty()) return respondUnary(exchange, error);
  respondUnary(exchange, "{}");
}

void E2bProcesses::sendSignal(Exchange& exchange, Task& task, const rapidjson::Value& message) {
  const rapidjson::Value* const given = member(&message, "signal");
  std::int64_t number = numberOf(given);
  if (textOf(given) == "SIGNAL_SIGKILL") number = SIGKILL;
  if (textOf(given) == "SIGNAL_SIGTERM") number = SIGTERM;
  if (number != SIGKILL && number != SIGTERM) {
    return respondUnary(exchange, RpcError{"unimplemented", "invalid signal: SIGNAL_UNSPECIFIED"});
  }
  if (!task.signal(static_cast<int>(number))) {
    return respondUnary(exchange, unknownProcess(member(&message, "process")));
  }
  if (number == SIGKILL) task.wait(std::chrono::seconds(5));  // so that List does not show it any more
  respondUnary(exchange, "{}");
}

// Envelopes: the process first, then its input, piece by piece.
void E2bProcesses::streamInput(E2bSimulator& service, Exchange& exchange) {
  const auto live = service.enter(exchange);
  if (!live) return;
  RpcStream stream(exchange);
  std::string bytes, json;
  std::shared_ptr<Task> task;
  while (auto piece = exchange.bodyPiece()) {
    bytes += *piece;
    while (takeEnvelope(bytes, json)) {
      rapidjson::Document message;
      if (!parseJson(json, message)) return stream.end({"invalid_argument", "unmarshal message: proto: syntax error"});
      if (const rapidjson::Value* const start = member(&message, "start")) {
        task = select(*live->machine, member(start, "process"));
        if (!task) return stream.end(unknownProcess(member(start, "process")));
      } else if (const rapidjson::Value* const data = member(&message, "data")) {
        if (!task) return stream.end({"invalid_argument", "the process was not selected"});
        const RpcError error = writeInput(*task, member(data, "input"));
        if (!error.code.empty()) return stream.end(error);
      }
    }
  }
  stream.send("{}");
  stream.end();
}

void E2bProcesses::addRoutes(E2bSimulator& service, Server& server) {
  const auto route = [&](const char* method, auto act, bool streamed = false) {
    server.route(
        "POST", std::string("/process.Process/") + method,
        [&service, act](Exchange& exchange) {
          if (userOf(exchange.request).empty()) {
            return respondUnary(exchange, RpcError{"unauthenticated", "invalid username"});
          }
          act(service, exchange);
        },
        streamed);
  };
  using Act = void (*)(Exchange&, Task&, const rapidjson::Value&);
  const auto onTask = [](Act act) {
    return [act](E2bSimulator& service, Exchange& exchange) {
      rapidjson::Document message;
      const auto live = service.enter(exchange);
      if (!live || !readUnary(exchange, message)) return;
      const auto task = select(*live->machine, member(&message, "process"));
      if (!task) return respondUnary(exchange, unknownProcess(member(&message, "process")));
      act(exchange, *task, message);
    };
  };
  route("Start", [](E2bSimulator& service, Exchange& exchange) { start(service, exchange); });
  route("Connect", [](E2bSimulator& service, Exchange& exchange) { connect(service, exchange); });
  route(
      "StreamInput", [](E2bSimulator& service, Exchange& exchange) { streamInput(service, exchange); }, true);
  route("List", [](E2bSimulator& service, Exchange& exchange) {
    rapidjson::Document message;
    const auto live = service.enter(exchange);
    if (live && readUnary(exchange, message)) list(exchange, *live);
  });
  route("SendInput", onTask([](Exchange& exchange, Task& task, const rapidjson::Value& message) {
          sendInput(exchange, task, message);
        }));
  route("SendSignal", onTask([](Exchange& exchange, Task& task, const rapidjson::Value& message) {
          sendSignal(exchange, task, message);
        }));
  route("CloseStdin", onTask([](Exchange& exchange, Task& task, const rapidjson::Value&) {
          task.closeInput();
          respondUnary(exchange, "{}");
        }));
  route("Update", onTask([](Exchange& exchange, Task& task, const rapidjson::Value& message) {
          TerminalSize size;
          if (readSize(message, size) && !task.resize(size)) {
            return respondUnary(exchange, RpcError{"invalid_argument", "tty not assigned to process"});
          }
          respondUnary(exchange, "{}");
        }));
}

}  // namespace computesdk::simulators
