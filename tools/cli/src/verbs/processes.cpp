#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include "core/attached.hpp"
#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/pty.hpp"
#include "core/session.hpp"
#include "core/table.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

// ps, logs, attach, kill: commands that run in the background of a sandbox.
namespace computesdk::cli {
namespace {

std::string_view kindName(ExitStatus::Kind kind) {
  switch (kind) {
    case ExitStatus::Kind::code: return "exited";
    case ExitStatus::Kind::signal: return "killed";
    case ExitStatus::Kind::timeout: return "timed out";
    case ExitStatus::Kind::unknown: return "ended";
  }
  return "ended";
}

std::string stateOf(const ProcessInfo& process) {
  if (process.running) return "running";
  std::string state(kindName(process.exit.kind));
  if (process.exit.kind == ExitStatus::Kind::code || process.exit.kind == ExitStatus::Kind::signal) {
    state += " " + std::to_string(process.exit.value);
  }
  return state;
}

ErrorInfo noSuchCommand(const Sandbox& sandbox, const std::string& id) {
  ErrorInfo error;
  error.code = ErrorCode::notFound;
  error.what = "there is no command " + printable(id) + " in the sandbox";
  error.why = "it was never started in the background there, or it ended long ago";
  error.fix = "computesdk ps " + sandbox.sandboxId();
  error.provider = sandbox.provider();
  error.sandboxId = sandbox.sandboxId();
  return error;
}

Result<ProcessInfo> findCommand(Sandbox& sandbox, const std::string& id) {
  auto all = sandbox.processes().list(nothrow, stopToken());
  if (!all) return std::move(all).error();
  auto found =
      std::ranges::find_if(*all, [&](const ProcessInfo& p) { return p.id == id || (!id.empty() && p.tag == id); });
  if (found == all->end()) return noSuchCommand(sandbox, id);
  return std::move(*found);
}

/// Output goes where the command would have written it.
ProcessOutput passOutput() {
  return [](OutputStream stream, std::span<const std::byte> bytes) {
    int fd = stream == OutputStream::standardError ? STDERR_FILENO : STDOUT_FILENO;
    if (!writeAll(fd, bytes)) stop(SIGPIPE);
  };
}

/// Hands our stdin to a command, on a thread of its own, until either ends.
class InputPump {
 public:
  explicit InputPump(Process process) : process_(std::move(process)), end_(eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this] { run(); });
  }
  ~InputPump() {
    std::uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(end_, &one, sizeof one);
    thread_.join();
    close(end_);
  }
  InputPump(const InputPump&) = delete;
  InputPump& operator=(const InputPump&) = delete;

 private:
  void run() {
    std::array<pollfd, 2> wait = {pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{end_, POLLIN, 0}};
    std::array<std::byte, 65536> bytes;
    for (;;) {
      if (poll(wait.data(), wait.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return;
      }
      if (wait[1].revents != 0) return;
      if (wait[0].revents == 0) continue;
      ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) {
        [[maybe_unused]] auto closed = process_.closeInput(nothrow, stopToken());
        return;
      }
      if (!process_.write(nothrow, std::span(bytes).first(static_cast<std::size_t>(got)), stopToken())) return;
    }
  }

  Process process_;
  int end_;
  std::thread thread_;
};

struct Words {
  CommonFlags common;
  std::string sandbox;
  std::string command;
};

int exitOf(const Result<std::optional<ExitStatus>>& ended) {
  if (interrupted() != 0) return 128 + interrupted();
  if (!ended) {
    fail(ended.error(), false);
    return kOurFailure;
  }
  if (!*ended) return 0;  // left
  int code = (*ended)->exitCode();
  return code < 0 ? kOurFailure : code;
}

struct Found {
  Process process;
  bool pty;
};

/// The command that the words mean.
Result<Found> reach(const Words& words) {
  auto session = Session::open(words.common);
  if (!session) return std::move(session).error();
  auto sandbox = session->find(words.sandbox);
  if (!sandbox) return std::move(sandbox).error();
  auto info = findCommand(*sandbox, words.command);
  if (!info) return std::move(info).error();
  return Found{sandbox->processes().get(info->id), info->pty};
}

Result<std::optional<ExitStatus>> attachTo(const Words& words) {
  auto found = reach(words);
  if (!found) return std::move(found).error();
  Process& process = found->process;
  if (found->pty && terminal().stdinIsTerminal && terminal().stdoutIsTerminal) {
    return attachTerminal(process, true, 0);
  }
  AttachOptions options;
  options.onOutput = passOutput();
  options.stop = stopToken();
  InputPump pump(process);
  auto ended = process.attach(nothrow, options);
  if (!ended) return std::move(ended).error();
  return std::optional(*ended);
}

}  // namespace

