// Every command of a sandbox. Commands live in exec terminals: those that clients made, and an implicit one around each
// one-off command.
#pragma once

#include <computesdk/result.hpp>
#include <computesdk/serving/loop.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands/command.hpp"
#include "core/context.hpp"
#include "socket/throttle.hpp"

namespace computesdk::sandboxd {

using CommandPtr = std::shared_ptr<Command>;

/// A place for commands that are not interactive.
struct ExecTerminal {
  std::string id;
  std::string shell;                 ///< of commands that name none; may be empty
  std::string encoding;              ///< as asked for; means nothing here
  bool implicit = false;             ///< made for a one-off command; not listed
  std::vector<CommandPtr> commands;  ///< oldest first
};

/// Loop's thread only, apart from the constructor.
class CommandTable : public std::enable_shared_from_this<CommandTable> {
 public:
  using Started = std::function<void(const Result<CommandPtr>&)>;

  explicit CommandTable(Context& context);
  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  /// Registers the message command:start and the end of the sandbox. Once, when rooms are built.
  void open();

  /// A new exec terminal; E_RESOURCE_EXHAUSTED when there are too many.
  Result<ExecTerminal*> addTerminal(std::string shell, std::string encoding);
  [[nodiscard]] ExecTerminal* find(const std::string& terminalId);
  [[nodiscard]] std::vector<const ExecTerminal*> terminals() const;  ///< those that clients made
  [[nodiscard]] CommandPtr find(const std::string& terminalId, const std::string& commandId);
  /// Kills what runs in a terminal and forgets it; `done` is called when nothing is left of it, or after 2 s. False: no
  /// such terminal.
  bool destroy(const std::string& terminalId, std::function<void()> done);

  /// Runs an order in a terminal, or without one in an implicit terminal. `started` is called once: with the command
  /// when it runs (or waits for command:start), or with the reason why it cannot.
  void run(const std::string* terminalId, CommandOrder order, Started started);

  /// Calls `then(true)` when the command is finished (perhaps at once), `then(false)` when the time is over before.
  /// The number is for forget(); 0 when it was called already.
  std::uint64_t wait(const CommandPtr& command, std::optional<std::chrono::milliseconds> timeout,
                     std::function<void(bool finished)> then);
  void forget(std::uint64_t wait);

 private:
  struct Waiter {
    CommandPtr command;
    std::function<void(bool)> then;
    serving::Timer timer;
  };
  struct Live {
    CommandPtr command;
    std::unique_ptr<Throttle> throttle;
    serving::Timer startTimer;
    std::vector<std::function<void()>> onGone;
  };

  void launch(const CommandPtr& command, Started started);
  SpawnOptions spawnOptions(const CommandPtr& command);
  void took(const CommandPtr& command, Result<std::shared_ptr<Process>> spawned, const Started& started);
  void startWaiting(const std::string& commandId);
  void told(const CommandPtr& command, bool isError, std::string_view bytes);
  void publish(const Command& command, bool isError, const std::string& text);
  void ended(const CommandPtr& command, const ExitStatus& status);
  void wasGone(const std::string& commandId);
  void finished(const CommandPtr& command);
  void drop(const CommandPtr& command);
  void prune(ExecTerminal& terminal);
  void pruneImplicit();
  void stopAll();

  Context& context_;
  const std::shared_ptr<OutputBudget> budget_;
  std::map<std::string, std::unique_ptr<ExecTerminal>> terminals_;
  std::map<std::string, Live> live_;  ///< by command id: waiting, running, or with descendants that run
  std::map<std::uint64_t, Waiter> waiters_;
  std::deque<std::string> implicitFinished_;  ///< terminal ids, oldest first
  std::uint64_t nextWaiter_ = 1;
  bool closed_ = false;
  std::function<void()> drained_;
};

/// The sandbox's table, made on first use while rooms are built.
std::shared_ptr<CommandTable> commandTableOf(Context& context);

}  // namespace computesdk::sandboxd
