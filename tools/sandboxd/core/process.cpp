#include "core/process.hpp"

#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/process_tree.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::size_t kReadSize = 64U << 10U;
/// What a pipe can hold at most; more comes from a descendant that still writes.
constexpr std::size_t kDrainLimit = 2U << 20U;
constexpr std::size_t kInputLimit = 1U << 20U;
/// How long a descendant that holds the streams may still add to the output after the process itself ended.
constexpr std::chrono::milliseconds kGrace{50};

}  // namespace

RunningProcess::RunningProcess(serving::Loop& loop, SpawnOptions options, Started started, Owner owner)
    : loop_(loop),
      options_(std::move(options)),
      holder_(started.holder),
      pid_(started.pid),
      owner_(std::move(owner)),
      status_(std::move(started.status)) {
  out_.fd = std::move(started.out);
  out_.sink = std::move(options_.onStdout);
  err_.fd = std::move(started.err);
  err_.sink = std::move(options_.onStderr);
  terminalOpen_ = options_.streams == SpawnOptions::Streams::terminal;
  options_.argv.clear();
  options_.env.clear();
}

void RunningProcess::begin() {
  statusWatch_ = loop_.watch(status_.get());
  statusWatch_.readable([self = shared_from_this()] { self->onStatus(); });
  for (auto* stream : {&out_, &err_}) {
    if (!stream->fd) continue;
    stream->watch = loop_.watch(stream->fd.get());
    arm(*stream);
  }
  flushInput();
}

void RunningProcess::arm(Stream& stream) {
  if (stream.armed || !stream.fd || paused_ || closed_) return;
  stream.armed = true;
  stream.watch.readable([self = shared_from_this(), &stream] {
    stream.armed = false;
    if (self->closed_ || self->paused_) return;
    self->pump(stream, 2 * kReadSize);
    self->arm(stream);
    if (self->ended_) self->finishWhenDrained();
  });
}

bool RunningProcess::pump(Stream& stream, std::size_t most) {
  char buffer[kReadSize];
  for (std::size_t total = 0; total < most && stream.fd;) {
    const auto got = ::read(stream.fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) {  // a terminal whose last process left says EIO
      closeStream(stream);
      return false;
    }
    total += static_cast<std::size_t>(got);
    if (stream.sink && !finished_) stream.sink({buffer, static_cast<std::size_t>(got)});
    if (paused_) return true;
  }
  return static_cast<bool>(stream.fd);
}

void RunningProcess::closeStream(Stream& stream) {
  stream.watch.stop();
  const std::lock_guard lock(mutex_);
  if (&stream == &out_) terminalOpen_ = false;
  stream.fd.reset();
}

void RunningProcess::onStatus() {
  if (closed_) return;
  for (;;) {
    HolderMessage message{};
    const auto got = ::read(status_.get(), &message, sizeof message);
    if (got < 0 && errno == EINTR) continue;
    if (got == static_cast<ssize_t>(sizeof message)) {
      if (message.kind == HolderMessage::ended) onEnded(message.value);
      continue;
    }
    if (got < 0 && errno == EAGAIN) break;
    statusWatch_.stop();
    status_.reset();
    holderEnded_ = true;
    reap();
    return;
  }
  statusWatch_.readable([self = shared_from_this()] { self->onStatus(); });
}

void RunningProcess::onEnded(int status) {
  if (ended_) return;
  ExitStatus end;
  if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
    end.code = 128 + end.signal;
  } else {
    end.code = WEXITSTATUS(status);
  }
  {
    const std::lock_guard lock(mutex_);
    exitedFlag_ = true;
    end.killed = signalled_ && (end.signal != 0 || killing_);
  }
  ended_ = end;
  finishWhenDrained();
}

void RunningProcess::finishWhenDrained() {
  if (finished_ || paused_ || closed_) return;
  // Everything that the process itself wrote is in the pipes by now.
  if (!grace_.active()) {
    pump(out_, kDrainLimit);
    if (!paused_) pump(err_, kDrainLimit);
    if (paused_) return;
  }
  if (!out_.fd && !err_.fd) return finish();
  if (grace_.active()) return;
  grace_ = loop_.after(kGrace, [self = shared_from_this()] { self->finish(); });
}

void RunningProcess::finish() {
  grace_.cancel();
  if (finished_ || closed_) return;
  finished_ = true;
  if (auto tell = std::move(options_.onExit)) tell(*ended_);
}

