#pragma once

#include <computesdk/serving/byte_stream.hpp>
#include <computesdk/serving/message.hpp>
#include <computesdk/serving/websocket.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::serving {

/// The one answer that is owed for a request: copyable, usable later and from any thread. The first of send(), begin(),
/// acceptWebSocket() and takeStream() counts, later ones do nothing and return false (or null). When the last copy goes
/// without an answer the client gets a 500. Callbacks run on the loop's thread.
class Reply {
 public:
  Reply() = default;

  /// Answers. False when it was answered before.
  bool send(Response response) const;

  /// Begins an answer whose body follows by write(); `response.body` is its first piece. With `length` that many bytes
  /// follow (Content-Length), else the answer is chunked, or ends with the connection for an HTTP/1.0 client.
  bool begin(Response response, std::optional<std::uint64_t> length = {}) const;
  /// One more piece of the body; the bytes are copied. `taken(true)` (may be empty) is called once the socket took all
  /// written so far: who waits for it before the next write holds one piece. `taken(false)`: the client is gone. Pieces
  /// that nobody waits for pile up in memory.
  void write(std::string bytes, std::function<void(bool open)> taken = {}) const;
  /// Ends the body that begin() began. One shorter than its length breaks the connection off.
  void end() const;
  /// Breaks the connection off: the client sees that the answer is not whole.
  void abort() const;

  /// On routes that stream the body: hands over the next piece, valid during the call. No bytes: the body has ended. An
  /// error: the client went away, sent nonsense, or more than the route's limit; it gets its answer by itself, and this
  /// Reply is answered. One read at a time.
  void readBody(std::function<void(std::error_code error, std::string_view bytes)> handler) const;

  /// `gone` is called once if the client closes its connection before it has the answer; at once if it has. Not called
  /// after the answer is complete. At most one function; a new one replaces the old.
  void onGone(std::function<void()> gone) const;

  /// Answers an upgrade request with 101 and makes the connection a WebSocket. Null when the request does not ask for
  /// one rightly (the client then has 400 or 426), or was answered. Messages may arrive as soon as this is called; they
  /// are delivered on the loop's thread, after this function when it is called there.
  [[nodiscard]] std::shared_ptr<WebSocketSession> acceptWebSocket(WebSocketOptions options,
                                                                  WebSocketHandlers handlers) const;

  /// Sends `head` (status line and headers as given; nothing is added but Connection and Upgrade of a 101) and gives
  /// the connection's bytes away. `taken` is called on the loop's thread with null when the client is gone. What the
  /// client has already sent after its request comes first. The loop's thread only.
  bool takeStream(const Response& head, std::function<void(StreamPtr stream)> taken) const;

  [[nodiscard]] bool answered() const noexcept;
  /// Does the body come by readBody()?
  [[nodiscard]] bool streamsBody() const noexcept;
  explicit operator bool() const noexcept { return owed_ != nullptr; }
  /// The loop that serves this connection.
  [[nodiscard]] Loop& loop() const noexcept;

  struct Owed;
  explicit Reply(std::shared_ptr<Owed> owed) noexcept : owed_(std::move(owed)) {}

 private:
  std::shared_ptr<Owed> owed_;
};

}  // namespace computesdk::serving
