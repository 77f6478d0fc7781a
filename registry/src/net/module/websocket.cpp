#include "exchange.hpp"

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket.hpp>

#include <algorithm>

// One of the module's two files that read Beast: the WebSocket side of an exchange.
namespace computesdk::net {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;

constexpr std::size_t kReadBuffer = 16 * 1024;
constexpr milliseconds kGoodbye{3000};

Headers headersOf(const websocket::response_type& response) {
  Headers headers;
  for (const auto& field : response) {
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    headers.emplace_back(std::move(name), std::string(field.value()));
  }
  return headers;
}

std::string listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list.append(list.empty() ? "" : ", ").append(name);
  return list;
}

}  // namespace

struct Exchange::Socket {
  Socket(Exchange& exchange, Wire& wire)
      : limit(exchange.hub_.io, [&wire] { wire.close(); }), sent(exchange.hub_.io), stream(wire) {}

  MovingLimit limit;
  Gate sent;
  bool sending = false;
  websocket::stream<Wire&> stream;
};

Task<Exchange::Outcome> Exchange::talkWebSocket(std::unique_ptr<Connection> connection) {
  Wire& wire = *connection->wire;
  Socket socket(*this, wire);
  const Abort::Scope scope(abort_, [&socket] { socket.limit.set(kGoodbye); });
  socket.stream.read_message_max(0);  // messages are handed on in parts
  socket.stream.auto_fragment(false);
  socket.stream.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
    for (const auto& [name, value] : headers_) request.insert(name, value);
    if (!subprotocols_.empty()) request.set(beast::http::field::sec_websocket_protocol, listed(subprotocols_));
  }));
  const milliseconds patience(sink_.head_timeout_ms > 0 ? sink_.head_timeout_ms : 60'000);
  socket.limit.set(patience);
  websocket::response_type response;
  std::string host = route_.hostHeader();
  const auto [error] = co_await socket.stream.async_handshake(response, host, target_, quietly);
  Outcome outcome;
  const std::string who = route_.authority();
  if (error == websocket::error::upgrade_declined) {
    const Headers headers = headersOf(response);
    const int status = static_cast<int>(response.result_int());
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto asked = retryAfter(headers, std::chrono::duration_cast<milliseconds>(now).count());
    outcome.pause = retry_.afterStatus(status, asked, attempts_, Clock::now());
    if (outcome.pause) co_return outcome;
    emitHead(status, headers);
    if (!response.body().empty()) emitData(response.body());
    emitEnd(0, {});
    co_return ended();
  }
  if (error) {
    const bool cut = error == asio::error::eof || error == beast::http::error::end_of_stream;
    if (socket.limit.fired()) {
      outcome.failure = networkFailure("no answer from " + who + " within " + std::to_string(patience.count()) + " ms");
    } else if (cut || error.category() == boost::system::system_category()) {
      outcome.failure = networkFailure(who + " closed the connection before the WebSocket stood");
    } else {
      outcome.failure = protocolFailure(who + " did not agree to a WebSocket: " + error.message());
    }
    outcome.failure->sent = true;
    co_return outcome;
  }
  const std::string chosen(response[beast::http::field::sec_websocket_protocol]);
  if (!chosen.empty() && std::find(subprotocols_.begin(), subprotocols_.end(), chosen) == subprotocols_.end()) {
    outcome.failure = protocolFailure(who + " chose a sub-protocol that was not offered");
    co_return outcome;
  }
  emitHead(101, headersOf(response));
  stopSending_ = false;
  socket.sending = true;
  asio::co_spawn(hub_.io, sendMessages(socket), [&socket, self = shared_from_this()](std::exception_ptr) {
    socket.sending = false;
    socket.sent.open();
  });
  co_await readMessages(socket);
  stopSending_ = true;
  input_.open();
  wire.close();
  while (socket.sending) co_await socket.sent.wait();
  co_return ended();
}

Task<void> Exchange::readMessages(Socket& socket) {
  const std::unique_ptr<std::byte[]> buffer(new std::byte[kReadBuffer]);
  const std::string who = route_.authority();
  for (;;) {
    if (delivered_ - acked_.load(std::memory_order_relaxed) >= CSDK_HTTP_CREDIT) {
      if (!closing()) socket.limit.clear();
      co_await waitForCredit();
    }
    if (!closing()) socket.limit.set(milliseconds(sink_.idle_timeout_ms));
    const auto [error, bytes] =
        co_await socket.stream.async_read_some(asio::buffer(buffer.get(), kReadBuffer), quietly);
    if (!error) {
      std::uint32_t flags = socket.stream.got_text() ? CSDK_HTTP_TEXT : 0;
      if (socket.stream.is_message_done()) flags |= CSDK_HTTP_FINAL;
      emitData({reinterpret_cast<const char*>(buffer.get()), bytes}, flags);
      continue;
    }
    if (error == websocket::error::closed) {
      const websocket::close_reason& reason = socket.stream.reason();
      emitEnd(reason.code == websocket::close_code::none ? 1005 : reason.code,
              {reason.reason.data(), reason.reason.size()});
      co_return;
    }
    Failure failure;
    if (socket.limit.fired()) {
      failure = networkFailure(who + " sent nothing for " + std::to_string(sink_.idle_timeout_ms) + " ms");
    } else if (error == asio::error::eof || error.category() == boost::system::system_category()) {
      failure = networkFailure(who + " closed the WebSocket without a word");
    } else {
      failure = protocolFailure(who + " broke the rules of WebSockets: " + error.message());
    }
    failure.sent = true;
    emitFailure(failure);
    co_return;
  }
}

Task<void> Exchange::sendMessages(Socket& socket) {
  for (;;) {
    std::optional<Piece> piece = co_await nextPiece();
    if (!piece) break;
    socket.stream.text((piece->flags & CSDK_HTTP_TEXT) != 0);
    const bool last = (piece->flags & CSDK_HTTP_FINAL) != 0;
    const auto [error, bytes] = co_await socket.stream.async_write_some(last, asio::buffer(piece->bytes), quietly);
    if (error) co_return;
  }
  if (!closing()) co_return;
  // The plug-in is done: what it wrote went out, and the peer is told why.
  websocket::close_reason reason(websocket::close_code::normal);
  {
    std::lock_guard lock(mutex_);
    if (closeCode_ != 0) reason.code = static_cast<std::uint16_t>(closeCode_);
    reason.reason = closeReason_;
  }
  [[maybe_unused]] const auto [ignored] = co_await socket.stream.async_close(reason, quietly);
}

}  // namespace computesdk::net