void RunningProcess::reap() {
  // The holder is past closing its files, so this takes no time; but whoever traces it may keep it as long as he likes.
  int status = 0;
  pid_t got = 0;
  {
    const std::lock_guard lock(mutex_);
    do {
      got = ::waitpid(holder_, &status, WNOHANG);
    } while (got < 0 && errno == EINTR);
    reaped_ = got != 0;
  }
  if (got == 0) {
    reapDelay_ = std::min(reapDelay_ * 2, std::chrono::milliseconds(1000));
    reapTimer_ = loop_.after(reapDelay_, [self = shared_from_this()] { self->reap(); });
    return;
  }
  if (!ended_) {
    // Somebody killed the holder. What became of the process nobody can tell any more; it must not stay behind.
    ::kill(-pid_, SIGKILL);
    onEnded(SIGKILL);
  }
  // It blocks all signals, so only SIGKILL ends it before its time.
  if (got > 0 && WIFSIGNALED(status)) owner_.orphaned();
  const auto self = shared_from_this();
  if (!finished_) finish();
  if (auto tell = std::move(options_.onGone)) tell();
  close();
  owner_.gone(*this);
}

void RunningProcess::close() {
  if (closed_) return;
  closed_ = true;
  closeStream(out_);
  closeStream(err_);
  statusWatch_.stop();
  status_.reset();
  for (auto* timer : {&grace_, &reapTimer_, &killTimer_}) timer->cancel();
  out_.sink = nullptr;
  err_.sink = nullptr;
}

void RunningProcess::abandon() {
  options_.onExit = nullptr;
  options_.onGone = nullptr;
  close();
}

bool RunningProcess::exited() const {
  const std::lock_guard lock(mutex_);
  return exitedFlag_;
}

bool RunningProcess::gone() const {
  const std::lock_guard lock(mutex_);
  return reaped_;
}

void RunningProcess::signal(int number) {
  // The lock keeps the holder from being reaped, so that neither its number nor those below it belong to others.
  const std::lock_guard lock(mutex_);
  if (reaped_) return;
  signalled_ = true;
  if (!exitedFlag_) ::kill(-pid_, number);
  for (const auto& each : descendantsOf(holder_)) {
    if ((each.group != pid_ || exitedFlag_) && each.state != 'Z') ::kill(each.pid, number);
  }
}

void RunningProcess::kill() {
  killAll();
  loop_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->killAgain();
  });
}

void RunningProcess::killAll() {
  const std::lock_guard lock(mutex_);
  if (reaped_) return;
  signalled_ = true;
  killing_ = true;
  stopAndKill([this] { return descendantsOf(holder_); });
  if (!exitedFlag_) ::kill(pid_, SIGKILL);
  ::kill(holder_, SIGCONT);  // one that somebody stopped would wait for nothing
}

void RunningProcess::killAgain() {
  if (closed_ || gone()) return;
  killTimer_ = loop_.after(std::chrono::milliseconds(20), [self = shared_from_this()] {
    self->killAll();
    self->killAgain();
  });
}

std::vector<pid_t> RunningProcess::members() const {
  std::vector<pid_t> out;
  const std::lock_guard lock(mutex_);
  if (reaped_) return out;
  for (const auto& each : descendantsOf(holder_)) {
    if (each.state != 'Z') out.push_back(each.pid);
  }
  return out;
}

bool RunningProcess::write(std::string_view input) {
  {
    const std::lock_guard lock(mutex_);
    if (!terminalOpen_ || inputBytes_ + input.size() > kInputLimit) return false;
    if (input.empty()) return true;
    input_.emplace_back(input);
    inputBytes_ += input.size();
    if (writing_) return true;
    writing_ = true;
  }
  if (loop_.onThread()) {
    flushInput();
  } else {
    loop_.post([self = shared_from_this()] { self->flushInput(); });
  }
  return true;
}

void RunningProcess::flushInput() {
  const std::lock_guard lock(mutex_);
  writing_ = true;
  while (!input_.empty() && terminalOpen_) {
    auto& first = input_.front();
    const auto put = ::write(out_.fd.get(), first.data(), first.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) {
      out_.watch.writable([self = shared_from_this()] { self->flushInput(); });
      return;
    }
    if (put < 0) break;
    inputBytes_ -= static_cast<std::size_t>(put);
    first.erase(0, static_cast<std::size_t>(put));
    if (first.empty()) input_.pop_front();
  }
  writing_ = false;
}

bool RunningProcess::resize(unsigned short columns, unsigned short rows) {
  const std::lock_guard lock(mutex_);
  if (!terminalOpen_) return false;
  winsize size{};
  size.ws_col = columns;
  size.ws_row = rows;
  return ::ioctl(out_.fd.get(), TIOCSWINSZ, &size) == 0;
}

void RunningProcess::pauseOutput(bool pause) {
  const auto task = [self = shared_from_this(), pause] {
    if (self->paused_ == pause || self->closed_) return;
    self->paused_ = pause;
    if (pause) return;
    self->arm(self->out_);
    self->arm(self->err_);
    if (self->ended_) self->finishWhenDrained();
  };
  if (loop_.onThread()) {
    task();
  } else {
    loop_.post(task);
  }
}

}  // namespace computesdk::sandboxd
