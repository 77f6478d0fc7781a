#include "server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>

namespace computesdk::simulators {

Server::Server(ServerOptions options) : options_(std::move(options)) {
  std::signal(SIGPIPE, SIG_IGN);  // TLS writes with write(2)
  if (!options_.certificateFile.empty()) {
    tls_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls_, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    if (SSL_CTX_use_certificate_chain_file(tls_, options_.certificateFile.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls_, options_.keyFile.c_str(), SSL_FILETYPE_PEM) != 1) {
      throw std::runtime_error("the server's certificate cannot be used");
    }
  }
  stop_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(options_.port);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 512) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the server cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept(); });
}

Server::~Server() {
  const std::uint64_t one = 1;
  if (::write(stop_, &one, sizeof one) < 0) std::abort();
  acceptor_.join();
  for (Connection& connection : serving_) connection.thread.join();
  ::close(listener_);
  ::close(stop_);
  SSL_CTX_free(tls_);
}

std::string Server::url() const {
  return (tls_ != nullptr ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_);
}

void Server::route(std::string method, std::string pattern, Handler handler, bool streamed) {
  auto made = std::make_shared<Route>(Route{std::move(method), std::move(pattern), std::move(handler), streamed});
  const std::lock_guard lock(mutex_);
  routes_.push_back(std::move(made));
}

void Server::intercept(std::function<bool(Exchange&)> handler) {
  const std::lock_guard lock(mutex_);
  interceptor_ = std::move(handler);
}

void Server::dropConnections(const Stream& kept) {
  const std::lock_guard lock(mutex_);
  for (const int fd : open_) {
    if (fd != kept.descriptor()) ::shutdown(fd, SHUT_RDWR);
  }
}

