#include "net/proxy.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <string_view>

namespace computesdk::registry::net {
namespace {

std::string firstOf(const Environment& environment, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (auto value = environment.get(name); value && !value->empty()) return *value;
  }
  return {};
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) out += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

std::string percentDecoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// "10.0.0.0/8" against a literal address.
bool inRange(const std::string& host, std::string_view entry) {
  const std::size_t slash = entry.find('/');
  unsigned char address[16], base[16];
  const std::string network(entry.substr(0, slash));
  for (const int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, host.c_str(), address) != 1 || ::inet_pton(family, network.c_str(), base) != 1) continue;
    const unsigned longest = family == AF_INET ? 32 : 128;
    unsigned bits = longest;
    if (slash != std::string_view::npos) {
      const std::string_view text = entry.substr(slash + 1);
      if (std::from_chars(text.data(), text.data() + text.size(), bits).ec != std::errc() || bits > longest)
        return false;
    }
    for (unsigned i = 0; i < bits; ++i) {
      if (((address[i / 8] ^ base[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
    }
    return true;
  }
  return false;
}

bool entryMatches(std::string_view entry, const Url& url) {
  if (entry == "*") return true;
  if (entry.find('/') != std::string_view::npos || entry.find(':') != entry.rfind(':')) return inRange(url.host, entry);
  if (const std::size_t colon = entry.rfind(':'); colon != std::string_view::npos) {
    if (entry.substr(colon + 1) != std::to_string(url.port)) return false;
    entry = entry.substr(0, colon);
  }
  if (entry.starts_with("*.")) entry.remove_prefix(2);
  if (entry.starts_with('.')) entry.remove_prefix(1);
  if (entry.empty()) return false;
  if (url.host == entry) return true;
  return url.host.size() > entry.size() && url.host.ends_with(entry) &&
         url.host[url.host.size() - entry.size() - 1] == '.';
}

bool isExempt(const Url& url, std::string_view list) {
  if (isLoopbackHost(url.host)) return true;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find_first_of(", "), list.size());
    std::string entry(list.substr(0, end));
    for (char& c : entry) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (!entry.empty() && entryMatches(entry, url)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

}  // namespace

NetworkSettings networkSettings(const Environment& environment) {
  NetworkSettings settings;
  if (environment.secure || !environment.get) return settings;
  settings.httpsProxy = firstOf(environment, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  settings.httpProxy = firstOf(environment, {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"});
  settings.noProxy = firstOf(environment, {"no_proxy", "NO_PROXY"});
  settings.caFile = firstOf(environment, {"SSL_CERT_FILE"});
  settings.caDir = firstOf(environment, {"SSL_CERT_DIR"});
  settings.extraCaFile = firstOf(environment, {"COMPUTESDK_CA_FILE"});
  return settings;
}

std::optional<Proxy> proxyFor(const Url& url, const NetworkSettings& settings, std::string& problem) {
  const std::string& setting = url.tls ? settings.httpsProxy : settings.httpProxy;
  if (setting.empty() || isExempt(url, settings.noProxy)) return {};
  std::string_view text = setting;
  if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    if (text.substr(0, scheme) != "http") {
      problem =
          "the proxy setting begins with '" + std::string(text.substr(0, scheme)) + "://'; only http:// is supported";
      return {};
    }
    text.remove_prefix(scheme + 3);
  }
  Proxy proxy;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    proxy.authorization = "Basic " + base64(percentDecoded(text.substr(0, at)));
    text.remove_prefix(at + 1);
  }
  const auto parsed = parseUrl("http://" + std::string(text));
  if (!parsed) {
    problem = "the proxy setting is no URL of a proxy";
    return {};
  }
  proxy.host = parsed->host;
  proxy.port = parsed->port;
  return proxy;
}

}  // namespace computesdk::registry::net
