#pragma once

#include "common/upload.hpp"
#include "runloop/devbox.hpp"
#include "runloop/output.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Commands as Runloop runs them: a line for bash, an execution with an id, streams, an end that is waited for.
namespace computesdk::runloop {

/// How an execution ended.
struct Ended {
  std::optional<std::int64_t> code;
  std::string out, err;  ///< the end of each output, as far as the service shows it
  bool outCut = false, errCut = false;
};

/// Starts a line and returns the execution's id. `input`: its stdin stays open for sendInput.
std::string startExecution(Devbox& devbox, const std::string& line, bool input, std::string_view shell);
/// Waits for an execution's end beside other requests.
class EndWaiter {
 public:
  EndWaiter(Devbox& devbox, std::string_view execution);
  ~EndWaiter();
  EndWaiter(const EndWaiter&) = delete;
  EndWaiter& operator=(const EndWaiter&) = delete;

  /// Asks again when that is due; to be called in `done` of Session::until. Throws when it cannot be known.
  void tend();
  [[nodiscard]] const std::optional<Ended>& ended() const noexcept { return ended_; }

 private:
  void start();
  Devbox& devbox_;
  const std::string execution_;
  vendor::Answer answer_;
  std::uint64_t request_ = 0;
  bool answered_ = false;
  std::optional<Ended> ended_;
};

/// How it ended; nothing while it runs. Throws NOT_FOUND for one that is not known.
std::optional<Ended> lookAtExecution(Devbox& devbox, std::string_view execution);
/// Kills it with its process group. One that is over is a success.
void killExecution(Devbox& devbox, std::string_view execution);

/// A line that runs another one by a bash of its own, fed from the execution's stdin in frames, "LENGTH\nBASE64…",
/// since that carries text alone. `before` stands in front of the program.
std::string fedLine(std::string_view line, std::string_view before = {});
/// Body of send_std_in: one frame.
vendor::JsonValue inputMessage(std::string_view bytes);
vendor::JsonValue endOfInput();

/// Both outputs and the end of an execution, on their way to the caller.
class Follower {
 public:
  /// `skip`: bytes of stdout and `skipErr` of stderr that are not handed over.
  Follower(Devbox& devbox, std::string_view execution, std::int64_t skipOut = 0, std::int64_t skipErr = 0);

  /// Follows to the end. `more` is called whenever something has happened. Throws CSDK_DEADLINE_EXCEEDED at
  /// `deadlineNs` (0: the call's).
  void run(std::int64_t deadlineNs, const std::function<void()>& more);
  /// Hands over what the service has already, and leaves the rest.
  void runKept();
  /// Emits how it ended; an execution that died with its devbox is a failure.
  void emitEnd(std::uint32_t flags = 0);
  [[nodiscard]] const std::optional<Ended>& ended() const noexcept { return end_.ended(); }

 private:
  bool tend();
  void settle(OutputStream& stream, const std::string& end);
  OutputStream::Sink sink(std::uint32_t stream, std::int64_t skip);

  Devbox& devbox_;
  OutputStream out_, err_;
  EndWaiter end_;
};

/// How much of an execution's output, as text, is there by now.
struct Kept {
  std::int64_t out = 0, err = 0;
};
Kept keptBytes(Devbox& devbox, std::string_view execution);

/// How it ended, without its output.
void emitEnd(Devbox& devbox, const Ended& ended, std::uint32_t flags = 0);

/// What a small script for sh printed, and its exit code.
struct ScriptResult {
  std::int64_t code = 0;
  std::string out, err;
};
ScriptResult runScript(Devbox& devbox, std::string_view script, const std::vector<std::string>& args);

/// Letters and digits that nobody guesses.
std::string newNonce();

}  // namespace computesdk::runloop
