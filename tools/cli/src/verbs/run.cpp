#include "core/attached.hpp"
#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/sandbox_flags.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

struct RunFlags {
  CommonFlags common;
  SandboxFlags sandbox;
  CommandFlags command;
  bool keep = false;
  std::vector<std::string> argv;
};

/// Ends the sandbox; that it could not be ended is told but does not change how the command ended. The stop token that
/// may have brought us here must not stop this.
void destroyAfter(Sandbox& sandbox) {
  auto destroyed = sandbox.destroy(nothrow);
  if (destroyed) return;
  warn("the sandbox " + sandbox.sandboxId() + " could not be destroyed; it is tried again by computesdk rm " +
       sandbox.sandboxId());
  printErr(styledError(destroyed.error()) + "\n");
}

Result<void> runInFreshSandbox(const RunFlags& flags, CommandReport& report) {
  auto session = Session::open(flags.common);
  if (!session) return std::move(session).error();
  auto options = createOptions(flags.sandbox, flags.common, session->config());
  if (!options) return std::move(options).error();
  options->keep = flags.keep;
  // The command gets them in any case; the sandbox only if somebody can run another one in it.
  if (!flags.keep && flags.sandbox.name.empty()) options->envs.clear();
  options->dieWithHost = !flags.keep && flags.sandbox.name.empty();
  auto sandbox = createSandbox(*session, std::move(*options), false);
  if (!sandbox) return std::move(sandbox).error();
  report.provider = sandbox->provider();
  report.sandboxId = sandbox->sandboxId();
  report.kept = flags.keep;
  if (flags.keep && !terminal().live) printErr("sandbox " + sandbox->sandboxId() + "\n");
  auto result = runAttached(*sandbox, flags.argv, flags.command, flags.sandbox.directory, flags.sandbox.env);
  if (!flags.keep) destroyAfter(*sandbox);
  if (!result) return std::move(result).error();
  report.result = std::move(*result);
  return {};
}

}  // namespace

int runVerb(std::span<const std::string> words) {
  RunFlags flags;
  Arguments arguments(
      {"run",
       "[options] -- CMD ARG…",
       "Run a command in a fresh sandbox, destroyed at the end.",
       {"computesdk run -- python3 -c 'print(6*7)'",
        "computesdk run --net full --memory 256M --timeout 10s -- ./build.sh", "tar c src | computesdk run -- tar t"}});
  addSandboxFlags(arguments, flags.sandbox, true, true);
  arguments.option("--timeout", "DUR", takeDuration(flags.command.timeout), "End the command after it; exit code 124.");
  arguments.flag("-i,--interactive", flags.command.interactive, "Hand on stdin though it is a terminal.");
  arguments.flag("-t,--tty", flags.command.tty, "Give the command a terminal.");
  arguments.flag("--keep", flags.keep, "Do not destroy the sandbox; its id goes to stderr.");
  arguments.option("--status-fd", "N", takeInteger(flags.command.statusFd, 0, 1 << 20),
                   "Write how it ended there, as JSON.");
  addCommonFlags(arguments, flags.common);
  arguments.command(flags.argv);
  if (auto code = parseCommandWords(arguments, words)) return *code;
  flags.command.json = flags.common.json;
  CommandReport report;
  if (auto good = checkCommandFlags(flags.command); !good) {
    flags.command.statusFd = -1;
    report.error = std::move(good).error();
    return finishCommand(report, flags.command);
  }
  catchSignals();
  if (auto ran = runInFreshSandbox(flags, report); !ran) report.error = std::move(ran).error();
  return finishCommand(report, flags.command);
}

}  // namespace computesdk::cli
