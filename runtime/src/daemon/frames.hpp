#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

// WebSocket (RFC 6455) as a client speaks it, without extensions. The other end is not trusted.
namespace computesdk::detail {

/// A new value of Sec-WebSocket-Key.
std::string newSocketKey();
/// The Sec-WebSocket-Accept that belongs to a key.
std::string socketAccept(std::string_view key);

enum class Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// One whole message as a masked frame.
std::string encodeFrame(Opcode opcode, std::string_view payload);

/// Puts frames together to messages. Not thread-safe.
class FrameDecoder {
 public:
  static constexpr std::size_t kMaxMessage = std::size_t{64} << 20;
  /// A whole message, or a ping, pong or close between its parts.
  using Take = std::function<void(Opcode opcode, std::string_view payload)>;

  /// False when the bytes break the protocol or a limit; the connection has to be closed then.
  bool feed(std::string_view bytes, const Take& take);

 private:
  bool frame(Opcode opcode, bool last, std::string_view payload, const Take& take);
  std::string input_;
  std::string message_;
  Opcode kind_ = Opcode::continuation;  ///< of the message that is under way; continuation: none
};

}  // namespace computesdk::detail
