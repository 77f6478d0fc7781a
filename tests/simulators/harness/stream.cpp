#include "stream.hpp"

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace computesdk::simulators {

Stream::~Stream() { close(); }

bool Stream::wait(short events) {
  pollfd fds[2] = {{fd_, events, 0}, {stop_, POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0 && errno == EINTR) {
  }
  return fds[1].revents == 0;
}

bool Stream::pause(int ms) {
  pollfd fds[2] = {{fd_, POLLRDHUP, 0}, {stop_, POLLIN, 0}};
  int ready;
  do {
    ready = ::poll(fds, 2, ms);
  } while (ready < 0 && errno == EINTR);
  return ready == 0;
}

bool Stream::peerGone() const {
  pollfd fds[2] = {{fd_, POLLRDHUP, 0}, {stop_, POLLIN, 0}};
  if (fd_ < 0 || broken_) return true;
  return ::poll(fds, 2, 0) > 0 && ((fds[0].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0 || fds[1].revents != 0);
}

template <class Op>
long Stream::perform(Op op, short plainEvents) {
  for (;;) {
    if (fd_ < 0 || broken_) return -1;
    short events = plainEvents;
    if (ssl_ != nullptr) {
      const std::lock_guard lock(mutex_);
      ERR_clear_error();
      const int result = op();
      if (result > 0) return result;
      const int error = SSL_get_error(ssl_, result);
      if (error == SSL_ERROR_ZERO_RETURN) return 0;
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return -1;
      events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    } else {
      const int result = op();
      if (result >= 0) return result;
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return -1;
    }
    if (!wait(events)) return -1;
  }
}

bool Stream::startTls(SSL_CTX* context) {
  ssl_ = SSL_new(context);
  SSL_set_fd(ssl_, fd_);
  SSL_set_accept_state(ssl_);
  return perform([this] { return SSL_do_handshake(ssl_); }, POLLIN) > 0;
}

long Stream::read(char* buffer, std::size_t capacity) {
  const long got = perform(
      [&] {
        if (ssl_ != nullptr) return SSL_read(ssl_, buffer, static_cast<int>(capacity));
        return static_cast<int>(::recv(fd_, buffer, capacity, 0));
      },
      POLLIN);
  if (got > 0) bytesRead_ += static_cast<std::uint64_t>(got);
  return got;
}

void Stream::breakAfter(std::int64_t bytes, bool withReset) {
  allowed_ = bytes;
  withReset_ = withReset;
}

bool Stream::write(std::string_view bytes) {
  if (pieceBytes_ != 0) {
    for (; bytes.size() > pieceBytes_; bytes.remove_prefix(pieceBytes_)) {
      if (!writeAll(bytes.substr(0, pieceBytes_)) || !pause(pauseMs_)) return false;
    }
  }
  return writeAll(bytes);
}

bool Stream::writeAll(std::string_view bytes) {
  if (allowed_ >= 0 && !broken_) {
    const auto most = static_cast<std::size_t>(allowed_);
    if (bytes.size() > most) {
      allowed_ = -1;
      writeAll(bytes.substr(0, most));
      const linger now{1, 0};
      // The descriptor stays open, since another thread may be reading: it sees the end, the peer sees it at close.
      if (withReset_) ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      broken_ = true;
      ::shutdown(fd_, withReset_ ? SHUT_RD : SHUT_RDWR);
      return false;
    }
    allowed_ -= static_cast<std::int64_t>(bytes.size());
  }
  while (!bytes.empty()) {
    const long wrote = perform(
        [&] {
          if (ssl_ != nullptr) return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
          return static_cast<int>(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
        },
        POLLOUT);
    if (wrote <= 0) return false;
    bytesWritten_ += static_cast<std::uint64_t>(wrote);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

void Stream::reset() {
  const linger now{1, 0};
  if (fd_ >= 0) ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  if (ssl_ != nullptr) SSL_set_quiet_shutdown(ssl_, 1);
  close();
}

void Stream::shutdown() {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

void Stream::close() {
  if (ssl_ != nullptr) {
    if (broken_) SSL_set_quiet_shutdown(ssl_, 1);
    SSL_shutdown(ssl_);
    SSL_free(ssl_);
    ssl_ = nullptr;
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace computesdk::simulators
