// Processes of a sandbox: waited for, streamed, left alone, fed and ended.
#include <algorithm>
#include <csignal>
#include <ctime>

#include "blaxel.hpp"
#include "text.hpp"

namespace computesdk::simulators {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;
using State = OutputLog::Reader::State;

constexpr std::size_t kKeptBytes = std::size_t{256} << 20;
constexpr milliseconds kLookAround{50}, kKeepAlive{1000};
/// The edge in front of a sandbox does not wait longer for an answer's head.
constexpr milliseconds kEdgeTimeout{60000};

std::string httpDate(const std::optional<Clock::time_point>& time) {
  if (!time) return {};
  const std::time_t seconds = Clock::to_time_t(*time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

std::string BlaxelProcesses::view(Process& process) {
  const auto end = process.task->ended();
  std::string status = "running";
  int code = 0;
  if (end) {
    if (!*process.endedAt) *process.endedAt = Clock::now();
    code = end->signalled ? 128 + end->value : end->value;
    status = code == 0 ? "completed" : "failed";
    if (end->timedOut) status = "killed", code = 128 + SIGKILL;
    if (!process.ordered.empty() && end->signalled) status = process.ordered;
  }
  std::string ignored;
  std::string* const rest = end ? nullptr : &ignored;
  const std::string out = blaxelText(process.task->kept(Channel::standardOutput), rest);
  const std::string err = blaxelText(process.task->kept(Channel::standardError), rest);
  return JsonObject()
      .add("pid", std::to_string(process.task->pid()))
      .add("name", process.name)
      .add("command", process.command)
      .add("status", status)
      .add("exitCode", code)
      .add("startedAt", httpDate(process.startedAt))
      .add("completedAt", httpDate(*process.endedAt))
      .add("workingDir", process.directory)
      .add("stdin", process.input)
      .add("logs", out + err)
      .add("stdout", out)
      .add("stderr", err)
      .text();
}

std::shared_ptr<BlaxelProcesses::Process> BlaxelProcesses::named(BlaxelSimulator& service, Exchange& exchange) {
  const std::string wanted = exchange.request.parts.at(1);
  auto process = service.with(exchange.request.parts.at(0), [&](const auto* box) -> std::shared_ptr<Process> {
    if (box == nullptr) return nullptr;
    for (auto each = box->processes.rbegin(); each != box->processes.rend(); ++each) {
      if ((*each)->name == wanted || std::to_string((*each)->task->pid()) == wanted) return *each;
    }
    return nullptr;
  });
  if (!process) respondSandboxError(exchange, 404, "Process not found");
  return process;
}

void BlaxelProcesses::start(BlaxelSimulator& service, Exchange& exchange, Machine& machine) {
  rapidjson::Document body;
  if (!parseJson(exchange.request.body, body) || !body.IsObject()) {
    return respondSandboxError(exchange, 400, "invalid request body");
  }
  const auto process = std::make_shared<Process>();
  process->command = textOf(member(&body, "command"));
  process->name = textOf(member(&body, "name"), "proc-" + newBlaxelId(6));
  process->directory = textOf(member(&body, "workingDir"), kBlaxelHome);
  process->input = truthOf(member(&body, "stdin"));
  process->startedAt = Clock::now();
  process->endedAt = std::make_shared<std::optional<Clock::time_point>>();
  if (process->command.empty()) return respondSandboxError(exchange, 400, "command is required");
  const bool waits = truthOf(member(&body, "waitForCompletion"));
  const bool streams = waits && exchange.request.header("accept") == "text/event-stream";
  TaskSpec spec;
  spec.argv = {"/bin/sh", "-c", process->command};
  spec.cwd = process->directory;
  spec.env = textMapOf(member(&body, "env"));
  spec.input = process->input;
  spec.keepBytes = kKeptBytes;
  spec.timeout = milliseconds(1000) * numberOf(member(&body, "timeout"));
  spec.follow = streams;
  const std::string sandbox = exchange.request.parts.at(0);
  const bool taken = service.with(sandbox, [&](const auto* box) {
    return box != nullptr && std::ranges::any_of(box->processes, [&](const auto& each) {
             return each->name == process->name && !each->task->ended();
           });
  });
  if (taken) return respondSandboxError(exchange, 409, "a process named " + process->name + " is running");
  process->task = machine.start(std::move(spec));
  service.with(sandbox, [&](auto* box) {
    if (box != nullptr) box->processes.push_back(process);
  });
  if (streams) return stream(exchange, *process, *process->task->takeReader());
  const auto begun = Steady::now();
  while (waits && !process->task->wait(kLookAround)) {
    if (exchange.stream.peerGone()) return;
    if (Steady::now() - begun > kEdgeTimeout) {
      return exchange.respond(504, "<html><h1>504 Gateway Time-out</h1></html>", "text/html");
    }
  }
  exchange.respond(200, view(*process));
}

// Lines of JSON: output as it comes, keep-alives, and the process's view at its end.
void BlaxelProcesses::stream(Exchange& exchange, Process& process, OutputLog::Reader& reader) {
  exchange.begin(200, "application/x-ndjson");
  const auto line = [&](std::string_view type, std::string_view data) {
    return exchange.chunk(JsonObject().add("type", type).add("data", data).text() + "\n");
  };
  std::string rest[2];
  auto last = Steady::now();
  OutputChunk chunk;
  for (;;) {
    const State state = reader.next(chunk, kLookAround);
    if (state == State::end) break;
    if (state == State::waiting) {
      if (exchange.stream.peerGone()) return;
      if (Steady::now() - last < kKeepAlive) continue;
      if (!exchange.chunk("{\"type\":\"keepalive\"}\n")) return;
      last = Steady::now();
      continue;
    }
    const bool error = chunk.channel == Channel::standardError;
    std::string& left = rest[error ? 1 : 0];
    const std::string bytes = left + chunk.bytes;
    const std::string text = blaxelText(bytes, &left);
    last = Steady::now();
    if (!text.empty() && !line(error ? "stderr" : "stdout", text)) return;
  }
  for (const bool error : {false, true}) {
    const std::string text = blaxelText(rest[error ? 1 : 0]);
    if (!text.empty() && !line(error ? "stderr" : "stdout", text)) return;
  }
  line("result", view(process));
  exchange.end();
}

// Line by line, as the service has it: where a line ends is lost.
void BlaxelProcesses::streamLogs(Exchange& exchange, Process& process) {
  const auto reader = process.task->follow(true);
  exchange.begin(200, "text/event-stream");
  std::string rest[2];
  auto last = Steady::now();
  OutputChunk chunk;
  const auto flush = [&](bool error, bool all) {
    std::string& text = rest[error ? 1 : 0];
    for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos || (all && !text.empty());) {
      const std::string line = text.substr(0, end);
      text.erase(0, end == std::string::npos ? end : end + 1);
      if (!exchange.chunk((error ? "stderr:" : "stdout:") + blaxelText(line) + "\n")) return false;
    }
    return true;
  };
  for (;;) {
    const State state = reader->next(chunk, kLookAround);
    if (state == State::end) break;
    if (state == State::waiting) {
      if (exchange.stream.peerGone()) return;
      if (Steady::now() - last < kKeepAlive) continue;
      if (!exchange.chunk("[keepalive]\n")) return;
      last = Steady::now();
      continue;
    }
    const bool error = chunk.channel == Channel::standardError;
    rest[error ? 1 : 0] += chunk.bytes;
    last = Steady::now();
    if (!flush(error, false)) return;
  }
  if (flush(false, true) && flush(true, true)) exchange.end();
}

void BlaxelProcesses::finish(Exchange& exchange, Process& process, bool kill) {
  if (process.task->ended()) return respondSandboxError(exchange, 404, "Process is not running");
  process.ordered = kill ? "killed" : "stopped";
  process.task->signal(kill ? SIGKILL : SIGTERM, true);
  process.task->wait(milliseconds(2000));
  const char* const done = kill ? "Process killed successfully" : "Process stopped successfully";
  exchange.respond(200, JsonObject().add("message", done).text());
}

void BlaxelProcesses::addRoutes(BlaxelSimulator& service, Server& server) {
  service.sandboxRoute(server, "POST", "/process",
                       [&service](Exchange& exchange, Machine& machine) { start(service, exchange, machine); });
  service.sandboxRoute(server, "GET", "/process", [&service](Exchange& exchange, Machine&) {
    const auto all = service.with(exchange.request.parts.at(0), [](const auto* box) {
      return box == nullptr ? std::vector<std::shared_ptr<Process>>() : box->processes;
    });
    std::vector<std::string> views;
    for (const auto& process : all) views.push_back(view(*process));
    exchange.respond(200, jsonArray(views));
  });
  const auto add = [&](const char* method, const char* path, auto act) {
    service.sandboxRoute(server, method, std::string("/process/*") + path,
                         [&service, act](Exchange& exchange, Machine&) {
                           if (const auto process = named(service, exchange)) act(exchange, *process);
                         });
  };
  add("GET", "", [](Exchange& exchange, Process& process) { exchange.respond(200, view(process)); });
  add("DELETE", "", [](Exchange& exchange, Process& process) { finish(exchange, process, false); });
  add("DELETE", "/kill", [](Exchange& exchange, Process& process) { finish(exchange, process, true); });
  add("GET", "/logs/stream", streamLogs);
  add("GET", "/logs", [](Exchange& exchange, const Process& process) {
    const std::string out = blaxelText(process.task->kept(Channel::standardOutput));
    const std::string err = blaxelText(process.task->kept(Channel::standardError));
    exchange.respond(200, JsonObject().add("stdout", out).add("stderr", err).add("logs", out + err).text());
  });
  add("POST", "/stdin", [](Exchange& exchange, const Process& process) {
    if (!process.input) return respondSandboxError(exchange, 409, "process has no stdin");
    if (exchange.request.body.size() > (std::size_t{8} << 20)) {
      return respondSandboxError(exchange, 413, "body over 8 MiB");
    }
    if (!process.task->write(exchange.request.body)) return respondSandboxError(exchange, 409, "stdin is closed");
    exchange.respond(200, JsonObject().add("message", "written").text());
  });
  add("DELETE", "/stdin", [](Exchange& exchange, const Process& process) {
    if (!process.input) return respondSandboxError(exchange, 409, "process has no stdin");
    process.task->closeInput();
    exchange.respond(200, JsonObject().add("message", "stdin closed").text());
  });
}

}  // namespace computesdk::simulators
