#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What comes in pieces, cut anywhere: feed() takes a piece, next() gives what is complete, until it gives nothing. What
// next() gives lives until the next feed() or next(). Each has a cap on what it keeps: past it next() throws
// plugin::Error (CSDK_UNAVAILABLE, PROTOCOL).
namespace computesdk::vendor {

inline constexpr std::size_t kPieceMax = std::size_t{32} << 20;

/// Lines ended by \n or \r\n: NDJSON, text logs.
class LineDecoder {
 public:
  void feed(std::string_view bytes);
  std::optional<std::string_view> next();
  /// What is left when the stream has ended: a last line without its end. Empty when there is none.
  std::string_view rest() const noexcept;

 private:
  std::string buffer_;
  std::size_t used_ = 0;     ///< of buffer_, given out already
  std::size_t scanned_ = 0;  ///< of buffer_, known to hold no end of a line
};

/// Envelopes of the Connect protocol: one byte of flags, four of length (big-endian), the message.
class ConnectDecoder {
 public:
  struct Envelope {
    std::uint8_t flags = 0;
    std::string_view message;
    [[nodiscard]] bool last() const noexcept { return (flags & 2) != 0; }
    [[nodiscard]] bool compressed() const noexcept { return (flags & 1) != 0; }
  };
  void feed(std::string_view bytes);
  std::optional<Envelope> next();
  /// Whether the stream may end here: nothing half is kept.
  [[nodiscard]] bool atBoundary() const noexcept { return used_ == buffer_.size(); }

  /// A message as one envelope.
  static std::string encode(std::string_view message, std::uint8_t flags = 0);

 private:
  std::string buffer_;
  std::size_t used_ = 0;
};

/// Server-sent events (text/event-stream): comments and fields other than event, data, id are skipped.
class SseDecoder {
 public:
  struct Event {
    std::string_view name;  ///< "message" unless the event says otherwise
    std::string_view data;  ///< several lines are joined by \n
    std::string_view id;    ///< the last one that was said
  };
  void feed(std::string_view bytes);
  std::optional<Event> next();

 private:
  bool field(std::string_view line);

  LineDecoder lines_;
  bool first_ = true, hasData_ = false;
  std::string name_, data_, id_;
  std::string givenName_, givenData_;
};

}  // namespace computesdk::vendor
