#include "runloop/processes.hpp"

#include "common/base64.hpp"
#include "common/shell.hpp"
#include "common/text.hpp"
#include "runloop/executions.hpp"

#include <algorithm>
#include <charconv>

namespace computesdk::runloop {
namespace {

using plugin::Error;
using plugin::view;

/// Behind an execution's id: it was given a time, so that 124 is its end by that.
constexpr std::string_view kTimed = "-timed";
constexpr std::size_t kProcessFields = 5;

/// Arguments: nonce, process id, tag, command. The command has made a folder with its pid; names it by the id, and
/// prints the pid.
constexpr std::string_view kNote = R"sh(
d=/tmp/.computesdk-$(id -u)
mkdir -m 700 -p -- "$d" && cd -- "$d" || exit 1
i=0
while [ ! -s "$1/pid" ] && [ $i -lt 250 ]; do
  sleep 0.02
  i=$((i + 1))
done
printf %s "$3" >"$1/tag" && printf %s "$4" >"$1/command" && date +%s >"$1/started" && mv -- "$1" "$2" && cat "$2/pid"
)sh";

/// Prints id, pid, start, tag and command of each that runs, every one ended by a NUL, as base64; forgets the others.
constexpr std::string_view kListProcesses = R"sh(
cd "/tmp/.computesdk-$(id -u)" 2>/dev/null || exit 0
for d in exec_*; do
  [ -e "$d/pid" ] || continue
  p=$(cat "$d/pid")
  read -r l <"/proc/$p/stat" && l=${l##*\) } || l=X
  case $l in
    [XZ]*) rm -rf -- "$d" ;;
    *) printf '%s\0' "$d" "$p" "$(cat "$d/started")" "$(cat "$d/tag")" "$(cat "$d/command")" ;;
  esac
done 2>/dev/null | base64 -w0
)sh";

