#pragma once

#include <computesdk/provider/call.hpp>
#include <computesdk/provider/services.hpp>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Runs a program of this machine as the body of an `exec`: for providers that drive a command-line tool. Not part of
// provider.hpp; include it where it is needed. For plug-ins whose manifest says "threading": "blocking".
namespace computesdk::plugin {

/// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept { return std::swap(fd_, other.fd_), *this; }
  ~Descriptor() { reset(); }
  void reset() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

inline Error systemError(const char* what, int error = errno) {
  return Error(CSDK_INTERNAL, std::string(what) + ": " + std::strerror(error));
}

/// What to run. `env` is the whole environment as NAME=value; an empty `cwd` is the process's own.
struct Command {
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string cwd;
  std::int64_t timeoutMs = 0;  ///< 0: none

  /// As the caller of exec asked: its argv, or its command through /bin/sh; its environment over a plain PATH.
  static Command of(const csdk_exec_args& args) {
    Command command{.argv = {}, .env = {}, .cwd = std::string(view(args.cwd)), .timeoutMs = args.timeout_ms};
    for (const csdk_str word : view(args.argv)) command.argv.emplace_back(view(word));
    if (command.argv.empty()) command.argv = {"/bin/sh", "-c", std::string(view(args.command))};
    for (const csdk_pair& pair : view(args.env)) {
      command.env.push_back(std::string(view(pair.key)) + "=" + std::string(view(pair.value)));
    }
    if (!find(args.env, "PATH")) command.env.emplace_back("PATH=/usr/local/bin:/usr/bin:/bin");
    return command;
  }
};

/// A started program in a process group of its own, with pipes on its three standard descriptors. The group is killed
/// and the program reaped when the object goes.
class Subprocess {
 public:
  /// Throws CSDK_NOT_FOUND for a missing `cwd`. A program that cannot be started gives `failure()`.
  explicit Subprocess(const Command& command) {
    struct stat status;
    if (!command.cwd.empty() && (::stat(command.cwd.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))) {
      throw Error(CSDK_NOT_FOUND, "the working directory '" + command.cwd + "' does not exist");
    }
    Descriptor childIn, childOut, childErr;
    openPipe(childIn, in);
    openPipe(out, childOut);
    openPipe(err, childErr);
    spawn(command, childIn.get(), childOut.get(), childErr.get());
    for (const Descriptor* ours : {&in, &out, &err}) ::fcntl(ours->get(), F_SETFL, O_NONBLOCK);
    if (pid_ < 0) return;
    ended = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (ended.get() < 0) {
      const int error = errno;
      killAndReap();
      throw systemError("pidfd_open", error);
    }
  }
  ~Subprocess() { killAndReap(); }
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  /// 0, or the errno with which the program could not be started.
  int failure() const noexcept { return failure_; }
  void kill() noexcept {
    if (pid_ > 0) ::kill(-pid_, SIGKILL);
  }
  /// Waits for the end and returns the status of waitpid.
  int reap() noexcept {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

  Descriptor in, out, err;  ///< our ends; not blocking
  Descriptor ended;         ///< readable once the program has ended

 private:
  static void openPipe(Descriptor& readEnd, Descriptor& writeEnd) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw systemError("pipe");
    readEnd = Descriptor(ends[0]);
    writeEnd = Descriptor(ends[1]);
  }

  void spawn(const Command& command, int childIn, int childOut, int childErr) {
    const auto pointers = [](const std::vector<std::string>& strings) {
      std::vector<char*> list;
      for (const std::string& text : strings) list.push_back(const_cast<char*>(text.c_str()));
      list.push_back(nullptr);
      return list;
    };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (::posix_spawn_file_actions_init(&actions) != 0) throw std::bad_alloc();
    if (::posix_spawnattr_init(&attributes) != 0) {
      ::posix_spawn_file_actions_destroy(&actions);
      throw std::bad_alloc();
    }
    ::posix_spawn_file_actions_adddup2(&actions, childIn, 0);
    ::posix_spawn_file_actions_adddup2(&actions, childOut, 1);
    ::posix_spawn_file_actions_adddup2(&actions, childErr, 2);
    if (!command.cwd.empty()) ::posix_spawn_file_actions_addchdir_np(&actions, command.cwd.c_str());
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const std::vector<char*> argv = pointers(command.argv), env = pointers(command.env);
    failure_ = ::posix_spawnp(&pid_, argv[0], &actions, &attributes, argv.data(), env.data());
    if (failure_ != 0) pid_ = -1;
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
  }

  void killAndReap() noexcept {
    if (pid_ <= 0) return;
    kill();
    reap();
  }

