#include "code/language.hpp"
#include "commands/run.hpp"
#include "core/errors.hpp"
#include "named/naming.hpp"

#include <array>

namespace computesdk::detail {
namespace {

Result<Language> chooseLanguage(const SandboxState& sandbox, std::string_view code, const std::string& wanted) {
  std::string name = wanted;
  if (name.empty() && findLanguage(sandbox.defaultLanguage())) name = sandbox.defaultLanguage();
  if (name.empty()) name = detectLanguage(code);
  if (auto language = findLanguage(name)) return *language;
  std::string known;
  for (std::string_view each : knownLanguages()) known += (known.empty() ? "" : ", ") + std::string(each);
  return invalidArgument("cannot run code", "the language '" + name.substr(0, 64) + "' is not known",
                         "known here: " + known);
}

/// Removes the file whatever happens to the code; also when the caller has asked to stop.
class TemporaryFile {
 public:
  TemporaryFile(Filesystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    try {
      (void)files_.remove(nothrow, path_, false);
    } catch (...) {  // it goes with the sandbox
    }
  }

 private:
  Filesystem& files_;
  const std::string path_;
};

}  // namespace

Result<CodeResult> runCode(SandboxState& sandbox, Filesystem files, std::string_view code, const CodeOptions& options) {
  auto language = chooseLanguage(sandbox, code, options.language);
  if (!language) return std::move(language).error();
  const std::string path = "/tmp/computesdk-code-" + newUuid() + std::string(language->suffix);
  auto written = files.writeFile(nothrow, path, code, {.mode = 0600, .parents = false, .stop = options.stop});
  const TemporaryFile file(files, path);
  if (!written) return std::move(written).error();

  const std::vector<std::string> argv = {std::string(language->interpreter), path};
  RunOptions run;
  run.cwd = options.cwd;
  run.env = options.env;
  run.timeout = options.timeout;
  run.stdin_ = options.stdin_;
  run.onStdout = options.onStdout;
  run.onStderr = options.onStderr;
  run.maxOutput = options.maxOutput;
  run.stop = options.stop;
  auto ended = runCommand(sandbox, CommandLine(argv), run);
  if (!ended) return std::move(ended).error();

  CodeResult result;
  result.exitCode = ended->exitCode;
  result.language = language->name;
  result.duration = ended->duration;
  result.status = ended->status;
  result.truncated = ended->truncated;
  result.timedOut = ended->timedOut;
  result.stdout_ = std::move(ended->stdout_);
  result.stderr_ = std::move(ended->stderr_);
  result.output = result.stdout_;
  if (!result.stderr_.empty()) {
    if (!result.output.empty() && result.output.back() != '\n') result.output += '\n';
    result.output += result.stderr_;
  }
  return result;
}

}  // namespace computesdk::detail
