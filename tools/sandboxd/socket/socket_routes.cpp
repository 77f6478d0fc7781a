// GET /ws: a WebSocket becomes a Connection of the hub.
#include <algorithm>
#include <chrono>
#include <computesdk/serving/router.hpp>
#include <computesdk/serving/websocket.hpp>

#include "core/context.hpp"
#include "core/rooms.hpp"
#include "socket/binary_frame.hpp"
#include "socket/hub.hpp"

namespace computesdk::sandboxd {
namespace {

/// So many frames that make no sense are forgiven.
constexpr int kForgiven = 3;
constexpr std::uint16_t kInvalidData = 1007;
constexpr std::uint16_t kPolicy = 1008;

class SocketConnection final : public Connection, public std::enable_shared_from_this<SocketConnection> {
 public:
  explicit SocketConnection(std::string tokenId) : tokenId_(std::move(tokenId)) {}

  void open(std::shared_ptr<serving::WebSocketSession> session) { session_ = std::move(session); }

  void sendText(const std::shared_ptr<const std::string>& text) override { session_->send(text, false); }
  [[nodiscard]] std::size_t queued() const override { return session_->queued(); }
  [[nodiscard]] const std::string& tokenId() const override { return tokenId_; }
  void close(int code, std::string_view reason) override { session_->close(static_cast<std::uint16_t>(code), reason); }

  /// Closes it when the token that opened it has expired.
  void closeAt(serving::Loop& loop, std::chrono::system_clock::time_point end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::system_clock::now());
    expiry_ = loop.after(std::max(left, std::chrono::milliseconds(0)), [weak = weak_from_this(), &loop, end] {
      const auto self = weak.lock();
      if (!self) return;
      // The timer does not follow a clock that was set back meanwhile; the token's life does.
      if (std::chrono::system_clock::now() < end) return self->closeAt(loop, end);
      self->close(kPolicy, "the session token has expired");
    });
  }

  /// It is closed: nothing of it may outlive the loop.
  void closed() { expiry_ = {}; }

  void take(Hub& hub, std::string_view bytes, bool binary) {
    const auto message = binary ? decodeBinary(bytes) : decodeText(bytes);
    if (message) return hub.receive(*this, *message);
    if (++nonsense_ > kForgiven) session_->close(kInvalidData, "frames that are no messages");
  }

 private:
  std::shared_ptr<serving::WebSocketSession> session_;
  const std::string tokenId_;
  serving::Timer expiry_;
  int nonsense_ = 0;
};

void openSocket(Context& context, const serving::Request& request, const serving::Reply& reply) {
  const Identity identity = identityOf(request);
  auto connection = std::make_shared<SocketConnection>(identity.tokenId);
  auto& loop = context.loop();
  // The session's handlers hold the connection and the connection the session, until onClose lets both go.
  serving::WebSocketHandlers handlers;
  handlers.onMessage = [&context, connection](std::string_view bytes, bool binary) {
    connection->take(context.hub(), bytes, binary);
  };
  handlers.onClose = [&context, &loop, connection](std::uint16_t, std::string_view) {
    connection->closed();
    // Not at once: this may be told in the middle of a publication.
    loop.post([&context, connection] { context.hub().detach(*connection); });
  };
  serving::WebSocketOptions options;
  options.queueLimit = context.limits().connectionQueue;
  auto session = reply.acceptWebSocket(std::move(options), std::move(handlers));
  if (!session) return;
  connection->open(std::move(session));
  if (identity.expiresAt) connection->closeAt(loop, *identity.expiresAt);
  context.hub().attach(connection);
}

}  // namespace

void addSocketRoutes(serving::Router& router, Context& context) {
  router.onAsync("GET", "/ws", [&context](const serving::Request& request, const serving::Reply& reply) {
    openSocket(context, request, reply);
  });
}

}  // namespace computesdk::sandboxd
