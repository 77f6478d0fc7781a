#include "spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <system_error>

namespace computesdk::bench {

namespace {

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  ~Pipe() {
    closeEnd(0);
    closeEnd(1);
  }
  void closeEnd(int which) {
    if (ends[which] >= 0) ::close(ends[which]);
    ends[which] = -1;
  }
};

struct Actions {
  posix_spawn_file_actions_t value{};
  Actions() { posix_spawn_file_actions_init(&value); }
  ~Actions() { posix_spawn_file_actions_destroy(&value); }
};

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  for (const std::string& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

void drain(Pipe& out, Pipe& err, std::string& output) {
  std::array<pollfd, 2> polled = {{{out.ends[0], POLLIN, 0}, {err.ends[0], POLLIN, 0}}};
  std::array<char, 65536> buffer;
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    for (pollfd& one : polled) {
      if (one.fd < 0 || one.revents == 0) continue;
      const ssize_t got = ::read(one.fd, buffer.data(), buffer.size());
      if (got > 0) {
        output.append(buffer.data(), static_cast<std::size_t>(got));
      } else if (got == 0) {
        one.fd = -1;
      }
    }
  }
}

}  // namespace

Spawned spawnAndWait(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  Pipe out;
  Pipe err;
  Actions actions;
  posix_spawn_file_actions_addopen(&actions.value, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions.value, out.ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions.value, err.ends[1], 2);
  const auto words = pointers(argv);
  const auto variables = pointers(environment);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, argv.at(0).c_str(), &actions.value, nullptr, words.data(), variables.data());
  if (failed != 0) throw std::system_error(failed, std::generic_category(), "posix_spawn " + argv[0]);
  out.closeEnd(1);
  err.closeEnd(1);
  Spawned result;
  drain(out, err, result.output);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.exitCode = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::vector<std::string> bubblewrap(const std::vector<std::string>& command) {
  std::vector<std::string> argv = {findProgram("bwrap"),
                                   "--unshare-all",
                                   "--die-with-parent",
                                   "--new-session",
                                   "--ro-bind",
                                   "/usr",
                                   "/usr",
                                   "--symlink",
                                   "usr/bin",
                                   "/bin",
                                   "--symlink",
                                   "usr/lib",
                                   "/lib",
                                   "--symlink",
                                   "usr/lib64",
                                   "/lib64",
                                   "--proc",
                                   "/proc",
                                   "--dev",
                                   "/dev",
                                   "--tmpfs",
                                   "/tmp",
                                   "--tmpfs",
                                   "/home",
                                   "--dir",
                                   "/etc",
                                   "--chdir",
                                   "/home",
                                   "--"};
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

std::string findProgram(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string candidate = std::string(rest.substr(0, colon)) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon + 1);
  }
  return {};
}

}  // namespace computesdk::bench
