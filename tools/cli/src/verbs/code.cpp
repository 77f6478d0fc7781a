#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "core/attached.hpp"
#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/sandbox_flags.hpp"
#include "core/terminal.hpp"
#include "verbs/verbs.hpp"

namespace computesdk::cli {
namespace {

struct CodeFlags {
  CommonFlags common;
  CommandFlags command;
  std::string first;   ///< SB, or FILE when it stands alone
  std::string second;  ///< FILE
  std::string language;
  std::string directory;
  StringMap env;
};

/// The language that a file's name tells; empty when it tells none.
std::string_view languageOf(std::string_view path) {
  struct Suffix {
    std::string_view suffix;
    std::string_view language;
  };
  static constexpr std::array kSuffixes = {Suffix{".py", "python"}, Suffix{".js", "node"}, Suffix{".mjs", "node"},
                                           Suffix{".cjs", "node"},  Suffix{".sh", "sh"},   Suffix{".bash", "bash"},
                                           Suffix{".rb", "ruby"},   Suffix{".pl", "perl"}, Suffix{".php", "php"},
                                           Suffix{".lua", "lua"},   Suffix{".R", "r"},     Suffix{".r", "r"}};
  const auto* found = std::ranges::find_if(kSuffixes, [&](const Suffix& s) { return path.ends_with(s.suffix); });
  return found == kSuffixes.end() ? std::string_view{} : found->language;
}

Result<std::string> readCode(const std::string& path) {
  static constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
  int fd = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fileFailure("read", path, errno);
  std::string text;
  std::array<char, 65536> buffer;
  int failure = 0;
  for (;;) {
    ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR && interrupted() == 0) continue;
    if (got < 0) failure = errno;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxBytes) failure = EFBIG;
    if (failure != 0) break;
  }
  close(fd);
  if (failure != 0) return fileFailure("read", path, failure);
  return text;
}

Result<CommandResult> runIn(Sandbox& sandbox, const CodeFlags& flags, const std::string& code) {
  CodeOptions options;
  options.language = flags.language;
  options.cwd = flags.directory;
  options.env = flags.env;
  options.timeout = flags.command.timeout;
  options.stop = stopToken();
  int failure = 0;
  bool written = false;
  if (!flags.command.json) {
    auto pass = [&failure, &written](int fd) {
      return [&failure, &written, fd](std::string_view bytes) {
        written = true;
        if (failure != 0 || writeAll(fd, bytes) || interrupted() != 0) return;
        failure = errno;
        stop(SIGPIPE);
      };
    };
    options.maxOutput = 0;
    options.onStdout = pass(STDOUT_FILENO);
    options.onStderr = pass(STDERR_FILENO);
  }
  auto ran = sandbox.runCode(nothrow, code, options);
  if (failure != 0 && failure != EPIPE) return stdoutFailure(failure);
  if (!ran) return std::move(ran).error();
  // The interpreter is not there to say it.
  if (!flags.command.json && !written && ran->exitCode == 127 && ran->status.kind == ExitStatus::Kind::code) {
    printErr("computesdk: nothing in the sandbox runs " + ran->language + "\n");
  }
  if (!flags.command.json) explainLimits(ran->status, sandbox);
  CommandResult result;
  result.stdout_ = std::move(ran->stdout_);
  result.stderr_ = std::move(ran->stderr_);
  result.exitCode = ran->exitCode;
  result.duration = ran->duration;
  result.status = ran->status;
  result.truncated = ran->truncated;
  result.timedOut = ran->timedOut;
  return result;
}

Result<void> runFile(CodeFlags& flags, CommandReport& report) {
  const std::string& file = flags.second.empty() ? flags.first : flags.second;
  auto code = readCode(file);
  if (!code) return std::move(code).error();
  if (flags.language.empty()) flags.language = languageOf(file);
  auto session = Session::open(flags.common);
  if (!session) return std::move(session).error();
  bool fresh = flags.second.empty();
  auto sandbox = [&]() -> Result<Sandbox> {
    if (!fresh) return session->find(flags.first);
    auto options = createOptions({}, flags.common, session->config());
    if (!options) return std::move(options).error();
    options->dieWithHost = true;
    return createSandbox(*session, std::move(*options), false);
  }();
  if (!sandbox) return std::move(sandbox).error();
  report.provider = sandbox->provider();
  report.sandboxId = sandbox->sandboxId();
  report.kept = !fresh;
  auto result = runIn(*sandbox, flags, *code);
  if (fresh) {
    if (auto destroyed = sandbox->destroy(nothrow); !destroyed) printErr(styledError(destroyed.error()) + "\n");
  }
  if (!result) return std::move(result).error();
  report.result = std::move(*result);
  return {};
}

}  // namespace

int codeVerb(std::span<const std::string> words) {
  CodeFlags flags;
  Arguments arguments(
      {"code",
       "SB|--provider P [options] FILE|-",
       "Run a file of source code, in a sandbox that is there or in a fresh one. The language is that of "
       "--language, of the file's name, or found from the code.",
       {"computesdk code ci/build script.py", "echo 'print(6*7)' | computesdk code --language python -",
        "computesdk code --provider local --timeout 5s main.js"}});
  arguments.option("--language", "L", takeWord(flags.language), "python, node, bash, sh, ruby, perl, php, lua, r.");
  arguments.option("-w,--workdir", "DIR", takeWord(flags.directory), "Working directory inside.");
  arguments.repeated("-e,--env", "K[=V]", takeVariables(flags.env),
                     "Variable inside; K alone hands on this program's.");
  arguments.option("--timeout", "DUR", takeDuration(flags.command.timeout), "End the code after it; exit code 124.");
  arguments.option("--status-fd", "N", takeInteger(flags.command.statusFd, 0, 1 << 20),
                   "Write how it ended there, as JSON.");
  addCommonFlags(arguments, flags.common);
  arguments.positional("FILE", flags.first).positional("FILE", flags.second, false);
  if (auto code = parseCommandWords(arguments, words)) return *code;
  flags.command.json = flags.common.json;
  CommandReport report;
  if (auto good = checkCommandFlags(flags.command); !good) {
    flags.command.statusFd = -1;
    report.error = std::move(good).error();
    return finishCommand(report, flags.command);
  }
  catchSignals();
  if (auto ran = runFile(flags, report); !ran) report.error = std::move(ran).error();
  return finishCommand(report, flags.command);
}

}  // namespace computesdk::cli
