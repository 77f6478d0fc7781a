#include "task.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "errors.hpp"

namespace computesdk::simulators {
namespace {

// In front of a program: says the number by which the program's signals go, on the first line of the error output. 0:
// there is no such program.
constexpr const char* kPreamble =
    R"(command -v "$1" >/dev/null 2>&1 || { echo 0 >&2; exit 127; }; echo $$ >&2; exec "$@")";
constexpr int kKilled = 9;

}  // namespace

Task::Task(Sandbox& sandbox, TaskSpec spec)
    : sandbox_(sandbox),
      spec_(std::move(spec)),
      log_(std::make_shared<OutputLog>(spec_.keepBytes, !spec_.terminal.has_value())) {
  if (spec_.follow) reader_ = log_->read(true);
  if (spec_.terminal) {
    startTerminal();
  } else {
    startPlain();
  }
}

Task::~Task() {
  finish();
  closeInput();
}

std::unique_ptr<OutputLog::Reader> Task::takeReader() {
  const std::lock_guard lock(startMutex_);
  return std::move(reader_);
}

void Task::finish() {
  log_->stopWaiting();
  if (thread_.joinable()) thread_.join();
}

void Task::startPlain() {
  int ends[2] = {-1, -1};
  if (spec_.input) {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw MachineError(MachineError::Kind::other, "no socket pair");
    }
    input_ = ends[0];
  }
  thread_ = std::thread([this, input = ends[1]] { run(input); });
  try {
    waitUntilStarted();
  } catch (...) {
    finish();
    closeInput();
    throw;
  }
}

void Task::run(int input) {
  RunOptions options;
  options.cwd = spec_.cwd;
  options.env = spec_.env;
  options.stdinFd = input;
  options.maxOutput = 0;
  options.timeout = spec_.timeout;
  options.onStdout = [this](std::string_view text) { log_->write(Channel::standardOutput, text); };
  options.onStderr = [this](std::string_view text) { takeErrorOutput(text); };
  std::vector<std::string> argv = {"/bin/sh", "-c", kPreamble, "sh"};
  argv.insert(argv.end(), spec_.argv.begin(), spec_.argv.end());
  const Result<CommandResult> result = sandbox_.runCommand(nothrow, CommandLine(argv), options);
  if (input >= 0) ::close(input);
  {
    const std::lock_guard lock(startMutex_);
    if (!result && !lineRead_) failure_ = result.error();
    lineRead_ = true;
  }
  started_.notify_all();
  log_->end(result ? toEnd(result->status) : TaskEnd{true, kKilled, false});  // else the machine has ended
  done_ = true;
}

void Task::takeErrorOutput(std::string_view text) {
  {
    const std::lock_guard lock(startMutex_);
    if (!lineRead_) {
      const std::size_t end = text.find('\n');
      firstLine_.append(text.substr(0, end));
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
      lineRead_ = true;
      started_.notify_all();
    }
  }
  log_->write(Channel::standardError, text);
}

void Task::waitUntilStarted() {
  std::unique_lock lock(startMutex_);
  started_.wait(lock, [this] { return lineRead_; });
  if (failure_) raise(*failure_);
  std::from_chars(firstLine_.data(), firstLine_.data() + firstLine_.size(), pid_);
  if (pid_ == 0) throw MachineError(MachineError::Kind::notFound, spec_.argv.at(0) + ": no such program");
}

void Task::startTerminal() {
  ProcessOptions options;
  options.cwd = spec_.cwd;
  options.env = spec_.env;
  options.pty = true;
  options.timeout = spec_.timeout;
  options.columns = spec_.terminal->columns;
  options.rows = spec_.terminal->rows;
  process_ = take(sandbox_.processes().start(nothrow, CommandLine(spec_.argv), options));
  const std::string& id = process_->id();
  std::from_chars(id.data(), id.data() + id.size(), pid_);
  thread_ = std::thread([this, process = *process_] { follow(process); });
}

void Task::follow(Process process) {
  AttachOptions options;
  options.onOutput = [this](OutputStream, std::span<const std::byte> bytes) {
    log_->write(Channel::terminal, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  const Result<ExitStatus> status = process.attach(nothrow, options);
  TaskEnd end{true, kKilled, false};
  if (status) end = toEnd(*status);
  log_->end(end);
  done_ = true;
}

TaskEnd Task::toEnd(const ExitStatus& status) {
  if (status.kind == ExitStatus::Kind::code) return {false, status.value, false};
  const bool timedOut = status.kind == ExitStatus::Kind::timeout;
  return {true, timedOut ? kKilled : status.value, timedOut};
}

bool Task::write(std::string_view bytes) {
  if (process_) return !ended() && process_->write(nothrow, std::as_bytes(std::span(bytes))).has_value();
  while (!bytes.empty()) {
    const std::lock_guard lock(inputMutex_);
    if (input_ < 0) return false;
    const ssize_t sent = ::send(input_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    if (sent >= 0 || errno == EINTR) continue;
    if (errno != EAGAIN || ended()) return false;
    constexpr int kLookAgainMs = 20;  // whether it has ended meanwhile, or its input was closed
    pollfd fd{input_, POLLOUT, 0};
    ::poll(&fd, 1, kLookAgainMs);
  }
  return !ended();
}

void Task::closeInput() {
  if (process_) return static_cast<void>(process_->closeInput(nothrow));
  const std::lock_guard lock(inputMutex_);
  if (input_ >= 0) ::close(input_);
  input_ = -1;
}

bool Task::signal(int number, bool group) {
  if (ended()) return false;
  const std::string target = (group ? "-" : "") + std::to_string(pid_);
  const auto sent = sandbox_.runCommand(
      nothrow, CommandLine({"/bin/sh", "-c", "kill -s \"$1\" -- \"$2\"", "sh", std::to_string(number), target}));
  return sent && sent->exitCode == 0;
}

bool Task::resize(TerminalSize size) {
  return process_ && !ended() && process_->resize(nothrow, size.columns, size.rows).has_value();
}

}  // namespace computesdk::simulators
