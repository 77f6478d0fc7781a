#include "http.hpp"

#include "descriptor.hpp"
#include "value.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

namespace computesdk::conformance {
namespace {

struct Address {
  std::string host, port, authority, target;
};

Address split(const std::string& url, const std::string& connectTo) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) throw Problem(url + ": only http:// can be fetched here");
  Address out;
  const std::string rest = url.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.find('?'));
  out.authority = rest.substr(0, slash);
  out.target = slash == std::string::npos ? "/" : rest.substr(slash);
  if (out.target.front() == '?') out.target.insert(0, "/");
  const std::string where = connectTo.empty() ? out.authority : connectTo;
  const std::size_t colon = where.rfind(':');
  out.host = where.substr(0, colon);
  out.port = colon == std::string::npos ? "80" : where.substr(colon + 1);
  // Names below localhost mean this machine (RFC 6761), whatever the resolver says.
  if (out.host == "localhost" || out.host.ends_with(".localhost")) out.host = "127.0.0.1";
  return out;
}

Descriptor connectTo(const Address& address, int timeoutMs, std::string& why) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found); code != 0) {
    why = address.host + ": " + ::gai_strerror(code);
    return {};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  Descriptor socket(::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{timeoutMs / 1000, static_cast<suseconds_t>(timeoutMs % 1000) * 1000};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(socket.get(), list->ai_addr, list->ai_addrlen) == 0) return socket;
  why = address.host + ":" + address.port + ": " + std::strerror(errno);
  return {};
}

bool sendAll(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// The body that `raw`, all that came after the head, holds; nothing when it is cut off.
std::optional<std::string> unchunked(std::string_view raw) {
  std::string out;
  for (;;) {
    const std::size_t end = raw.find("\r\n");
    std::size_t size = 0;
    if (end == std::string_view::npos) return std::nullopt;
    if (std::from_chars(raw.data(), raw.data() + end, size, 16).ec != std::errc()) return std::nullopt;
    raw.remove_prefix(end + 2);
    if (size == 0) return out;
    if (raw.size() < size + 2) return std::nullopt;
    out += raw.substr(0, size);
    raw.remove_prefix(size + 2);
  }
}

std::optional<HttpAnswer> parse(const std::string& raw, std::string& why) {
  const std::size_t head = raw.find("\r\n\r\n");
  HttpAnswer answer;
  if (head == std::string::npos || !raw.starts_with("HTTP/1.") || raw.size() < 12) {
    why = raw.empty() ? "the peer closed the connection without an answer" : "the answer is no HTTP";
    return std::nullopt;
  }
  std::from_chars(raw.data() + 9, raw.data() + 12, answer.status);
  std::string names = raw.substr(0, head);
  std::ranges::transform(names, names.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  answer.body = raw.substr(head + 4);
  if (names.find("transfer-encoding: chunked") == std::string::npos) return answer;
  auto body = unchunked(answer.body);
  if (!body) {
    why = "the answer is cut off";
    return std::nullopt;
  }
  answer.body = std::move(*body);
  return answer;
}

}  // namespace

std::optional<HttpAnswer> httpExchange(const std::string& method, const std::string& url, const std::string& body,
                                       const std::map<std::string, std::string>& headers, int timeoutMs,
                                       std::string& why, const std::string& connectToHost) {
  const Address address = split(url, connectToHost);
  const Descriptor socket = connectTo(address, timeoutMs, why);
  if (!socket) return std::nullopt;
  std::string request = method + " " + address.target + " HTTP/1.1\r\nHost: " + address.authority +
                        "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  if (!body.empty()) request += "Content-Type: application/json\r\n";
  for (const auto& [name, value] : headers) request += name + ": " + value + "\r\n";
  if (!sendAll(socket.get(), request + "\r\n" + body)) {
    why = "the peer takes no request";
    return std::nullopt;
  }
  std::string raw;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      why = std::string("reading the answer: ") + std::strerror(errno);
      return std::nullopt;
    }
    if (got == 0) return parse(raw, why);
    raw.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace computesdk::conformance