/// Arguments: process id, signal, "one" or "all". Prints "none" when there is no note of it.
constexpr std::string_view kSignal = R"sh(
tree() {
  for c in $(cat "/proc/$1"/task/*/children 2>/dev/null); do tree "$c"; done
  echo "$1"
}
p=$(cat "/tmp/.computesdk-$(id -u)/$1/pid" 2>/dev/null) || { echo none; exit 0; }
if [ "$3" = all ]; then
  [ "$2" = 9 ] && kill -STOP $(tree "$p") 2>/dev/null
  kill "-$2" $(tree "$p") 2>/dev/null
else
  kill "-$2" "$p" 2>/dev/null
fi
:
)sh";

/// A process's id, checked, and the execution's in it.
struct ProcessId {
  std::string text, execution;
  bool timed = false;

  static ProcessId of(csdk_str given) {
    ProcessId id{std::string(view(given)), std::string(view(given))};
    const auto plain = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    };
    if (id.text.empty() || !std::all_of(id.text.begin(), id.text.end(), plain)) throw unknown(id);
    id.timed = id.text.ends_with(kTimed);
    if (id.timed) id.execution.resize(id.execution.size() - kTimed.size());
    return id;
  }
  static Error unknown(const ProcessId& id) {
    return {CSDK_NOT_FOUND, "the devbox has no process " + vendor::oneLine(id.text, 80)};
  }
};

/// Runs what a caller asks about one process; what the service does not know is said in these words.
template <class F>
void about(const ProcessId& id, F&& operation) {
  try {
    operation();
  } catch (const Error& error) {
    if (error.status() != CSDK_NOT_FOUND || error.abi().error_class == CSDK_ERROR_GONE) throw;
    throw ProcessId::unknown(id);
  }
}

void emitOutcome(Devbox& devbox, const ProcessId& id, const Ended& ended) {
  constexpr std::int64_t kTimedOut = 124;
  if (id.timed && ended.code == kTimedOut) return devbox.call().exit(CSDK_EXIT_TIMEOUT, 0);
  emitEnd(devbox, ended);
}

std::string commandText(const csdk_exec_args& args) {
  std::string text(view(args.command));
  for (const csdk_str& word : view(args.argv)) {
    if (!text.empty()) text += ' ';
    text += view(word);
  }
  return text;
}

/// The command, started in such a way that its pid is that of the program itself.
std::string lineOf(const Devbox& devbox, const csdk_process_start_args& args, const std::string& nonce) {
  const std::string line = vendor::shellLine(*args.exec, devbox.memory().directory);
  std::string before;
  if (args.exec->timeout_ms > 0) {
    char limit[64];
    std::snprintf(limit, sizeof limit, "timeout -k 1 %lld.%03d ", static_cast<long long>(args.exec->timeout_ms / 1000),
                  static_cast<int>(args.exec->timeout_ms % 1000));
    before = limit;
  }
  const std::string run = (args.flags & CSDK_PROCESS_STDIN) != 0
                              ? fedLine(line, before)
                              : "exec " + before + "bash -c " + vendor::shellQuote(line) + " bash </dev/null";
  return "d=/tmp/.computesdk-$(id -u)/" + nonce +
         "; mkdir -m 700 -p -- \"${d%/*}\" \"$d\" && echo $$ >\"$d/pid\" || exit 125; unset d; " + run;
}

}  // namespace

void processStart(Devbox& devbox, const csdk_process_start_args& args) {
  const std::string nonce = newNonce();
  const std::string execution =
      startExecution(devbox, lineOf(devbox, args, nonce), (args.flags & CSDK_PROCESS_STDIN) != 0, {});
  const std::string id = args.exec->timeout_ms > 0 ? execution + std::string(kTimed) : execution;
  const std::string command = commandText(*args.exec);
  const ScriptResult noted = runScript(devbox, kNote, {nonce, id, std::string(view(args.tag)), command});
  std::int64_t pid = 0;
  std::from_chars(noted.out.data(), noted.out.data() + noted.out.size(), pid);
  if (noted.code != 0 || pid == 0) {
    killExecution(devbox, execution);
    throw Error(CSDK_UNKNOWN, "the devbox has no room to note a background command (in /tmp)");
  }
  const plugin::Host& host = devbox.call().host();
  csdk_process process{};
  process.id = plugin::str(id);
  process.command = plugin::str(command);
  process.tag = args.tag;
  process.state = CSDK_PROCESS_RUNNING;
  process.pid = pid;
  process.started_ms = host.table().now_wall_ms(host.self());
  devbox.call().emit(process);
}

void processList(Devbox& devbox) {
  const ScriptResult listed = runScript(devbox, kListProcesses, {});
  const auto bytes = vendor::base64Decode(listed.out);
  if (listed.code != 0 || !bytes) throw Error(CSDK_UNKNOWN, "the devbox's processes could not be listed");
  std::vector<std::string> fields;
  for (std::string_view rest = *bytes; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\0'), rest.size());
    fields.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (std::size_t i = 0; i + kProcessFields <= fields.size(); i += kProcessFields) {
    const auto number = [&](std::size_t field) {
      const std::string& text = fields[i + field];
      std::int64_t value = 0;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return value;
    };
    csdk_process process{};
    process.id = plugin::str(fields[i]);
    process.pid = number(1);
    process.started_ms = number(2) * 1000;
    process.tag = plugin::str(fields[i + 3]);
    process.command = plugin::str(fields[i + 4]);
    process.state = CSDK_PROCESS_RUNNING;
    devbox.call().emit(process);
  }
}

void processAttach(Devbox& devbox, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  const bool keptOnly = (args.flags & CSDK_PROCESS_KEPT_ONLY) != 0;
  about(id, [&] {
    std::int64_t skipOut = args.offset, skipErr = 0;
    if (args.offset != 0) {  // what was there before stands in this order: stdout, stderr
      const Kept kept = keptBytes(devbox, id.execution);
      skipOut = args.offset < 0 ? kept.out : std::min(args.offset, kept.out);
      skipErr = args.offset < 0 ? kept.err : std::max<std::int64_t>(args.offset - kept.out, 0);
    }
    Follower follower(devbox, id.execution, skipOut, skipErr);
    if (keptOnly) {
      follower.runKept();
    } else {
      follower.run(0, {});
    }
    constexpr std::int64_t kTimedOut = 124;
    if (follower.ended() && id.timed && follower.ended()->code == kTimedOut) {
      return devbox.call().exit(CSDK_EXIT_TIMEOUT, 0);
    }
    follower.emitEnd();
  });
}

void processWait(Devbox& devbox, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  about(id, [&] {
    EndWaiter waiter(devbox, id.execution);
    devbox.session().until([&] {
      waiter.tend();
      return waiter.ended().has_value();
    });
    emitOutcome(devbox, id, *waiter.ended());
  });
}

void processWriteStdin(Devbox& devbox, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  const std::string path = devbox.path("executions/" + vendor::pathSegment(id.execution) + "/send_std_in");
  const auto send = [&](const vendor::JsonValue& body) {
    const vendor::Answer answer = devbox.send(devbox.api().post(path, body), {400, 409});
    if (answer.ok() && devbox.api().json(answer, "send_std_in").root().booleanOr("success", true)) return;
    throw Error(CSDK_FAILED_PRECONDITION, "the process " + id.text + " is over, or its input is closed");
  };
  about(id, [&] {
    constexpr std::size_t kPiece = std::size_t{64} << 10;
    for (std::string_view rest = plugin::text(args.input); !rest.empty();) {
      send(inputMessage(rest.substr(0, kPiece)));
      rest.remove_prefix(std::min(kPiece, rest.size()));
    }
    if ((args.flags & CSDK_PROCESS_EOF) != 0) send(endOfInput());
  });
}

void processSignal(Devbox& devbox, const csdk_process_args& args) {
  const ProcessId id = ProcessId::of(args.process_id);
  const bool all = (args.flags & CSDK_PROCESS_GROUP) != 0;
  const ScriptResult sent = runScript(devbox, kSignal, {id.text, std::to_string(args.signal), all ? "all" : "one"});
  if (sent.code == 0 && sent.out != "none") return;
  about(id, [&] {
    constexpr int kKill = 9;
    if (lookAtExecution(devbox, id.execution)) return;  // over: a success
    if (args.signal == kKill) return killExecution(devbox, id.execution);
    throw Error(CSDK_FAILED_PRECONDITION,
                "the process " + id.text + " was not started from here: it can only be killed")
        .fix("send it SIGKILL");
  });
}

}  // namespace computesdk::runloop
