#pragma once

#include "redis/url.hpp"

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace computesdk::store::redis {

using Clock = std::chrono::steady_clock;

/// An answer of Redis (RESP 2).
struct Reply {
  enum class Kind { null, text, integer, array, error };
  Kind kind = Kind::null;
  std::string text;  ///< of text (bulk or status) and of error
  std::int64_t number = 0;
  std::vector<Reply> items;
};

/// One connection. Not thread-safe. Speaks the protocol itself: Poco's client sends a command of more than 1 KiB in
/// pieces with Nagle's algorithm on, which costs 40 ms each, raises SIGPIPE when Redis goes away, leaves its descriptor
/// to children, and fills an answer that was cut short with blanks.
class Connection {
 public:
  /// Connected, authenticated, with the database selected. Errors: E_STORE; retryable unless Redis refused.
  static Result<std::unique_ptr<Connection>> open(const Address& address, Clock::time_point deadline);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// Sends one command and reads its answer; an error that Redis answers is a Reply too. Errors: E_STORE, retryable:
  /// the connection is of no use any more, and whether the command was carried out is not known.
  Result<Reply> call(std::span<const std::string> words, Clock::time_point deadline);
  /// Whether it is certain by now that the other side has closed.
  [[nodiscard]] bool closed() const;

 private:
  Connection(int fd, const Address& address) : fd_(fd), shown_(address.shown()) {}
  Result<void> greet(const Address& address, Clock::time_point deadline);
  Result<void> send(const std::string& bytes, Clock::time_point deadline);
  Result<void> fill(Clock::time_point deadline);
  Result<std::string> line(Clock::time_point deadline);
  Result<Reply> reply(Clock::time_point deadline, int depth);
  [[nodiscard]] ErrorInfo lost(const std::string& why) const;

  const int fd_;
  const std::string shown_;
  std::string input_;  ///< what was read, from used_ on not yet looked at
  std::size_t used_ = 0;
};

/// What a person can do about an error that Redis answered.
ErrorInfo refused(const std::string& shown, const std::string& answer);

}  // namespace computesdk::store::redis
