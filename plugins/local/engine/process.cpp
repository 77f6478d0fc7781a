// Background commands: their output is in a ring that init writes and anybody with the sandbox may read.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "sandbox_state.hpp"

namespace computesdk::local {

struct Process::State {
  UniqueFd channel;  // its end says that the command has ended
  UniqueFd input;    // pipe or PTY master
  const char* ring = nullptr;
  protocol::ProcessBody process{};
  ~State() {
    if (ring != nullptr) munmap(const_cast<char*>(ring), protocol::kRingFileSize);
  }
  const protocol::RingHeader& header() const { return *reinterpret_cast<const protocol::RingHeader*>(ring); }
  bool ended() const { return __atomic_load_n(&header().ended, __ATOMIC_ACQUIRE) != 0; }
  std::uint64_t written(int stream) const { return __atomic_load_n(&header().written[stream], __ATOMIC_ACQUIRE); }
};

namespace {

using Clock = std::chrono::steady_clock;

Error cancelledError() {
  Error error;
  error.kind = ErrorClass::kCancelled;
  error.message = "Waiting was cancelled";
  return error;
}

Error plain(ErrorClass kind, std::string message, std::string fix = {}) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  error.fix = std::move(fix);
  return error;
}

Result<UniqueFd> makeRing() {
  UniqueFd file(memfd_create("computesdk-output", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ftruncate(file.get(), protocol::kRingFileSize) != 0)
    return systemError(errno, "Cannot make an output ring");
  fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return file;
}

Result<std::unique_ptr<Process::State>> opened(UniqueFd channel, Frame& frame) {
  auto state = std::make_unique<Process::State>();
  if (!frame.read(state->process) || !frame.fds[0]) return plain(ErrorClass::kInternal, "init gave no output ring");
  void* map = mmap(nullptr, protocol::kRingFileSize, PROT_READ, MAP_SHARED, frame.fds[0].get(), 0);
  if (map == MAP_FAILED) return systemError(errno, "Cannot map an output ring");
  state->ring = static_cast<const char*>(map);
  state->channel = std::move(channel);
  state->input = std::move(frame.fds[1]);
  if (state->input) fcntl(state->input.get(), F_SETFL, O_NONBLOCK);
  return state;
}

ProcessInfo toInfo(const Frame& frame) {
  protocol::Reader reader(frame.body.data(), frame.body.size());
  const auto body = reader.pod<protocol::ProcessBody>();
  const protocol::Text command = reader.text(4096);
  ProcessInfo info;
  info.pid = body.pid;
  info.running = body.exit.ending == protocol::Ending::kRunning;
  info.pty = (body.flags & protocol::kExecPty) != 0;
  info.startedMs = body.startedMs;
  info.command.assign(command.data, command.size);
  if (!info.running) {
    if (auto status = toStatus(body.exit, ""); status.ok()) info.exit = *status;
  }
  return info;
}

}  // namespace

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

std::int32_t Process::pid() const { return state_->process.pid; }
bool Process::ended() const { return state_->ended(); }

Result<std::vector<std::byte>> Process::readOutput(Stream stream, std::uint64_t& offset, std::size_t most) {
  const int which = stream == Stream::kStdout ? 0 : 1;
  constexpr std::uint64_t kKept = protocol::kRingSize - protocol::kRingSlack;
  const char* data = state_->ring + protocol::ringOffset(which);
  for (;;) {
    const std::uint64_t written = state_->written(which);
    const std::uint64_t oldest = written > kKept ? written - kKept : 0;
    const std::uint64_t from = std::min(std::max(offset, oldest), written);
    const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(written - from, most));
    std::vector<std::byte> bytes(count);
    if (count == 0) {  // no storage to copy to
      offset = from;
      return bytes;
    }
    const std::size_t at = from % protocol::kRingSize, front = std::min(count, protocol::kRingSize - at);
    memcpy(bytes.data(), data + at, front);
    memcpy(bytes.data() + front, data, count - front);
    // Init may have gone round meanwhile and written over what was being copied.
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (state_->written(which) - from > kKept) continue;
    offset = from + count;
    return bytes;
  }
}

