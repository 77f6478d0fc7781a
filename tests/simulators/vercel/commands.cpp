#include <algorithm>

#include "routes.hpp"

namespace computesdk::simulators {
namespace {

using std::chrono::milliseconds;
using State = OutputLog::Reader::State;

constexpr milliseconds kLookAround{50};  // how often one looks whether the peer or the session is gone

// Bytes at the start of `text` that are, or may become, one character of UTF-8, and how long that is; {1, 0}: none.
std::pair<std::size_t, std::size_t> characterAt(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  std::size_t length = 0;
  if (first < 0x80) length = 1;
  if (first >= 0xc2 && first < 0xe0) length = 2;
  if (first >= 0xe0 && first < 0xf0) length = 3;
  if (first >= 0xf0 && first < 0xf5) length = 4;
  std::size_t there = 1;
  for (; there < length && there < text.size(); ++there) {
    unsigned least = 0x80, most = 0xbf;
    if (there == 1 && first == 0xe0) least = 0xa0;  // what a shorter form would do for
    if (there == 1 && first == 0xed) most = 0x9f;   // halves of UTF-16's pairs
    if (there == 1 && first == 0xf0) least = 0x90;
    if (there == 1 && first == 0xf4) most = 0x8f;  // beyond the last character
    if (at(there) < least || at(there) > most) return {there, 0};
  }
  return {there, length};
}

// Output as text: what is no UTF-8 becomes U+FFFD, and a character whose end has not come yet waits in `bytes`.
std::string takeText(std::string& bytes, bool last) {
  std::string text;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto [there, length] = characterAt(std::string_view(bytes).substr(at));
    if (length != 0 && there < length && !last) break;
    if (length != 0 && there == length) {
      text.append(bytes, at, length);
    } else {
      text += "\xef\xbf\xbd";
    }
    at += there;
  }
  bytes.erase(0, at);
  return text;
}

std::int64_t exitCode(const TaskEnd& end) {
  if (end.timedOut) return 137;
  return end.signalled ? 128 + end.value : end.value;
}

bool sendOutput(Exchange& exchange, const char* stream, const std::string& text) {
  return text.empty() || exchange.chunk(JsonObject().add("stream", stream).add("data", text).text() + "\n");
}

}  // namespace

std::string VercelCommands::json(const Command& command, bool begun) {
  const std::vector<std::string>& argv = command.task->spec().argv;
  const auto end = begun ? std::nullopt : command.task->ended();
  JsonObject object;
  object.add("id", command.id).add("name", argv.at(0)).raw("args", jsonStrings({argv.begin() + 1, argv.end()}));
  object.add("cwd", command.cwd).add("sessionId", command.run);
  object.raw("exitCode", end ? std::to_string(exitCode(*end)) : "null").add("startedAt", command.startedAt);
  if (end) object.add("durationMs", std::max<std::int64_t>(epochMs() - command.startedAt, 0));
  return JsonObject().raw("command", object.text()).text();
}

// Output lines, to the end of the command. False: the peer is gone, or has been told why there is no end.
bool VercelCommands::follow(VercelSimulator& service, Exchange& exchange, const Command& command,
                            OutputLog::Reader* reader) {
  std::string out, err;
  OutputChunk chunk;
  for (;;) {
    State state = State::waiting;
    if (reader != nullptr) {
      state = reader->next(chunk, kLookAround);
    } else if (command.task->wait(kLookAround)) {
      state = State::end;
    }
    if (state == State::chunk) {
      const bool error = chunk.channel == Channel::standardError;
      std::string& bytes = error ? err : out;
      bytes += chunk.bytes;
      if (!sendOutput(exchange, error ? "stderr" : "stdout", takeText(bytes, false))) return false;
      continue;
    }
    const auto run = service.run(command.run);
    if (!run || !run->running) {
      exchange.chunk(JsonObject()
                         .add("stream", "error")
                         .raw("data", JsonObject()
                                          .add("code", "sandbox_stopped")
                                          .add("message", "Sandbox has stopped execution and is no longer available")
                                          .text())
                         .text() +
                     "\n");
      return false;
    }
    if (state == State::end) break;
    if (exchange.stream.peerGone()) return false;
  }
  return sendOutput(exchange, "stdout", takeText(out, true)) && sendOutput(exchange, "stderr", takeText(err, true));
}

