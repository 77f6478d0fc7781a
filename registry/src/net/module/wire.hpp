#pragma once

#include "asio.hpp"
#include "tls.hpp"

#include <boost/asio/compose.hpp>
#include <boost/beast/core/role.hpp>

#include <atomic>
#include <cstddef>
#include <span>

namespace computesdk::net {

/// Bytes that went through all connections, above TLS.
struct WireCounts {
  std::atomic<std::uint64_t> in{0}, out{0};
};

/// One TCP connection, with or without TLS, as non-blocking steps. Reads and writes may wait at the same time. Holds no
/// buffers, so that a connection that waits costs next to nothing. I/O thread only.
class Wire {
 public:
  using executor_type = tcp::socket::executor_type;

  Wire(tcp::socket socket, WireCounts& counts) : socket_(std::move(socket)), counts_(counts) {}
  ~Wire() { close(); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  enum class Step { moved, wantRead, wantWrite, end, failed };
  struct Moved {
    Step step = Step::failed;
    std::size_t bytes = 0;
    error_code error;
  };

  /// Never blocks. `end`: the peer has sent all that it will.
  Moved tryRead(std::span<std::byte> into);
  Moved tryWrite(std::span<const std::byte> from);
  /// As tryRead, but waits until something other than wantRead or wantWrite can be said.
  Task<Moved> read(std::span<std::byte> into);
  /// All of it; `bytes` says how much went out when it failed.
  Task<Moved> writeAll(std::span<const std::byte> from);

  struct TlsOutcome {
    std::string problem;  ///< empty: it stands
    bool broken = false;  ///< the connection broke; otherwise the two did not agree
  };
  /// TLS from now on.
  Task<TlsOutcome> startTls(const TrustSettings& trust, const std::string& host);
  [[nodiscard]] bool encrypted() const noexcept { return ssl_ != nullptr; }

  /// Nothing more to send.
  void shutdownSend();
  /// Everything that waits ends with operation_aborted. Idempotent.
  void close();
  [[nodiscard]] bool isOpen() const { return socket_.is_open(); }
  tcp::socket& socket() noexcept { return socket_; }

  // --- the face that Beast's WebSocket wants of the stream below it
  executor_type get_executor() { return socket_.get_executor(); }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    const asio::mutable_buffer first = firstOf<asio::mutable_buffer>(buffers);
    const std::span into(static_cast<std::byte*>(first.data()), first.size());
    return asio::async_compose<Token, void(error_code, std::size_t)>(
        Transfer{*this, [this, into] { return tryRead(into); }, into.empty()}, token, socket_);
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    const asio::const_buffer first = firstOf<asio::const_buffer>(buffers);
    const std::span from(static_cast<const std::byte*>(first.data()), first.size());
    return asio::async_compose<Token, void(error_code, std::size_t)>(
        Transfer{*this, [this, from] { return tryWrite(from); }, from.empty()}, token, socket_);
  }

 private:
  /// Steps until bytes moved. The first step is made from the event loop, because a completion must not run inside the
  /// function that began the operation.
  template <class Try>
  struct Transfer {
    Wire& wire;
    Try attempt;
    bool nothing;
    bool begun = false;

    template <class Self>
    void operator()(Self& self, error_code error = {}) {
      if (error) return self.complete(error, 0);
      if (!begun) {
        begun = true;
        return asio::post(wire.get_executor(), std::move(self));
      }
      if (nothing) return self.complete({}, 0);
      const Moved moved = attempt();
      switch (moved.step) {
        case Step::moved: return self.complete({}, moved.bytes);
        case Step::end: return self.complete(asio::error::eof, 0);
        case Step::failed: return self.complete(moved.error, 0);
        case Step::wantRead: return wire.socket_.async_wait(tcp::socket::wait_read, std::move(self));
        case Step::wantWrite: return wire.socket_.async_wait(tcp::socket::wait_write, std::move(self));
      }
    }
  };
  template <class Try>
  Transfer(Wire&, Try, bool) -> Transfer<Try>;

  template <class Buffer, class Buffers>
  static Buffer firstOf(const Buffers& buffers) {
    for (auto at = asio::buffer_sequence_begin(buffers); at != asio::buffer_sequence_end(buffers); ++at) {
      if (Buffer one(*at); one.size() != 0) return one;
    }
    return {};
  }

  Moved tlsStep(int result, std::size_t bytes);
  /// Waits as `step` asks. False when the connection was closed meanwhile.
  Task<bool> wait(Step step);

  tcp::socket socket_;
  SslPtr ssl_;
  bool tlsBroken_ = false;
  WireCounts& counts_;
};

// Found by Beast through the type.
inline void beast_close_socket(Wire& wire) { wire.close(); }
inline void teardown(boost::beast::role_type, Wire& wire, error_code& error) {
  error = {};
  wire.shutdownSend();
}
template <class Handler>
void async_teardown(boost::beast::role_type, Wire& wire, Handler&& handler) {
  wire.shutdownSend();
  asio::post(wire.get_executor(), [handler = std::forward<Handler>(handler)]() mutable { handler(error_code{}); });
}

}  // namespace computesdk::net
