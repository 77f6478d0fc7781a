#include "core/pty.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <stop_token>
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

constexpr std::byte kControlP{0x10};
constexpr std::byte kControlQ{0x11};

/// Hands keys and size changes to the process from a thread of its own, until destroyed. With `onLeave`, the keys
/// Ctrl-P Ctrl-Q are not handed on but call it, and end the handing on.
class KeyPump {
 public:
  KeyPump(Process process, std::function<void()> onLeave)
      : process_(std::move(process)), onLeave_(std::move(onLeave)), event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
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

  /// False at the end of the input, or of the process, or when it was left.
  bool passKeys() {
    std::array<std::byte, 4096> keys;
    // Room for a Ctrl-P that was kept back.
    ssize_t got = ::read(STDIN_FILENO, keys.data() + 1, keys.size() - 1);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    if (got == 0) {
      [[maybe_unused]] auto closed = process_.closeInput(nothrow);
      return false;
    }
    std::span<const std::byte> typed = std::span(keys).subspan(1, static_cast<std::size_t>(got));
    if (onLeave_) {
      if (keptBack_) {
        keys[0] = kControlP;
        typed = std::span(keys).first(typed.size() + 1);
      }
      constexpr std::array kLeave = {kControlP, kControlQ};
      if (std::search(typed.begin(), typed.end(), kLeave.begin(), kLeave.end()) != typed.end()) {
        onLeave_();
        return false;
      }
      keptBack_ = typed.back() == kControlP;
      if (keptBack_) typed = typed.first(typed.size() - 1);
    }
    return typed.empty() || process_.write(nothrow, typed, stopToken()).has_value();
  }

  Process process_;
  std::function<void()> onLeave_;
  bool keptBack_ = false;
  int event_;
  std::atomic<bool> done_{false};
  struct sigaction previous_ = {};
  std::thread thread_;
};

}  // namespace

Result<std::optional<ExitStatus>> attachTerminal(Process& process, bool canLeave, std::int64_t offset) {
  std::stop_source left;
  std::stop_callback stopped(stopToken(), [&left] { left.request_stop(); });
  std::atomic<bool> leaving{false};
  const auto leave = [&] {
    leaving = true;
    left.request_stop();
  };
  RawTerminal raw;
  KeyPump pump(process, canLeave ? std::function<void()>(leave) : nullptr);
  AttachOptions attach;
  attach.offset = offset;
  attach.onOutput = [](OutputStream, std::span<const std::byte> bytes) {
    if (!writeAll(STDOUT_FILENO, bytes)) stop(SIGPIPE);
  };
  attach.stop = left.get_token();
  auto ended = process.attach(nothrow, attach);
  if (ended) return std::optional(*ended);
  if (leaving) return std::optional<ExitStatus>();
  return std::move(ended).error();
}

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

  auto attached = attachTerminal(*process, false, 0);
  if (!attached) {
    // The stop token ends the attachment; the command must not live on unseen.
    [[maybe_unused]] auto killed = process->signal(nothrow, SIGKILL);
    return std::move(attached).error();
  }
  const ExitStatus& ended = attached->value();
  CommandResult result;
  result.commandId = process->id();
  result.status = ended;
  result.exitCode = ended.exitCode();
  result.timedOut = ended.kind == ExitStatus::Kind::timeout;
  result.duration = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  return result;
}

}  // namespace computesdk::cli
