#include "daytona/processes.hpp"

#include "common/base64.hpp"
#include "common/results.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "daytona/control.hpp"
#include "daytona/run.hpp"
#include "daytona/scripts.hpp"

#include <algorithm>

namespace computesdk::daytona {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::string_view kNote = "note:";

std::string commandText(const csdk_exec_args& args) {
  if (args.argv.count == 0) return std::string(view(args.command));
  std::string text;
  for (const csdk_str& word : view(args.argv)) text += (text.empty() ? "" : " ") + std::string(view(word));
  return text;
}

std::string secondsText(std::int64_t ms) {
  if (ms <= 0) return "0";
  char text[32];
  const int size =
      std::snprintf(text, sizeof text, "%lld.%03d", static_cast<long long>(ms / 1000), static_cast<int>(ms % 1000));
  return {text, static_cast<std::size_t>(size)};
}

/// How many bytes of output there are until now, both streams together.
std::int64_t keptBytes(Toolbox& toolbox, const CommandId& id) {
  std::int64_t size = 0;
  LogDecoder decoder(
      [&size](LogDecoder::Channel, std::string_view bytes) { size += static_cast<std::int64_t>(bytes.size()); });
  const Answer answer = toolbox.send(toolbox.request("GET", id.path() + "/logs"));
  // Older daemons send the log as it is.
  const auto document = vendor::JsonDocument::tryParse(answer.body);
  if (document && document->root().isObject()) {
    decoder.feed(LogDecoder::Channel::standardOutput, document->root().textOr("stdout"));
    decoder.feed(LogDecoder::Channel::standardError, document->root().textOr("stderr"));
  } else {
    decoder.feed(answer.body);
  }
  return size;
}

void emitEnd(const plugin::Call& call, const Ended& ended) {
  if (ended.timedOut) return call.exit(CSDK_EXIT_TIMEOUT, 0);
  vendor::emitExitCode(call, ended.code);
}

/// A command is unknown once its sandbox was stopped: the daemon forgets.
template <class F>
auto known(const ProcessId& id, F&& ask) {
  try {
    return ask();
  } catch (const Error& error) {
    if (error.status() != CSDK_NOT_FOUND || error.abi().error_class == CSDK_ERROR_GONE) throw;
    throw unknownProcess(id);
  }
}

}  // namespace

Error unknownProcess(const ProcessId& id) {
  return {CSDK_NOT_FOUND, "the sandbox has no process " + vendor::oneLine(id.text(), 120) + " any more"};
}

ProcessId ProcessId::ofCommand(std::string word, std::string command) {
  ProcessId id;
  id.command = {std::string(kKeepSession) + word, std::move(command)};
  id.word = std::move(word);
  return id;
}

ProcessId ProcessId::ofTerminal(std::string word) {
  ProcessId id;
  id.terminal = true;
  id.terminalId = std::string(kTerminalSession) + word;
  id.word = std::move(word);
  return id;
}

ProcessId ProcessId::of(csdk_str given) {
  const std::string_view text = view(given);
  const std::size_t dot = text.find('.');
  const std::string_view word = text.substr(0, dot);
  const bool isWord = word.size() == 16 && std::all_of(word.begin(), word.end(), [](char c) {
                        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                      });
  if (isWord && dot != std::string_view::npos && dot + 1 < text.size()) {
    const std::string_view rest = text.substr(dot + 1);
    return rest == "tty" ? ofTerminal(std::string(word)) : ofCommand(std::string(word), std::string(rest));
  }
  throw Error(CSDK_NOT_FOUND, "'" + vendor::oneLine(text, 80) + "' is no process of this sandbox");
}

std::string ProcessId::text() const { return word + "." + (terminal ? "tty" : command.command); }

std::string noteOf(const csdk_process_start_args& args) {
  JsonValue note = JsonValue::object();
  note.set("command", vendor::oneLine(commandText(*args.exec), 2000)).setText("tag", view(args.tag));
  return vendor::base64UrlEncode(note.write());
}

void emitProcess(Toolbox& toolbox, const ProcessId& id, std::string_view note, std::optional<int> code, bool running,
                 std::int64_t startedMs) {
  const auto json = vendor::base64Decode(note);
  const auto document = vendor::JsonDocument::tryParse(json.value_or("{}"));
  const std::string text = id.text();
  csdk_process process{};
  process.flags = id.terminal ? CSDK_PROCESS_PTY : 0;
  process.id = plugin::str(text);
  if (document && document->root().isObject()) {
    process.command = plugin::str(document->root().textOr("command"));
    process.tag = plugin::str(document->root().textOr("tag"));
  }
  process.state = running ? CSDK_PROCESS_RUNNING : CSDK_PROCESS_ENDED;
  if (!running) process.exit_kind = CSDK_EXIT_UNKNOWN;
  if (code) {
    const bool signal = *code > 128 && *code < 128 + 65;
    process.exit_kind = signal ? CSDK_EXIT_SIGNAL : CSDK_EXIT_CODE;
    process.exit_value = signal ? *code - 128 : *code & 0xff;
  }
  process.started_ms = startedMs;
  toolbox.session().call().emit(process);
}

