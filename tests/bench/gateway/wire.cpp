#include "wire.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace computesdk::bench {
namespace {

constexpr timeval kSocketTime{60, 0};

std::size_t numberIn(std::string_view text, int base) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  std::size_t out = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), out, base).ec != std::errc())
    throw Problem("an answer has no length where one belongs");
  return out;
}

/// The value of a field of a head, whose lines end with \r\n; empty when there is none.
std::string_view fieldOf(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    if (std::equal(name.begin(), name.end(), line.begin(), same)) return line.substr(name.size() + 1);
  }
  return {};
}

}  // namespace

long long nanosecondsSince(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
}

Descriptor connectTo(std::uint16_t port, int receiveBuffer) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw Problem(std::string("no socket: ") + std::strerror(errno));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const int one = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (receiveBuffer > 0) ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kSocketTime, sizeof kSocketTime);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kSocketTime, sizeof kSocketTime);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw Problem("port " + std::to_string(port) + " cannot be reached: " + std::strerror(errno));
  return socket;
}

void sendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) throw Problem(std::string("a request cannot be sent: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

long receiveSome(int fd, std::string& bytes, bool wait) {
  for (;;) {
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), wait ? 0 : MSG_DONTWAIT);
    if (got >= 0) return got;
    if (errno == EINTR) continue;
    if (!wait && (errno == EAGAIN || errno == EWOULDBLOCK)) return -1;
    throw Problem(std::string("an answer does not come: ") + std::strerror(errno));
  }
}

std::string requestText(std::string_view method, std::string_view path, std::string_view body, const Fields& fields) {
  std::string out = std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: 127.0.0.1\r\n";
  for (const auto& [name, value] : fields) out += name + ": " + value + "\r\n";
  if (!body.empty() || method == "POST") {
    out += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  return out += "\r\n" + std::string(body);
}

bool AnswerReader::put(std::string_view bytes) {
  if (std::exchange(complete_, false)) {
    inBody_ = chunked_ = false;
    body_.clear();
  }
  text_.append(bytes);
  if (!inBody_ && !readHead()) return false;
  if (chunked_) return complete_ = readChunks();
  const std::size_t piece = std::min(length_ - body_.size(), text_.size());
  body_.append(text_, 0, piece);
  text_.erase(0, piece);
  return complete_ = body_.size() == length_;
}

bool AnswerReader::readHead() {
  const std::size_t end = text_.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::string_view head = std::string_view(text_).substr(0, end + 2);
  if (!head.starts_with("HTTP/1.1 ")) throw Problem("an answer is not HTTP: " + text_.substr(0, 80));
  status_ = static_cast<int>(numberIn(head.substr(9, 3), 10));
  chunked_ = fieldOf(head, "Transfer-Encoding").find("chunked") != std::string_view::npos;
  const std::string_view length = fieldOf(head, "Content-Length");
  length_ = length.empty() ? 0 : numberIn(length, 10);
  text_.erase(0, end + 4);
  return inBody_ = true;
}

bool AnswerReader::readChunks() {
  for (;;) {
    const std::size_t line = text_.find("\r\n");
    if (line == std::string::npos) return false;
    const std::size_t size = numberIn(text_, 16);
    if (text_.size() < line + 2 + size + 2) return false;
    body_.append(text_, line + 2, size);
    text_.erase(0, line + 2 + size + 2);
    if (size == 0) return true;
  }
}

Answer Caller::ask(std::string_view request) {
  sendAll(socket_.get(), request);
  for (;;) {
    const long got = receiveSome(socket_.get(), piece_, true);
    if (got <= 0) throw Problem("a connection ended before the answer");
    if (reader_.put(std::string_view(piece_).substr(0, static_cast<std::size_t>(got)))) break;
  }
  return {reader_.status(), reader_.body()};
}

}  // namespace computesdk::bench
