#include "child_process.hpp"

#include "library.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace computesdk::registry {
namespace host {
namespace {

constexpr int kSocketNumber = 3;
constexpr int kLibraryNumber = 4;

/// Variables that a plug-in's process may see. One that keeps its secrets itself also talks to the network itself.
constexpr std::array kPlainVariables = {"LANG", "LC_ALL", "LC_CTYPE", "TZ"};
constexpr std::array kNetworkVariables = {"PATH",         "HOME",        "TMPDIR",      "SSL_CERT_FILE",
                                          "SSL_CERT_DIR", "HTTP_PROXY",  "HTTPS_PROXY", "NO_PROXY",
                                          "http_proxy",   "https_proxy", "no_proxy",    "ALL_PROXY"};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::array kSanitizerVariables = {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
#endif

template <typename Names>
void takeVariables(const Names& names, std::vector<std::string>& environment) {
  for (const char* name : names) {
    if (const char* value = ::secure_getenv(name)) environment.push_back(std::string(name) + "=" + value);
  }
}

std::vector<std::string> childEnvironment(const Manifest& manifest) {
  std::vector<std::string> environment;
  takeVariables(kPlainVariables, environment);
  if (manifest.secrets == Secrets::plugin) takeVariables(kNetworkVariables, environment);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  takeVariables(kSanitizerVariables, environment);
#endif
  return environment;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

/// Out of the way of the numbers that the child gives its descriptors.
UniqueFd moveUp(UniqueFd fd) noexcept { return UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 16)); }

/// The descriptors and signals of the child, as posix_spawn wants them.
class SpawnPlan {
 public:
  SpawnPlan(int socket, int errors, int library) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, errors, 1);
    ::posix_spawn_file_actions_adddup2(&actions_, errors, 2);
    ::posix_spawn_file_actions_adddup2(&actions_, socket, kSocketNumber);
    if (library >= 0) ::posix_spawn_file_actions_adddup2(&actions_, library, kLibraryNumber);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, library >= 0 ? kLibraryNumber + 1 : kSocketNumber + 1);
    ::posix_spawn_file_actions_addchdir_np(&actions_, "/");
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    // A session of its own: Ctrl-C in the terminal is for the application, and all it started can be killed at once.
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  int run(pid_t& pid, const std::filesystem::path& program, char* const* words, char* const* environment) {
    return ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, words, environment);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::string describeEnd(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return "exited with code " + std::to_string(info.si_status);
  const char* name = ::sigdescr_np(info.si_status);
  return "was killed by signal " + std::to_string(info.si_status) + " (" + (name != nullptr ? name : "unknown") + ")";
}

void setNonBlocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      socket_(std::move(other.socket_)),
      errors_(std::move(other.errors_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    end();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
    socket_ = std::move(other.socket_);
    errors_ = std::move(other.errors_);
  }
  return *this;
}

Result<ChildProcess> ChildProcess::start(const std::filesystem::path& program, const Manifest& manifest,
                                         const LibraryFile& library) {
  const auto failed = [&](const char* step) {
    return loadError(manifest, std::string("its process could not be started: ") + step + ": " + std::strerror(errno),
                     "free descriptors and processes, then try again");
  };
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return failed("socketpair");
  UniqueFd ours(pair[0]);
  const UniqueFd theirs = moveUp(UniqueFd(pair[1]));
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return failed("pipe");
  UniqueFd errorsRead(pipe[0]);
  const UniqueFd errorsWrite = moveUp(UniqueFd(pipe[1]));
  const bool byDescriptor = library.descriptor >= 0 && !library.byPath;
  UniqueFd libraryFd;
  if (byDescriptor) libraryFd = UniqueFd(::fcntl(library.descriptor, F_DUPFD_CLOEXEC, 16));
  if (!theirs || !errorsWrite || (byDescriptor && !libraryFd)) return failed("descriptors");

  std::vector<std::string> words = {program.string(),
                                    "--name",
                                    manifest.name,
                                    "--library",
                                    library.path.string(),
                                    "--secrets",
                                    manifest.secrets == Secrets::host ? "host" : "plugin",
                                    "--threading",
                                    manifest.threading == Threading::async ? "async" : "blocking",
                                    "--parent",
                                    std::to_string(::getpid())};
  if (byDescriptor) words.emplace_back("--library-fd");
  std::vector<std::string> environment = childEnvironment(manifest);

  ChildProcess child;
  SpawnPlan plan(theirs.get(), errorsWrite.get(), libraryFd.get());
  const int result = plan.run(child.pid_, program, pointers(words).data(), pointers(environment).data());
  if (result != 0) {
    child.pid_ = -1;
    errno = result;
    return failed(program.c_str());
  }
  child.pidfd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0)));
  child.socket_ = std::move(ours);
  child.errors_ = std::move(errorsRead);
  setNonBlocking(child.socket_.get());
  setNonBlocking(child.errors_.get());
  if (!child.pidfd_) return failed("pidfd_open");
  return child;
}

std::string ChildProcess::end() noexcept {
  if (pid_ <= 0) return {};
  // Its number cannot be another's while it is not reaped; the session goes with it.
  ::kill(-pid_, SIGKILL);
  if (pidfd_) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  siginfo_t info{};
  const auto id = pidfd_ ? static_cast<id_t>(pidfd_.get()) : static_cast<id_t>(pid_);
  int got;
  do {
    got = ::waitid(pidfd_ ? static_cast<idtype_t>(P_PIDFD) : P_PID, id, &info, WEXITED);
  } while (got != 0 && errno == EINTR);
  pid_ = -1;
  pidfd_.reset();
  socket_.reset();
  errors_.reset();
  return got == 0 ? describeEnd(info) : "is gone";
}

}  // namespace host

Result<std::filesystem::path> findPluginHost() {
  constexpr const char* kName = "computesdk-plugin-host";
  std::vector<std::filesystem::path> bases;
  std::error_code error;
  if (auto program = std::filesystem::read_symlink("/proc/self/exe", error); !error)
    bases.push_back(program.parent_path());
  Dl_info library{};
  if (::dladdr(reinterpret_cast<void*>(&findPluginHost), &library) != 0 && library.dli_fname != nullptr &&
      library.dli_fname[0] == '/') {
    bases.push_back(std::filesystem::path(library.dli_fname).parent_path());
  }
  std::string tried;
  for (const auto& base : bases) {
    for (const char* below : {"", "../lib/computesdk", "computesdk", "../bin"}) {
      const auto candidate = (base / below / kName).lexically_normal();
      if (::access(candidate.c_str(), X_OK) == 0) return candidate;
      tried += "\n" + candidate.string();
    }
  }
  ErrorInfo missing;
  missing.code = ErrorCode::pluginLoad;
  missing.what = "cannot start a process for plug-ins";
  missing.why = std::string(kName) + " is at none of these places:" + tried;
  missing.fix =
      "reinstall ComputeSDK, or trust the provider so that it runs in this process: computesdk provider trust FILE";
  return missing;
}

}  // namespace computesdk::registry
