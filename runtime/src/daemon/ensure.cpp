#include "daemon/ensure.hpp"

#include <trust/sha256.hpp>

#include "commands/input.hpp"
#include "core/errors.hpp"
#include "core/fd.hpp"
#include "daemon/json.hpp"
#include "daemon/scripts.hpp"
#include "files/base64.hpp"
#include "files/file_calls.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace computesdk::detail {
namespace {

constexpr std::string_view kWhat = "cannot start the sandbox's daemon";
constexpr std::uint16_t kUrlPort = 18080;  ///< where a port has to be known before, as its URL does
constexpr std::string_view kTokenVariable = "COMPUTESDK_ACCESS_TOKEN";

ErrorInfo daemonError(const SandboxState& sandbox, ErrorCode code, std::string why, std::string fix = {}) {
  ErrorInfo error;
  error.code = code;
  error.what = kWhat;
  error.why = std::move(why);
  error.fix = std::move(fix);
  error.provider = sandbox.provider().name();
  error.sandboxId = sandbox.id();
  return error;
}

std::string randomHex(std::size_t bytes) {
  std::vector<std::uint8_t> raw(bytes);
  if (::getrandom(raw.data(), raw.size(), 0) != static_cast<ssize_t>(raw.size())) return {};
  std::string out;
  for (const std::uint8_t byte : raw) {
    out.push_back("0123456789abcdef"[byte >> 4]);
    out.push_back("0123456789abcdef"[byte & 15]);
  }
  return out;
}

/// What a script printed, line by line.
std::vector<std::string_view> linesOf(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    lines.push_back(line);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return lines;
}

/// "running PORT TOKEN".
std::optional<DaemonAddress> runningFrom(std::string_view line) {
  constexpr std::string_view kRunning = "running ";
  if (!line.starts_with(kRunning)) return std::nullopt;
  line.remove_prefix(kRunning.size());
  DaemonAddress address;
  const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), address.port);
  if (failed != std::errc() || address.port == 0 || end == line.data() + line.size() || *end != ' ')
    return std::nullopt;
  address.token = std::string(end + 1, line.data() + line.size());
  return address;
}

/// A program of this machine with its hash.
struct Program {
  std::filesystem::path file;
  std::string hash;
};

