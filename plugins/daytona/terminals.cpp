#include "common/base64.hpp"
#include "common/results.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "daytona/control.hpp"
#include "daytona/processes.hpp"
#include "daytona/run.hpp"
#include "daytona/scripts.hpp"

#include <charconv>

namespace computesdk::daytona {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::string_view kNoteVariable = "COMPUTESDK_NOTE";
constexpr std::string_view kReady = "computesdk-ready";

std::string pathOf(const ProcessId& id, std::string_view verb = {}) {
  return "/process/pty/" + vendor::pathSegment(id.terminalId) + std::string(verb);
}

/// A terminal's WebSocket: bytes both ways, and texts that say what it is doing.
class TerminalSocket {
 public:
  using Output = std::function<void(std::string_view)>;

  TerminalSocket(Toolbox& toolbox, vendor::Request request, Output output)
      : toolbox_(toolbox), output_(std::move(output)) {
    request.subprotocols.emplace_back("X-Daytona-Pty-Exit-Control");
    vendor::Handlers handlers;
    handlers.head = [this](const Answer& head) { answer_ = head; };
    handlers.message = [this](std::string_view bytes, bool text, bool final) { take(bytes, text, final); };
    handlers.closed = [this](int, std::string_view reason) {
      takeControl(reason);
      over_ = true;
    };
    handlers.fail = [this](const vendor::Failure& failure) {
      broken_ = failure;
      over_ = true;
    };
    number_ = toolbox.session().start(request, std::move(handlers));
  }
  ~TerminalSocket() { toolbox_.session().close(number_, 1000); }
  TerminalSocket(const TerminalSocket&) = delete;
  TerminalSocket& operator=(const TerminalSocket&) = delete;

  [[nodiscard]] bool over() const noexcept { return over_; }
  [[nodiscard]] bool connected() const noexcept { return connected_; }
  [[nodiscard]] bool unknown() const noexcept { return over_ && answer_.status == 404; }
  [[nodiscard]] const std::optional<int>& exitCode() const noexcept { return exitCode_; }
  void write(std::string_view bytes) { toolbox_.session().write(number_, bytes, CSDK_HTTP_FINAL); }

  /// Waits until the terminal is there. Throws when it is not to be had.
  void connect() {
    toolbox_.session().until([this] { return connected_ || over_; });
    if (!connected_) check();
  }
  /// Once over: throws what went wrong.
  void check() {
    if (broken_) throw toolbox_.broken(*broken_).error();
    if (answer_.status != 101) throw toolbox_.failure(answer_, true).error();
    if (exitCode_) return;
    vendor::Failure failure;
    failure.is(CSDK_UNAVAILABLE, CSDK_ERROR_PROTOCOL);
    failure.message = "a terminal ended without a word";
    throw toolbox_.broken(std::move(failure)).error();
  }

 private:
  void take(std::string_view bytes, bool text, bool final) {
    if (answer_.status != 101) {
      if (answer_.body.size() < 65536) answer_.body += bytes;
      return;
    }
    if (!text) return output_(bytes);
    control_ += bytes;
    if (!final) return;
    // Daemons have sent output as text too.
    if (!takeControl(control_)) output_(control_);
    control_.clear();
  }

  bool takeControl(std::string_view json) {
    const auto document = JsonDocument::tryParse(json);
    if (!document || !document->root().isObject()) return false;
    const Json root = document->root();
    if (root["exitCode"]) exitCode_ = static_cast<int>(root.integerOr("exitCode", 0));
    if (root.textOr("type") != "control") return false;
    if (root.textOr("status") == "connected") connected_ = true;
    if (root.textOr("status") == "error") {
      throw Error(CSDK_UNKNOWN, "the sandbox's daemon has no terminal: " + vendor::oneLine(root.textOr("error"), 300));
    }
    return true;
  }

  Toolbox& toolbox_;
  Output output_;
  std::uint64_t number_ = 0;
  Answer answer_;
  std::optional<vendor::Failure> broken_;
  std::string control_;
  std::optional<int> exitCode_;
  bool connected_ = false, over_ = false;
};

}  // namespace

