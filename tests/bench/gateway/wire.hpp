#pragma once

#include "descriptor.hpp"
#include "value.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// HTTP/1.1 by hand over sockets of 127.0.0.1, so that what is measured is the server. Failures throw Problem.
namespace computesdk::bench {

using conformance::Descriptor;
using conformance::Problem;
using Clock = std::chrono::steady_clock;

long long nanosecondsSince(Clock::time_point begin);

/// A blocking socket that gives up after a minute. `receiveBuffer` 0: the kernel's own size, in bytes.
Descriptor connectTo(std::uint16_t port, int receiveBuffer = 0);
void sendAll(int fd, std::string_view bytes);
/// Reads 1 to `bytes.size()` bytes into `bytes`; 0 at the end. EAGAIN of a socket that does not block: -1.
long receiveSome(int fd, std::string& bytes, bool wait);

using Fields = std::vector<std::pair<std::string, std::string>>;
/// A request whose body has a length when it is not empty, or when it is a POST.
std::string requestText(std::string_view method, std::string_view path, std::string_view body = {},
                        const Fields& fields = {});

/// One answer after the other out of the bytes of a connection.
class AnswerReader {
 public:
  /// Takes bytes; true once an answer is complete. One that was complete before is forgotten.
  bool put(std::string_view bytes);
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const std::string& body() const { return body_; }
  /// Bytes after a head with status 101, which belong to another protocol.
  [[nodiscard]] std::string rest() const { return text_; }

 private:
  bool readHead();
  bool readChunks();

  std::string text_;  ///< not looked at yet
  std::string body_;
  int status_ = 0;
  bool inBody_ = false;
  bool chunked_ = false;
  bool complete_ = false;
  std::size_t length_ = 0;
};

struct Answer {
  int status = 0;
  std::string body;
};

/// A connection that asks one thing after the other.
class Caller {
 public:
  explicit Caller(std::uint16_t port) : socket_(connectTo(port)) {}
  Answer ask(std::string_view request);
  [[nodiscard]] int descriptor() const { return socket_.get(); }

 private:
  Descriptor socket_;
  AnswerReader reader_;
  std::string piece_ = std::string(64u << 10, '\0');
};

}  // namespace computesdk::bench
