#pragma once

#include "blaxel/box.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::blaxel {

/// How a process ended, as the sandbox says it.
struct Outcome {
  std::string status;  ///< "completed", "failed", "killed", "stopped", "running"
  std::int64_t exitCode = 0;
};

/// Lines of JSON about one command: its output as it comes, and at its end the result, which repeats all the output, so
/// that it is not kept when it is long.
class ResultLines {
 public:
  using Output = std::function<void(bool error, std::string_view text)>;
  explicit ResultLines(Output output) : output_(std::move(output)) {}

  /// Bytes, cut anywhere. Throws plugin::Error (PROTOCOL).
  void feed(std::string_view bytes);
  /// The last line may lack its end.
  void finish();
  [[nodiscard]] const std::optional<Outcome>& outcome() const noexcept { return outcome_; }

 private:
  void take(std::string_view line);
  void scan(std::string_view bytes);

  Output output_;
  std::string buffer_;
  bool scanning_ = false;  ///< inside of a long result; buffer_ holds its last bytes
  std::string status_, code_;
  std::optional<Outcome> outcome_;
};

/// A command that is being run and waited for.
class CommandStream {
 public:
  CommandStream(Box& box, const vendor::Request& request, ResultLines::Output output);
  ~CommandStream();
  CommandStream(const CommandStream&) = delete;
  CommandStream& operator=(const CommandStream&) = delete;

  /// It has been started.
  [[nodiscard]] bool running() const noexcept { return head_.ok() && !over_; }
  [[nodiscard]] bool over() const noexcept { return over_; }
  /// Once over: how it ended. Throws what went wrong.
  Outcome outcome();

 private:
  void takeData(std::string_view bytes);

  Box& box_;
  ResultLines lines_;
  ResultLines::Output output_;
  vendor::Answer head_;  ///< its body only when it is no stream
  std::optional<vendor::Failure> broken_;
  std::uint64_t request_ = 0;
  bool streams_ = false, over_ = false;
};

}  // namespace computesdk::blaxel
