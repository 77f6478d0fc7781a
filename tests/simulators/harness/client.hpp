#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "server.hpp"

namespace computesdk::simulators {

/// What a server answered.
struct Answer {
  int status = 0;   ///< 0: none
  Headers headers;  ///< names in lower case
  std::string body;
  bool whole = false;  ///< the body came as long as its head said
  [[nodiscard]] std::string header(std::string_view lowerName) const;
};

/// A plain HTTP/1.1 client for tests of simulators: one connection, every byte under the test's control. Throws
/// std::runtime_error when nothing comes for 30 s.
class Client {
 public:
  explicit Client(std::uint16_t port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Sends a request and reads the whole answer. A Content-Length is added when there is a body.
  Answer ask(const std::string& method, const std::string& target, const Headers& headers = {},
             std::string_view body = {});

  void send(const std::string& method, const std::string& target, const Headers& headers = {},
            std::string_view body = {});
  void sendBytes(std::string_view bytes);
  /// Reads a head; the body is left to read.
  Answer readHead();
  /// The next piece of the body after readHead; nothing at its end, or where it broke off.
  std::optional<std::string> readPiece(Answer& answer);

 private:
  bool fill();
  std::optional<std::string> line();

  int fd_ = -1;
  std::string buffer_;
  bool chunked_ = false;
  std::int64_t left_ = -1;  ///< of the body or its chunk; below 0: to the end of the connection
};

}  // namespace computesdk::simulators