void terminalStart(Toolbox& toolbox, const csdk_process_start_args& args) {
  const ProcessId id = ProcessId::ofTerminal(randomWord());
  const std::string note = noteOf(args);
  vendor::Query query;
  query.add("id", id.terminalId).add("cols", std::to_string(args.columns != 0 ? args.columns : 80));
  query.add("rows", std::to_string(args.rows != 0 ? args.rows : 24));
  JsonValue envs = JsonValue::object();
  envs.set(kNoteVariable, note).set("TERM", "xterm-256color").set("LANG", "C.UTF-8");
  vendor::Request request = toolbox.webSocket(query.on("/process/pty/create-connect"));
  request.subprotocols.push_back("X-Daytona-Pty-Envs~" + vendor::base64UrlEncode(envs.write()));
  std::string seen;
  TerminalSocket terminal(toolbox, std::move(request), [&seen](std::string_view bytes) {
    if (seen.size() < 65536) seen += bytes;
  });
  try {
    terminal.connect();
    // The shell gives way to the gate; what it echoes and prompts before is for nobody.
    std::string line = lineOf(*args.exec, toolbox.connection());
    terminal.write("exec env COMPUTESDK_RUN=run-" + id.word + " " + scriptLine(kGate, {id.word, line}) + "\n");
    toolbox.session().until([&] { return terminal.over() || seen.find(kReady) != std::string::npos; });
    if (terminal.over()) {
      terminal.check();
      throw Error(CSDK_UNKNOWN, "the sandbox has no room for a terminal's state (in /tmp)");
    }
  } catch (const Error& error) {
    if (error.abi().error_class == CSDK_ERROR_GONE || error.abi().error_class == CSDK_ERROR_STOPPED) throw;
    toolbox.session().beginCleanup();
    try {
      toolbox.send(toolbox.request("DELETE", pathOf(id)), {404});
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
  const plugin::Host& host = toolbox.session().call().host();
  emitProcess(toolbox, id, note, {}, true, host.table().now_wall_ms(host.self()));
}

void terminalList(Toolbox& toolbox) {
  const Answer answer = toolbox.send(toolbox.request("GET", "/process/pty"), {404});
  if (!answer.ok()) return;  // a daemon without terminals
  const JsonDocument list = toolbox.json(answer, "the list of terminals");
  for (const Json one : list["sessions"].items()) {
    const std::string_view name = one.textOr("id");
    if (!name.starts_with(kTerminalSession)) continue;
    const bool active = one.booleanOr("active", true);
    emitProcess(toolbox, ProcessId::ofTerminal(std::string(name.substr(kTerminalSession.size()))),
                one["envs"].textOr(kNoteVariable), {}, active, vendor::timeOr0(one.textOr("createdAt")));
  }
}

void terminalAttach(Toolbox& toolbox, const ProcessId& id) {
  const plugin::Call& call = toolbox.session().call();
  TerminalSocket terminal(toolbox, toolbox.webSocket(pathOf(id, "/connect")),
                          [&call](std::string_view bytes) { call.write(CSDK_STREAM_STDOUT, plugin::bytes(bytes)); });
  toolbox.session().until([&] { return terminal.over() || terminal.connected(); });
  if (!terminal.over()) {
    runScript(toolbox, kOpenGate, {id.word});
    toolbox.session().until([&] { return terminal.over(); });
  }
  // The daemon forgets a terminal that has ended; its gate has left a note.
  if (terminal.unknown()) return terminalWait(toolbox, id, false);
  terminal.check();
  vendor::emitExitCode(call, *terminal.exitCode(), CSDK_EXIT_MERGED);
}

void terminalWait(Toolbox& toolbox, const ProcessId& id, bool wait) {
  const plugin::Call& call = toolbox.session().call();
  std::string said;
  do {  // the script waits a while, and says that the command is running then
    said = runScript(toolbox, kTerminalOutcome, {id.word, wait ? "wait" : "look"});
  } while (wait && said == "running");
  if (said == "none") throw unknownProcess(id);
  if (said == "running") return call.exit(CSDK_EXIT_UNKNOWN, 0, CSDK_EXIT_MERGED);
  int code = -1;
  std::from_chars(said.data(), said.data() + said.size(), code);
  vendor::emitExitCode(call, code, CSDK_EXIT_MERGED);
}

void terminalWrite(Toolbox& toolbox, const ProcessId& id, const csdk_process_args& args) {
  TerminalSocket terminal(toolbox, toolbox.webSocket(pathOf(id, "/connect")), [](std::string_view) {});
  toolbox.session().until([&] { return terminal.over() || terminal.connected(); });
  if (terminal.over()) {
    if (terminal.unknown() || terminal.exitCode()) {
      throw Error(CSDK_FAILED_PRECONDITION, "the process " + id.text() + " is over");
    }
    terminal.check();
  }
  std::string bytes(plugin::text(args.input));
  if ((args.flags & CSDK_PROCESS_EOF) != 0) bytes += '\x04';  // a terminal's end of input is a character
  if (!bytes.empty()) terminal.write(bytes);
}

void terminalResize(Toolbox& toolbox, const ProcessId& id, const csdk_process_args& args) {
  JsonValue body = JsonValue::object();
  body.set("cols", args.columns).set("rows", args.rows);
  vendor::Request request = toolbox.post(pathOf(id, "/resize"), body);
  request.retry = vendor::Retry::idempotent;
  const Answer answer = toolbox.send(request, {404});
  if (!answer.ok()) throw unknownProcess(id);
}

}  // namespace computesdk::daytona
