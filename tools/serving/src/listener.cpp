#include "listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace computesdk::serving {
namespace {

constexpr int kBacklog = 4096;
/// Connections accepted before others have their turn.
constexpr int kAtOnce = 64;

std::string textOf(const Endpoint& endpoint) {
  if (!endpoint.unixPath.empty()) return endpoint.unixPath;
  const bool v6 = endpoint.address.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.address + "]" : endpoint.address) + ":" + std::to_string(endpoint.port);
}

/// Removes a socket that a dead process left; leaves one that answers, and anything that is no socket.
void removeStale(const std::string& path, const SocketAddress& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return;
  if (::connect(probe, address.get(), address.length) != 0 && errno == ECONNREFUSED) ::unlink(path.c_str());
  ::close(probe);
}

}  // namespace

Listener::~Listener() { stop(); }

Result<void> Listener::open() {
  if (endpoint_.descriptor >= 0) {
    descriptor_ = endpoint_.descriptor;
    if (::fcntl(descriptor_, F_SETFD, FD_CLOEXEC) != 0 ||
        ::fcntl(descriptor_, F_SETFL, ::fcntl(descriptor_, F_GETFL) | O_NONBLOCK) != 0) {
      return socketError("cannot take over the listening socket", errno);
    }
  } else {
    const bool local = !endpoint_.unixPath.empty();
    const auto address = local ? unixAddress(endpoint_.unixPath) : tcpAddress(endpoint_.address, endpoint_.port);
    if (!address) return address.error();
    if (auto bound = bindTo(*address, textOf(endpoint_)); !bound) return bound;
  }
  SocketAddress own;
  own.length = sizeof own.storage;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&own.storage), &own.length);
  port_ = portOf(own);
  return {};
}

Result<void> Listener::bindTo(const SocketAddress& address, const std::string& name) {
  const std::string what = "cannot listen on " + name;
  descriptor_ = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor_ < 0) return socketError(what, errno);
  const bool path = address.family() == AF_UNIX && endpoint_.unixPath.front() != '@';
  if (path) removeStale(endpoint_.unixPath, address);
  const int on = 1;
  if (address.family() != AF_UNIX) ::setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(descriptor_, address.get(), address.length) != 0) {
    ErrorInfo error = socketError(what, errno);
    if (errno == EADDRINUSE) error.fix = "stop what listens there, or choose another address or port";
    return error;
  }
  ownsPath_ = path;
  if (::listen(descriptor_, kBacklog) != 0) return socketError(what, errno);
  return {};
}

void Listener::start(Server::Core& server) {
  server_ = &server;
  watch_ = server.loop.watch(descriptor_);
  await();
}

void Listener::await() {
  if (waiting_ || descriptor_ < 0) return;
  waiting_ = true;
  watch_.readable([this] {
    waiting_ = false;
    acceptSome();
  });
}

void Listener::resume() {
  if (server_ != nullptr) await();
}

void Listener::acceptSome() {
  for (int i = 0; i < kAtOnce; ++i) {
    // At the limit the rest waits in the kernel's queue; the end of a connection resumes.
    if (server_->open() >= server_->options.maxConnections) return;
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    const int taken =
        ::accept4(descriptor_, reinterpret_cast<sockaddr*>(&peer.storage), &peer.length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (taken < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        pause_ = server_->loop.after(std::chrono::milliseconds(100), [this] { await(); });
        return;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      continue;  // that one connection had failed before it was taken
    }
    auto stream = adoptSocket(server_->loop, taken);
    if (stream) server_->accepted(std::move(*stream), endpoint_, {addressText(peer), port_, false});
  }
  await();
}

void Listener::stop() {
  watch_.stop();
  pause_.cancel();
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  if (std::exchange(ownsPath_, false)) ::unlink(endpoint_.unixPath.c_str());
}

}  // namespace computesdk::serving