/// Read and hashed once in a process.
Result<Program> programFor(const SandboxState& sandbox, std::string_view machine) {
  static std::mutex mutex;
  static std::map<std::string, Program, std::less<>> known;
  std::lock_guard lock(mutex);
  if (const auto found = known.find(machine); found != known.end()) return found->second;
  auto file = sandbox.setup().seams().daemonProgram.empty()
                  ? findDaemonProgram(machine)
                  : Result<std::filesystem::path>(sandbox.setup().seams().daemonProgram);
  if (!file) return std::move(file).error();
  const UniqueFd fd(::open(file->c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return daemonError(sandbox, ErrorCode::unavailable, file->string() + ": " + std::strerror(errno));
  auto hash = registry::sha256OfFile(fd.get());
  if (!hash) return daemonError(sandbox, ErrorCode::unavailable, file->string() + ": " + hash.error().why);
  Program program{std::move(*file), std::move(*hash)};
  if (sandbox.setup().seams().daemonProgram.empty()) known.emplace(machine, program);
  return program;
}

std::string ownMachine() {
  utsname name{};
  return ::uname(&name) == 0 ? name.machine : "";
}

/// The one start of a daemon: what is asked, found and made on the way.
class Start {
 public:
  Start(SandboxState& sandbox, const DaemonOptions& options) : sandbox_(sandbox), options_(options) {}

  Result<DaemonAddress> run() {
    // The machine of the sandbox is known only when it was asked; most are like this one.
    auto program = programFor(sandbox_, ownMachine());
    for (int attempt = 0;; ++attempt) {
      auto probed = probe(program ? program->hash : std::string("none"));
      if (!probed) return std::move(probed).error();
      if (running_) return std::move(*running_);
      if (machine_ != ownMachine() || !program) {
        program = programFor(sandbox_, machine_);
        if (!program) return std::move(program).error();
        if (probed = probe(program->hash); !probed) return std::move(probed).error();
        if (running_) return std::move(*running_);
      }
      if (!hasProgram_) {
        if (auto put = upload(*program); !put) return std::move(put).error();
      }
      auto started = launch(*program);
      // A program that was changed in the sandbox has been removed there.
      if (started || !damaged_ || attempt == 1) return started;
    }
  }

 private:
  Result<std::string> script(std::string_view text, std::vector<std::string> words, const StringMap* env = nullptr) {
    std::vector<std::string> argv = {"/bin/sh", "-c", std::string(text), "sh"};
    for (std::string& word : words) argv.push_back(std::move(word));
    std::string out;
    std::string err;
    registry::ExecRequest request;
    request.argv = argv;
    request.env = env;
    auto ended = sandbox_.exec(
        request,
        [&](OutputStream stream, std::span<const std::byte> bytes) {
          (stream == OutputStream::standardError ? err : out)
              .append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        },
        options_.stop, deadlineIn(kControlTime));
    if (!ended) return std::move(ended).error();
    if (ended->exitCode() == 0) return out;
    return daemonError(sandbox_, ErrorCode::precondition,
                       "a shell script ended with " + std::to_string(ended->exitCode()) + " in the sandbox: " + err,
                       "the sandbox's image needs /bin/sh and the usual tools");
  }

  /// Looks for a daemon that runs, a folder, and the program.
  Result<void> probe(const std::string& hash) {
    auto out = script(kProbeScript, {hash});
    if (!out) return std::move(out).error();
    hasProgram_ = false;
    running_.reset();
    for (const std::string_view line : linesOf(*out)) {
      if (auto running = runningFrom(line)) running_ = std::move(running);
      if (line == "program") hasProgram_ = true;
      if (line.starts_with("machine ")) machine_ = line.substr(8);
      if (line.starts_with("folder ")) folder_ = line.substr(7);
    }
    if (running_ || !folder_.empty()) return {};
    return daemonError(sandbox_, ErrorCode::precondition, "no folder in the sandbox may hold a program that runs",
                       "make one of ~/.cache, /tmp and /var/tmp writable, and mounted without noexec");
  }

  Result<void> upload(const Program& program) {
    UniqueFd fd(::open(program.file.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0) {
      return daemonError(sandbox_, ErrorCode::unavailable, program.file.string() + ": " + std::strerror(errno));
    }
    auto source = fileSource(std::move(fd), info.st_size);
    WriteOptions write;
    write.mode = 0755;
    write.stop = options_.stop;
    return writeFileFrom(sandbox_, folder_ + "/sandboxd-" + program.hash, *source, write);
  }

  [[nodiscard]] StringMap environment() const {
    StringMap env = options_.env;
    env[std::string(kTokenVariable)] = options_.token.empty() ? randomHex(32) : options_.token;
    env["COMPUTESDK_SANDBOX_ID"] = sandbox_.id();
    if (!options_.gatewayUrl.empty()) env["COMPUTESDK_GATEWAY_URL"] = options_.gatewayUrl;
    if (!options_.setup.empty()) {
      env["COMPUTESDK_SETUP_B64"] = base64Encode(std::as_bytes(std::span(options_.setup)));
    }
    return env;
  }

  [[nodiscard]] std::vector<std::string> launchWords(const Program& program, const std::string& fifo) const {
    const bool dials = sandbox_.features().port;
    // Where streams lead in, nobody else has to: the loopback address, and any port. A URL needs a port that is known
    // before, and an address that the provider's front reaches.
    std::vector<std::string> words = {folder_,    program.hash,
                                      fifo,       "start",
                                      "--port",   dials ? "0" : std::to_string(kUrlPort),
                                      "--listen", dials ? "127.0.0.1" : "0.0.0.0"};
    if (!options_.baseUrl.empty()) words.insert(words.end(), {"--base-url", options_.baseUrl});
    if (!options_.directory.empty()) words.insert(words.end(), {"--cwd", options_.directory});
    return words;
  }

  Result<DaemonAddress> launch(const Program& program) {
    damaged_ = false;
    const StringMap env = environment();
    if (env.at(std::string(kTokenVariable)).empty()) {
      return daemonError(sandbox_, ErrorCode::internal, "the kernel gives no random numbers");
    }
    const std::string fifo = "ready." + randomHex(8);
    constexpr std::string_view kPrepare = "umask 077; [ -z \"$2\" ] || mkdir -p \"$2\"; mkfifo \"$1\"";
    if (auto made = script(kPrepare, {folder_ + "/" + fifo, options_.directory}); !made) return std::move(made).error();
    std::vector<std::string> words = launchWords(program, fifo);
    Result<std::string> out = std::string();
    if (sandbox_.features().process) {
      if (auto begun = begin(words, env); !begun) return std::move(begun).error();
      out = script(kAwaitScript, {folder_, fifo}, &env);
    } else {
      // The shell goes on after the command that starts it: with its own session, no terminal and no pipe of ours.
      words.insert(words.begin(), std::string(kLaunchScript));
      words.insert(words.begin(), {folder_, fifo});
      out = script(
          "a=$1 b=$2 l=$3; shift 3; s=setsid; command -v setsid >/dev/null 2>&1 || s=nohup\n"
          "$s sh -c \"$l\" sh \"$@\" </dev/null >/dev/null 2>&1 &\nset -- \"$a\" \"$b\"\n" +
              std::string(kAwaitScript),
          words, &env);
    }
    if (!out) return std::move(out).error();
    return outcome(*out);
  }

  Result<void> begin(const std::vector<std::string>& words, const StringMap& env) {
    std::vector<std::string> argv = {"/bin/sh", "-c", std::string(kLaunchScript), "sh"};
    argv.insert(argv.end(), words.begin(), words.end());
    registry::ProcessStart start;
    start.exec.argv = argv;
    start.exec.env = &env;
    start.tag = "computesdk-sandboxd";
    auto started = sandbox_.call(options_.stop, deadlineIn(kControlTime),
                                 [&](const registry::Target& target, const registry::CallContext& context) {
                                   return sandbox_.provider().processStart(target, start, context);
                                 });
    if (!started) return std::move(started).error();
    return {};
  }

  Result<DaemonAddress> outcome(const std::string& out) {
    const auto lines = linesOf(out);
    const std::string_view first = lines.empty() ? std::string_view() : lines.front();
    if (auto running = runningFrom(first)) {
      running->started = true;
      return std::move(*running);
    }
    if (first == "started damaged") {
      damaged_ = true;
      return daemonError(sandbox_, ErrorCode::dataLoss, "the program in the sandbox is not the one that was put there");
    }
    if (first == "started nosum") {
      return daemonError(sandbox_, ErrorCode::unsupported,
                         "the sandbox has no tool for SHA-256, so the program cannot be verified",
                         "use an image with coreutils or busybox (sha256sum), or openssl");
    }
    std::string log;
    for (std::size_t i = 1; i < lines.size(); ++i) log += (log.empty() ? "" : "\n") + std::string(lines[i]);
    return daemonError(sandbox_, ErrorCode::unavailable,
                       first == "started other" ? "another process is starting one and does not come to an end"
                       : log.empty()            ? "it ended before it was ready"
                                                : "it ended before it was ready: " + log);
  }

  SandboxState& sandbox_;
  const DaemonOptions& options_;
  std::string machine_;
  std::string folder_;
  bool hasProgram_ = false;
  bool damaged_ = false;
  std::optional<DaemonAddress> running_;
};

/// A gateway's sandboxes have their daemon from the beginning.
Result<DaemonAddress> gatewayDaemon(SandboxState& sandbox, const DaemonOptions& options) {
  auto told = sandbox.call(options.stop, deadlineIn(kControlTime),
                           [&](const registry::Target& target, const registry::CallContext& context) {
                             return sandbox.provider().vendorCall(target, "daemon", {}, context);
                           });
  if (!told) return std::move(told).error();
  DaemonAddress address;
  if (const auto json = JsonDocument::parse(*told)) {
    address.url = json->root().textOr("url");
    address.token = json->root().textOr("token");
  }
  if (!address.url.empty()) return address;
  return daemonError(sandbox, ErrorCode::protocol, "the gateway does not say where the daemon is");
}

}  // namespace

Result<std::filesystem::path> findDaemonProgram(std::string_view machine) {
  const std::string name =
      machine == ownMachine() ? "computesdk-sandboxd" : "computesdk-sandboxd-" + std::string(machine);
  std::vector<std::filesystem::path> bases;
  std::error_code error;
  if (auto program = std::filesystem::read_symlink("/proc/self/exe", error); !error)
    bases.push_back(program.parent_path());
  Dl_info library{};
  if (::dladdr(reinterpret_cast<void*>(&findDaemonProgram), &library) != 0 && library.dli_fname != nullptr &&
      library.dli_fname[0] == '/') {
    bases.push_back(std::filesystem::path(library.dli_fname).parent_path());
  }
  std::string tried;
  for (const auto& base : bases) {
    for (const char* below : {"", "../lib/computesdk", "computesdk", "../bin"}) {
      const auto candidate = (base / below / name).lexically_normal();
      if (::access(candidate.c_str(), R_OK) == 0) return candidate;
      tried += "\n" + candidate.string();
    }
  }
  ErrorInfo missing;
  missing.code = ErrorCode::unsupported;
  missing.what = kWhat;
  missing.why = name + ", the program for a " + std::string(machine) + " machine, is at none of these places:" + tried;
  missing.fix = "install computesdk-sandboxd for that machine, as " + name;
  return missing;
}

Result<DaemonAddress> ensureDaemon(SandboxState& sandbox, const DaemonOptions& options) {
  if (options.stop.stop_requested()) return cancelled(std::string(kWhat));
  if (sandbox.provider().name() == kGatewayProvider && sandbox.features().vendorCall) {
    return gatewayDaemon(sandbox, options);
  }
  if (!sandbox.features().exec) {
    return methodUnsupported(sandbox.provider().name(), "terminals, servers and watchers", "it runs no commands");
  }
  return Start(sandbox, options).run();
}

}  // namespace computesdk::detail
