#include "core/pty.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include "core/failure.hpp"
#include "core/interrupt.hpp"
#include "core/terminal.hpp"

namespace computesdk::cli {
namespace {

termios savedModes;
std::atomic<int> resizeEvent{-1};

void restoreTerminal() { tcsetattr(STDIN_FILENO, TCSANOW, &savedModes); }

/// The terminal passes every key on while this lives.
class RawTerminal {
 public:
  RawTerminal() {
    if (tcgetattr(STDIN_FILENO, &savedModes) != 0) return;
    termios raw = savedModes;
    cfmakeraw(&raw);
    active_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    if (active_) setLastWish(restoreTerminal);
  }
  ~RawTerminal() {
    if (!active_) return;
    setLastWish(nullptr);
    restoreTerminal();
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  bool active_ = false;
};

void addOne(int fd) noexcept {
  std::uint64_t one = 1;
  [[maybe_unused]] auto written = ::write(fd, &one, sizeof one);
}

void onResize(int) {
  int saved = errno;
  addOne(resizeEvent.load());
  errno = saved;
}

struct Size {
  std::uint32_t columns = 80;
  std::uint32_t rows = 24;
};
Size terminalSize() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

/// Hands keys and size changes to the process from a thread of its own, until destroyed.
class KeyPump {
 public:
  explicit KeyPump(Process process) : process_(std::move(process)), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    resizeEvent = event_;
    struct sigaction action = {};
    action.sa_handler = onResize;
    action.sa_flags = SA_RESTART;
    sigaction(SIGWINCH, &action, &previous_);
    thread_ = std::thread([this] { run(); });
  }
  ~KeyPump() {
    sigaction(SIGWINCH, &previous_, nullptr);
    done_ = true;
    addOne(event_);
    thread_.join();
    close(event_);
  }
  KeyPump(const KeyPump&) = delete;
  KeyPump& operator=(const KeyPump&) = delete;

 private:
  void run() {
    std::array<pollfd, 2> wait = {pollfd{STDIN_FILENO, POLLIN, 0}, pollfd{event_, POLLIN, 0}};
    while (!done_) {
      if (poll(wait.data(), wait.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return;
      }
      if ((wait[1].revents & POLLIN) != 0) {
        std::uint64_t count = 0;
        [[maybe_unused]] auto got = ::read(event_, &count, sizeof count);
        if (done_) return;
        Size size = terminalSize();
        // A terminal of the wrong size is a blemish, not a reason to end the command.
        [[maybe_unused]] auto resized = process_.resize(nothrow, size.columns, size.rows);
      }
      if (wait[0].revents != 0 && !passKeys()) wait[0].fd = -1;
    }
  }

  /// False at the end of the input, or of the process.
  bool passKeys() {
    std::array<std::byte, 4096> keys;
    ssize_t got = ::read(STDIN_FILENO, keys.data(), keys.size());
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    if (got == 0) {
      [[maybe_unused]] auto closed = process_.closeInput(nothrow);
      return false;
    }
    return process_.write(nothrow, std::span(keys).first(static_cast<std::size_t>(got)), stopToken()).has_value();
  }

  Process process_;
  int event_;
  std::atomic<bool> done_{false};
  struct sigaction previous_ = {};
  std::thread thread_;
};

}  // namespace

Result<CommandResult> runOnTerminal(Sandbox& sandbox, const std::vector<std::string>& argv, const CommandFlags& flags,
                                    const std::string& cwd, const StringMap& env) {
  auto begin = std::chrono::steady_clock::now();
  Size size = terminalSize();
  ProcessOptions options;
  options.cwd = cwd;
  options.env = env;
  if (const char* term = std::getenv("TERM"); term != nullptr) options.env.try_emplace("TERM", term);
  options.timeout = flags.timeout;
  options.keepStdin = true;
  options.pty = true;
  options.columns = size.columns;
  options.rows = size.rows;
  options.stop = stopToken();
  auto process = sandbox.processes().start(nothrow, CommandLine(argv), options);
  if (!process) return std::move(process).error();

  Result<ExitStatus> ended = [&] {
    RawTerminal raw;
    KeyPump pump(*process);
    AttachOptions attach;
    attach.onOutput = [](OutputStream, std::span<const std::byte> bytes) {
      if (!writeAll(STDOUT_FILENO, bytes)) stop(SIGPIPE);
    };
    attach.stop = stopToken();
    return process->attach(nothrow, attach);
  }();
  if (!ended) {
    // The stop token ends the attachment; the command must not live on unseen.
    [[maybe_unused]] auto killed = process->signal(nothrow, SIGKILL);
    return std::move(ended).error();
  }
  CommandResult result;
  result.commandId = process->id();
  result.status = *ended;
  result.exitCode = ended->exitCode();
  result.timedOut = ended->kind == ExitStatus::Kind::timeout;
  result.duration = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  return result;
}

}  // namespace computesdk::cli
