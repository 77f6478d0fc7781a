#include "e2b/processes.hpp"

#include "common/base64.hpp"
#include "common/results.hpp"
#include "common/scripts.hpp"
#include "common/shell.hpp"
#include "common/text.hpp"
#include "e2b/run.hpp"
#include "e2b/scripts.hpp"
#include "e2b/stream.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace computesdk::e2b {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Json;
using vendor::JsonValue;
using Kind = ProcessId::Kind;

constexpr std::string_view kTerminalEnd = "-tty";
constexpr std::string_view kForeignEnd = "-raw";
// Tags of processes that were started here: which kind, and behind it what the caller wants to find it by.
constexpr std::string_view kKeptTag = "computesdk-kept:";
constexpr std::string_view kTerminalTag = "computesdk-tty:";
constexpr std::string_view kOwnTags = "computesdk-";

JsonValue selector(std::int64_t pid) {
  JsonValue process = JsonValue::object();
  process.set("pid", pid);
  JsonValue message = JsonValue::object();
  message.set("process", std::move(process));
  return message;
}

Error unknownProcess(const ProcessId& id) {
  return {CSDK_NOT_FOUND, "the sandbox has no process " + id.text() + " any more"};
}

JsonValue sizeOf(std::uint32_t columns, std::uint32_t rows) {
  JsonValue size = JsonValue::object();
  size.set("cols", columns != 0 ? columns : 80U).set("rows", rows != 0 ? rows : 24U);
  JsonValue pty = JsonValue::object();
  pty.set("size", std::move(size));
  return pty;
}

JsonValue terminalMessage(const csdk_process_start_args& args, const Connection& connection) {
  std::vector<std::string> argv = {"-c", std::string(kGate), "bash"};
  for (std::string& word : commandArgv(*args.exec)) argv.push_back(std::move(word));
  JsonValue message = startMessage("/bin/bash", argv);
  setEnvironment(message, *args.exec, connection);
  JsonValue& envs = message.at("process").at("envs");
  constexpr std::array<std::pair<const char*, const char*>, 3> kDefaults = {
      {{"TERM", "xterm-256color"}, {"LANG", "C.UTF-8"}, {"LC_ALL", "C.UTF-8"}}};
  for (const auto& [name, value] : kDefaults) {
    if (envs.find(name) == nullptr) envs.set(name, value);
  }
  message.set("pty", sizeOf(args.columns, args.rows));
  return message;
}

JsonValue keptMessage(const csdk_process_start_args& args, const Connection& connection) {
  char limit[32] = "0";
  if (args.exec->timeout_ms > 0) {
    std::snprintf(limit, sizeof limit, "%lld.%03d", static_cast<long long>(args.exec->timeout_ms / 1000),
                  static_cast<int>(args.exec->timeout_ms % 1000));
  }
  std::vector<std::string> argv = {"-c", std::string(kKeeper), "sh", limit};
  for (std::string& word : commandArgv(*args.exec)) argv.push_back(std::move(word));
  JsonValue message = startMessage("/bin/sh", argv);
  setEnvironment(message, *args.exec, connection);
  message.set("stdin", (args.flags & CSDK_PROCESS_STDIN) != 0);
  return message;
}

/// How the command of a keeper ended, or that it runs on.
void emitOutcome(Envd& envd, const ProcessId& id, bool wait) {
  const plugin::Call& call = envd.session().call();
  const std::uint32_t flags = id.kind == Kind::terminal ? CSDK_EXIT_MERGED : 0;
  std::string said;
  do {  // the script waits a while, and says that the command is running then
    said = runScript(envd, kOutcome, {std::to_string(id.pid), wait ? "wait" : "look"});
  } while (wait && said == "running");
  if (said == "none") throw unknownProcess(id);
  if (said == "running") return call.exit(CSDK_EXIT_UNKNOWN, 0, flags);
  if (said == "timeout") return call.exit(CSDK_EXIT_TIMEOUT, 0, flags);
  if (said == "killed") return call.exitSignal(9, flags);
  int code = -1;
  std::from_chars(said.data(), said.data() + said.size(), code);
  vendor::emitExitCode(call, code, flags);
}

