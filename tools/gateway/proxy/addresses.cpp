#include "proxy/addresses.hpp"

#include <algorithm>
#include <charconv>

namespace computesdk::gateway {
namespace {

constexpr std::string_view kPrefix = "/s/";

bool isId(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool startsWithoutCase(std::string_view text, std::string_view lowerStart) {
  if (text.size() < lowerStart.size()) return false;
  for (std::size_t i = 0; i < lowerStart.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
    if (c != lowerStart[i]) return false;
  }
  return true;
}

}  // namespace

std::optional<std::uint16_t> parsePort(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (code != std::errc() || end != text.data() + text.size() || text.front() == '0') return std::nullopt;
  return port;
}

std::optional<SandboxAddress> addressOfPath(std::string_view path) {
  if (!path.starts_with(kPrefix)) return std::nullopt;
  std::string_view rest = path.substr(kPrefix.size());
  const std::size_t end = std::min(rest.find('/'), rest.size());
  SandboxAddress address;
  address.id = rest.substr(0, end);
  if (!isId(address.id)) return std::nullopt;
  address.prefix = path.substr(0, kPrefix.size() + end);
  rest.remove_prefix(end);
  if (rest.starts_with("/p/")) {
    const std::string_view digits = rest.substr(3, rest.find('/', 3) - 3);
    const auto port = parsePort(digits);
    if (!port) return std::nullopt;
    address.port = *port;
    address.prefix += rest.substr(0, 3 + digits.size());
    rest.remove_prefix(3 + digits.size());
  }
  address.path = rest.empty() ? "/" : std::string(rest);
  return address;
}

std::optional<SandboxAddress> addressOfHost(std::string_view host, std::string_view domain) {
  if (domain.empty() || host.size() <= domain.size() + 1 || !host.ends_with(domain)) return std::nullopt;
  if (host[host.size() - domain.size() - 1] != '.') return std::nullopt;
  const std::string_view label = host.substr(0, host.size() - domain.size() - 1);
  SandboxAddress address;
  const std::size_t dash = label.rfind('-');
  address.id = label.substr(0, dash);
  if (!isId(address.id)) return std::nullopt;
  if (dash != std::string_view::npos) {
    const auto port = parsePort(label.substr(dash + 1));
    if (!port) return std::nullopt;
    address.port = *port;
  }
  return address;
}

std::string withToken(std::string_view query, std::string_view token) {
  std::string out;
  while (true) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    out += part == "token" || part.starts_with("token=") ? "token=" + std::string(token) : std::string(part);
    if (end == query.size()) return out;
    out += '&';
    query.remove_prefix(end + 1);
  }
}

std::string narrowCookie(std::string_view cookie, std::string_view prefix) {
  std::string out;
  std::string_view path;
  for (bool first = true; !cookie.empty(); first = false) {
    const std::size_t end = std::min(cookie.find(';'), cookie.size());
    const std::string_view part = trimmed(cookie.substr(0, end));
    cookie.remove_prefix(std::min(end + 1, cookie.size()));
    if (!first && startsWithoutCase(part, "domain=")) continue;
    if (!first && startsWithoutCase(part, "path=")) {
      path = trimmed(part.substr(5));
      continue;
    }
    out += (first ? "" : "; ") + std::string(part);
  }
  const bool below = path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
  return out + "; Path=" +
         (below ? std::string(path) : std::string(prefix) + (path.starts_with('/') ? std::string(path) : "/"));
}

}  // namespace computesdk::gateway