Status Process::waitForChange(std::uint64_t stdoutSeen, std::uint64_t stderrSeen, Milliseconds timeout,
                              Canceller* cancel) {
  const auto end = Clock::now() + timeout;
  for (;;) {
    if (state_->ended() || state_->written(0) > stdoutSeen || state_->written(1) > stderrSeen) return okStatus();
    int wait = -1;
    if (timeout.count() >= 0) {
      const auto left = std::chrono::ceil<Milliseconds>(end - Clock::now()).count();
      if (left <= 0) return plain(ErrorClass::kDeadlineExceeded, "The command runs on");
      wait = static_cast<int>(std::min<std::int64_t>(left, 1 << 30));
    }
    pollfd items[2] = {{state_->channel.get(), POLLIN, 0}, {cancel != nullptr ? cancel->descriptor() : -1, POLLIN, 0}};
    if (poll(items, 2, wait) < 0 && errno != EINTR) return systemError(errno, "poll");
    if (items[1].revents != 0) return cancelledError();
    if (items[0].revents == 0) continue;
    Frame frame;
    if (receiveFrame(state_->channel.get(), frame) == Receipt::kEnd && !state_->ended()) {
      return plain(ErrorClass::kNotFound, "The sandbox has ended, and this command with it");
    }
  }
}

Result<ExitStatus> Process::wait(Milliseconds timeout, Canceller* cancel) {
  const auto end = Clock::now() + timeout;
  while (!state_->ended()) {
    Milliseconds left = timeout;
    if (timeout.count() >= 0) left = std::max(Milliseconds{0}, std::chrono::ceil<Milliseconds>(end - Clock::now()));
    const Status changed = waitForChange(state_->written(0), state_->written(1), left, cancel);
    if (!changed.ok()) return changed.error();
  }
  return toStatus(state_->header().exit, "");
}

Result<std::size_t> Process::writeInput(std::span<const std::byte> bytes) {
  if (!state_->input) {
    return plain(ErrorClass::kFailedPrecondition, "The command has no input",
                 "Start it with input, or it was closed already.");
  }
  const ssize_t n = writeQuietly(state_->input.get(), bytes);
  if (n >= 0) return static_cast<std::size_t>(n);
  if (errno == EAGAIN || errno == EINTR) return std::size_t{0};
  return systemError(errno, "Writing to the command's input");
}

