#include <unistd.h>

#include "core/attached.hpp"
#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/session.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

/// The best shell that is there.
const std::vector<std::string> kShell = {"sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"};

}  // namespace

int shellVerb(std::span<const std::string> words) {
  CommonFlags common;
  CommandFlags command;
  std::string word;
  std::string directory;
  StringMap env;
  Arguments arguments(
      {"shell",
       "SB [options]",
       "A shell in a sandbox, on this terminal; without one it takes its commands from stdin. Its exit "
       "code is ours.",
       {"computesdk shell ci/build", "computesdk shell SB -w /workspace", "echo 'uname -a' | computesdk shell SB"}});
  arguments.option("-w,--workdir", "DIR", takeWord(directory), "Working directory inside.");
  arguments.repeated("-e,--env", "K[=V]", takeVariables(env), "Variable inside; K alone hands on this program's.");
  addCommonFlags(arguments, common, true, false);
  arguments.positional("SB", word);
  if (auto code = parseCommandWords(arguments, words)) return *code;
  command.tty = terminal().stdinIsTerminal && terminal().stdoutIsTerminal;
  command.interactive = true;
  catchSignals();
  CommandReport report;
  auto run = [&]() -> Result<CommandResult> {
    auto session = Session::open(common);
    if (!session) return std::move(session).error();
    auto sandbox = session->find(word);
    if (!sandbox) return std::move(sandbox).error();
    report.provider = sandbox->provider();
    report.sandboxId = sandbox->sandboxId();
    return runAttached(*sandbox, kShell, command, directory, env);
  };
  if (auto result = run(); result) {
    report.result = std::move(*result);
  } else {
    report.error = std::move(result).error();
  }
  return finishCommand(report, command);
}

}  // namespace computesdk::cli
