#include "vercel/processes.hpp"

#include "common/results.hpp"
#include "common/scripts.hpp"
#include "vercel/run.hpp"
#include "vercel/scripts.hpp"
#include "vercel/stream.hpp"

#include <algorithm>
#include <charconv>

namespace computesdk::vercel {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::int64_t kNoFifo = 46;  ///< how the scripts say that there is no input

Error unknownProcess(std::string_view id) {
  return {CSDK_NOT_FOUND, "the sandbox has no process " + vendor::oneLine(id, 80) + " any more"};
}

/// The id of a process here; throws for what is none, so that no path is made of it.
std::string keyOf(csdk_str text) {
  const std::string_view id = view(text);
  const auto isHex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (id.size() != 32 || !std::all_of(id.begin(), id.end(), isHex)) throw unknownProcess(id);
  return std::string(id);
}

std::int64_t numberOf(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string outcome(Machine& machine, const std::string& key, bool wait) {
  std::string said;
  do {  // the script waits a while, and says that the command is running then
    said = runScript(machine, kOutcome, {key, wait ? "wait" : "look"}).out;
    while (said.ends_with('\n')) said.pop_back();
  } while (wait && said == "running");
  return said;
}

/// How a command ended, or that it runs on.
void emitOutcome(Machine& machine, const std::string& key, bool wait, std::uint32_t flags = 0) {
  const plugin::Call& call = machine.session().call();
  const std::string said = outcome(machine, key, wait);
  if (said == "none" || said.empty()) throw unknownProcess(key);
  if (said == "running") return call.exit(CSDK_EXIT_UNKNOWN, 0, flags);
  if (said == "timeout") return call.exit(CSDK_EXIT_TIMEOUT, 0, flags);
  if (said == "killed") return call.exitSignal(9, flags);
  vendor::emitExitCode(call, numberOf(said), flags);
}

/// Runs one command that moves input, to its end.
void move(Machine& machine, const std::string& key, const JsonValue& body) {
  CommandStream stream(machine, body, nullptr);
  machine.session().until([&] { return stream.over(); });
  stream.check();
  if (*stream.exitCode() != kNoFifo) return;
  if (outcome(machine, key, false) == "none") throw unknownProcess(key);
  throw Error(CSDK_FAILED_PRECONDITION, "the process " + key + " is over, or has no input");
}

}  // namespace

void processStart(Machine& machine, const csdk_process_start_args& args) {
  const plugin::Call& call = machine.session().call();
  const std::string key = newKey(), command = commandText(*args.exec);
  char limit[32] = "0";
  if (args.exec->timeout_ms > 0) {
    std::snprintf(limit, sizeof limit, "%lld.%03d", static_cast<long long>(args.exec->timeout_ms / 1000),
                  static_cast<int>(args.exec->timeout_ms % 1000));
  }
  const bool input = (args.flags & CSDK_PROCESS_STDIN) != 0;
  std::vector<std::string> argv = {
      "sh", "-c", std::string(kKeeper), "sh", key, limit, input ? "1" : "0", std::string(view(args.tag)), command};
  for (std::string& word : commandArgv(*args.exec)) argv.push_back(std::move(word));
  JsonValue body = commandBody(argv, false);
  setEnvironment(body, *args.exec, machine);
  // Started in the background, and watched until it can be asked about: whoever stops watching does not end it.
  const JsonDocument started =
      JsonDocument::parse(machine.send(machine.post("/cmd", body)).body, "Vercel's answer to a command");
  const std::string id(started["command"].text("id"));
  bool ready = false, over = false;
  vendor::Answer head;
  vendor::Handlers handlers;
  handlers.head = [&](const vendor::Answer& answer) { head = answer; };
  handlers.data = [&](std::string_view) { ready = true; };
  handlers.end = [&] { over = true; };
  vendor::Request logs = machine.request("/cmd/" + vendor::pathSegment(id) + "/logs");
  logs.method = "GET";
  logs.retry = vendor::Retry::idempotent;
  const std::uint64_t request = machine.session().start(logs, std::move(handlers));
  machine.session().until([&] { return ready || over; });
  machine.session().close(request);
  if (head.status != 0 && !head.ok()) throw machine.failure(head, true).error();
  if (!ready) throw Error(CSDK_UNKNOWN, "the sandbox has no room for a background command's output (in /tmp)");
  csdk_process process{};
  process.id = plugin::str(key);
  process.command = plugin::str(command);
  process.tag = args.tag;
  process.state = CSDK_PROCESS_RUNNING;
  process.started_ms = call.host().table().now_wall_ms(call.host().self());
  call.emit(process);
}

void processList(Machine& machine) {
  const std::string found = runScript(machine, kListKept, {}).out;
  std::string_view rest = found;
  const auto field = [&rest] {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    const std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return text;
  };
  while (!rest.empty()) {
    const std::string_view key = field(), state = field(), pid = field(), begun = field(), tag = field(),
                           text = field();
    csdk_process process{};
    process.id = plugin::str(key);
    process.command = plugin::str(text);
    process.tag = plugin::str(tag);
    process.state = state == "running" ? CSDK_PROCESS_RUNNING : CSDK_PROCESS_ENDED;
    process.pid = numberOf(pid);
    process.started_ms = numberOf(begun) * 1000;
    machine.session().call().emit(process);
  }
}

void processAttach(Machine& machine, const csdk_process_args& args) {
  const plugin::Call& call = machine.session().call();
  const std::string key = keyOf(args.process_id), mark = newKey();
  const bool keptOnly = (args.flags & CSDK_PROCESS_KEPT_ONLY) != 0;
  JsonValue body = commandBody({"sh", "-c", std::string(vendor::kFollowKept), "sh", key, std::to_string(args.offset),
                                keptOnly ? "kept" : "follow"});
  body.set("cwd", "/").at("env").set(kMark, mark);
  bool begun = false;
  std::uint32_t flags = 0;
  try {
    CommandStream stream(machine, body, [&call](bool error, std::string_view text) {
      call.write(error ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT, plugin::bytes(text));
    });
    machine.session().until([&] {
      begun = stream.begun();
      return stream.over();
    });
    stream.check();
    if (stream.lossy()) flags = CSDK_EXIT_LOSSY;
  } catch (const Error& error) {
    // The follower goes; what it followed stays.
    if (error.status() == CSDK_CANCELLED || error.status() == CSDK_DEADLINE_EXCEEDED) {
      machine.session().beginCleanup();
      try {
        signalCommand(machine, mark, 9, !begun);
      } catch (const Error&) {  // it ends with what it follows
      }
    }
    throw;
  }
  emitOutcome(machine, key, !keptOnly, flags);
}

void processWait(Machine& machine, const csdk_process_args& args) {
  emitOutcome(machine, keyOf(args.process_id), true);
}

void processWriteStdin(Machine& machine, const csdk_process_args& args) {
  const std::string key = keyOf(args.process_id);
  for (std::string_view rest = plugin::text(args.input); !rest.empty();) {
    const std::string_view piece = rest.substr(0, kPourMax);
    move(machine, key, pourBody(key, piece));
    rest.remove_prefix(piece.size());
  }
  if ((args.flags & CSDK_PROCESS_EOF) != 0) move(machine, key, closeBody(key));
}

void processSignal(Machine& machine, const csdk_process_args& args) {
  const std::string key = keyOf(args.process_id);
  const std::string before = outcome(machine, key, false);
  if (before == "none" || before.empty()) throw unknownProcess(key);
  if (before == "running") signalCommand(machine, key, args.signal, true);
}

}  // namespace computesdk::vercel