/// Follows a stream of the daemon to its end, for what has no kept output.
void followStream(Envd& envd, const ProcessId& id, bool withOutput) {
  const plugin::Call& call = envd.session().call();
  bool released = id.kind != Kind::terminal;
  ProcessStream stream(envd, envd.streamRequest("process.Process/Connect", selector(id.pid), 0),
                       [&](ProcessStream::Channel channel, std::string_view bytes) {
                         if (!withOutput) return;
                         const bool error = channel == ProcessStream::Channel::standardError;
                         call.write(error ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT, plugin::bytes(bytes));
                       });
  envd.session().until([&] { return stream.over() || (!released && stream.pid()); });
  if (!released && !stream.over()) {
    runScript(envd, kOpenGate, {std::to_string(id.pid)});
    envd.session().until([&] { return stream.over(); });
  }
  // The daemon forgets what has ended; the keeper of a terminal has left a note.
  if (!stream.ended() && stream.errorCode() == "not_found") {
    if (id.kind == Kind::terminal) return emitOutcome(envd, id, false);
    throw unknownProcess(id);
  }
  stream.check();
  if (id.kind == Kind::terminal && !stream.ended()->bySignal) {
    vendor::emitExitCode(call, stream.ended()->value, CSDK_EXIT_MERGED);
  } else {
    emitEnd(call, *stream.ended(), id.kind == Kind::terminal ? CSDK_EXIT_MERGED : 0);
  }
}

void followKept(Envd& envd, const ProcessId& id, std::int64_t offset, bool keptOnly) {
  const plugin::Call& call = envd.session().call();
  const std::vector<std::string> argv = {"-c",
                                         std::string(vendor::kFollowKept),
                                         "sh",
                                         std::to_string(id.pid),
                                         std::to_string(offset),
                                         keptOnly ? "kept" : "follow"};
  std::optional<std::int64_t> follower;
  try {
    ProcessStream stream(envd, envd.streamRequest("process.Process/Start", startMessage("/bin/sh", argv), 0),
                         [&](ProcessStream::Channel channel, std::string_view bytes) {
                           const bool error = channel == ProcessStream::Channel::standardError;
                           call.write(error ? CSDK_STREAM_STDERR : CSDK_STREAM_STDOUT, plugin::bytes(bytes));
                         });
    envd.session().until([&] {
      follower = stream.pid();
      return stream.over();
    });
    stream.check();
  } catch (const Error& error) {
    if (follower && (error.status() == CSDK_CANCELLED || error.status() == CSDK_DEADLINE_EXCEEDED)) {
      envd.session().beginCleanup(1000);
      try {
        signalTree(envd, *follower, 9, false);
      } catch (const Error&) {  // it ends with the command that it follows
      }
    }
    throw;
  }
}

}  // namespace

ProcessId ProcessId::of(csdk_str text) {
  ProcessId id;
  std::string_view rest = view(text);
  if (rest.ends_with(kTerminalEnd)) id.kind = Kind::terminal;
  if (rest.ends_with(kForeignEnd)) id.kind = Kind::foreign;
  if (id.kind != Kind::kept) rest.remove_suffix(kTerminalEnd.size());
  const auto [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), id.pid);
  if (failed == std::errc() && end == rest.data() + rest.size() && id.pid > 0) return id;
  throw Error(CSDK_NOT_FOUND, "'" + vendor::oneLine(view(text), 80) + "' is no process of this sandbox");
}

std::string ProcessId::text() const {
  std::string out = std::to_string(pid);
  if (kind == Kind::terminal) out += kTerminalEnd;
  if (kind == Kind::foreign) out += kForeignEnd;
  return out;
}

void processStart(Envd& envd, const csdk_process_start_args& args) {
  const bool terminal = (args.flags & CSDK_PROCESS_PTY) != 0;
  JsonValue message = terminal ? terminalMessage(args, envd.connection()) : keptMessage(args, envd.connection());
  message.set("tag", std::string(terminal ? kTerminalTag : kKeptTag) + std::string(view(args.tag)));
  const std::int64_t limitMs = terminal ? args.exec->timeout_ms : 0;
  bool ready = false;
  ProcessStream stream(envd, envd.streamRequest("process.Process/Start", message, limitMs),
                       [&ready](ProcessStream::Channel, std::string_view) { ready = true; });
  envd.session().until([&] { return stream.over() || ready; });
  if (!ready) {
    stream.check();
    throw Error(CSDK_UNKNOWN, "the sandbox has no room for a background command's output (in /tmp)");
  }
  const ProcessId id{terminal ? Kind::terminal : Kind::kept, stream.pid().value_or(0)};
  const std::string text = id.text();
  const std::string command = commandText(commandArgv(*args.exec));
  const plugin::Host& host = envd.session().call().host();
  csdk_process process{};
  process.flags = terminal ? CSDK_PROCESS_PTY : 0;
  process.id = plugin::str(text);
  process.command = plugin::str(command);
  process.tag = args.tag;
  process.state = CSDK_PROCESS_RUNNING;
  process.pid = id.pid;
  process.started_ms = host.table().now_wall_ms(host.self());
  envd.session().call().emit(process);
}

