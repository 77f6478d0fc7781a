#include "raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace computesdk::bench {
namespace {

using conformance::Problem;

// An exchange that takes longer than this will not end.
constexpr timeval kSocketLimit{30, 0};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::size_t number(std::string_view text, int base) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  std::size_t out = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), out, base).ec != std::errc())
    throw Problem("the simulator's answer has no length");
  return out;
}

// The simulator shows a byte as the character of that number.
std::string bytes(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80 || i + 1 == text.size()) {
      out += text[i];
    } else {
      out += static_cast<char>(((c & 0x03U) << 6U) | (static_cast<unsigned char>(text[++i]) & 0x3FU));
    }
  }
  return out;
}

}  // namespace

RawClient::RawClient(std::string_view url) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(number(url.substr(url.rfind(':') + 1), 10)));
  const int one = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kSocketLimit, sizeof kSocketLimit);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw Problem(std::string("the simulator cannot be reached: ") + std::strerror(errno));
}

void RawClient::fill() {
  std::array<char, 16384> piece;
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw Problem("the simulator breaks off an exchange by hand");
    buffer_.append(piece.data(), static_cast<std::size_t>(got));
    return;
  }
}

std::string RawClient::take(std::size_t size) {
  while (buffer_.size() < size) fill();
  std::string out = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return out;
}

std::string RawClient::takeLine() {
  for (;;) {
    const std::size_t end = buffer_.find("\r\n");
    if (end != std::string::npos) return take(end + 2).substr(0, end);
    fill();
  }
}

RawAnswer RawClient::exchange(std::string_view request) {
  while (!request.empty()) {
    const ssize_t sent = ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) throw Problem("the simulator takes no request by hand");
    request.remove_prefix(static_cast<std::size_t>(sent));
  }
  RawAnswer answer;
  const std::string status = takeLine();
  if (!status.starts_with("HTTP/1.1 ")) throw Problem("the simulator answers a request by hand with " + status);
  answer.status = static_cast<int>(number(std::string_view(status).substr(9, 3), 10));
  bool chunked = false;
  std::size_t size = 0;
  for (std::string line = lower(takeLine()); !line.empty(); line = lower(takeLine())) {
    if (line.starts_with("content-type: ")) answer.contentType = line.substr(14);
    if (line.starts_with("content-length:")) size = number(std::string_view(line).substr(15), 10);
    if (line.starts_with("transfer-encoding:")) chunked = line.find("chunked") != std::string::npos;
  }
  if (!chunked) {
    answer.body = take(size);
    return answer;
  }
  for (std::size_t piece = number(takeLine(), 16); piece != 0; piece = number(takeLine(), 16)) {
    answer.body += take(piece);
    take(2);
  }
  take(2);
  return answer;
}

std::vector<SeenRequest> seenRequests(const conformance::Value& requests) {
  std::vector<SeenRequest> out;
  for (const conformance::Value& each : requests.asArray()) {
    SeenRequest seen;
    const std::string target = each.at("target").asString();
    seen.method = each.at("method").asString();
    seen.path = target.substr(0, target.find('?'));
    const std::string body = bytes(each.at("body").asString());
    seen.text = seen.method + " " + target + " HTTP/1.1\r\n";
    for (const auto& [name, value] : each.at("headers").asObject()) {
      seen.upgrades = seen.upgrades || name == "upgrade";
      if (name == "connection" || name == "content-length" || name == "transfer-encoding") continue;
      seen.text += name + ": " + value.asString() + "\r\n";
    }
    if (!body.empty() || seen.method == "POST") seen.text += "content-length: " + std::to_string(body.size()) + "\r\n";
    seen.text += "\r\n" + body;
    out.push_back(std::move(seen));
  }
  return out;
}

}  // namespace computesdk::bench
