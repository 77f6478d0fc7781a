#pragma once

#include "common/streams.hpp"
#include "vercel/machine.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::vercel {

/// The lines of one command: that it runs, its output, that it ended. They come while the session's until runs.
class CommandStream {
 public:
  using Output = std::function<void(bool error, std::string_view text)>;

  /// Starts the command. `output` runs inside the session's until; what it throws comes out there.
  CommandStream(Machine& machine, const vendor::JsonValue& command, Output output);
  ~CommandStream();
  CommandStream(const CommandStream&) = delete;
  CommandStream& operator=(const CommandStream&) = delete;

  /// Nothing more will come.
  [[nodiscard]] bool over() const noexcept { return over_; }
  /// The command has been started.
  [[nodiscard]] bool begun() const noexcept { return begun_; }
  /// How it ended; nothing as long as it was not said.
  [[nodiscard]] const std::optional<std::int64_t>& exitCode() const noexcept { return exitCode_; }
  /// Some of its output was no text and has been replaced.
  [[nodiscard]] bool lossy() const noexcept { return lossy_; }

  /// Once over: throws what went wrong, unless the command's end was said.
  void check();

 private:
  void takeHead(const vendor::Answer& head);
  void takeData(std::string_view bytes);
  void takeLine(std::string_view line);

  Machine& machine_;
  Output output_;
  std::uint64_t request_ = 0;
  vendor::LineDecoder decoder_;
  vendor::Answer answer_;  ///< its body only when it is no stream
  std::optional<vendor::Failure> broken_;
  std::optional<std::int64_t> exitCode_;
  std::string errorCode_, errorMessage_;
  bool begun_ = false, lossy_ = false, over_ = false;
};

/// The body that starts a command and waits for it: {"command", "args", "cwd", "env", "sudo", "wait", "logs"}.
vendor::JsonValue commandBody(const std::vector<std::string>& argv, bool wait = true);

}  // namespace computesdk::vercel
