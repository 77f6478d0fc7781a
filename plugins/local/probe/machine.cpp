// The real machine: a helper that tries, and a look at files and programs.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "../engine/unique_fd.hpp"
#include "../limits/layout.hpp"
#include "../limits/systemd_scope.hpp"
#include "../network/network.hpp"
#include "probe.hpp"
#include "tries.hpp"

extern "C" {
extern const char computesdk_local_probe_start[] __attribute__((visibility("hidden")));
extern const char computesdk_local_probe_end[] __attribute__((visibility("hidden")));
}

namespace computesdk::local::probe {
namespace {

constexpr int kPatienceMs = 10000;

// The helper as a file: a memfd, or where that is what is missing nothing.
UniqueFd helperFile() {
  constexpr unsigned kExec = 0x10;  // MFD_EXEC, since 6.3
  UniqueFd fd(::memfd_create("computesdk-probe", MFD_CLOEXEC | kExec));
  if (!fd) fd.reset(::memfd_create("computesdk-probe", MFD_CLOEXEC));
  const char* at = computesdk_local_probe_start;
  while (fd && at < computesdk_local_probe_end) {
    const ssize_t n = ::write(fd.get(), at, static_cast<std::size_t>(computesdk_local_probe_end - at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return {};
    at += n;
  }
  // Away from the number that the helper's socket will take.
  return UniqueFd(fd ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, kProbeSocket + 1) : -1);
}

// errno of what kept the helper from running, 0 when it has answered.
int ask(Findings& findings) {
  const UniqueFd file = helperFile();
  if (!file) return errno != 0 ? errno : EIO;
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return errno;
  const UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), kProbeSocket);
  char name[] = "computesdk-probe";
  char* const arguments[] = {name, nullptr};
  char* const environment[] = {nullptr};
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  pid_t pid = 0;
  const int spawned = ::posix_spawn(&pid, path.c_str(), &actions, nullptr, arguments, environment);
  ::posix_spawn_file_actions_destroy(&actions);
  if (spawned != 0) return spawned;
  theirs.reset();
  pollfd waiting{ours.get(), POLLIN, 0};
  int ready;
  do {
    ready = ::poll(&waiting, 1, kPatienceMs);
  } while (ready < 0 && errno == EINTR);
  const ssize_t size = ready > 0 ? ::recv(ours.get(), &findings, sizeof findings, 0) : -1;
  if (size != sizeof findings) ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return size == sizeof findings ? 0 : ETIMEDOUT;
}

std::optional<Try> tryOf(Primitive primitive) {
  switch (primitive) {
    case Primitive::kUserNamespaces: return kTryUserNamespace;
    case Primitive::kNamespaces: return kTryNamespaces;
    case Primitive::kProcMount: return kTryProcMount;
    case Primitive::kSeccomp: return kTrySeccomp;
    case Primitive::kClone3: return kTryClone3;
    case Primitive::kOpenat2: return kTryOpenat2;
    case Primitive::kOverlay: return kTryOverlay;
    case Primitive::kTerminals: return kTryTerminals;
    case Primitive::kTun: return kTryTun;
    case Primitive::kMemfd: return kTryMemfd;
    case Primitive::kPidfd: return kTryPidfd;
    default: return std::nullopt;
  }
}

class RealMachine final : public Machine {
 public:
  int attempt(Primitive primitive, std::string& detail) override {
    if (primitive == Primitive::kCgroups) return tryCgroups(detail);
    if (primitive == Primitive::kNetworkHelper) {
      const auto helper = network::findHelper();
      if (helper.ok()) detail = helper->path;
      return helper.ok() ? 0 : ENOENT;
    }
    if (primitive == Primitive::kBubblewrap) {
      for (const char* path : {"/usr/bin/bwrap", "/usr/local/bin/bwrap"}) {
        if (::access(path, X_OK) != 0) continue;
        detail = path;
        return tryBubblewrap(path);
      }
      return ENOENT;
    }
    if (!asked_) {
      asked_ = true;
      askError_ = ask(findings_);
    }
    if (askError_ != 0) return askError_;
    if (primitive == Primitive::kUserNamespaces && findings_.error[kTryUserNamespace] != 0) {
      constexpr const char* kSteps[] = {"create", "maps", "use"};
      if (findings_.userStep <= kStepUse) detail = kSteps[findings_.userStep];
    }
    return findings_.error[*tryOf(primitive)];
  }

  std::string read(const std::string& path) override {
    const auto text = limits::realFileTree()->read(path);
    if (!text.ok()) return {};
    std::string content = *text;
    while (!content.empty() && content.back() == '\n') content.pop_back();
    return content;
  }

  bool root() override { return ::geteuid() == 0; }

 private:
  static int tryBubblewrap(const char* path) {
    const char* const arguments[] = {path, "--unshare-user", "--unshare-pid", "--ro-bind", "/",
                                     "/",  "--proc",         "/proc",         "true",      nullptr};
    char* const environment[] = {nullptr};
    posix_spawn_file_actions_t quiet;
    ::posix_spawn_file_actions_init(&quiet);
    for (int fd = 0; fd < 3; ++fd) ::posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_RDWR, 0);
    pid_t pid = 0;
    const int spawned = ::posix_spawn(&pid, path, &quiet, nullptr, const_cast<char* const*>(arguments), environment);
    ::posix_spawn_file_actions_destroy(&quiet);
    if (spawned != 0) return spawned;
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EPERM;
  }

  // Looks, and makes nothing: a delegation moves processes.
  static int tryCgroups(std::string& detail) {
    const auto tree = limits::realFileTree();
    const limits::Layout layout = limits::findLayout(*tree);
    if (layout.kind == limits::GroupKind::kNone) {
      detail = layout.why;
      return ENOENT;
    }
    const bool v1 = layout.kind == limits::GroupKind::kV1;
    const std::string& own = v1 ? layout.of(limits::Controller::kMemory) : layout.unified;
    if (own.empty()) {
      detail = "the memory controller is not there";
      return ENOENT;
    }
    if (tree->writable(own) && tree->writable(own + "/cgroup.procs")) {
      detail = v1 ? "v1" : "v2";
      return 0;
    }
    if (!v1 && !limits::busAddress().empty()) {
      detail = "v2 by systemd";
      return 0;
    }
    detail = v1 ? "the machine uses cgroup v1, which only root may divide"
                : "the own group is not delegated to this user, and there is no systemd of his own to ask";
    return EACCES;
  }

  bool asked_ = false;
  int askError_ = 0;
  Findings findings_{};
};

}  // namespace

std::unique_ptr<Machine> realMachine() { return std::make_unique<RealMachine>(); }

}  // namespace computesdk::local::probe