  pid_t pid_ = -1;
  int failure_ = 0;
};

/// Keeps SIGPIPE from the process while this thread writes to pipes whose reader may be gone.
class SigpipeBlocked {
 public:
  SigpipeBlocked() noexcept {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~SigpipeBlocked() {
    const timespec now{};
    if (!::sigismember(&before_, SIGPIPE)) ::sigtimedwait(&pipe_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_, before_;
};

/// Runs `command` to its end: stdin from `input`, output pushed as it comes, killed with its process group when the
/// call is cancelled, at the call's deadline (throws) or at its own timeout (an exit of that kind). Blocks.
class Runner {
 public:
  Runner(const Call& call, const Command& command, Input input)
      : call_(call),
        input_(input),
        program_(command.argv.front()),
        process_(command),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_.get() < 0) throw systemError("eventfd");
    if (command.timeoutMs > 0) timeoutNs_ = call_.nowNs() + command.timeoutMs * 1'000'000;
  }

  void run() {
    if (process_.failure() != 0) {
      call_.err(program_ + ": " + std::strerror(process_.failure()) + "\n");
      return call_.exitCode(process_.failure() == ENOENT ? 127 : 126);
    }
    const SigpipeBlocked sigpipe;
    const auto onCancel = call_.onCancel([this] { ::eventfd_write(wake_.get(), 1); });
    std::optional<Waiting> waiting;
    while (!step(waiting)) {
    }
    for (int reads = 0; reads < kLastReads && forward(process_.out, CSDK_STREAM_STDOUT); ++reads) {
    }
    for (int reads = 0; reads < kLastReads && forward(process_.err, CSDK_STREAM_STDERR); ++reads) {
    }
    const int status = process_.reap();
    if (timedOut_) return call_.exit(CSDK_EXIT_TIMEOUT, 0);
    return WIFSIGNALED(status) ? call_.exitSignal(WTERMSIG(status)) : call_.exitCode(WEXITSTATUS(status));
  }

 private:
  struct Wake {
    int fd;
    void operator()() const noexcept { ::eventfd_write(fd, 1); }
  };
  using Waiting = Input::ReadableGuard<Wake>;

  /// Waits for one thing to happen and serves it; true when the program has ended.
  bool step(std::optional<Waiting>& waiting) {
    if (process_.in.get() >= 0 && !waiting && chunk_.empty()) fill(waiting);
    pollfd fds[] = {{wake_.get(), POLLIN, 0},
                    {process_.ended.get(), POLLIN, 0},
                    {process_.out.get(), POLLIN, 0},
                    {process_.err.get(), POLLIN, 0},
                    {chunk_.empty() ? -1 : process_.in.get(), POLLOUT, 0}};
    if (::poll(fds, std::size(fds), waitMs()) < 0 && errno != EINTR) throw systemError("poll");
    call_.throwIfCancelled();
    checkTime();
    if (fds[0].revents) {
      eventfd_t count;
      ::eventfd_read(wake_.get(), &count);
      waiting.reset();
    }
    if (fds[2].revents) forward(process_.out, CSDK_STREAM_STDOUT);
    if (fds[3].revents) forward(process_.err, CSDK_STREAM_STDERR);
    if (fds[4].revents) feed();
    return fds[1].revents != 0;
  }

  void fill(std::optional<Waiting>& waiting) {
    chunk_.resize(16384);
    std::size_t size = 0;
    const csdk_status status = input_.read(reinterpret_cast<std::uint8_t*>(chunk_.data()), chunk_.size(), &size);
    chunk_.resize(size);
    if (status == CSDK_EOF) process_.in.reset();
    if (status == CSDK_AGAIN) waiting.emplace(input_, Wake{wake_.get()});
  }

  void feed() {
    const ssize_t written = ::write(process_.in.get(), chunk_.data(), chunk_.size());
    if (written >= 0) {
      chunk_.erase(0, static_cast<std::size_t>(written));
    } else if (errno != EAGAIN && errno != EINTR) {  // the program reads no more
      chunk_.clear();
      process_.in.reset();
    }
  }

  /// Pushes what one read gives; true when there was something. Never more at once: an endless writer must not keep the
  /// loop from looking at the clock.
  bool forward(Descriptor& from, std::uint32_t stream) {
    char buffer[65536];
    if (from.get() < 0) return false;
    const ssize_t size = ::read(from.get(), buffer, sizeof buffer);
    if (size > 0) call_.write(stream, bytes(std::string_view(buffer, static_cast<std::size_t>(size))));
    if (size == 0) from.reset();
    return size > 0;
  }

  void checkTime() {
    const std::int64_t now = call_.nowNs();
    if (!timedOut_ && timeoutNs_ && now >= *timeoutNs_) {
      timedOut_ = true;
      process_.kill();
    }
    if (const auto deadline = call_.deadlineNs(); deadline && now >= *deadline) {
      throw Error(CSDK_DEADLINE_EXCEEDED, "the command did not end before the call's deadline; it was killed");
    }
  }

  /// Milliseconds to the next moment that matters, rounded up; -1 when there is none.
  int waitMs() const {
    std::int64_t until = INT64_MAX;
    if (timeoutNs_ && !timedOut_) until = *timeoutNs_;
    if (const auto deadline = call_.deadlineNs()) until = std::min(until, *deadline);
    if (until == INT64_MAX) return -1;
    return static_cast<int>(std::clamp<std::int64_t>((until - call_.nowNs() + 999'999) / 1'000'000, 0, 3'600'000));
  }

  // A pipe holds 64 KiB; what comes after that many reads is of descendants that outlive the program.
  static constexpr int kLastReads = 4;

  Call call_;
  Input input_;
  std::string program_;
  Subprocess process_;
  Descriptor wake_;
  std::string chunk_;  // input that the program has not taken yet
  std::optional<std::int64_t> timeoutNs_;
  bool timedOut_ = false;
};

}  // namespace computesdk::plugin
