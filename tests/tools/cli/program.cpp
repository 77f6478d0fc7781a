#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <stdexcept>

namespace computesdk::cli::test {
namespace {

using Clock = std::chrono::steady_clock;

void openPipe(int& reader, int& writer) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  reader = ends[0];
  writer = ends[1];
}

void closeFd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

/// One read of what poll has reported; closes the descriptor at its end.
void take(int& fd, short events, std::string& into) {
  if (fd < 0 || events == 0) return;
  std::array<char, 65536> buffer;
  ssize_t got = read(fd, buffer.data(), buffer.size());
  if (got > 0) {
    into.append(buffer.data(), static_cast<std::size_t>(got));
  } else if (got == 0 || errno != EINTR) {
    closeFd(fd);  // a terminal ends with EIO
  }
}

}  // namespace

Running::Running(const Setup& setup) {
  ::signal(SIGPIPE, SIG_IGN);  // a program may end before it has taken its input
  std::vector<char*> argv;
  for (const std::string& word : setup.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> pairs;
  for (const auto& [name, value] : setup.env) pairs.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (std::string& pair : pairs) environment.push_back(pair.data());
  environment.push_back(nullptr);

  int childIn = -1;
  int childOut = -1;
  int childErr = -1;
  if (setup.terminal) {
    winsize size{24, 80, 0, 0};
    if (openpty(&out_, &childIn, nullptr, nullptr, &size) != 0) throw std::runtime_error("openpty");
    fcntl(out_, F_SETFD, FD_CLOEXEC);
    fcntl(childIn, F_SETFD, FD_CLOEXEC);
    in_ = fcntl(out_, F_DUPFD_CLOEXEC, 3);
  } else {
    openPipe(childIn, in_);
    openPipe(out_, childOut);
    openPipe(err_, childErr);
  }
  // Only the writes are not to block, and a terminal's two ends are one description.
  if (!setup.terminal) fcntl(in_, F_SETFL, O_NONBLOCK);
  pid_ = fork();
  if (pid_ == 0) {
    ::signal(SIGPIPE, SIG_DFL);
    if (setup.terminal) setsid();
    dup2(childIn, 0);
    dup2(setup.terminal ? childIn : childOut, 1);
    dup2(setup.terminal ? childIn : childErr, 2);
    if (setup.inChild != nullptr) setup.inChild();
    if (!setup.folder.empty() && chdir(setup.folder.c_str()) != 0) _exit(99);
    execve(argv[0], argv.data(), environment.data());
    _exit(99);
  }
  closeFd(childIn);
  closeFd(childOut);
  closeFd(childErr);
}

Running::~Running() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  closeFd(in_);
  closeFd(out_);
  closeFd(err_);
}

void Running::write(std::string_view text) {
  auto deadline = Clock::now() + std::chrono::seconds(30);
  while (!text.empty() && in_ >= 0 && Clock::now() < deadline) {
    // A program that echoes stops taking input once nobody takes its output.
    std::array<pollfd, 3> wait = {pollfd{in_, POLLOUT, 0}, pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
    if (poll(wait.data(), wait.size(), 1000) <= 0) continue;
    if (wait[0].revents != 0) {
      ssize_t written = ::write(in_, text.data(), text.size());
      if (written < 0 && errno != EINTR && errno != EAGAIN) return;
      if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    }
    take(out_, wait[1].revents, ended_.out);
    take(err_, wait[2].revents, ended_.err);
  }
}

void Running::closeInput() { closeFd(in_); }
void Running::closeOutput() { closeFd(out_); }
void Running::signal(int number) const { kill(pid_, number); }

bool Running::readSome(int timeoutMilliseconds) {
  std::array<pollfd, 2> wait = {pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
  if (poll(wait.data(), wait.size(), timeoutMilliseconds) <= 0) return out_ >= 0 || err_ >= 0;
  take(out_, wait[0].revents, ended_.out);
  take(err_, wait[1].revents, ended_.err);
  return out_ >= 0 || err_ >= 0;
}

bool Running::waitForOutput(std::string_view text) {
  auto deadline = Clock::now() + std::chrono::seconds(30);
  while (ended_.out.find(text) == std::string::npos) {
    if (Clock::now() > deadline || out_ < 0 || !readSome(1000)) return ended_.out.find(text) != std::string::npos;
  }
  return true;
}

Ended Running::wait() {
  // A terminal's input must stay open: closing the other side hangs it up.
  if (err_ >= 0) closeInput();
  auto deadline = Clock::now() + std::chrono::seconds(60);
  while (readSome(1000)) {
    if (Clock::now() > deadline) signal(SIGKILL);
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  ended_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  return ended_;
}

World::World(bool shell) {
  char name[] = "/tmp/computesdk-cli-test-XXXXXX";
  if (mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
  root_ = name;
  for (const char* folder : {"home", "run", "work", "sandboxes", "providers"}) {
    std::filesystem::create_directory(root_ / folder);
    std::filesystem::permissions(root_ / folder, std::filesystem::perms(0700));
  }
  env = {{"HOME", root_ / "home"},
         {"XDG_RUNTIME_DIR", root_ / "run"},
         {"PATH", "/usr/local/bin:/usr/bin:/bin"},
         {"LC_ALL", "C.UTF-8"}};
  for (const char* inherited : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = getenv(inherited)) env[inherited] = value;
  }
  if (shell) addShell();
}

void World::addShell() {
  std::filesystem::path library = COMPUTESDK_SHELL_LIBRARY;
  for (const auto& file : {library, library.parent_path() / "shell.provider.json"}) {
    std::filesystem::copy_file(file, root_ / "providers" / file.filename());
    std::filesystem::permissions(root_ / "providers" / file.filename(), std::filesystem::perms(0644));
  }
  env["COMPUTESDK_PROVIDER_PATH"] = root_ / "providers";
  env["EXAMPLE_SHELL_ROOT"] = root_ / "sandboxes";
  // In process: what the tests are about is the program, and a process a run less.
  Ended trusted = run({"provider", "trust", root_ / "providers/shell.provider.json"});
  if (trusted.code != 0) throw std::runtime_error("provider trust: " + trusted.err);
}

World::~World() {
  // A launcher that ends removes files of its own meanwhile, which ends the walk.
  std::error_code error;
  int tries = 0;
  do {
    std::filesystem::remove_all(root_, error);
  } while (error && ++tries < 100);
}

std::size_t World::count() const {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(sandboxes()), std::filesystem::directory_iterator()));
}

Running::Setup World::setup(std::vector<std::string> words) const {
  const char* installed = getenv("COMPUTESDK_CLI");
  std::vector<std::string> argv = {installed != nullptr ? installed : COMPUTESDK_PROGRAM};
  argv.insert(argv.end(), std::make_move_iterator(words.begin()), std::make_move_iterator(words.end()));
  return {.argv = std::move(argv), .env = env, .folder = root_ / "work"};
}

Ended World::run(std::vector<std::string> words, std::string_view input) const {
  Running running(setup(std::move(words)));
  running.write(input);
  return running.wait();
}

std::string World::create() const {
  Ended made = run({"create"});
  if (made.code != 0) throw std::runtime_error("create: " + made.err);
  return made.out.substr(0, made.out.find('\n'));
}

bool localWorks(World& world, std::string& reason) {
  Ended ended = world.run({"run", "--provider", "local", "--", "true"});
  reason = ended.err;
  return ended.code == 0;
}

}  // namespace computesdk::cli::test
