#include "addresses.hpp"
#include "socket_stream.hpp"

#include <unistd.h>

#include <cerrno>

namespace computesdk::serving {
namespace {

/// One connection that is being made. Kept alive by the watch and the timer, until finish() lets both go.
class Dialling : public std::enable_shared_from_this<Dialling> {
 public:
  Dialling(Loop& loop, std::string target, DialHandler handler)
      : loop_(loop), target_(std::move(target)), handler_(std::move(handler)) {}
  ~Dialling() {
    watch_.stop();
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  void start(const SocketAddress& address, std::chrono::milliseconds timeout) {
    descriptor_ = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor_ < 0) return fail(errno);
    watch_ = loop_.watch(descriptor_);
    if (!watch_.active()) return fail(errno);
    if (::connect(descriptor_, address.get(), address.length) == 0) return finish();
    // A Unix socket whose queue is full says EAGAIN, and never becomes writable for it.
    if (errno != EINPROGRESS && errno != EINTR) return fail(errno);
    timer_ = loop_.after(timeout, [self = shared_from_this()] { self->fail(ETIMEDOUT); });
    watch_.writable([self = shared_from_this()] { self->finish(); });
  }

  void fail(ErrorInfo error) {
    release();
    if (handler_) std::exchange(handler_, nullptr)(std::move(error));
  }

 private:
  void release() {
    timer_.cancel();
    watch_.stop();
  }
  void fail(int number) {
    fail(socketError("cannot connect to " + target_, number,
                     number == ETIMEDOUT ? ErrorCode::timeout : ErrorCode::network));
  }
  void finish() {
    int number = 0;
    socklen_t size = sizeof number;
    if (::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
    if (number != 0) return fail(number);
    const auto self = shared_from_this();
    release();
    auto handler = std::exchange(handler_, nullptr);
    if (handler) handler(adoptSocket(loop_, std::exchange(descriptor_, -1)));
  }

  Loop& loop_;
  std::string target_;
  DialHandler handler_;
  int descriptor_ = -1;
  Watch watch_;
  Timer timer_;
};

void dial(Loop& loop, std::string target, Result<SocketAddress> address, std::chrono::milliseconds timeout,
          DialHandler handler) {
  auto dialling = std::make_shared<Dialling>(loop, std::move(target), std::move(handler));
  loop.post([dialling, address = std::move(address), timeout]() mutable {
    address ? dialling->start(*address, timeout) : dialling->fail(std::move(address).error());
  });
}

}  // namespace

void dialTcp(Loop& loop, const std::string& address, std::uint16_t port, std::chrono::milliseconds timeout,
             DialHandler handler) {
  dial(loop, address + ":" + std::to_string(port), tcpAddress(address, port), timeout, std::move(handler));
}

void dialUnix(Loop& loop, const std::string& path, std::chrono::milliseconds timeout, DialHandler handler) {
  dial(loop, path, unixAddress(path), timeout, std::move(handler));
}

}  // namespace computesdk::serving