void processList(Envd& envd) {
  const vendor::JsonDocument list = envd.rpc("process.Process/List", JsonValue::object());
  for (const Json one : list["processes"].items()) {
    std::string_view tag = one.textOr("tag");
    ProcessId id{Kind::foreign, one.integer("pid")};
    std::vector<std::string> argv = {std::string(one["config"].textOr("cmd"))};
    for (const Json word : one["config"]["args"].items()) argv.emplace_back(word.asText().value_or(""));
    std::size_t own = 0;  // words that are the keeper's or the gate's
    if (tag.starts_with(kKeptTag)) id.kind = Kind::kept, own = 5, tag.remove_prefix(kKeptTag.size());
    if (tag.starts_with(kTerminalTag)) id.kind = Kind::terminal, own = 4, tag.remove_prefix(kTerminalTag.size());
    if (tag.starts_with(kOwnTags) && id.kind == Kind::foreign) continue;  // a command that somebody is waiting for
    if (argv.size() > 2 && id.kind == Kind::foreign && argv[1] == "-c" &&
        argv[2].find(".computesdk-") != std::string::npos) {
      continue;  // one of the scripts
    }
    argv.erase(argv.begin(), argv.begin() + static_cast<std::ptrdiff_t>(std::min(own, argv.size())));
    const std::string text = id.text();
    const std::string command = commandText(argv);
    csdk_process process{};
    process.flags = id.kind == Kind::terminal ? CSDK_PROCESS_PTY : 0;
    process.id = plugin::str(text);
    process.command = plugin::str(command);
    process.tag = plugin::str(tag);
    process.state = CSDK_PROCESS_RUNNING;
    process.pid = id.pid;
    envd.session().call().emit(process);
  }
}

void processAttach(Envd& envd, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  const bool keptOnly = (args.flags & CSDK_PROCESS_KEPT_ONLY) != 0;
  if (id.kind == Kind::kept) {
    followKept(envd, id, args.offset, keptOnly);
    emitOutcome(envd, id, !keptOnly);
  } else if (!keptOnly) {
    followStream(envd, id, true);
  } else if (id.kind == Kind::terminal) {
    emitOutcome(envd, id, false);  // no output is kept of a terminal
  } else {
    envd.session().call().exit(CSDK_EXIT_UNKNOWN, 0);
  }
}

void processWait(Envd& envd, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  if (id.kind == Kind::foreign) {
    followStream(envd, id, false);
  } else {
    emitOutcome(envd, id, true);
  }
}

void processWriteStdin(Envd& envd, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  const char* channel = id.kind == Kind::terminal ? "pty" : "stdin";
  std::string_view rest = plugin::text(args.input);
  try {
    while (!rest.empty()) {
      constexpr std::size_t kPiece = std::size_t{256} << 10;
      JsonValue input = JsonValue::object();
      input.set(channel, vendor::base64Encode(rest.substr(0, kPiece)));
      JsonValue message = selector(id.pid);
      message.set("input", std::move(input));
      envd.rpc("process.Process/SendInput", message);
      rest.remove_prefix(std::min(kPiece, rest.size()));
    }
    if ((args.flags & CSDK_PROCESS_EOF) == 0) return;
    if (id.kind == Kind::terminal) {
      JsonValue input = JsonValue::object();
      input.set("pty", vendor::base64Encode("\x04"));  // a terminal's end of input is a character
      JsonValue message = selector(id.pid);
      message.set("input", std::move(input));
      envd.rpc("process.Process/SendInput", message);
    } else {
      envd.rpc("process.Process/CloseStdin", selector(id.pid));
    }
  } catch (const Error& error) {
    if (error.status() != CSDK_NOT_FOUND || error.abi().error_class == CSDK_ERROR_GONE) throw;
    throw Error(CSDK_FAILED_PRECONDITION, "the process " + id.text() + " is over, or its input is closed");
  }
}

void processSignal(Envd& envd, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  // The keeper itself is left alone: it writes down how its command ended.
  if (id.kind == Kind::kept || (args.flags & CSDK_PROCESS_GROUP) != 0) {
    const bool there = signalTree(envd, id.pid, args.signal, id.kind == Kind::kept);
    if (!there && id.kind == Kind::kept && runScript(envd, kOutcome, {std::to_string(id.pid), "look"}) == "none") {
      throw unknownProcess(id);
    }
    return;
  }
  if (args.signal != 9 && args.signal != 15) {  // the daemon knows these two
    runScript(envd, "kill \"-$1\" \"$2\" 2>/dev/null; :", {std::to_string(args.signal), std::to_string(id.pid)});
    return;
  }
  JsonValue message = selector(id.pid);
  message.set("signal", args.signal == 9 ? "SIGNAL_SIGKILL" : "SIGNAL_SIGTERM");
  envd.rpc("process.Process/SendSignal", message, "not_found");
}

void processResize(Envd& envd, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  if (id.kind == Kind::kept) throw Error(CSDK_FAILED_PRECONDITION, "the process " + id.text() + " has no terminal");
  JsonValue message = selector(id.pid);
  message.set("pty", sizeOf(args.columns, args.rows));
  envd.rpc("process.Process/Update", message);
}

}  // namespace computesdk::e2b
