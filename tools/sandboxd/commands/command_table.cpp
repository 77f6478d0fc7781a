#include "commands/command_table.hpp"

#include <algorithm>
#include <future>

#include "core/answer.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::chrono::seconds kDestroyWait{2};
constexpr std::chrono::seconds kStopWait{5};

std::string withoutAnswer(const ErrorInfo& info) { return info.firstLine() + "\n"; }

}  // namespace

CommandTable::CommandTable(Context& context) : context_(context), budget_(std::make_shared<OutputBudget>()) {}

void CommandTable::open() {
  const auto weak = weak_from_this();
  context_.hub().onMessage("command:start", [weak](const ClientMessage& message, Connection&) {
    const auto self = weak.lock();
    const auto data = parseJson(message.data);
    if (!self || !data || !data->IsObject()) return;
    const auto id = optionalText(*data, "cmd_id");
    if (id && *id) self->startWaiting(**id);
  });
  context_.onStop([weak] {
    if (const auto self = weak.lock()) self->stopAll();
  });
}

Result<ExecTerminal*> CommandTable::addTerminal(std::string shell, std::string encoding) {
  if (terminals().size() >= context_.limits().terminals) {
    ErrorInfo info;
    info.code = ErrorCode::resourceExhausted;
    info.what = "there are " + std::to_string(context_.limits().terminals) + " terminals already";
    info.fix = "destroy terminals that are not needed: DELETE /terminals/:id";
    return info;
  }
  auto terminal = std::make_unique<ExecTerminal>();
  terminal->id = Context::newId("term_");
  terminal->shell = std::move(shell);
  terminal->encoding = std::move(encoding);
  auto* made = terminal.get();
  terminals_[made->id] = std::move(terminal);
  return made;
}

ExecTerminal* CommandTable::find(const std::string& terminalId) {
  const auto at = terminals_.find(terminalId);
  return at == terminals_.end() ? nullptr : at->second.get();
}

std::vector<const ExecTerminal*> CommandTable::terminals() const {
  std::vector<const ExecTerminal*> out;
  for (const auto& [id, terminal] : terminals_) {
    if (!terminal->implicit) out.push_back(terminal.get());
  }
  return out;
}

CommandPtr CommandTable::find(const std::string& terminalId, const std::string& commandId) {
  const auto* terminal = find(terminalId);
  if (terminal == nullptr) return nullptr;
  for (const auto& command : terminal->commands) {
    if (command->id == commandId) return command;
  }
  return nullptr;
}

bool CommandTable::destroy(const std::string& terminalId, std::function<void()> done) {
  const auto at = terminals_.find(terminalId);
  if (at == terminals_.end()) return false;
  const auto terminal = std::move(at->second);
  terminals_.erase(at);
  // The last to call it is the last descendant, or the clock; it counts once.
  const auto once = std::make_shared<std::function<void()>>(std::move(done));
  const auto left = std::make_shared<std::size_t>(1);
  const auto oneLess = [once, left] {
    if (--*left > 0 || !*once) return;
    const auto call = std::exchange(*once, nullptr);
    call();
  };
  for (const auto& command : terminal->commands) {
    const auto live = live_.find(command->id);
    if (live == live_.end()) continue;
    if (command->process) {
      ++*left;
      live->second.onGone.emplace_back(oneLess);
      command->process->kill();
    } else if (command->status == Command::Status::waiting) {
      drop(command);
    }
    // One that is just being started is killed as soon as it runs: its terminal is not there any more.
  }
  oneLess();
  if (*once) {
    context_.loop()
        .after(kDestroyWait,
               [once] {
                 if (const auto call = std::exchange(*once, nullptr)) call();
               })
        .detach();
  }
  return true;
}

void CommandTable::run(const std::string* terminalId, CommandOrder order, Started started) {
  ErrorInfo closing;
  closing.code = ErrorCode::unavailable;
  closing.what = "the sandbox is closing";
  if (closed_) return started(closing);
  ExecTerminal* terminal = terminalId == nullptr ? nullptr : find(*terminalId);
  if (terminalId != nullptr && terminal == nullptr) return started(missing("Terminal not found: " + *terminalId));
  if (terminal == nullptr) {
    auto made = std::make_unique<ExecTerminal>();
    made->id = Context::newId("term_");
    made->implicit = true;
    terminal = made.get();
    terminals_[terminal->id] = std::move(made);
  }
  if (order.shell.empty()) order.shell = terminal->shell;
  auto command = std::make_shared<Command>(Context::newId("cmd_"), terminal->id, std::move(order), budget_,
                                           context_.limits().commandOutput);
  terminal->commands.push_back(command);
  auto& live = live_[command->id];
  live.command = command;
  if (!command->order.stream) return launch(command, std::move(started));

  command->status = Command::Status::waiting;
  live.throttle = std::make_unique<Throttle>(context_.loop(), context_.hub(), command->channel());
  live.startTimer = context_.loop().after(context_.limits().startWait, [weak = weak_from_this(), command] {
    if (const auto self = weak.lock()) self->drop(command);
  });
  started(command);
}