int psVerb(std::span<const std::string> words) {
  CommonFlags common;
  std::string word;
  Arguments arguments({"ps",
                       "SB [options]",
                       "List the commands that were left running in a sandbox, and those that have ended since.",
                       {"computesdk ps ci/build", "computesdk ps SB --json", "computesdk ps SB -q"}});
  addCommonFlags(arguments, common);
  arguments.positional("SB", word);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common.json);
  auto sandbox = session->find(word);
  if (!sandbox) return fail(sandbox.error(), common.json);
  auto all = sandbox->processes().list(nothrow, stopToken());
  if (!all) return fail(all.error(), common.json);
  if (common.json) {
    JsonWriter json;
    json.beginArray();
    for (const ProcessInfo& p : *all) {
      json.beginObject().field("command_id", p.id).field("command", p.command).optionalField("tag", p.tag);
      json.field("running", p.running).field("pty", p.pty).field("started_at", p.startedAt);
      p.running ? json.key("exit_code").null() : json.field("exit_code", p.exit.exitCode());
      json.endObject();
    }
    print(json.endArray().str() + "\n");
    return 0;
  }
  if (common.quiet) {
    std::string ids;
    for (const ProcessInfo& p : *all) ids += printable(p.id) + "\n";
    print(ids);
    return 0;
  }
  auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  Table table({"ID", "STATE", "AGE", "COMMAND"});
  for (const ProcessInfo& p : *all) {
    table.add({p.id, stateOf(p), p.startedAt ? formatDuration(now - *p.startedAt) : "", p.command});
  }
  print(table.str());
  return 0;
}

int logsVerb(std::span<const std::string> words) {
  Words said;
  bool follow = false;
  Arguments arguments({"logs",
                       "SB ID [options]",
                       "What a command that was left running has written, as far as it is kept.",
                       {"computesdk logs ci/build 12", "computesdk logs -f SB ID",
                        "computesdk logs -f SB $(computesdk exec -d SB -- make)"}});
  arguments.flag("-f,--follow", follow, "Go on until the command ends.");
  addCommonFlags(arguments, said.common, true, false);
  arguments.positional("SB", said.sandbox).positional("ID", said.command);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto found = reach(said);
  if (!found) return fail(found.error(), false);
  AttachOptions options;
  options.follow = follow;
  options.onOutput = passOutput();
  options.stop = stopToken();
  auto ended = found->process.attach(nothrow, options);
  if (interrupted() == 0 && !ended) return fail(ended.error(), false);
  return 0;
}

int attachVerb(std::span<const std::string> words) {
  Words said;
  Arguments arguments(
      {"attach",
       "SB ID [options]",
       "Join a command that was left running: its output from the beginning, and our input. On a terminal "
       "Ctrl-P Ctrl-Q leaves it again. Its exit code is ours.",
       {"computesdk attach ci/build 12", "echo quit | computesdk attach SB ID",
        "computesdk attach SB $(computesdk ps -q SB | tail -1)"}});
  addCommonFlags(arguments, said.common, true, false);
  arguments.positional("SB", said.sandbox).positional("ID", said.command);
  if (auto code = parseCommandWords(arguments, words)) return *code;
  catchSignals();
  return exitOf(attachTo(said));
}

int killVerb(std::span<const std::string> words) {
  Words said;
  std::int64_t number = SIGTERM;
  Arguments arguments({"kill",
                       "SB ID [options]",
                       "Send a signal to a command that was left running, and to all that it started.",
                       {"computesdk kill ci/build 12", "computesdk kill SB ID -s 9",
                        "computesdk kill SB $(computesdk ps -q SB | tail -1)"}});
  arguments.option("-s,--signal", "N", takeInteger(number, 1, 64), "Its number; 15 (TERM) without.");
  addCommonFlags(arguments, said.common, true, false);
  arguments.positional("SB", said.sandbox).positional("ID", said.command);
  if (auto code = parseWords(arguments, words)) return *code;
  catchSignals();
  auto found = reach(said);
  if (!found) return fail(found.error(), false);
  auto sent = found->process.signal(nothrow, static_cast<int>(number), true, stopToken());
  return sent ? 0 : fail(sent.error(), false);
}

}  // namespace computesdk::cli
