#include "core/attached.hpp"
#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/json.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

struct ExecFlags {
  CommonFlags common;
  CommandFlags command;
  std::string sandbox;
  std::string directory;
  StringMap env;
  bool detach = false;
  std::vector<std::string> argv;
};

/// -d: starts the command and leaves it.
Result<void> startDetached(Sandbox& sandbox, const ExecFlags& flags) {
  RunOptions options;
  options.cwd = flags.directory;
  options.env = flags.env;
  options.timeout = flags.command.timeout;
  options.background = true;
  options.stop = stopToken();
  auto started = sandbox.runCommand(nothrow, CommandLine(flags.argv), options);
  if (!started) return std::move(started).error();
  if (flags.common.json) {
    JsonWriter json;
    json.beginObject().field("command_id", started->commandId).endObject();
    print(json.str() + "\n");
  } else {
    print(started->commandId + "\n");
  }
  return {};
}

Result<void> execInSandbox(const ExecFlags& flags, CommandReport& report) {
  auto session = Session::open(flags.common);
  if (!session) return std::move(session).error();
  auto sandbox = session->find(flags.sandbox);
  if (!sandbox) return std::move(sandbox).error();
  report.provider = sandbox->provider();
  report.sandboxId = sandbox->sandboxId();
  if (flags.detach) return startDetached(*sandbox, flags);
  auto result = runAttached(*sandbox, flags.argv, flags.command, flags.directory, flags.env);
  if (!result) return std::move(result).error();
  report.result = std::move(*result);
  return {};
}

Result<void> check(const ExecFlags& flags) {
  if (flags.detach && (flags.command.interactive || flags.command.tty)) {
    return usageFailure("cannot use -d", "a command that is left alone has no input and no terminal",
                        "leave out -d, or -i and -t");
  }
  return checkCommandFlags(flags.command);
}

}  // namespace

int execVerb(std::span<const std::string> words) {
  ExecFlags flags;
  Arguments arguments({"exec",
                       "SB [options] -- CMD ARG…",
                       "Run a command in a sandbox that is there.",
                       {"computesdk exec ci/build -- make test", "computesdk exec SB -t -- bash",
                        "computesdk exec SB -d -- python3 -m http.server 3000"}});
  arguments.flag("-d,--detach", flags.detach, "Leave it running; prints the command's id.");
  arguments.flag("-i,--interactive", flags.command.interactive, "Hand on stdin though it is a terminal.");
  arguments.flag("-t,--tty", flags.command.tty, "Give the command a terminal.");
  arguments.option("-w,--workdir", "DIR", takeWord(flags.directory), "Working directory inside.");
  arguments.repeated("-e,--env", "K[=V]", takeVariables(flags.env),
                     "Variable inside; K alone hands on this program's.");
  arguments.option("--timeout", "DUR", takeDuration(flags.command.timeout), "End the command after it; exit code 124.");
  arguments.option("--status-fd", "N", takeInteger(flags.command.statusFd, 0, 1 << 20),
                   "Write how it ended there, as JSON.");
  addCommonFlags(arguments, flags.common);
  arguments.positional("SB", flags.sandbox);
  arguments.command(flags.argv);
  if (auto code = parseCommandWords(arguments, words)) return *code;
  flags.command.json = flags.common.json;
  CommandReport report;
  if (auto good = check(flags); !good) {
    flags.command.statusFd = -1;
    report.error = std::move(good).error();
    return finishCommand(report, flags.command);
  }
  catchSignals();
  if (auto ran = execInSandbox(flags, report); !ran) report.error = std::move(ran).error();
  if (flags.detach && !report.error) return 0;
  return finishCommand(report, flags.command);
}

}  // namespace computesdk::cli