void Server::accept() {
  for (;;) {
    pollfd fds[2] = {{listener_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) continue;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++connections_;
    const std::lock_guard lock(mutex_);
    sweep();
    open_.insert(fd);
    Connection& connection = serving_.emplace_back();
    connection.thread = std::thread([this, fd, &connection] {
      serve(fd);
      connection.done = true;
    });
  }
}

// Joins the threads that have nothing left to do; mutex_ is held.
void Server::sweep() {
  for (auto each = serving_.begin(); each != serving_.end();) {
    if (each->done) each->thread.join();
    each = each->done ? serving_.erase(each) : std::next(each);
  }
}

void Server::serve(int fd) {
  {
    Stream stream(fd, stop_);
    std::string early;
    bool more = tls_ == nullptr || stream.startTls(tls_);
    bool counted = false;
    std::uint64_t in = 0, out = 0;
    for (std::size_t served = 1; more; ++served) {
      bool control = false, recorded = false, ending = false;
      const auto note = [&](const Exchange& one) {
        const std::lock_guard lock(mutex_);
        if (control || std::exchange(recorded, true)) return;
        record(one);
        if (!std::exchange(counted, true)) ++stats_.connections;
      };
      Exchange exchange(
          stream, early, [&] { note(exchange); },
          [&] {
            const std::lock_guard lock(mutex_);
            if (!control && !std::exchange(ending, true)) ++ending_;
          });
      more = exchange.readHead();
      if (!more) break;
      control = exchange.request.path.starts_with(kControlPrefix);
      if (served >= options_.maxRequestsPerConnection) exchange.close = true;
      more = serveOne(exchange);
      if (!control) {
        note(exchange);
        const std::lock_guard lock(mutex_);
        stats_.bytesIn += stream.bytesRead() - std::exchange(in, stream.bytesRead());
        stats_.bytesOut += stream.bytesWritten() - std::exchange(out, stream.bytesWritten());
        if (ending && --ending_ == 0) recorded_.notify_all();
      }
      more = more && !exchange.close && !exchange.upgraded_ && exchange.readBody();
    }
    const std::lock_guard lock(mutex_);
    open_.erase(fd);
  }
}

bool Server::matches(std::string_view pattern, std::string_view path, std::vector<std::string>& parts) {
  while (!pattern.empty() || !path.empty()) {
    if (pattern == "**") {
      parts.push_back(percentDecoded(path));
      return true;
    }
    if (!pattern.empty() && pattern.front() == '*') {
      const std::size_t end = std::min(path.find('/'), path.size());
      if (end == 0) return false;
      parts.push_back(percentDecoded(path.substr(0, end)));
      path.remove_prefix(end);
      pattern.remove_prefix(1);
      continue;
    }
    if (pattern.empty() || path.empty() || pattern.front() != path.front()) return false;
    pattern.remove_prefix(1);
    path.remove_prefix(1);
  }
  return true;
}

std::shared_ptr<const Server::Route> Server::find(Request& request) {
  const std::lock_guard lock(mutex_);
  for (const auto& route : routes_) {
    request.parts.clear();
    if (route->method == request.method && matches(route->pattern, request.path, request.parts)) return route;
  }
  return nullptr;
}

bool Server::serveOne(Exchange& exchange) {
  if (exchange.request.path.starts_with(kControlPrefix)) return answer(exchange);
  ++requests_;
  exchange.stream.slowDown(0, 0);
  return failed(exchange) || answer(exchange);
}

// Whether a fault has ended the request.
bool Server::failed(Exchange& exchange) {
  const std::optional<Fault> fault = takeFault(exchange.request);
  if (!fault) return false;
  const std::shared_ptr<const Route> route = find(exchange.request);
  if ((route == nullptr || !route->streamed) && !exchange.readBody()) return exchange.close = true;
  if (fault->delayMs != 0 && !exchange.stream.pause(fault->delayMs)) return exchange.close = true;
  return applyFault(exchange, *fault);
}

bool Server::answer(Exchange& exchange) {
  std::function<bool(Exchange&)> interceptor;
  {
    const std::lock_guard lock(mutex_);
    interceptor = interceptor_;
  }
  if (interceptor && interceptor(exchange)) return true;
  const std::shared_ptr<const Route> route = find(exchange.request);
  if ((route == nullptr || !route->streamed) && !exchange.readBody()) return false;
  if (route == nullptr) {
    exchange.respond(404, "{\"message\":\"no such route\"}");
    return true;
  }
  try {
    route->handler(exchange);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s %s: %s\n", exchange.request.method.c_str(), exchange.request.path.c_str(), error.what());
    exchange.close = true;
    if (!exchange.answered_ && !exchange.upgraded_) exchange.respond(500, "{\"message\":\"the simulator failed\"}");
    return false;
  }
  if (!exchange.answered_ && !exchange.upgraded_ && !exchange.close) exchange.respond(204);
  return true;
}

// mutex_ is held.
void Server::record(const Exchange& exchange) {
  constexpr std::size_t kMostKept = 1000, kMostBody = 65536;
  const Request& request = exchange.request;
  ++stats_.requests;
  recent_.push_back({stats_.requests, request.method, request.target, request.headers,
                     request.body.substr(0, kMostBody), exchange.status_});
  if (recent_.size() > kMostKept) recent_.pop_front();
}

// A handler that goes on for long after its answer is not waited for without end.
std::unique_lock<std::mutex> Server::settled() const {
  std::unique_lock lock(mutex_);
  recorded_.wait_for(lock, std::chrono::seconds(5), [this] { return ending_ == 0; });
  return lock;
}

ServerStats Server::stats() const {
  const std::unique_lock lock = settled();
  return stats_;
}

std::vector<RequestRecord> Server::recentRequests() const {
  const std::unique_lock lock = settled();
  return {recent_.begin(), recent_.end()};
}

void Server::forgetRequests() {
  const std::unique_lock lock = settled();
  stats_ = {};
  recent_.clear();
}

}  // namespace computesdk::simulators
