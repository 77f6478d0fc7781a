#include "servers/health_probe.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cctype>
#include <cerrno>
#include <utility>

namespace computesdk::sandboxd {
namespace {

int connectLoopback(int fd, int family, std::uint16_t port) {
  if (family == AF_INET) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// 204 of "HTTP/1.1 204 No Content".
std::optional<int> statusOf(const std::string& answer) {
  if (answer.size() < 12 || answer.compare(0, 5, "HTTP/") != 0) return std::nullopt;
  const std::size_t blank = answer.find(' ');
  if (blank == std::string::npos || blank + 4 > answer.size()) return std::nullopt;
  int status = 0;
  for (std::size_t at = blank + 1; at < blank + 4; ++at) {
    if (std::isdigit(static_cast<unsigned char>(answer[at])) == 0) return std::nullopt;
    status = status * 10 + (answer[at] - '0');
  }
  return status;
}

}  // namespace

HealthProbe::HealthProbe(serving::Loop& loop, Target target, Done done)
    : loop_(loop), target_(std::move(target)), done_(std::move(done)) {
  deadline_ = loop_.after(target_.timeout, [this] { finish(std::nullopt); });
  // Not from within the constructor: `done` may let go of a probe that its owner does not hold yet.
  soon_ = loop_.after(std::chrono::milliseconds(0), [this] { connectTo(AF_INET); });
}

void HealthProbe::connectTo(int family) {
  watch_.stop();
  family_ = family;
  request_ = "GET " + target_.path + " HTTP/1.1\r\nHost: localhost:" + std::to_string(target_.port) +
             "\r\nUser-Agent: computesdk-sandboxd\r\nAccept: */*\r\nConnection: close\r\n\r\n";
  socket_.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_) return finish(std::nullopt);
  if (connectLoopback(socket_.get(), family, target_.port) != 0 && errno != EINPROGRESS) {
    return family == AF_INET ? connectTo(AF_INET6) : finish(std::nullopt);
  }
  watch_ = loop_.watch(socket_.get());
  if (!watch_.active()) return finish(std::nullopt);
  watch_.writable([this] { connected(); });
}

void HealthProbe::connected() {
  int problem = 0;
  socklen_t size = sizeof problem;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &problem, &size) == 0 && problem == 0) return send();
  if (family_ == AF_INET) return connectTo(AF_INET6);
  finish(std::nullopt);
}

void HealthProbe::send() {
  const ssize_t sent = ::send(socket_.get(), request_.data(), request_.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return finish(std::nullopt);
  if (sent > 0) request_.erase(0, static_cast<std::size_t>(sent));
  if (request_.empty()) {
    watch_.readable([this] { receive(); });
  } else {
    watch_.writable([this] { send(); });
  }
}

void HealthProbe::receive() {
  constexpr std::size_t kStatusLine = 16;  // enough of it for the number
  char chunk[kStatusLine];
  const ssize_t got = ::recv(socket_.get(), chunk, sizeof chunk, 0);
  if (got > 0) answer_.append(chunk, static_cast<std::size_t>(got));
  const bool later = got < 0 && (errno == EAGAIN || errno == EINTR);
  if (!later && (got <= 0 || answer_.size() >= kStatusLine)) return finish(statusOf(answer_));
  watch_.readable([this] { receive(); });
}

void HealthProbe::finish(std::optional<int> status) {
  watch_.stop();
  socket_.reset();
  deadline_.cancel();
  if (const Done done = std::exchange(done_, nullptr)) done(status);
}

}  // namespace computesdk::sandboxd
