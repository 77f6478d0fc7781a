#include "client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace computesdk::simulators {

std::string Answer::header(std::string_view lowerName) const {
  for (const auto& [name, value] : headers) {
    if (name == lowerName) return value;
  }
  return {};
}

Client::Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (fd_ >= 0) ::close(fd_);
    throw std::runtime_error("cannot connect");
  }
}

Client::~Client() { ::close(fd_); }

void Client::sendBytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Client::send(const std::string& method, const std::string& target, const Headers& headers, std::string_view body) {
  std::string head = method + " " + target + " HTTP/1.1\r\n";
  bool host = false;
  for (const auto& [name, value] : headers) {
    head.append(name).append(": ").append(value).append("\r\n");
    host |= name == "host";
  }
  if (!host) head += "host: 127.0.0.1\r\n";
  if (!body.empty() || method == "POST") head += "content-length: " + std::to_string(body.size()) + "\r\n";
  sendBytes(head + "\r\n" + std::string(body));
}

bool Client::fill() {
  constexpr int kMostMs = 30000;
  pollfd fd{fd_, POLLIN, 0};
  if (::poll(&fd, 1, kMostMs) <= 0) throw std::runtime_error("no answer");
  char piece[65536];
  const ssize_t got = ::recv(fd_, piece, sizeof piece, 0);
  if (got > 0) buffer_.append(piece, static_cast<std::size_t>(got));
  return got > 0;
}

std::optional<std::string> Client::line() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!fill()) return {};
  }
  std::string text = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return text;
}

Answer Client::readHead() {
  Answer answer;
  auto text = line();
  if (!text || !text->starts_with("HTTP/1.") || text->size() < 12) return answer;
  std::from_chars(text->data() + 9, text->data() + 12, answer.status);
  while ((text = line()) && !text->empty()) {
    const std::size_t colon = std::min(text->find(": "), text->size());
    std::string name = text->substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    answer.headers.emplace_back(name, text->substr(std::min(colon + 2, text->size())));
  }
  chunked_ = answer.header("transfer-encoding") == "chunked";
  left_ = chunked_ ? 0 : -1;
  const std::string length = answer.header("content-length");
  if (!length.empty()) std::from_chars(length.data(), length.data() + length.size(), left_);
  if (answer.status == 204) left_ = 0;
  return answer;
}

std::optional<std::string> Client::readPiece(Answer& answer) {
  if (chunked_ && left_ == 0) {
    const auto size = line();
    if (!size) return {};
    std::from_chars(size->data(), size->data() + size->size(), left_, 16);
    if (left_ == 0) answer.whole = line().has_value();
  }
  if (left_ == 0) {
    if (!chunked_) answer.whole = true;
    return {};
  }
  if (buffer_.empty() && !fill()) {
    answer.whole = left_ < 0;
    return {};
  }
  const std::size_t most = left_ < 0 ? buffer_.size() : static_cast<std::size_t>(left_);
  std::string piece = buffer_.substr(0, most);
  buffer_.erase(0, piece.size());
  if (left_ > 0) left_ -= static_cast<std::int64_t>(piece.size());
  if (chunked_ && left_ == 0) line();
  return piece;
}

Answer Client::ask(const std::string& method, const std::string& target, const Headers& headers,
                   std::string_view body) {
  send(method, target, headers, body);
  Answer answer = readHead();
  if (answer.status == 0) return answer;
  while (auto piece = readPiece(answer)) answer.body += *piece;
  return answer;
}

}  // namespace computesdk::simulators
