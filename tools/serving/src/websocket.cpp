#include <computesdk/serving/websocket.hpp>

#include "beast_stream.hpp"
#include "handed_stream.hpp"
#include "owed.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <deque>
#include <mutex>

namespace computesdk::serving {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
namespace http = boost::beast::http;
using boost::system::error_code;
using UpgradeRequest = http::request<http::empty_body>;

/// Between requests for text a buffer of this size is kept.
constexpr std::size_t kKeptBuffer = 4u << 10;

class Session final : public WebSocketSession, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Server::Core> server, WebSocketOptions options, WebSocketHandlers handlers)
      : server_(std::move(server)), options_(std::move(options)), handlers_(std::move(handlers)) {}
  bool sendText(std::string text) override { return send(std::make_shared<const std::string>(std::move(text)), false); }
  bool sendBinary(std::string bytes) override {
    return send(std::make_shared<const std::string>(std::move(bytes)), true);
  }
  bool send(std::shared_ptr<const std::string> bytes, bool binary) override;
  void close(std::uint16_t code, std::string_view reason) override;
  [[nodiscard]] std::size_t queued() const noexcept override {
    const std::lock_guard lock(mutex_);
    return queuedBytes_;
  }
  [[nodiscard]] bool open() const noexcept override {
    const std::lock_guard lock(mutex_);
    return !closing_;
  }

  // The loop's thread only from here on.
  void accept(StreamPtr stream, const UpgradeRequest& request);
  /// It never was a WebSocket, or broke.
  void lost(std::uint16_t code, std::string_view reason);

 private:
  using Socket = websocket::stream<BeastStream, false>;
  struct Message {
    std::shared_ptr<const std::string> bytes;
    bool binary = false;
  };

  void configure(Socket& socket);
  void accepted(error_code error);
  void read();
  void received(error_code error);
  void wake();
  void writeNext();
  void written(error_code error);
  void sayClose();
  void startCloseTimer();

  const std::shared_ptr<Server::Core> server_;
  const WebSocketOptions options_;
  WebSocketHandlers handlers_;
  std::weak_ptr<HandedStream> handed_;
  std::unique_ptr<Socket> socket_;
  beast::flat_buffer buffer_;
  Timer closeTimer_;
  bool counted_ = false;
  bool writing_ = false;
  bool closeSent_ = false;
  bool over_ = false;

  mutable std::mutex mutex_;
  std::deque<Message> queue_;
  std::size_t queuedBytes_ = 0;
  bool awake_ = false;    ///< a writeNext() is on its way
  bool refused_ = false;  ///< a send() was, so onDrained is owed
  bool closing_ = false;
  bool dropping_ = false;  ///< the queue was thrown away
  std::uint16_t closeCode_ = 1000;
  std::string closeReason_;
};

// Any thread --------------------------------------------------------------------------------------------------------

bool Session::send(std::shared_ptr<const std::string> bytes, bool binary) {
  const std::lock_guard lock(mutex_);
  if (closing_) return false;
  if (queuedBytes_ + bytes->size() > options_.queueLimit && queuedBytes_ > 0) {
    if (options_.overflow == Overflow::refuse) {
      refused_ = true;
      return false;
    }
    // The client does not keep up: what waits is of no use to it any more.
    closing_ = dropping_ = true;
    closeCode_ = 1013;
    closeReason_ = "too slow";
    queue_.clear();
    queuedBytes_ = 0;
    wake();
    return false;
  }
  queuedBytes_ += bytes->size();
  queue_.push_back({std::move(bytes), binary});
  wake();
  return true;
}

void Session::close(std::uint16_t code, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  if (closing_) return;
  closing_ = true;
  closeCode_ = code;
  closeReason_ = reason.substr(0, 123);
  wake();
}

/// With the mutex held.
void Session::wake() {
  if (std::exchange(awake_, true)) return;
  server_->loop.post([self = shared_from_this()] { self->writeNext(); });
}

// The loop's thread -------------------------------------------------------------------------------------------------

void Session::configure(Socket& socket) {
  websocket::stream_base::timeout timeouts{};
  timeouts.handshake_timeout = options_.closeTimeout;
  timeouts.idle_timeout = options_.pingInterval * 2;
  timeouts.keep_alive_pings = true;
  socket.set_option(timeouts);
  socket.set_option(websocket::stream_base::decorator([this](websocket::response_type& response) {
    response.erase(http::field::server);
    if (!options_.subprotocol.empty()) response.set(http::field::sec_websocket_protocol, options_.subprotocol);
    for (const auto& [name, value] : options_.headers) response.insert(name, value);
  }));
  socket.read_message_max(options_.messageLimit);
  socket.auto_fragment(false);
}

void Session::accept(StreamPtr stream, const UpgradeRequest& request) {
  const auto handed = std::static_pointer_cast<HandedStream>(stream);
  handed_ = handed;
  handed->onStop([self = weak_from_this()] {
    if (const auto session = self.lock()) session->close(1001, "the server is stopping");
  });
  counted_ = true;
  server_->openWebSockets.add(1);
  socket_ = std::make_unique<Socket>(BeastStream(server_->loop, std::move(stream)));
  configure(*socket_);
  socket_->async_accept(request, [self = shared_from_this()](error_code error) { self->accepted(error); });
}

void Session::accepted(error_code error) {
  if (error) return lost(1006, "the handshake failed");
  read();
  const std::lock_guard lock(mutex_);
  if (!queue_.empty() || closing_) wake();
}

void Session::read() {
  if (buffer_.capacity() > kKeptBuffer) buffer_ = {};
  socket_->async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) { self->received(error); });
}

