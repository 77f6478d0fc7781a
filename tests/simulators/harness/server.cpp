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
#include <charconv>
#include <csignal>
#include <stdexcept>

namespace computesdk::simulators {
namespace {

std::string lowerCase(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

void parseQuery(std::string_view text, std::map<std::string, std::string>& query) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    query[percentDecoded(pair.substr(0, equals))] = percentDecoded(pair.substr(std::min(equals + 1, pair.size())));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string headOf(int status, std::string_view contentType, const Headers& headers) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " Status\r\n";
  if (!contentType.empty()) head.append("Content-Type: ").append(contentType).append("\r\n");
  for (const auto& [name, value] : headers) head.append(name).append(": ").append(value).append("\r\n");
  return head;
}

}  // namespace

std::string percentDecoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const char* const hex = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(hex, hex + 2, byte, 16).ptr == hex + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string Request::header(std::string_view lowerName) const {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& one) { return one.first == lowerName; });
  return found == headers.end() ? std::string() : found->second;
}

// ------------------------------------------------------------------------------------------------ one request

bool Exchange::fill() {
  char buffer[16384];
  const long got = stream.read(buffer, sizeof buffer);
  if (got <= 0) return false;
  early_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

bool Exchange::takeLine(std::string& line) {
  std::size_t end;
  while ((end = early_.find("\r\n")) == std::string::npos) {
    if (early_.size() > 256 * 1024 || !fill()) return false;
  }
  line = early_.substr(0, end);
  early_.erase(0, end + 2);
  return true;
}

bool Exchange::readHead() {
  std::string line;
  if (!takeLine(line)) return false;
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string::npos || first == last) return false;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  const std::size_t question = std::min(request.target.find('?'), request.target.size());
  request.path = request.target.substr(0, question);
  parseQuery(std::string_view(request.target).substr(std::min(question + 1, request.target.size())), request.query);
  while (takeLine(line)) {
    if (line.empty()) {
      chunkedBody_ = lowerCase(request.header("transfer-encoding")) == "chunked";
      const std::string length = request.header("content-length");
      std::from_chars(length.data(), length.data() + length.size(), bodyLeft_);
      bodyDone_ = !chunkedBody_ && bodyLeft_ == 0;
      close = lowerCase(request.header("connection")) == "close";
      return true;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) return false;
    request.headers.emplace_back(lowerCase(std::string_view(line).substr(0, colon)),
                                 std::string(trimmed(std::string_view(line).substr(colon + 1))));
  }
  return false;
}

std::optional<std::string> Exchange::take(std::size_t most) {
  if (early_.empty() && !fill()) return {};
  std::string piece = early_.substr(0, most);
  early_.erase(0, piece.size());
  return piece;
}

std::optional<std::string> Exchange::bodyPiece() {
  if (bodyDone_) return {};
  std::string line;
  if (chunkedBody_ && bodyLeft_ == 0) {
    if (!takeLine(line)) return {};
    std::from_chars(line.data(), line.data() + line.size(), bodyLeft_, 16);
    if (bodyLeft_ == 0) {
      bodyDone_ = takeLine(line);
      return {};
    }
  }
  auto piece = take(static_cast<std::size_t>(bodyLeft_));
  if (!piece) return {};
  bodyLeft_ -= static_cast<std::int64_t>(piece->size());
  if (bodyLeft_ == 0 && chunkedBody_) takeLine(line);
  if (bodyLeft_ == 0 && !chunkedBody_) bodyDone_ = true;
  return piece;
}

bool Exchange::readBody() {
  while (!bodyDone_) {
    auto piece = bodyPiece();
    if (piece) request.body += *piece;
    if (!piece && !bodyDone_) return false;
  }
  return true;
}

void Exchange::respond(int status, std::string_view body, std::string_view contentType, const Headers& headers) {
  answered_ = true;
  std::string whole = headOf(status, status == 204 ? std::string_view{} : contentType, headers);
  if (status != 204) whole += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  if (close) whole += "Connection: close\r\n";
  whole += "\r\n";
  if (request.method != "HEAD") whole += body;
  if (!stream.write(whole)) close = true;
}

void Exchange::begin(int status, std::string_view contentType, const Headers& headers) {
  answered_ = true;
  if (!stream.write(headOf(status, contentType, headers) + "Transfer-Encoding: chunked\r\n\r\n")) close = true;
}

bool Exchange::chunk(std::string_view data) {
  char line[24];
  const int length = std::snprintf(line, sizeof line, "%zx\r\n", data.size());
  std::string whole(line, static_cast<std::size_t>(length));
  if (!stream.write(whole.append(data).append("\r\n"))) close = true;
  return !close;
}

void Exchange::end() {
  if (!stream.write("0\r\n\r\n")) close = true;
}

// ------------------------------------------------------------------------------------------------ the server

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
  for (std::thread& thread : threads_) thread.join();
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

void Server::fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void Server::dropConnections() {
  const std::lock_guard lock(mutex_);
  for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
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
    open_.insert(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void Server::serve(int fd) {
  {
    Stream stream(fd, stop_);
    std::string early;
    bool more = tls_ == nullptr || stream.startTls(tls_);
    for (std::size_t served = 1; more; ++served) {
      Exchange exchange(stream, early);
      more = exchange.readHead();
      if (more && served >= options_.maxRequestsPerConnection) exchange.close = true;
      more = more && serveOne(exchange);
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

bool Server::applyFault(Exchange& exchange) {
  Fault fault;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(faults_.begin(), faults_.end(),
                                    [&](const Fault& one) { return exchange.request.path.starts_with(one.path); });
    if (found == faults_.end()) return false;
    fault = *found;
    if (--found->times == 0) faults_.erase(found);
  }
  if (fault.delayMs != 0 && !exchange.stream.pause(fault.delayMs)) exchange.close = true;
  if (fault.reset) return exchange.reset(), true;
  if (fault.garbage) return exchange.raw("220 this is no web server\r\n\r\n"), true;
  if (fault.status == 0) return false;
  Headers headers;
  if (!fault.retryAfter.empty()) headers.emplace_back("Retry-After", fault.retryAfter);
  exchange.respond(fault.status, "{\"message\":\"fault\"}", "application/json", headers);
  return true;
}

bool Server::serveOne(Exchange& exchange) {
  ++requests_;
  const std::shared_ptr<const Route> route = find(exchange.request);
  if ((route == nullptr || !route->streamed) && !exchange.readBody()) return false;
  if (!applyFault(exchange)) {
    if (route == nullptr) {
      exchange.respond(404, "{\"message\":\"no such route\"}");
    } else {
      route->handler(exchange);
      if (!exchange.answered_ && !exchange.upgraded_ && !exchange.close) exchange.respond(204);
    }
  }
  return !exchange.close && !exchange.upgraded_ && exchange.readBody();
}

}  // namespace computesdk::simulators
