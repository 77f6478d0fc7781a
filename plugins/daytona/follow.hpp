#pragma once

#include "daytona/command.hpp"
#include "daytona/toolbox.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace computesdk::daytona {

/// One command of a session.
struct CommandId {
  std::string session, command;
  [[nodiscard]] std::string path() const;  ///< below the toolbox
};

/// The log of a command, from its beginning, while it grows. Its events come while the session's until runs.
class LogStream {
 public:
  /// Begins it. `output` runs inside the session's until; what it throws comes out there.
  LogStream(Toolbox& toolbox, CommandId id, LogDecoder::Output output);
  ~LogStream();
  LogStream(const LogStream&) = delete;
  LogStream& operator=(const LogStream&) = delete;

  /// Nothing more will come.
  [[nodiscard]] bool over() const noexcept { return closed_ || decoder_.complete(); }
  /// Once over: how the command ended. The daemon is asked where its runner was killed before it could say. Throws what
  /// went wrong.
  Ended ended();

 private:
  void takeBytes(std::string_view bytes);

  Toolbox& toolbox_;
  const CommandId id_;
  LogDecoder decoder_;
  std::uint64_t request_ = 0;
  vendor::Answer answer_;  ///< its body only when it is no WebSocket
  std::optional<vendor::Failure> broken_;
  int closeCode_ = 0;
  bool closed_ = false;
};

/// A session with one command in it, that runs. `line`: what a shell runs; its processes are marked with `word`.
CommandId startCommand(Toolbox& toolbox, const std::string& session, const std::string& line);

/// GET of a command. Nothing: it runs. Throws NOT_FOUND for one that nobody knows.
std::optional<int> exitCodeOf(Toolbox& toolbox, const CommandId& id);

/// Sends one piece of input to a command that runs with INPUT "lines"; empty: its end.
vendor::Request inputRequest(const Toolbox& toolbox, const CommandId& id, std::string_view piece);

}  // namespace computesdk::daytona
