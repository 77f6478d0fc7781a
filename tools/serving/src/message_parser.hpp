#pragma once

#include <computesdk/serving/message.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::serving {

/// Start line and headers of a request or an answer.
struct MessageHead {
  std::string method;  ///< of a request
  std::string target;  ///< of a request
  int status = 0;      ///< of an answer
  int version = 11;    ///< 10 or 11
  Headers headers;
  bool keepAlive = false;                      ///< may another message follow on the connection?
  bool chunked = false;                        ///< the body's length is not known beforehand
  std::optional<std::uint64_t> contentLength;  ///< as declared
};

/// Takes one HTTP/1.1 message apart, piece by piece. Refuses what two servers could read differently: a length and
/// chunks together, two lengths, other transfer encodings, folded header lines.
class MessageParser {
 public:
  enum class Step {
    more,    ///< needs more bytes; what put() did not take must be given again, with more behind it
    head,    ///< the head is complete (once)
    done,    ///< the message is complete; what was not taken belongs to the next
    tooBig,  ///< the head is longer than the limit
    bad      ///< not HTTP; complaint() says why
  };
  /// A piece of the body. False: no more of it is wanted (put() then says bad).
  using BodySink = std::function<bool(std::string_view piece)>;

  static std::unique_ptr<MessageParser> forRequest(std::size_t headLimit);
  /// With `headOnly` the answer has no body (it answers a HEAD).
  static std::unique_ptr<MessageParser> forAnswer(std::size_t headLimit, bool headOnly);

  virtual ~MessageParser() = default;

  /// Takes bytes; `bytes` loses its taken beginning. After Step::head, call again for the body. Body pieces go to
  /// `sink` during the call.
  virtual Step put(std::string_view& bytes, const BodySink& sink) = 0;
  /// The peer has ended: done when that ends the message rightly, else bad.
  virtual Step end() = 0;
  /// Has any byte come?
  [[nodiscard]] virtual bool started() const = 0;

  [[nodiscard]] MessageHead& head() noexcept { return head_; }
  [[nodiscard]] const std::string& complaint() const noexcept { return complaint_; }

 protected:
  MessageHead head_;
  std::string complaint_;
};

}  // namespace computesdk::serving
