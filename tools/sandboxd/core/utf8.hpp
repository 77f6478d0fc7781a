#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace computesdk::sandboxd {

/// The text with every byte that is not part of valid UTF-8 replaced by U+FFFD, one for each maximal broken piece.
std::string validUtf8(std::string_view bytes);

/// Where the last character of `bytes` begins if it is cut short, so that more bytes could complete it; else
/// bytes.size().
std::size_t completeUtf8(std::string_view bytes);

/// Turns pieces of a byte stream into pieces of valid text: a character is never split between two of them. Not
/// thread-safe.
class Utf8Stream {
 public:
  /// What is complete of `bytes` and what was held back before; may be empty.
  std::string take(std::string_view bytes);
  /// What is held back at the end of the stream, as U+FFFD.
  std::string finish();

 private:
  std::string held_;  ///< at most three bytes
};

/// Standard base64 with padding.
std::string base64(std::string_view bytes);

/// The last bytes of a text. Whole characters only. Not thread-safe.
class TextRing {
 public:
  explicit TextRing(std::size_t capacity) : capacity_(capacity) {}
  /// `text` is valid UTF-8.
  void append(std::string_view text);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::size_t capacity_;
  std::string text_;
};

}  // namespace computesdk::sandboxd