void Session::received(error_code error) {
  if (over_) return;
  if (error) {
    if (error == websocket::error::closed) {
      const auto reason = socket_->reason();
      const auto code = static_cast<std::uint16_t>(reason.code);
      if (closeSent_) return lost(closeCode_, closeReason_);
      return lost(code == 0 ? 1005 : code, std::string_view(reason.reason.data(), reason.reason.size()));
    }
    const bool tooBig = error == websocket::error::message_too_big;
    return lost(tooBig ? 1009 : 1006, tooBig ? "the message is too big" : "");
  }
  const auto data = buffer_.cdata();
  if (handlers_.onMessage) {
    handlers_.onMessage(std::string_view(static_cast<const char*>(data.data()), data.size()), socket_->got_binary());
  }
  buffer_.consume(buffer_.size());
  if (!over_) read();
}

void Session::writeNext() {
  Message message;
  {
    const std::lock_guard lock(mutex_);
    awake_ = false;
    if (dropping_ && !over_) startCloseTimer();
    if (over_ || writing_ || !socket_ || !socket_->is_open()) return;
    if (queue_.empty()) {
      if (!closing_) return;
    } else {
      message = queue_.front();
    }
  }
  if (!message.bytes) return sayClose();
  writing_ = true;
  socket_->binary(message.binary);
  socket_->async_write(
      boost::asio::buffer(*message.bytes),
      [self = shared_from_this(), bytes = message.bytes](error_code error, std::size_t) { self->written(error); });
}

void Session::written(error_code error) {
  writing_ = false;
  if (over_) return;
  if (error) return;  // the read ends with an error too, and tells
  bool drained = false;
  {
    const std::lock_guard lock(mutex_);
    // It is empty when the queue was dropped meanwhile.
    if (!queue_.empty()) {
      queuedBytes_ -= queue_.front().bytes->size();
      queue_.pop_front();
    }
    drained = refused_ && queuedBytes_ <= options_.queueLimit / 2;
    if (drained) refused_ = false;
  }
  if (drained && handlers_.onDrained) handlers_.onDrained();
  writeNext();
}

void Session::sayClose() {
  if (std::exchange(closeSent_, true)) return;
  websocket::close_reason reason;
  {
    const std::lock_guard lock(mutex_);
    reason.code = closeCode_;
    reason.reason = beast::string_view(closeReason_.data(), closeReason_.size());
  }
  startCloseTimer();
  const std::uint16_t code = static_cast<std::uint16_t>(reason.code);
  socket_->async_close(reason, [self = shared_from_this(), code](error_code) { self->lost(code, self->closeReason_); });
}

/// A client that takes nothing, or does not answer the close, is cut off.
void Session::startCloseTimer() {
  if (closeTimer_.active()) return;
  closeTimer_ = server_->loop.after(options_.closeTimeout, [self = shared_from_this()] {
    if (const auto handed = self->handed_.lock()) handed->close();
  });
}

void Session::lost(std::uint16_t code, std::string_view reason) {
  if (std::exchange(over_, true)) return;
  const std::string kept(reason);
  closeTimer_.cancel();
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    queue_.clear();
    queuedBytes_ = 0;
  }
  if (const auto handed = handed_.lock()) {
    handed->onStop({});
    closeGently(server_->loop, handed);
  }
  if (handlers_.onClose) handlers_.onClose(code, kept);
  // What the handlers hold goes now; later, because one of them may be running.
  server_->loop.post([self = shared_from_this()] {
    self->handlers_ = {};
    self->socket_.reset();
    if (std::exchange(self->counted_, false)) self->server_->openWebSockets.add(-1);
  });
}

/// What Beast wants to see of the request.
UpgradeRequest upgradeRequest(const Request& request) {
  UpgradeRequest out{http::verb::get, "/", 11};
  for (const auto& [name, value] : request.headers) out.insert(name, value);
  return out;
}

/// Why a request cannot become a WebSocket.
std::optional<Response> refusal(const Server::Core& server, const std::optional<Request>& request) {
  if (!request || !request->wantsWebSocket()) {
    return server.errorBody(426, "upgrade_required", "This is a WebSocket; ask for it with an upgrade.")
        .with("Upgrade", "websocket");
  }
  if (request->header("Sec-WebSocket-Version") != "13") {
    return server.errorBody(426, "upgrade_required", "The only WebSocket version here is 13.")
        .with("Sec-WebSocket-Version", "13");
  }
  const std::string_view key = request->header("Sec-WebSocket-Key");
  const bool rightKey = key.size() == 24 && key.substr(22) == "==";
  if (rightKey && request->headers.count("Sec-WebSocket-Key") == 1) return std::nullopt;
  return server.errorBody(400, "bad_request", "Sec-WebSocket-Key must be 16 bytes in base64.");
}

}  // namespace

std::shared_ptr<WebSocketSession> Reply::acceptWebSocket(WebSocketOptions options, WebSocketHandlers handlers) const {
  if (!owed_) return nullptr;
  const auto server = owed_->connection->server().shared_from_this();
  if (std::optional<Response> no = refusal(*server, owed_->upgrade)) {
    send(std::move(*no));
    return nullptr;
  }
  if (owed_->answered.exchange(true)) return nullptr;
  auto session = std::make_shared<Session>(server, std::move(options), std::move(handlers));
  Owed::run(owed_,
            [number = owed_->number, session, request = upgradeRequest(*owed_->upgrade)](Connection& connection) {
              connection.giveAway(number, 101, {}, [session, request](const StreamPtr& stream) {
                stream ? session->accept(stream, request) : session->lost(1006, "the client is gone");
              });
            });
  return session;
}

}  // namespace computesdk::serving
