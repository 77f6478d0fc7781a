// The toolbox's terminals.
#include <atomic>
#include <csignal>
#include <thread>

#include "toolbox.hpp"

namespace computesdk::simulators {
namespace {

using State = OutputLog::Reader::State;

constexpr std::string_view kExitControl = "X-Daytona-Pty-Exit-Control", kEnvs = "X-Daytona-Pty-Envs~";
constexpr std::chrono::milliseconds kTerminalLook{20};

TerminalSize sizeOf(std::int64_t columns, std::int64_t rows) {
  TerminalSize size;
  if (columns > 0 && columns <= 1000) size.columns = static_cast<std::uint32_t>(columns);
  if (rows > 0 && rows <= 1000) size.rows = static_cast<std::uint32_t>(rows);
  return size;
}

// Variables that travel as a subprotocol: base64url of a JSON object, without padding.
std::map<std::string, std::string> envsIn(const std::string& protocols) {
  const std::size_t at = protocols.find(kEnvs);
  if (at == std::string::npos) return {};
  std::string packed = protocols.substr(at + kEnvs.size()), json;
  packed = packed.substr(0, packed.find_first_of(", "));
  for (char& c : packed) c = c == '-' ? '+' : c == '_' ? '/' : c;
  rapidjson::Document document;
  if (!unbase64(packed, json) || !parseJson(json, document)) return {};
  return textMapOf(&document);
}

std::string terminalJson(const DaytonaTerminal& terminal) {
  JsonObject object;
  object.add("id", terminal.id).add("cwd", terminal.cwd).add("envs", terminal.envs);
  object.add("cols", static_cast<std::int64_t>(terminal.size.columns));
  object.add("rows", static_cast<std::int64_t>(terminal.size.rows)).add("createdAt", terminal.createdAt);
  return object.add("active", !terminal.task->ended()).add("lazyStart", false).text();
}

std::string control(std::string_view status, const std::optional<int>& code = {}) {
  JsonObject object;
  object.add("type", "control").add("status", status);
  if (code) object.add("exitCode", *code);
  return object.text();
}

}  // namespace

std::shared_ptr<DaytonaTerminal> DaytonaToolbox::terminal(Exchange& exchange) {
  std::shared_ptr<DaytonaTerminal> found;
  service_.change(live_.box.id, [&](Box& box) {
    if (const auto at = box.terminals.find(exchange.request.parts.at(0)); at != box.terminals.end()) found = at->second;
  });
  if (!found) respondDaemonError(exchange, 404, "NOT_FOUND", "PTY session not found");
  return found;
}

std::shared_ptr<DaytonaTerminal> DaytonaToolbox::startTerminal(Exchange& exchange, DaytonaTerminal wanted) {
  if (wanted.id.empty()) {
    respondDaemonError(exchange, 400, "BAD_REQUEST", "id is required");
    return {};
  }
  wanted.cwd = wanted.cwd.empty() ? kDaytonaHome : daytonaPath(wanted.cwd);
  wanted.createdAt = daytonaTime(Clock::now());
  bool taken = false;
  service_.change(live_.box.id, [&](const Box& box) { taken = box.terminals.contains(wanted.id); });
  if (taken) {
    respondDaemonError(exchange, 409, "CONFLICT", "PTY session with this ID already exists");
    return {};
  }
  if (!machine_.exists(wanted.cwd)) throw MachineError(MachineError::Kind::invalid, "chdir " + wanted.cwd);
  TaskSpec spec;
  spec.argv = {"/bin/bash", "-i"};
  spec.cwd = wanted.cwd;
  spec.env = wanted.envs;
  spec.env.insert({{"TERM", "xterm-256color"}});
  spec.terminal = wanted.size;
  auto made = std::make_shared<DaytonaTerminal>(std::move(wanted));
  made->task = machine_.start(std::move(spec));
  service_.change(live_.box.id, [&](Box& box) { box.terminals[made->id] = made; });
  return made;
}

void DaytonaToolbox::createTerminal(Exchange& exchange) {
  rapidjson::Document body;
  if (!readDaemonObject(exchange, body)) return;
  DaytonaTerminal wanted;
  wanted.id = textOf(member(&body, "id"));
  wanted.cwd = textOf(member(&body, "cwd"));
  wanted.envs = textMapOf(member(&body, "envs"));
  wanted.size = sizeOf(numberOf(member(&body, "cols")), numberOf(member(&body, "rows")));
  const auto made = startTerminal(exchange, std::move(wanted));
  if (made) exchange.respond(201, JsonObject().add("sessionId", made->id).text());
}

void DaytonaToolbox::openTerminal(Exchange& exchange) {
  const Request& request = exchange.request;
  const std::string protocols = request.header("sec-websocket-protocol");
  DaytonaTerminal wanted;
  wanted.id = queryOf(request, "id");
  wanted.cwd = queryOf(request, "cwd");
  wanted.envs = envsIn(protocols);
  wanted.size = sizeOf(numberIn(queryOf(request, "cols")).value_or(0), numberIn(queryOf(request, "rows")).value_or(0));
  const auto made = startTerminal(exchange, std::move(wanted));
  if (made) serveTerminal(exchange, *made, protocols, true);
}

void DaytonaToolbox::connectTerminal(Exchange& exchange) {
  const auto found = terminal(exchange);
  if (found) serveTerminal(exchange, *found, exchange.request.header("sec-websocket-protocol"), false);
}

void DaytonaToolbox::serveTerminal(Exchange& exchange, DaytonaTerminal& terminal, std::string_view protocols,
                                   bool fromStart) {
  const bool tellsExit = protocols.find(kExitControl) != std::string_view::npos;
  const auto reader = terminal.task->follow(fromStart);
  const auto socket = exchange.upgrade(tellsExit ? kExitControl : std::string_view());
  if (!socket) return;
  socket->send(control("connected"), true);
  std::atomic<bool> hungUp{false};
  std::thread listener([&] {
    while (const auto message = socket->receive()) terminal.task->write(message->data);
    hungUp = true;
  });
  bool whole = false;
  for (OutputChunk chunk;;) {
    const State state = reader->next(chunk, kTerminalLook);
    if (state == State::end) {
      whole = alive();
      break;
    }
    if (state == State::chunk && !socket->send(chunk.bytes)) break;
    if (state == State::waiting && (hungUp || !alive())) break;
  }
  if (whole) {
    const TaskEnd end = *terminal.task->ended();
    const int code = end.signalled ? 128 + end.value : end.value;
    if (tellsExit) socket->send(control("exited", code), true);
    socket->close(1000, JsonObject().add("exitCode", code).text());
  }
  for (int i = 0; whole && i < 200 && !hungUp; ++i) exchange.stream.pause(1);
  exchange.stream.shutdown();
  listener.join();
}

void DaytonaToolbox::listTerminals(Exchange& exchange) {
  std::vector<std::string> items;
  service_.change(live_.box.id, [&](const Box& box) {
    for (const auto& [id, each] : box.terminals) items.push_back(terminalJson(*each));
  });
  exchange.respond(200, JsonObject().raw("sessions", jsonArray(items)).text());
}

void DaytonaToolbox::getTerminal(Exchange& exchange) {
  if (const auto found = terminal(exchange)) exchange.respond(200, terminalJson(*found));
}

void DaytonaToolbox::removeTerminal(Exchange& exchange) {
  const auto found = terminal(exchange);
  if (!found) return;
  found->task->signal(SIGKILL, true);
  service_.change(live_.box.id, [&](Box& box) { box.terminals.erase(found->id); });
  exchange.respond(200, JsonObject().add("message", "PTY session deleted").text());
}

void DaytonaToolbox::resizeTerminal(Exchange& exchange) {
  rapidjson::Document body;
  if (!readDaemonObject(exchange, body)) return;
  const auto found = terminal(exchange);
  if (!found) return;
  const TerminalSize size = sizeOf(numberOf(member(&body, "cols")), numberOf(member(&body, "rows")));
  if (!found->task->resize(size))
    return respondDaemonError(exchange, 410, "PROCESS_NOT_FOUND", "PTY session has ended");
  std::string json;
  service_.change(live_.box.id, [&](const Box&) {
    found->size = size;
    json = terminalJson(*found);
  });
  exchange.respond(200, json);
}

void DaytonaToolbox::addTerminalRoutes(DaytonaSimulator& service, Server& server) {
  using Self = DaytonaToolbox;
  const auto route = [&](const char* method, const char* path, auto act) { add(service, server, method, path, act); };
  route("POST", "/process/pty", [](Self& self, Exchange& exchange) { self.createTerminal(exchange); });
  route("GET", "/process/pty", [](Self& self, Exchange& exchange) { self.listTerminals(exchange); });
  route("GET", "/process/pty/create-connect", [](Self& self, Exchange& exchange) { self.openTerminal(exchange); });
  route("GET", "/process/pty/*/connect", [](Self& self, Exchange& exchange) { self.connectTerminal(exchange); });
  route("POST", "/process/pty/*/resize", [](Self& self, Exchange& exchange) { self.resizeTerminal(exchange); });
  route("GET", "/process/pty/*", [](Self& self, Exchange& exchange) { self.getTerminal(exchange); });
  route("DELETE", "/process/pty/*", [](Self& self, Exchange& exchange) { self.removeTerminal(exchange); });
}

}  // namespace computesdk::simulators
