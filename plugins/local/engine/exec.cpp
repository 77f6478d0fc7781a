// A command in the foreground: the host reads the child's own pipes, nobody relays.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "sandbox_state.hpp"

namespace computesdk::local {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kGrace{2};      // between TERM and KILL
constexpr std::chrono::seconds kPatience{10};  // for the end after KILL

// An ordinary user's pipes may together hold only so much, so few are made large at a time.
std::atomic<int> grownPipes{0};
constexpr int kMostGrown = 32;

struct OutputPipe {
  UniqueFd fd;
  Stream stream = Stream::kStdout;
  std::uint64_t given = 0;
  bool grown = false;
  OutputPipe() = default;
  OutputPipe(const OutputPipe&) = delete;
  OutputPipe& operator=(const OutputPipe&) = delete;
  ~OutputPipe() { close(); }
  void close() {
    if (grown) grownPipes.fetch_sub(1, std::memory_order_relaxed);
    grown = false;
    fd.reset();
  }
  void grow() {
    if (grown || grownPipes.load(std::memory_order_relaxed) >= kMostGrown) return;
    grown = true;
    grownPipes.fetch_add(1, std::memory_order_relaxed);
    fcntl(fd.get(), F_SETPIPE_SZ, 1 << 20);
  }
};

int devNull() {
  static const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return fd;
}

class Run {
 public:
  Run(SandboxState& state, const ExecSpec& spec) : state_(state), spec_(spec) {
    limit_ = spec.outputLimit != 0 ? spec.outputLimit : state.meta.limits.outputBytes;
  }

  Result<ExitStatus> run() {
    const Status started = start();
    if (!started.ok()) return started.error();
    if (spec_.timeout.count() > 0) deadline_ = Clock::now() + spec_.timeout;
    while (!ended_) {
      if (!step()) break;
    }
    drain();
    if (cancelled_) {
      Error error;
      error.kind = ErrorClass::kCancelled;
      error.message = "The command was cancelled";
      return error;
    }
    if (!ended_) {
      if (!timedOut_ && channelClosed_) return endedStatus();
      status_.kind = ExitKind::kUnknown;
    }
    if (timedOut_) status_.kind = ExitKind::kTimeout;
    status_.truncated = truncated_;
    if (failure_) return *failure_;
    return status_;
  }

 private:
  Status start() {
    auto body = execBody(state_, {spec_.argv, spec_.shell, spec_.cwd, spec_.env}, 0, spec_.pty);
    if (!body.ok()) return body.error();
    UniqueFd ends[3];
    if (!spec_.pty) {
      const Status made = makePipes(ends);
      if (!made.ok()) return made;
    }
    const int fds[] = {spec_.input == nullptr ? devNull() : ends[0].get(), ends[1].get(), ends[2].get()};
    const std::span<const int> passed = spec_.pty ? std::span<const int>{} : std::span<const int>(fds);
    auto channel = call(state_, protocol::FrameType::kExec, *body, passed);
    if (!channel.ok()) return channel.error();
    channel_ = std::move(*channel);
    if (spec_.input != nullptr) {
      wake_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      if (!wake_) return systemError(errno, "eventfd");
    }
    return okStatus();
  }

  Status makePipes(UniqueFd* ends) {
    for (int i = spec_.input == nullptr ? 1 : 0; i < 3; ++i) {
      int pair[2];
      if (pipe2(pair, O_CLOEXEC) != 0) return systemError(errno, "pipe", "Raise the limit of open files (ulimit -n).");
      const int inside = i == 0 ? 0 : 1;
      ends[i] = UniqueFd(pair[inside]);
      UniqueFd ours(pair[1 - inside]);
      fcntl(ours.get(), F_SETFL, O_NONBLOCK);
      if (i == 0) {
        input_ = std::move(ours);
      } else {
        output_[i - 1].fd = std::move(ours);
        output_[i - 1].stream = i == 1 ? Stream::kStdout : Stream::kStderr;
      }
    }
    return okStatus();
  }

  // Waits for the next thing and handles it. False when waiting on is pointless.
  bool step() {
    pollfd items[6];
    nfds_t count = 0;
    const auto add = [&](int fd, short events) {
      items[count] = {fd, events, 0};
      return count++;
    };
    const nfds_t channel = add(channel_.get(), POLLIN);
    const nfds_t first = add(output_[0].fd ? output_[0].fd.get() : -1, POLLIN);
    const nfds_t second = add(output_[1].fd ? output_[1].fd.get() : -1, POLLIN);
    const bool sends = inputTarget() >= 0 && !waitsForInput_;
    const nfds_t input = add(sends ? inputTarget() : -1, POLLOUT);
    const nfds_t wake = add(wake_ ? wake_.get() : -1, POLLIN);
    const nfds_t cancel = add(spec_.cancel != nullptr && !cancelled_ ? spec_.cancel->descriptor() : -1, POLLIN);
    const auto limit = nextDeadline();
    timespec timeout{}, *wait = nullptr;
    if (limit) {
      const auto left = std::max(std::chrono::nanoseconds{0}, std::chrono::nanoseconds(*limit - Clock::now()));
      timeout = {static_cast<time_t>(left.count() / 1000000000), static_cast<long>(left.count() % 1000000000)};
      wait = &timeout;
    }
    const int ready = ppoll(items, count, wait, nullptr);
    if (ready < 0 && errno != EINTR) return false;
    if (ready == 0 || (limit && Clock::now() >= *limit)) {
      if (!escalate()) return false;
    }
    if (ready <= 0) return true;
    if (items[cancel].revents != 0) abandon();
    if (items[first].revents != 0) read(output_[0]);
    if (items[second].revents != 0) read(output_[1]);
    if (items[wake].revents != 0) {
      std::uint64_t number;
      static_cast<void>(!::read(wake_.get(), &number, sizeof number));
      waitsForInput_ = false;
    }
    if (items[input].revents != 0) feed();
    if (items[channel].revents != 0) return answered();
    return true;
  }