void processStart(Toolbox& toolbox, const csdk_process_start_args& args) {
  if ((args.flags & CSDK_PROCESS_PTY) != 0) return terminalStart(toolbox, args);
  const csdk_exec_args& exec = *args.exec;
  const std::string word = randomWord(), session = std::string(kKeepSession) + word, note = noteOf(args);
  std::string input = (args.flags & CSDK_PROCESS_STDIN) != 0 ? "lines" : "none", data;
  if (input == "none" && exec.input.size != 0) {
    input = "data";
    data = vendor::base64Encode(plugin::text(exec.input));
  }
  const std::string line = scriptLine(
      kRunner,
      {word, lineOf(exec, toolbox.connection()), input, data, secondsText(exec.timeout_ms), std::string(kNote) + note},
      word);
  try {
    const CommandId id = startCommand(toolbox, session, line);
    const plugin::Host& host = toolbox.session().call().host();
    emitProcess(toolbox, ProcessId::ofCommand(word, id.command), note, {}, true, host.table().now_wall_ms(host.self()));
  } catch (const Error& error) {
    if (vendor::mayHaveApplied(error)) {
      toolbox.session().beginCleanup();
      killQuietly(toolbox, word, session);
    }
    throw;
  }
}

void processList(Toolbox& toolbox) {
  const JsonDocument sessions =
      toolbox.json(toolbox.send(toolbox.request("GET", "/process/session")), "the list of sessions");
  for (const Json session : sessions.root().items()) {
    const std::string_view name = session.textOr("sessionId");
    if (!name.starts_with(kKeepSession)) continue;
    for (const Json command : session["commands"].items()) {
      const std::string_view line = command.textOr("command");
      const std::size_t at = line.rfind(kNote);
      const std::string_view note = at == std::string_view::npos ? "" : line.substr(at + kNote.size());
      std::optional<int> code;
      if (command["exitCode"]) code = static_cast<int>(command.integer("exitCode"));
      emitProcess(toolbox,
                  ProcessId::ofCommand(std::string(name.substr(kKeepSession.size())), std::string(command.text("id"))),
                  note.substr(0, note.find('\'')), code, !code, 0);
    }
  }
  terminalList(toolbox);
}

void processAttach(Toolbox& toolbox, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  const bool keptOnly = (args.flags & CSDK_PROCESS_KEPT_ONLY) != 0;
  // No output is kept of a terminal.
  if (id.terminal) return keptOnly ? terminalWait(toolbox, id, false) : terminalAttach(toolbox, id);
  const plugin::Call& call = toolbox.session().call();
  known(id, [&] {
    const bool counts = keptOnly || args.offset < 0;
    const std::int64_t kept = counts ? keptBytes(toolbox, id.command) : INT64_MAX;
    const std::optional<int> code = keptOnly ? exitCodeOf(toolbox, id.command) : std::nullopt;
    std::int64_t skip = args.offset < 0 ? kept : args.offset, seen = 0;
    LogStream log(toolbox, id.command, [&](LogDecoder::Channel channel, std::string_view bytes) {
      if (keptOnly)
        bytes = bytes.substr(0, static_cast<std::size_t>(std::clamp<std::int64_t>(kept - seen, 0, INT32_MAX)));
      seen += static_cast<std::int64_t>(bytes.size());
      const auto skipped = std::min<std::int64_t>(skip, static_cast<std::int64_t>(bytes.size()));
      skip -= skipped;
      bytes.remove_prefix(static_cast<std::size_t>(skipped));
      if (bytes.empty()) return;
      call.write(channel == LogDecoder::Channel::standardError ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT,
                 plugin::bytes(bytes));
    });
    const bool untilKept = keptOnly && !code;
    toolbox.session().until([&] { return log.over() || (untilKept && seen >= kept); });
    if (untilKept && !log.over()) return call.exit(CSDK_EXIT_UNKNOWN, 0);
    emitEnd(call, log.ended());
  });
}

void processWait(Toolbox& toolbox, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  if (id.terminal) return terminalWait(toolbox, id, true);
  known(id, [&] {
    LogStream log(toolbox, id.command, [](LogDecoder::Channel, std::string_view) {});
    toolbox.session().until([&] { return log.over(); });
    emitEnd(toolbox.session().call(), log.ended());
  });
}

void processWriteStdin(Toolbox& toolbox, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  if (id.terminal) return terminalWrite(toolbox, id, args);
  const auto send = [&](std::string_view piece) {
    vendor::Request request = inputRequest(toolbox, id.command, piece);
    request.headTimeoutMs = INT32_MAX;
    const Answer answer = toolbox.send(request, {404, 410});
    if (answer.status == 404) throw unknownProcess(id);
    if (!answer.ok()) throw Error(CSDK_FAILED_PRECONDITION, "the process " + id.text() + " is over");
  };
  constexpr std::size_t kPiece = std::size_t{64} << 10;
  for (std::string_view rest = plugin::text(args.input); !rest.empty();
       rest.remove_prefix(std::min(kPiece, rest.size()))) {
    send(rest.substr(0, kPiece));
  }
  if ((args.flags & CSDK_PROCESS_EOF) != 0) send({});
}

void processSignal(Toolbox& toolbox, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  const bool group = (args.flags & CSDK_PROCESS_GROUP) != 0;
  const std::string said = runScript(toolbox, kSignal, {id.word, std::to_string(args.signal), group ? "group" : "one"});
  if (said != "none") return;
  // One that has ended takes every signal.
  if (id.terminal) {
    if (runScript(toolbox, kTerminalOutcome, {id.word, "look"}) == "none") throw unknownProcess(id);
  } else {
    known(id, [&] { return exitCodeOf(toolbox, id.command); });
  }
}

void processResize(Toolbox& toolbox, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  if (!id.terminal) throw Error(CSDK_FAILED_PRECONDITION, "the process " + id.text() + " has no terminal");
  terminalResize(toolbox, id, args);
}

}  // namespace computesdk::daytona
