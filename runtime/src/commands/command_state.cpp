#include "commands/command_state.hpp"

#include "core/errors.hpp"

#include <csignal>
#include <system_error>
#include <thread>

namespace computesdk::detail {

CommandState::CommandState(std::shared_ptr<SandboxState> sandbox, const CommandLine& command, const RunOptions& options)
    : sandbox_(std::move(sandbox)),
      isArgv_(command.isArgv()),
      argv_(command.argv().begin(), command.argv().end()),
      command_(command.command()),
      input_(options.stdin_),
      options_(options),
      output_(options_.onStdout, options_.onStderr, options_.maxOutput) {
  options_.stdin_ = {};
}

registry::ExecRequest CommandState::request() const {
  registry::ExecRequest request;
  request.argv = argv_;
  request.command = command_;
  request.cwd = options_.cwd;
  if (!options_.env.empty()) request.env = &options_.env;
  if (options_.timeout) request.timeout = *options_.timeout;
  if (!options_.options.empty()) request.options = &options_.options;
  return request;
}

Result<void> CommandState::start() {
  begun_ = std::chrono::steady_clock::now();
  if (native()) {
    registry::ProcessStart start;
    start.exec = request();
    start.keepStdin = true;
    auto started = process(
        [&](const registry::Target& target, const registry::CallContext& context) {
          return sandbox_->provider().processStart(target, start, context);
        },
        options_.stop);
    if (!started) return std::move(started).error();
    id_ = std::move(started->id);
  } else {
    id_ = sandbox_->nextCommandId();
  }
  try {
    std::thread([self = shared_from_this()] { self->follow(); }).detach();
  } catch (const std::system_error& e) {
    (void)kill(SIGKILL);
    ErrorInfo error;
    error.code = ErrorCode::resourceExhausted;
    error.what = "cannot start a command";
    error.why = std::string("no thread can be made to follow it: ") + e.what();
    return error;
  }
  following_ = true;
  if (options_.stop.stop_possible()) userStop_.emplace(options_.stop, [this] { stop_.request_stop(); });
  if (input_.empty()) return {};
  // Input that was given whole is all there is.
  if (auto written = write(std::as_bytes(std::span(input_))); !written) return written;
  return closeInput();
}

void CommandState::follow() {
  Result<ExitStatus> status = ErrorInfo{};
  try {
    status = native() ? followProcess() : followExec();
  } catch (const std::exception& e) {
    // What an output callback threw cannot come out of this thread; wait() tells it.
    ErrorInfo error;
    error.code = ErrorCode::cancelled;
    error.what = "the command was ended";
    error.why = std::string("its output callback threw: ") + e.what();
    status = std::move(error);
  } catch (...) {
    ErrorInfo error;
    error.code = ErrorCode::cancelled;
    error.what = "the command was ended";
    error.why = "its output callback threw";
    status = std::move(error);
  }
  queue_.close();
  std::lock_guard lock(mutex_);
  if (!status && status.error().code == ErrorCode::cancelled && killedBy_ != 0) {
    ExitStatus killed;
    killed.kind = ExitStatus::Kind::signal;
    killed.value = killedBy_;
    status = killed;
  }
  if (status) {
    CommandResult result = output_.result(*status, begun_);
    result.commandId = id_;
    result_.emplace(std::move(result));
  } else {
    result_.emplace(std::move(status).error());
  }
  ended_.notify_all();
}

Result<ExitStatus> CommandState::followExec() {
  registry::ExecRequest exec = request();
  exec.source = &queue_;
  return sandbox_->exec(exec, output_.function(), stop_.get_token(), execDeadline(options_.timeout));
}

Result<ExitStatus> CommandState::followProcess() {
  std::exception_ptr thrown;
  Result<ExitStatus> status = ErrorInfo{};
  try {
    status = sandbox_->call(stop_.get_token(), execDeadline(options_.timeout),
                            [&](const registry::Target& target, const registry::CallContext& context) {
                              return sandbox_->provider().processAttach(target, id_, {}, output_.function(), context);
                            });
  } catch (...) {
    thrown = std::current_exception();
  }
  bool leave = false;
  {
    std::lock_guard lock(mutex_);
    leave = detached_;
  }
  // Following was ended from this side and the command goes on by itself, so it has to be told.
  if (!leave && (thrown || (!status && status.error().code == ErrorCode::cancelled))) {
    (void)process([&](const registry::Target& target, const registry::CallContext& context) {
      return sandbox_->provider().processSignal(target, id_, SIGKILL, true, context);
    });
  }
  if (thrown) std::rethrow_exception(thrown);
  return status;
}

bool CommandState::running() const {
  std::lock_guard lock(mutex_);
  return !result_.has_value();
}

Result<std::optional<CommandResult>> CommandState::waitUntil(Deadline end, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  auto done = [&] { return result_.has_value(); };
  const bool ended = end ? ended_.wait_until(lock, stop, *end, done) : ended_.wait(lock, stop, done);
  if (ended) {
    if (!*result_) return result_->error();
    return std::optional(result_->value());
  }
  if (stop.stop_requested()) return cancelled("cannot wait for the command");
  return std::optional<CommandResult>();
}

Result<void> CommandState::write(std::span<const std::byte> bytes) {
  ErrorInfo closed;
  closed.code = ErrorCode::precondition;
  closed.what = "cannot write to the command's input";
  closed.why = "it is closed";
  closed.provider = sandbox_->provider().name();
  closed.sandboxId = sandbox_->id();
  {
    std::lock_guard lock(mutex_);
    if (inputClosed_ || result_) return closed;
  }
  if (!native()) {
    if (queue_.push(bytes, stop_.get_token())) return {};
    return closed;
  }
  return writeToProcess(*sandbox_, id_, bytes, {});
}

Result<void> CommandState::closeInput() {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(inputClosed_, true) || result_) return {};
  }
  if (!native()) {
    queue_.close();
    return {};
  }
  return process([&](const registry::Target& target, const registry::CallContext& context) {
    return sandbox_->provider().processWrite(target, id_, {}, true, context);
  });
}