  std::optional<Clock::time_point> nextDeadline() const {
    if (killed_) return killDeadline_;
    if (terminated_) return terminateDeadline_;
    return deadline_;
  }

  // The deadline passed: first politely, then not, then not waiting any longer.
  bool escalate() {
    const auto now = Clock::now();
    const auto limit = nextDeadline();
    if (!limit || now < *limit) return true;
    if (killed_) return false;
    if (terminated_) {
      kill();
      return true;
    }
    timedOut_ = terminated_ = true;
    terminateDeadline_ = now + kGrace;
    sendFrame(channel_.get(), protocol::FrameType::kSweep, {});
    send(15);
    return true;
  }

  void kill() {
    if (killed_) return;
    killed_ = true;
    killDeadline_ = Clock::now() + kPatience;
    send(9);
  }

  void abandon() {
    cancelled_ = true;
    kill();
  }

  void send(std::uint64_t signal) { sendBody(channel_.get(), protocol::FrameType::kSignal, signal); }

  // One read, so that both streams and the deadline have their turn. A chunk is at most 64 KiB.
  bool read(OutputPipe& pipe) {
    if (!pipe.fd) return false;
    alignas(64) std::byte block[65536];
    const ssize_t n = ::read(pipe.fd.get(), block, sizeof block);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {  // the end; on a terminal, EIO says the same
      pipe.close();
      return false;
    }
    const auto size = static_cast<std::size_t>(n);
    if (size == sizeof block && !spec_.pty) pipe.grow();
    const std::size_t room =
        limit_ > pipe.given ? static_cast<std::size_t>(std::min<std::uint64_t>(limit_ - pipe.given, size)) : 0;
    if (room < size) truncated_ = true;
    pipe.given += room;
    if (room > 0 && spec_.output && !cancelled_ && !spec_.output(pipe.stream, {block, room})) abandon();
    return true;
  }

  int inputTarget() const {
    if (spec_.input == nullptr || inputDone_) return -1;
    return spec_.pty ? output_[0].fd.get() : input_.get();
  }

  void feed() {
    if (pending_.empty()) {
      pending_.resize(65536);
      const InputSource::Read got = spec_.input->read(pending_);
      if (got.state == InputSource::State::kAgain) {
        pending_.clear();
        waitsForInput_ = true;
        const int wake = wake_.get();
        spec_.input->whenReadable([wake] {
          const std::uint64_t one = 1;
          static_cast<void>(!write(wake, &one, sizeof one));
        });
        return;
      }
      if (got.state == InputSource::State::kEnd || got.size == 0) {
        pending_.clear();
        finishInput();
        return;
      }
      pending_.resize(std::min(got.size, pending_.size()));
      sent_ = 0;
    }
    const ssize_t n = writeQuietly(inputTarget(), std::span(pending_).subspan(sent_));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) {  // it does not read any more
      pending_.clear();
      finishInput();
      return;
    }
    sent_ += static_cast<std::size_t>(n);
    if (sent_ == pending_.size()) pending_.clear();
  }

  void finishInput() {
    inputDone_ = true;
    if (spec_.pty) {
      const char end = 4;  // what a person types at the end of input
      static_cast<void>(!write(output_[0].fd.get(), &end, 1));
    }
    input_.reset();
  }

  bool answered() {
    Frame frame;
    const Receipt receipt = receiveFrame(channel_.get(), frame);
    if (receipt == Receipt::kNothing) return true;
    if (receipt == Receipt::kEnd) {
      channelClosed_ = true;
      return false;
    }
    if (frame.type == protocol::FrameType::kProcessStarted && frame.fds[0]) {
      output_[0].fd = std::move(frame.fds[0]);
      fcntl(output_[0].fd.get(), F_SETFL, O_NONBLOCK);
      return true;
    }
    protocol::ExitBody exit;
    if (frame.type != protocol::FrameType::kProcessExited || !frame.read(exit)) return true;
    ended_ = true;
    auto status = toStatus(exit, spec_.cwd.empty() ? state_.meta.workdir : spec_.cwd);
    if (status.ok()) {
      status_ = *status;
    } else {
      failure_ = status.error();
    }
    return true;
  }

  // What the command wrote before it ended is in the pipes by now. A child of its that lives on may hold them open,
  // so the end of the pipe is not waited for.
  void drain() {
    for (OutputPipe& pipe : output_) {
      while (read(pipe)) {
      }
    }
  }

  Result<ExitStatus> endedStatus() const { return endedError(state_); }

  SandboxState& state_;
  const ExecSpec& spec_;
  std::uint64_t limit_ = 0;
  UniqueFd channel_, input_, wake_;
  OutputPipe output_[2];
  std::vector<std::byte> pending_;
  std::size_t sent_ = 0;
  std::optional<Clock::time_point> deadline_;
  Clock::time_point terminateDeadline_{}, killDeadline_{};
  bool terminated_ = false, killed_ = false, timedOut_ = false, cancelled_ = false, ended_ = false;
  bool inputDone_ = false, waitsForInput_ = false, truncated_ = false, channelClosed_ = false;
  ExitStatus status_;
  std::optional<Error> failure_;
};

}  // namespace

Result<ExitStatus> Sandbox::exec(const ExecSpec& spec) { return Run(*state_, spec).run(); }

}  // namespace computesdk::local
