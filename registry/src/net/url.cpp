#include "net/url.hpp"

#include "values/text.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace computesdk::registry::net {
namespace {

bool isHostCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool isAddress6(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

/// Scheme into `url`; what follows it, or nothing.
std::optional<std::string_view> takeScheme(std::string_view text, Url& url) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return {};
  const std::string scheme = lowerCase(text.substr(0, colon));
  url.webSocket = scheme == "ws" || scheme == "wss";
  url.tls = scheme == "https" || scheme == "wss";
  if (!url.webSocket && !url.tls && scheme != "http") return {};
  return text.substr(colon + 3);
}

bool takeAuthority(std::string_view authority, Url& url) {
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return false;
    url.host = lowerCase(authority.substr(1, end - 1));
    port = authority.substr(end + 1);
    if (!isAddress6(url.host)) return false;
  } else {
    const std::size_t colon = authority.find(':');
    url.host = lowerCase(authority.substr(0, colon));
    port = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon);
    if (url.host.size() > 1 && url.host.ends_with('.')) url.host.pop_back();
    if (url.host.size() > 253 || !std::all_of(url.host.begin(), url.host.end(), isHostCharacter)) return false;
    if (url.host.find("..") != std::string::npos || url.host.starts_with('.')) return false;
  }
  url.port = url.tls ? 443 : 80;
  if (url.host.empty()) return false;
  if (port.empty()) return true;
  port.remove_prefix(1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
  return error == std::errc() && end == port.data() + port.size() && url.port != 0;
}

}  // namespace

std::optional<Url> parseUrl(std::string_view text) {
  const bool clean = std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f || c == '\\';
  });
  Url url;
  const auto rest = clean ? takeScheme(text, url) : std::nullopt;
  if (!rest) return {};
  const std::size_t slash = std::min(rest->find_first_of("/?#"), rest->size());
  const std::string_view authority = rest->substr(0, slash);
  if (authority.find('@') != std::string_view::npos || !takeAuthority(authority, url)) return {};
  std::string_view target = rest->substr(slash);
  target = target.substr(0, target.find('#'));
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

std::string Url::origin() const {
  const bool bare6 = host.find(':') != std::string::npos;
  std::string out = (webSocket ? (tls ? "wss://" : "ws://") : (tls ? "https://" : "http://"));
  out += bare6 ? "[" + host + "]" : host;
  if (port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

bool isLoopbackHost(std::string_view host) {
  if (host == "localhost" || host.ends_with(".localhost")) return true;
  const std::string text(host);
  in_addr four{};
  if (::inet_pton(AF_INET, text.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  return ::inet_pton(AF_INET6, text.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six) != 0;
}

}  // namespace computesdk::registry::net