Result<void> CommandState::kill(int signal) {
  if (signal < 1 || signal > 64) return invalidArgument("cannot signal the command", "there is no such signal");
  {
    std::lock_guard lock(mutex_);
    if (result_) return {};
    if (!native()) killedBy_ = signal;
  }
  if (!native()) {
    stop_.request_stop();
    return {};
  }
  return process([&](const registry::Target& target, const registry::CallContext& context) {
    return sandbox_->provider().processSignal(target, id_, signal, true, context);
  });
}

Result<void> CommandState::detach() {
  if (!native()) {
    return methodUnsupported(sandbox_->provider().name(), "detach", "its commands end with the call that runs them");
  }
  {
    std::lock_guard lock(mutex_);
    detached_ = true;
  }
  stop_.request_stop();
  // Once this has returned no callback runs any more.
  if (auto ended = waitUntil(deadlineIn(std::chrono::seconds(5)), {});
      !ended && ended.error().code != ErrorCode::cancelled) {
    return std::move(ended).error();
  }
  return {};
}

void CommandState::end() noexcept {
  if (!following_) return;
  try {
    {
      std::lock_guard lock(mutex_);
      if (result_ || detached_) return;
    }
    (void)kill(SIGKILL);
    (void)waitUntil(deadlineIn(std::chrono::seconds(5)), {});
  } catch (...) {  // it ends with the sandbox then
  }
}

Result<std::shared_ptr<CommandState>> startCommand(const std::shared_ptr<SandboxState>& sandbox,
                                                   const CommandLine& command, const RunOptions& options) {
  if (auto checked = checkRunOptions(command, options); !checked) return std::move(checked).error();
  if (options.stdinFd >= 0 || options.background) {
    return invalidArgument("cannot start a command", "stdinFd and background are for runCommand",
                           "use Command::write; every command of runCommandAsync runs in the background");
  }
  auto state = std::make_shared<CommandState>(sandbox, command, options);
  if (auto started = state->start(); !started) {
    state->end();
    return std::move(started).error();
  }
  return state;
}

}  // namespace computesdk::detail

namespace computesdk {

Command::Command(std::shared_ptr<detail::CommandState> state) : state_(std::move(state)) {}
Command::Command(Command&&) noexcept = default;
Command& Command::operator=(Command&& other) noexcept {
  if (this != &other) {
    end();
    state_ = std::move(other.state_);
  }
  return *this;
}
Command::~Command() { end(); }
void Command::end() noexcept {
  if (state_) state_->end();
  state_.reset();
}

const std::string& Command::id() const noexcept { return state_->id(); }
bool Command::running() const { return state_->running(); }

Result<std::optional<CommandResult>> Command::wait(Nothrow, std::chrono::milliseconds timeout, std::stop_token stop) {
  return state_->waitUntil(detail::deadlineIn(timeout), stop);
}
Result<CommandResult> Command::wait(Nothrow, std::stop_token stop) {
  auto result = state_->waitUntil(std::nullopt, stop);
  if (!result) return std::move(result).error();
  return std::move(**result);
}
Result<void> Command::write(Nothrow, std::span<const std::byte> bytes) { return state_->write(bytes); }
Result<void> Command::closeInput(Nothrow) { return state_->closeInput(); }
Result<void> Command::kill(Nothrow, int signal) { return state_->kill(signal); }
Result<void> Command::detach(Nothrow) { return state_->detach(); }

}  // namespace computesdk
