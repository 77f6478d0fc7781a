#include "commands/code.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <future>
#include <set>

#include "commands/language.hpp"
#include "commands/output.hpp"
#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {
namespace {

/// A file of its own that is removed with this object.
class CodeFile {
 public:
  CodeFile() = default;
  CodeFile(CodeFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  CodeFile& operator=(CodeFile&&) = delete;
  ~CodeFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  /// Writes the code below one of the folders, the first that takes it.
  static Result<CodeFile> write(const std::vector<std::string>& folders, std::string_view suffix,
                                std::string_view code) {
    int number = 0;
    for (const auto& folder : folders) {
      CodeFile file;
      std::string path = folder + "/.computesdk-code-XXXXXX" + std::string(suffix);
      const UniqueFd fd(::mkostemps(path.data(), static_cast<int>(suffix.size()), O_CLOEXEC));
      number = errno;
      if (!fd) continue;
      file.path_ = path;
      if (writeAll(fd.get(), code)) return file;
      number = errno;
    }
    ErrorInfo info;
    info.code = number == ENOSPC ? ErrorCode::diskFull : ErrorCode::permission;
    info.what = "cannot write the code to a temporary file";
    info.why = std::strerror(number);
    info.fix = "make /tmp writable in the sandbox, or set TMPDIR";
    return info;
  }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  static bool writeAll(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const auto put = ::write(fd, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
  }

  std::string path_;
};

/// Code that runs: its file and what it says. Changes on the loop's thread.
struct CodeRun {
  CodeRun(CodeFile itsFile, const std::shared_ptr<OutputBudget>& budget, std::size_t limit)
      : file(std::move(itsFile)), output(budget, limit) {}

  CodeFile file;
  Output output;
  std::string language;
  std::shared_ptr<Process> process;
};

/// The code runs of a sandbox, so that they end with it.
struct CodeRuns : std::enable_shared_from_this<CodeRuns> {
  const std::shared_ptr<OutputBudget> budget = std::make_shared<OutputBudget>();
  std::mutex mutex;
  std::set<std::shared_ptr<CodeRun>> running;  ///< until no descendant is left
  bool closed = false;

  void stop() {
    std::set<std::shared_ptr<CodeRun>> all;
    {
      const std::lock_guard lock(mutex);
      closed = true;
      all.swap(running);
    }
    for (const auto& run : all) run->process->kill();
  }
};

struct CodeOrder {
  std::string code;
  const Language* language = nullptr;
  std::string program;
};

Result<CodeOrder> readCode(const serving::Request& request, const Context& context) {
  auto body = bodyOf(request);
  if (!body) return std::move(body).error();
  auto code = requiredText(*body, "code");
  if (!code) return std::move(code).error();
  auto name = optionalText(*body, "language");
  if (!name) return std::move(name).error();
  CodeOrder order;
  order.code = std::move(*code);
  const std::string wanted = !*name || (*name)->empty() ? std::string(detectLanguage(order.code)) : **name;
  order.language = languageNamed(wanted);
  if (order.language == nullptr) {
    return invalid("Unsupported language: " + wanted, {}, "use one of " + languageNames());
  }
  const auto path = context.shared().environment.find("PATH");
  for (const auto program : order.language->programs) {
    order.program = findProgram(program, path == context.shared().environment.end() ? "" : path->second);
    if (!order.program.empty()) return order;
  }
  return invalid("Language not installed in this sandbox: " + std::string(order.language->name),
                 "none of its programs is in PATH: " + std::string(order.language->programs.front()),
                 "install it, or use a sandbox whose image has it");
}

void answerCode(const CodeRun& run, const ExitStatus& status, const serving::Reply& reply) {
  JsonObject data;
  data.text("output", run.output.bytes()).number("exit_code", status.code).text("language", run.language);
  if (run.output.dropped() > 0) data.number("output_dropped", static_cast<std::int64_t>(run.output.dropped()));
  reply.send(envelope("Code executed", data.str()));
}

SpawnOptions codeOptions(Context& context, const CodeOrder& order, const std::shared_ptr<CodeRun>& run,
                         const std::shared_ptr<CodeRuns>& runs, const serving::Reply& reply) {
  SpawnOptions options;
  options.argv.push_back(order.program);
  for (const auto argument : order.language->arguments) options.argv.emplace_back(argument);
  options.argv.push_back(run->file.path());
  options.cwd = context.workingDirectory();
  options.env = context.environment({{"PWD", options.cwd}});
  options.streams = SpawnOptions::Streams::merged;
  options.onStdout = [run](std::string_view bytes) { run->output.append(bytes); };
  options.onExit = [run, reply, &context](const ExitStatus& status) {
    context.workers().run([run, reply, status] { answerCode(*run, status, reply); });
  };
  options.onGone = [run, runs] {
    const std::lock_guard lock(runs->mutex);
    runs->running.erase(run);
  };
  return options;
}

void runCode(Context& context, const std::shared_ptr<CodeRuns>& runs, const serving::Request& request,
             const serving::Reply& reply) {
  const auto order = readCode(request, context);
  if (!order) {
    reply.send(failure(order.error()));
    return;
  }
  const auto temporary = context.shared().environment.find("TMPDIR");
  std::vector<std::string> folders = {"/tmp", context.workingDirectory()};
  if (temporary != context.shared().environment.end()) folders.insert(folders.begin(), temporary->second);
  const auto suffix = order->language->name == "node" && isModule(order->code) ? ".mjs" : order->language->suffix;
  auto file = CodeFile::write(folders, suffix, order->code);
  if (!file) {
    reply.send(failure(file.error()));
    return;
  }
  const auto run = std::make_shared<CodeRun>(std::move(*file), runs->budget, context.limits().commandOutput);
  run->language = order->language->name;
  const auto spawned = context.processes().spawn(codeOptions(context, *order, run, runs, reply));
  if (!spawned) {
    reply.send(failure(spawned.error()));
    return;
  }
  const std::lock_guard lock(runs->mutex);
  run->process = *spawned;
  if (runs->closed) {
    run->process->kill();
  } else if (!run->process->gone()) {
    runs->running.insert(run);
  }
}

}  // namespace

void addCodeRoute(serving::Router& router, Context& context) {
  const auto runs = std::make_shared<CodeRuns>();
  context.onStop([runs] { runs->stop(); });
  router.onBlockingAsync("POST", "/run/code",
                         [&context, runs](const serving::Request& request, const serving::Reply& reply) {
                           runCode(context, runs, request, reply);
                         });
}

}  // namespace computesdk::sandboxd
