#pragma once

#include <chrono>
#include <computesdk/serving/message.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/output.hpp"
#include "core/spawn.hpp"
#include "core/utf8.hpp"

namespace computesdk::sandboxd {

/// What a client wants to be run.
struct CommandOrder {
  std::string command;
  std::string shell;  ///< name or path; empty: /bin/sh
  std::string cwd;    ///< absolute
  std::vector<std::pair<std::string, std::string>> env;
  bool background = false;
  bool stream = false;  ///< waits for command:start, and tells its output on a channel
};

/// One command with its fate. Changes on the loop's thread only; once finished() it does not change any more and may be
/// read anywhere.
struct Command {
  enum class Status { waiting, running, completed, failed };

  Command(std::string itsId, std::string itsTerminal, CommandOrder itsOrder,
          const std::shared_ptr<OutputBudget>& budget, std::size_t outputLimit)
      : id(std::move(itsId)),
        terminalId(std::move(itsTerminal)),
        order(std::move(itsOrder)),
        out(budget, outputLimit),
        err(budget, outputLimit) {}

  const std::string id, terminalId;
  const CommandOrder order;
  Status status = Status::running;
  Output out, err;
  std::optional<int> exitCode;
  std::chrono::system_clock::time_point startedAt = std::chrono::system_clock::now(), finishedAt;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::chrono::milliseconds duration{0};
  std::shared_ptr<Process> process;  ///< null before it runs
  Utf8Stream outText, errText;       ///< of a streamed command

  [[nodiscard]] bool finished() const { return status == Status::completed || status == Status::failed; }
  [[nodiscard]] std::string channel() const { return "command:" + id; }
  /// "running", "completed", "failed".
  [[nodiscard]] const char* statusText() const;
  void finish(Status how, std::optional<int> code);
};

/// Data of the answer of /run/command and /execute, of a finished command.
std::string runData(const Command& command);
/// The same for a command that was just started: running, without output, whatever became of it meanwhile.
std::string startData(const Command& command);
/// Data of GET …/commands/:cid and …/wait.
std::string commandData(const Command& command);
/// An entry of GET …/commands.
std::string commandEntry(const Command& command);
/// One sentence for the envelope; says when output is missing.
std::string commandMessage(const Command& command);

}  // namespace computesdk::sandboxd
