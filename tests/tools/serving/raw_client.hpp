#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace serving_test {

/// A blocking client that sends what it is told, byte by byte, and waits for what it expects with a deadline.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  /// A Unix socket.
  explicit RawClient(const std::string& path);
  /// Takes a connected socket.
  static RawClient adopt(int descriptor);
  RawClient(RawClient&& other) noexcept;
  ~RawClient();

  void send(std::string_view bytes) const;
  /// Sends without waiting for room; the number taken, or -1 when the connection is broken.
  long trySend(std::string_view bytes) const;
  /// Waits until what was read holds `mark`, and hands over all up to its end. What came before it when the connection
  /// ends first.
  std::string until(std::string_view mark);
  std::string exactly(std::size_t count);
  /// Everything up to the end of the connection.
  std::string rest();
  /// One whole answer: head and body by its framing.
  std::string answer();
  /// Does anything come, or the end, within that time?
  [[nodiscard]] bool readable(std::chrono::milliseconds most) const;
  /// Has the peer closed, within the deadline?
  bool closed();
  void halfClose() const;
  /// Closes with a reset.
  void reset();
  void close();
  void shrinkReceiveBuffer() const;

 private:
  explicit RawClient(int descriptor, bool) : descriptor_(descriptor) {}
  /// Reads some more; false at the end.
  bool more();

  int descriptor_ = -1;
  std::string buffer_;
};

/// Body of an answer().
std::string bodyOf(const std::string& answer);
/// Its status.
int statusOf(const std::string& answer);
/// Value of a header field, or "".
std::string fieldOf(const std::string& answer, std::string_view name);

}  // namespace serving_test
