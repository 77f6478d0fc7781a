#pragma once

#include <computesdk/serving/loop.hpp>
#include <computesdk/serving/message.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace computesdk::serving {

class WebSocketSession;

/// What happens when more is waiting to be sent than WebSocketOptions::queueLimit.
enum class Overflow {
  drop,   ///< the connection ends with 1013, "try again later"
  refuse  ///< send() returns false and the message is not queued
};

struct WebSocketOptions {
  std::string subprotocol;               ///< chosen among Sec-WebSocket-Protocol; "" for none
  Headers headers;                       ///< more headers of the 101
  std::size_t messageLimit = 16u << 20;  ///< bytes of a message from the client; more ends with 1009
  std::size_t queueLimit = 8u << 20;     ///< bytes that wait to be sent
  Overflow overflow = Overflow::drop;
  std::chrono::milliseconds pingInterval{30'000};  ///< a peer silent for two of them is dead
  std::chrono::milliseconds closeTimeout{5'000};   ///< how long close() waits for the peer's answer
};

/// Called on the loop's thread, one at a time. `bytes` is valid during the call.
struct WebSocketHandlers {
  std::function<void(std::string_view bytes, bool binary)> onMessage;
  /// Once, at the end. 1006 when the connection broke without a close; 1005 when the peer gave no code. The handlers
  /// are let go afterwards.
  std::function<void(std::uint16_t code, std::string_view reason)> onClose;
  /// After a refused send(): less than half of the limit is waiting.
  std::function<void()> onDrained;
};

/// One WebSocket of the server. Lives as long as the connection or the last pointer. Any thread.
class WebSocketSession {
 public:
  virtual ~WebSocketSession() = default;

  /// Queues a message; messages go out in the order of these calls. Text must be UTF-8. False when the connection is
  /// closing or the queue is full (see Overflow).
  virtual bool sendText(std::string text) = 0;
  virtual bool sendBinary(std::string bytes) = 0;
  /// The same message to many sessions: held once.
  virtual bool send(std::shared_ptr<const std::string> bytes, bool binary) = 0;
  /// Begins the closing handshake after what is queued. Twice is harmless. Reason: at most 123 bytes.
  virtual void close(std::uint16_t code = 1000, std::string_view reason = {}) = 0;
  /// Bytes that wait to be sent.
  [[nodiscard]] virtual std::size_t queued() const noexcept = 0;
  [[nodiscard]] virtual bool open() const noexcept = 0;
};

}  // namespace computesdk::serving
