#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

// What a session's log says: bytes behind marks of three bytes, which tell the streams apart, and inside of each stream
// the lines of a runner (scripts.hpp).
namespace computesdk::daytona {

/// How a command ended, as its runner says it.
struct Ended {
  bool timedOut = false;
  int code = 0;
};

/// Reads a log that comes in pieces, cut anywhere.
class LogDecoder {
 public:
  enum class Channel { standardOutput, standardError };
  using Output = std::function<void(Channel, std::string_view)>;
  explicit LogDecoder(Output output) : output_(std::move(output)) {}

  /// Throws plugin::Error (PROTOCOL) for what no runner writes.
  void feed(std::string_view bytes);
  /// A part of one stream, without marks.
  void feed(Channel channel, std::string_view bytes);

  /// Both streams are complete, and the end was said.
  [[nodiscard]] bool complete() const noexcept { return streams_[0].over && streams_[1].over; }
  [[nodiscard]] const std::optional<Ended>& ended() const noexcept { return ended_; }
  /// A program that the image lacks and the runner needs; empty: none.
  [[nodiscard]] const std::string& lacking() const noexcept { return lacking_; }

 private:
  struct Stream {
    std::string line;
    bool over = false;
  };
  void take(char c);
  void line(Channel channel, Stream& stream);
  void control(Channel channel, std::string_view line);

  Output output_;
  Stream streams_[2];
  Channel current_ = Channel::standardOutput;
  char markByte_ = 0;  ///< of a mark that has begun
  int markSize_ = 0;
  std::optional<Ended> ended_;
  std::string lacking_;
};

}  // namespace computesdk::daytona