void VercelCommands::start(VercelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  const auto live = service.enter(exchange);
  if (!live || !readObject(exchange, body)) return;
  const bool wait = truthOf(member(&body, "wait")), logs = truthOf(member(&body, "logs"));
  TaskSpec spec;
  spec.argv = textsOf(member(&body, "args"));
  spec.argv.insert(spec.argv.begin(), textOf(member(&body, "command")));
  spec.env = textMapOf(member(&body, "env"));
  spec.cwd = textOf(member(&body, "cwd"), kVercelHome);
  spec.timeout = milliseconds(numberOf(member(&body, "timeout")));
  spec.follow = wait && logs;
  if (spec.argv[0].empty()) {
    return respondError(exchange, 400, "bad_request", "Invalid request: missing required property `command`");
  }
  Command command;
  command.id = vercelId("cmd_", 24);
  command.run = live->run.id;
  command.cwd = spec.cwd;
  command.startedAt = epochMs();
  try {
    command.task = live->machine->start(spec);
  } catch (const MachineError& error) {
    if (error.kind() == MachineError::Kind::gone) throw;
    return respondError(exchange, 400, "bad_request", error.what());
  }
  const auto reader = spec.follow ? command.task->takeReader() : nullptr;
  {
    const std::lock_guard lock(service.mutex_);
    service.commands_[command.id] = command;
  }
  // The first line is of a command that runs, however soon it ended.
  const std::string begun = json(command, true);
  if (!wait) return exchange.respond(200, begun);
  exchange.begin(200, "application/x-ndjson");
  if (!exchange.chunk(begun + "\n")) return;
  if (follow(service, exchange, command, reader.get())) exchange.chunk(json(command) + "\n");
  exchange.end();
}

std::optional<VercelCommands::Command> VercelCommands::find(VercelSimulator& service, Exchange& exchange) {
  if (!service.enter(exchange)) return {};
  const std::string &run = exchange.request.parts.at(0), &id = exchange.request.parts.at(1);
  {
    const std::lock_guard lock(service.mutex_);
    const auto found = service.commands_.find(id);
    if (found != service.commands_.end() && found->second.run == run) return found->second;
  }
  respondError(exchange, 404, "not_found", "Command \"" + id + "\" not found");
  return {};
}

void VercelCommands::get(VercelSimulator& service, Exchange& exchange) {
  const auto command = find(service, exchange);
  if (!command) return;
  const bool wait = queryText(exchange.request, "wait") == "true";
  while (wait && !command->task->wait(kLookAround)) {
    const auto run = service.run(command->run);
    if (!run || !run->running) return respondStopped(exchange);
    if (exchange.stream.peerGone()) return exchange.cut();
  }
  exchange.respond(200, json(*command));
}

void VercelCommands::logs(VercelSimulator& service, Exchange& exchange) {
  const auto command = find(service, exchange);
  if (!command) return;
  const auto reader = command->task->follow(true);
  exchange.begin(200, "application/x-ndjson");
  follow(service, exchange, *command, reader.get());
  exchange.end();
}

void VercelCommands::kill(VercelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto command = find(service, exchange);
  if (!command) return;
  const std::int64_t number = numberOf(member(&body, "signal"), 15);
  if (number < 1 || number > 64) {
    return respondError(exchange, 400, "bad_request", "Invalid request: `signal` should be the number of a signal");
  }
  command->task->signal(static_cast<int>(number), true);
  command->task->wait(number == 9 ? milliseconds(5000) : kLookAround);
  exchange.respond(200, json(*command));
}

void VercelCommands::addRoutes(VercelSimulator& service, Server& server) {
  const auto add = [&](const char* method, const char* path, void (*act)(VercelSimulator&, Exchange&)) {
    service.route(server, method, std::string("/v2/sandboxes/sessions/*/cmd") + path,
                  [&service, act](Exchange& exchange) { act(service, exchange); });
  };
  add("POST", "", start);
  add("GET", "/*/logs", logs);
  add("POST", "/*/kill", kill);
  add("GET", "/*", get);
}

}  // namespace computesdk::simulators
