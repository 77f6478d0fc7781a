#include "wire.hpp"

#include <openssl/err.h>
#include <sys/socket.h>

#include <cerrno>

namespace computesdk::net {
namespace {

error_code systemError(int number) { return {number, boost::system::system_category()}; }

}  // namespace

Wire::Moved Wire::tlsStep(int result, std::size_t bytes) {
  if (result > 0) return {Step::moved, bytes, {}};
  const int number = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: return {Step::wantRead, 0, {}};
    case SSL_ERROR_WANT_WRITE: return {Step::wantWrite, 0, {}};
    case SSL_ERROR_ZERO_RETURN: return {Step::end, 0, {}};
    case SSL_ERROR_SYSCALL:
      tlsBroken_ = true;
      return {Step::failed, 0, number == 0 ? error_code(asio::error::eof) : systemError(number)};
    default:
      tlsBroken_ = true;
      // A peer that closes without saying so first looks like an end that was cut off, which is what it is.
      if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return {Step::failed, 0, asio::error::eof};
      }
      return {Step::failed, 0, systemError(EPROTO)};
  }
}

Wire::Moved Wire::tryRead(std::span<std::byte> into) {
  if (!socket_.is_open()) return {Step::failed, 0, asio::error::operation_aborted};
  Moved moved;
  if (ssl_) {
    ERR_clear_error();
    errno = 0;
    std::size_t bytes = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &bytes);
    moved = tlsStep(result, bytes);
  } else {
    ssize_t bytes;
    do {
      bytes = ::recv(socket_.native_handle(), into.data(), into.size(), 0);
    } while (bytes < 0 && errno == EINTR);
    if (bytes > 0) {
      moved = {Step::moved, static_cast<std::size_t>(bytes), {}};
    } else if (bytes == 0) {
      moved = {Step::end, 0, {}};
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      moved = {Step::wantRead, 0, {}};
    } else {
      moved = {Step::failed, 0, systemError(errno)};
    }
  }
  counts_.in.fetch_add(moved.bytes, std::memory_order_relaxed);
  return moved;
}

Wire::Moved Wire::tryWrite(std::span<const std::byte> from) {
  if (!socket_.is_open()) return {Step::failed, 0, asio::error::operation_aborted};
  Moved moved;
  if (ssl_) {
    ERR_clear_error();
    errno = 0;
    std::size_t bytes = 0;
    const int result = SSL_write_ex(ssl_.get(), from.data(), from.size(), &bytes);
    moved = tlsStep(result, bytes);
    if (moved.step == Step::end) moved = {Step::failed, 0, systemError(EPIPE)};
  } else {
    ssize_t bytes;
    do {
      bytes = ::send(socket_.native_handle(), from.data(), from.size(), MSG_NOSIGNAL);
    } while (bytes < 0 && errno == EINTR);
    if (bytes >= 0) {
      moved = {Step::moved, static_cast<std::size_t>(bytes), {}};
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      moved = {Step::wantWrite, 0, {}};
    } else {
      moved = {Step::failed, 0, systemError(errno)};
    }
  }
  counts_.out.fetch_add(moved.bytes, std::memory_order_relaxed);
  return moved;
}

Task<bool> Wire::wait(Step step) {
  const auto what = step == Step::wantRead ? tcp::socket::wait_read : tcp::socket::wait_write;
  const auto [error] = co_await socket_.async_wait(what, quietly);
  co_return !error;
}

Task<Wire::Moved> Wire::read(std::span<std::byte> into) {
  for (;;) {
    const Moved moved = tryRead(into);
    if (moved.step != Step::wantRead && moved.step != Step::wantWrite) co_return moved;
    if (!co_await wait(moved.step)) co_return Moved{Step::failed, 0, asio::error::operation_aborted};
  }
}

Task<Wire::Moved> Wire::writeAll(std::span<const std::byte> from) {
  Moved all{Step::moved, 0, {}};
  while (!from.empty()) {
    const Moved moved = tryWrite(from);
    if (moved.step == Step::moved) {
      all.bytes += moved.bytes;
      from = from.subspan(moved.bytes);
    } else if (moved.step == Step::failed) {
      co_return Moved{Step::failed, all.bytes, moved.error};
    } else if (!co_await wait(moved.step)) {
      co_return Moved{Step::failed, all.bytes, asio::error::operation_aborted};
    }
  }
  co_return all;
}

Task<Wire::TlsOutcome> Wire::startTls(const TrustSettings& trust, const std::string& host) {
  TlsOutcome out;
  ssl_ = newSession(trust, host, socket_.native_handle(), out.problem);
  while (ssl_) {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(ssl_.get());
    const Moved moved = tlsStep(result, 0);
    if (moved.step == Step::moved) break;
    if (moved.step == Step::wantRead || moved.step == Step::wantWrite) {
      if (co_await wait(moved.step)) continue;
      out = {"the connection was closed", true};
      break;
    }
    // A certificate that was refused counts as that, even when the peer has gone away meanwhile.
    out.broken = SSL_get_verify_result(ssl_.get()) == X509_V_OK && moved.error != systemError(EPROTO);
    out.problem = out.broken && moved.error != asio::error::eof ? moved.error.message() : tlsProblem(ssl_.get());
    break;
  }
  co_return out;
}

void Wire::shutdownSend() {
  if (!socket_.is_open()) return;
  if (ssl_ && !tlsBroken_ && SSL_is_init_finished(ssl_.get())) {
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void Wire::close() {
  if (!socket_.is_open()) return;
  shutdownSend();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace computesdk::net