void CommandTable::startWaiting(const std::string& commandId) {
  const auto at = live_.find(commandId);
  if (at == live_.end() || at->second.command->status != Command::Status::waiting) return;
  const auto command = at->second.command;
  at->second.startTimer.cancel();
  command->status = Command::Status::running;
  launch(command, [weak = weak_from_this(), command](const Result<CommandPtr>& result) {
    const auto self = weak.lock();
    if (!self || result) return;
    // There is no request left that could be answered: the reason goes where the output would have gone.
    const auto code = result.error().code == ErrorCode::notFound ? 127 : 126;
    self->publish(*command, true, withoutAnswer(result.error()));
    self->context_.hub().publish(command->channel(), "command:exit",
                                 JsonObject()
                                     .text("terminal_id", command->terminalId)
                                     .text("cmd_id", command->id)
                                     .number("exit_code", code)
                                     .str());
  });
}

SpawnOptions CommandTable::spawnOptions(const CommandPtr& command) {
  const auto& order = command->order;
  SpawnOptions options;
  options.argv = {order.shell.empty() ? "/bin/sh" : order.shell, "-c", order.command};
  auto env = order.env;
  const bool hasPwd = std::any_of(env.begin(), env.end(), [](const auto& each) { return each.first == "PWD"; });
  if (!hasPwd) env.emplace_back("PWD", order.cwd);
  options.env = context_.environment(env);
  options.cwd = order.cwd;
  const auto weak = weak_from_this();
  options.onStdout = [weak, command](std::string_view bytes) {
    if (const auto self = weak.lock()) self->told(command, false, bytes);
  };
  options.onStderr = [weak, command](std::string_view bytes) {
    if (const auto self = weak.lock()) self->told(command, true, bytes);
  };
  options.onExit = [weak, command](const ExitStatus& status) {
    if (const auto self = weak.lock()) self->ended(command, status);
  };
  options.onGone = [weak, id = command->id] {
    if (const auto self = weak.lock()) self->wasGone(id);
  };
  return options;
}

void CommandTable::launch(const CommandPtr& command, Started started) {
  command->startedAt = std::chrono::system_clock::now();
  command->started = std::chrono::steady_clock::now();
  // Forking takes the better part of a millisecond, which the loop shall not stand still for.
  auto options = std::make_shared<SpawnOptions>(spawnOptions(command));
  context_.workers().run(
      [self = shared_from_this(), command = command, options, started = std::move(started)]() mutable {
        auto spawned =
            std::make_shared<Result<std::shared_ptr<Process>>>(self->context_.processes().spawn(std::move(*options)));
        auto& loop = self->context_.loop();
        loop.post([self = std::move(self), command = std::move(command), spawned, started = std::move(started)] {
          self->took(command, std::move(*spawned), started);
        });
      });
}

void CommandTable::took(const CommandPtr& command, Result<std::shared_ptr<Process>> spawned, const Started& started) {
  if (!spawned) {
    auto error = std::move(spawned).error();
    if (error.code == ErrorCode::notFound) error.fix = "name a shell that is installed in the sandbox, such as /bin/sh";
    command->finish(Command::Status::failed, std::nullopt);
    if (!command->order.stream) {
      drop(command);
    } else {
      command->err.append(withoutAnswer(error));
      finished(command);
      live_.erase(command->id);
    }
    return started(std::move(error));
  }
  // The process may have ended while this was on its way, and its terminal may have been destroyed.
  if (live_.count(command->id) > 0) {
    command->process = std::move(*spawned);
    if (closed_ || find(command->terminalId) == nullptr) command->process->kill();
  }
  started(command);
}

void CommandTable::publish(const Command& command, bool isError, const std::string& text) {
  if (text.empty()) return;
  JsonObject data;
  data.text("terminal_id", command.terminalId).text("cmd_id", command.id).text("output", text);
  context_.hub().publish(command.channel(), isError ? "command:stderr" : "command:stdout", data.str());
}

void CommandTable::told(const CommandPtr& command, bool isError, std::string_view bytes) {
  (isError ? command->err : command->out).append(bytes);
  if (!command->order.stream) return;
  publish(*command, isError, (isError ? command->errText : command->outText).take(bytes));
  const auto live = live_.find(command->id);
  if (live != live_.end() && live->second.throttle) live->second.throttle->look(command->process);
}

