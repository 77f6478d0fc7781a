#pragma once

#include <computesdk/types.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// HTTP/1.1 as a client writes and reads it on a stream of bytes. Who answers is inside of the sandbox: nothing it says
// is trusted, and everything has a limit.
namespace computesdk::detail {

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";  ///< path and query, as they go out
  std::string body = {};     ///< JSON; empty: none
  /// Of the whole exchange; nothing: no limit.
  std::optional<std::chrono::milliseconds> timeout = std::chrono::seconds(30);
};

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// The bytes of a request after which the connection is closed. `token`: empty for none.
std::string writeRequest(const HttpRequest& request, std::string_view host, std::string_view token);
/// The bytes that ask for a WebSocket.
std::string writeUpgrade(std::string_view target, std::string_view host, std::string_view token, std::string_view key);

/// Reads one answer. Not thread-safe.
class ResponseParser {
 public:
  static constexpr std::size_t kMaxHead = 64 * 1024;
  static constexpr std::size_t kMaxBody = std::size_t{256} << 20;
  enum class State { more, done, bad };

  /// `head`: of a HEAD request, whose answer has no body.
  explicit ResponseParser(bool head) : head_(head) {}
  /// Takes bytes. After `done` the rest of them is in rest().
  State feed(std::string_view bytes);
  /// The stream has ended.
  State end();

  [[nodiscard]] int status() const noexcept { return status_; }
  /// Of a lower-case name; empty when there is none.
  [[nodiscard]] std::string_view header(const std::string& name) const;
  [[nodiscard]] std::string& body() noexcept { return body_; }
  [[nodiscard]] std::string_view rest() const noexcept { return input_; }

 private:
  enum class Part { head, counted, chunkSize, chunkData, chunkEnd, trailer, toEnd, done, bad };
  State state() const noexcept;
  bool step();
  bool readHead();
  bool parseHead(std::string_view text);
  void bodyFollows();
  bool take(std::size_t count);
  bool readLine(std::string& line);
  bool readChunkSize(std::string_view line);

  const bool head_;
  Part part_ = Part::head;
  int status_ = 0;
  StringMap headers_;
  std::string input_;
  std::string body_;
  std::uint64_t left_ = 0;  ///< bytes of the body, or of the chunk
};

}  // namespace computesdk::detail
