#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace computesdk::net {

using Headers = std::vector<std::pair<std::string, std::string>>;  ///< names in lower case, in the order they came

/// The value of the first header of that name; null when there is none.
const std::string* findHeader(const Headers& headers, std::string_view name);

struct Head {
  int status = 0;
  Headers headers;
  bool keepAlive = false;
};

/// Reads one HTTP/1.1 answer out of bytes as they come. Bounded: a head of at most 64 KiB and 256 fields, one line of
/// the chunked coding of at most 16 KiB. Informational answers (1xx but 101) are skipped.
class AnswerReader {
 public:
  /// `body` gets the pieces; they are views into what was fed.
  AnswerReader(bool headRequest, std::function<void(std::string_view)> body);
  ~AnswerReader();

  /// Takes all bytes, but stops behind the head so that it can be looked at first. What is not used stays inside.
  /// Returns why the bytes are no answer; empty when they are.
  std::string feed(std::span<const std::byte> bytes);
  /// Goes on with what stayed inside.
  std::string resume() { return feed({}); }
  /// The peer has closed. Empty: the answer was complete with that.
  std::string end();

  [[nodiscard]] bool hasHead() const noexcept;
  [[nodiscard]] const Head& head() const noexcept;
  [[nodiscard]] bool done() const noexcept;
  /// No byte of an answer came.
  [[nodiscard]] bool untouched() const noexcept;
  /// The connection can serve another request: the answer is complete and nothing lies behind it.
  [[nodiscard]] bool reusable() const noexcept;

 private:
  class Parser;

  bool headRequest_;
  std::function<void(std::string_view)> body_;
  std::unique_ptr<Parser> parser_;
  std::string kept_;  ///< fed and not used
  std::size_t informational_ = 0;
  bool touched_ = false;
};

}  // namespace computesdk::net