void CommandTable::ended(const CommandPtr& command, const ExitStatus& status) {
  command->finish(status.killed ? Command::Status::failed : Command::Status::completed, status.code);
  if (command->order.stream) {
    publish(*command, false, command->outText.finish());
    publish(*command, true, command->errText.finish());
    context_.hub().publish(command->channel(), "command:exit",
                           JsonObject()
                               .text("terminal_id", command->terminalId)
                               .text("cmd_id", command->id)
                               .number("exit_code", status.code)
                               .str());
  }
  finished(command);
}

void CommandTable::finished(const CommandPtr& command) {
  std::vector<std::function<void(bool)>> calls;
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    if (at->second.command != command) {
      ++at;
      continue;
    }
    calls.push_back(std::move(at->second.then));
    at = waiters_.erase(at);
  }
  for (const auto& call : calls) call(true);
  auto* terminal = find(command->terminalId);
  if (terminal == nullptr) return;
  if (terminal->implicit) {
    implicitFinished_.push_back(terminal->id);
    pruneImplicit();
  } else {
    prune(*terminal);
  }
}

void CommandTable::wasGone(const std::string& commandId) {
  const auto at = live_.find(commandId);
  if (at == live_.end()) return;
  const auto calls = std::move(at->second.onGone);
  at->second.command->process = nullptr;
  live_.erase(at);
  for (const auto& call : calls) call();
  if (live_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void CommandTable::drop(const CommandPtr& command) {
  command->finish(Command::Status::failed, std::nullopt);
  live_.erase(command->id);
  auto* terminal = find(command->terminalId);
  if (terminal != nullptr) {
    std::erase(terminal->commands, command);
    if (terminal->implicit) terminals_.erase(command->terminalId);
  }
  if (live_.empty() && drained_) std::exchange(drained_, nullptr)();
}

void CommandTable::prune(ExecTerminal& terminal) {
  auto& all = terminal.commands;
  auto surplus = std::count_if(all.begin(), all.end(), [](const auto& each) { return each->finished(); }) -
                 static_cast<std::ptrdiff_t>(context_.limits().finishedCommands);
  std::size_t held = 0;
  for (const auto& each : all) held += each->finished() ? each->out.bytes().size() + each->err.bytes().size() : 0;
  for (auto at = all.begin(); at != all.end() && all.size() > 1;) {
    if (surplus <= 0 && held <= context_.limits().finishedOutput) break;
    if (!(*at)->finished()) {
      ++at;
      continue;
    }
    held -= (*at)->out.bytes().size() + (*at)->err.bytes().size();
    --surplus;
    at = all.erase(at);
  }
}

void CommandTable::pruneImplicit() {
  std::size_t held = 0;
  const auto sizeOf = [this](const std::string& id) -> std::size_t {
    const auto* terminal = find(id);
    if (terminal == nullptr || terminal->commands.empty()) return 0;
    const auto& command = *terminal->commands.front();
    return command.out.bytes().size() + command.err.bytes().size();
  };
  for (const auto& id : implicitFinished_) held += sizeOf(id);
  while (implicitFinished_.size() > 1 &&
         (implicitFinished_.size() > context_.limits().finishedCommands || held > context_.limits().finishedOutput)) {
    held -= sizeOf(implicitFinished_.front());
    terminals_.erase(implicitFinished_.front());
    implicitFinished_.pop_front();
  }
}

std::uint64_t CommandTable::wait(const CommandPtr& command, std::optional<std::chrono::milliseconds> timeout,
                                 std::function<void(bool)> then) {
  if (command->finished()) {
    then(true);
    return 0;
  }
  const auto number = nextWaiter_++;
  auto& waiter = waiters_[number];
  waiter.command = command;
  waiter.then = std::move(then);
  if (timeout) {
    waiter.timer = context_.loop().after(*timeout, [weak = weak_from_this(), number] {
      const auto self = weak.lock();
      if (!self) return;
      const auto at = self->waiters_.find(number);
      if (at == self->waiters_.end()) return;
      const auto call = std::move(at->second.then);
      self->waiters_.erase(at);
      call(false);
    });
  }
  return number;
}

void CommandTable::forget(std::uint64_t wait) { waiters_.erase(wait); }

void CommandTable::stopAll() {
  const auto done = std::make_shared<std::promise<void>>();
  context_.loop().post([self = shared_from_this(), done] {
    self->closed_ = true;
    std::vector<CommandPtr> all;
    for (const auto& [id, live] : self->live_) all.push_back(live.command);
    for (const auto& command : all) {
      if (command->process) command->process->kill();
      if (command->status == Command::Status::waiting) self->drop(command);
    }
    if (self->live_.empty()) return done->set_value();
    self->drained_ = [done] { done->set_value(); };
  });
  done->get_future().wait_for(kStopWait);
}

}  // namespace computesdk::sandboxd