Status Process::waitForInput(Canceller* cancel) {
  if (!state_->input) return plain(ErrorClass::kFailedPrecondition, "The command has no input");
  for (;;) {
    pollfd items[2] = {{state_->input.get(), POLLOUT, 0}, {cancel != nullptr ? cancel->descriptor() : -1, POLLIN, 0}};
    if (poll(items, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return systemError(errno, "poll");
    }
    if (items[1].revents != 0) return cancelledError();
    if (items[0].revents != 0) return okStatus();
  }
}

Status Process::closeInput() {
  if (!state_->input) return okStatus();
  if ((state_->process.flags & protocol::kExecPty) != 0) {
    const char end = 4;
    if (write(state_->input.get(), &end, 1) < 0 && errno != EAGAIN)
      return systemError(errno, "Ending a terminal's input");
    return okStatus();
  }
  state_->input.reset();
  const std::uint64_t none = 0;
  const int sent = sendBody(state_->channel.get(), protocol::FrameType::kCloseInput, none);
  if (sent != 0 && sent != EPIPE) return systemError(sent, "Closing the command's input");
  return okStatus();
}

void Process::leaveInput() { state_->input.reset(); }

Status Process::resize(PtySize size) {
  if ((state_->process.flags & protocol::kExecPty) == 0 || !state_->input) {
    return plain(ErrorClass::kFailedPrecondition, "The command has no terminal", "Start it with a PTY.");
  }
  const winsize window{size.rows, size.columns, 0, 0};
  if (ioctl(state_->input.get(), TIOCSWINSZ, &window) != 0) return systemError(errno, "Resizing a terminal");
  return okStatus();
}

Status Process::signal(int number) {
  if (number < 1 || number > 64) return plain(ErrorClass::kInvalidArgument, "There is no such signal", "Give 1 to 64.");
  if (state_->ended()) return plain(ErrorClass::kNotFound, "The command has ended");
  const auto value = static_cast<std::uint64_t>(number);
  const int sent = sendBody(state_->channel.get(), protocol::FrameType::kSignal, value);
  if (sent == EPIPE) return plain(ErrorClass::kNotFound, "The command has ended");
  return sent == 0 ? okStatus() : Status(systemError(sent, "Sending a signal"));
}

Result<Process> Sandbox::start(const BackgroundSpec& spec) {
  const std::uint32_t flags = protocol::kExecBackground | (spec.input ? std::uint32_t{protocol::kExecInput} : 0U);
  auto body = execBody(*state_, {spec.argv, spec.shell, spec.cwd, spec.env, spec.timeout}, flags, spec.pty);
  if (!body.ok()) return body.error();
  auto ring = makeRing();
  if (!ring.ok()) return ring.error();
  const int fds[] = {ring->get()};
  auto channel = call(*state_, protocol::FrameType::kExec, *body, fds);
  if (!channel.ok()) return channel.error();
  Frame frame;
  if (waitFrame(channel->get(), frame, 30000) != Receipt::kFrame) return endedError(*state_);
  if (frame.type == protocol::FrameType::kProcessStarted) {
    auto state = opened(std::move(*channel), frame);
    if (!state.ok()) return state.error();
    return Process(std::move(*state));
  }
  protocol::ExitBody exit{};
  frame.read(exit);
  auto status = toStatus(exit, spec.cwd);
  if (!status.ok()) return status.error();
  const std::string name = spec.argv.empty() ? "/bin/sh" : spec.argv[0];
  if (status->value == 127) return plain(ErrorClass::kNotFound, name + ": no such command in the sandbox");
  return plain(ErrorClass::kPermissionDenied, name + ": cannot be executed in the sandbox");
}

Result<Process> Sandbox::attach(std::int32_t pid) {
  const auto number = static_cast<std::uint64_t>(pid);
  auto channel =
      call(*state_, protocol::FrameType::kOpenProcess, {reinterpret_cast<const char*>(&number), sizeof number}, {});
  if (!channel.ok()) return channel.error();
  Frame frame;
  const Receipt receipt = waitFrame(channel->get(), frame, 30000);
  if (receipt != Receipt::kFrame || frame.type != protocol::FrameType::kProcessStarted) {
    return plain(ErrorClass::kNotFound, "There is no background command " + std::to_string(pid),
                 "processes() lists them; at most 16 may follow one at a time.");
  }
  auto state = opened(std::move(*channel), frame);
  if (!state.ok()) return state.error();
  return Process(std::move(*state));
}

Result<std::vector<ProcessInfo>> Sandbox::processes() {
  std::vector<ProcessInfo> list;
  std::uint64_t from = 0;
  do {  // a page at a time, since init never waits for a reader
    auto channel =
        call(*state_, protocol::FrameType::kProcesses, {reinterpret_cast<const char*>(&from), sizeof from}, {});
    if (!channel.ok()) return channel.error();
    for (;;) {
      Frame frame;
      if (waitFrame(channel->get(), frame, 30000) != Receipt::kFrame) return endedError(*state_);
      if (frame.type == protocol::FrameType::kEnd) {
        if (!frame.read(from)) from = 0;
        break;
      }
      list.push_back(toInfo(frame));
    }
  } while (from != 0);
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.startedMs < b.startedMs; });
  return list;
}

}  // namespace computesdk::local
