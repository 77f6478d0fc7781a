#include "socket_stream.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace computesdk::serving {
namespace {

constexpr std::size_t kSharedBuffer = 64u << 10;

char* sharedBuffer() {
  thread_local std::unique_ptr<char[]> buffer(new char[kSharedBuffer]);
  return buffer.get();
}

std::error_code systemError(int number) { return {number, std::system_category()}; }

}  // namespace

SocketStream::SocketStream(Loop& loop, int descriptor, Watch watch)
    : loop_(loop), descriptor_(descriptor), watch_(std::move(watch)) {
  // Without delay: answers go out as they are. With probes: a peer that vanished without a word is found. Neither is
  // there on a Unix socket, where it does not matter.
  const int on = 1;
  const int idle = 60;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
}

SocketStream::~SocketStream() {
  watch_.stop();
  if (descriptor_ >= 0) ::close(descriptor_);
}

void SocketStream::asyncRead(std::size_t most, ReadHandler handler) {
  if (descriptor_ < 0) {
    loop_.post([handler = std::move(handler)] { handler(systemError(ECANCELED), {}); });
    return;
  }
  most_ = most;
  reading_ = std::move(handler);
  awaitReadable();
}

void SocketStream::awaitReadable() {
  watch_.readable([self = shared_from_this()] { self->readNow(); });
}

void SocketStream::readNow() {
  if (!reading_) return;
  ssize_t count = 0;
  do {
    count = ::recv(descriptor_, sharedBuffer(), std::min(most_, kSharedBuffer), 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return awaitReadable();
  const std::error_code error = count < 0 ? systemError(errno) : std::error_code();
  const auto handler = std::exchange(reading_, nullptr);
  handler(error, std::string_view(sharedBuffer(), count > 0 ? static_cast<std::size_t>(count) : 0));
}

long SocketStream::sendNow(std::string_view bytes) const noexcept {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(descriptor_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      return -1;
    }
  }
  return static_cast<long>(sent);
}

void SocketStream::asyncWrite(std::string_view bytes, WriteHandler handler) {
  const long sent = descriptor_ < 0 ? (errno = ECANCELED, -1) : sendNow(bytes);
  if (sent < 0 || static_cast<std::size_t>(sent) == bytes.size()) {
    const std::error_code error = sent < 0 ? systemError(errno) : std::error_code();
    loop_.post([handler = std::move(handler), error] { handler(error); });
    return;
  }
  rest_.assign(bytes.substr(static_cast<std::size_t>(sent)));
  sent_ = 0;
  writing_ = std::move(handler);
  awaitWritable();
}

void SocketStream::awaitWritable() {
  watch_.writable([self = shared_from_this()] { self->writeRest(); });
}

void SocketStream::writeRest() {
  if (!writing_) return;
  const long sent = sendNow(std::string_view(rest_).substr(sent_));
  if (sent >= 0) {
    sent_ += static_cast<std::size_t>(sent);
    if (sent_ < rest_.size()) return awaitWritable();
  }
  const std::error_code error = sent < 0 ? systemError(errno) : std::error_code();
  rest_ = std::string();
  if (ending_) ::shutdown(descriptor_, SHUT_WR);
  const auto handler = std::exchange(writing_, nullptr);
  handler(error);
}

void SocketStream::halfClose() {
  ending_ = true;
  if (descriptor_ >= 0 && !writing_) ::shutdown(descriptor_, SHUT_WR);
}

void SocketStream::close() {
  if (descriptor_ < 0) return;
  watch_.stop();
  ::close(std::exchange(descriptor_, -1));
  rest_ = std::string();
  const std::error_code error = systemError(ECANCELED);
  if (reading_) loop_.post([handler = std::exchange(reading_, nullptr), error] { handler(error, {}); });
  if (writing_) loop_.post([handler = std::exchange(writing_, nullptr), error] { handler(error); });
}

bool SocketStream::quiet() {
  if (descriptor_ < 0) return false;
  char byte = 0;
  ssize_t count = 0;
  do {
    count = ::recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

Result<StreamPtr> adoptSocket(Loop& loop, int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  Watch watch;
  if (flags >= 0 && ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 &&
      ::fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0) {
    watch = loop.watch(descriptor);
  }
  if (!watch.active()) {
    ErrorInfo error;
    error.code = ErrorCode::internal;
    error.what = "cannot wait for a socket";
    error.why = std::generic_category().message(errno);
    ::close(descriptor);
    return error;
  }
  return StreamPtr(std::make_shared<SocketStream>(loop, descriptor, std::move(watch)));
}

}  // namespace computesdk::serving
