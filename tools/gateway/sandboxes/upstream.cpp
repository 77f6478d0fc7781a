#include "sandboxes/upstream.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <charconv>
#include <memory>

#include "net/proxy.hpp"

namespace computesdk::gateway {
namespace {

ErrorInfo badUrl(ErrorCode code, std::string why) {
  ErrorInfo error;
  error.code = code;
  error.what = "cannot reach the sandbox";
  error.why = std::move(why);
  error.retryable = code == ErrorCode::network;
  return error;
}

std::string numericAddress(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  } else if (address->sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
  }
  return text;
}

Result<std::string> lookUp(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); code != 0) {
    return badUrl(ErrorCode::network, "its host cannot be looked up: " + std::string(::gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> keep(found, ::freeaddrinfo);
  return numericAddress(found->ai_addr);
}

std::string authorityOf(const UrlParts& parts, bool withPort) {
  const bool v6 = parts.host.find(':') != std::string::npos;
  return (v6 ? "[" + parts.host + "]" : parts.host) + (withPort ? ":" + std::to_string(parts.port) : "");
}

/// The way that the environment's proxy settings ask for, the same that requests to the provider's API take.
Result<std::optional<HttpTunnel>> tunnelFor(const UrlParts& parts, const registry::NetworkSettings& network) {
  registry::net::Url url;
  url.tls = true;
  url.host = parts.host;
  url.port = parts.port;
  std::string problem;
  const auto proxy = registry::net::proxyFor(url, network, problem);
  if (!problem.empty()) {
    ErrorInfo error = badUrl(ErrorCode::config, std::move(problem));
    error.fix = "set HTTPS_PROXY of the gateway as in http://proxy.example.com:3128";
    return error;
  }
  if (!proxy) return std::optional<HttpTunnel>();
  auto address = lookUp(proxy->host);
  if (!address) {
    ErrorInfo error = std::move(address).error();
    error.why = "the proxy: " + error.why;
    return error;
  }
  return std::optional(HttpTunnel{std::move(*address), proxy->port, authorityOf(parts, true), proxy->authorization});
}

}  // namespace

Result<UrlParts> splitUrl(std::string_view url) {
  UrlParts parts;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    parts.secure = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return badUrl(ErrorCode::protocol, "the provider gave an address that is no http or https URL");
  }
  const std::size_t end = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, end);
  std::string_view path = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  path = path.substr(0, path.find_first_of("?#"));
  while (path.ends_with('/')) path.remove_suffix(1);
  parts.path = path;
  parts.port = parts.secure ? 443 : 80;
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    const std::string_view digits = authority.substr(colon + 1);
    const auto [last, code] = std::from_chars(digits.data(), digits.data() + digits.size(), parts.port);
    if (code != std::errc() || last != digits.data() + digits.size() || parts.port == 0) {
      return badUrl(ErrorCode::protocol, "the provider gave an address with a port that is none");
    }
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']')) authority = authority.substr(1, authority.size() - 2);
  if (authority.empty() || authority.find('@') != std::string_view::npos) {
    return badUrl(ErrorCode::protocol, "the provider gave an address without a host");
  }
  parts.host = authority;
  return parts;
}

Result<Upstream> upstreamOf(const PortUrl& url, const registry::NetworkSettings& network) {
  auto parts = splitUrl(url.url);
  if (!parts) return std::move(parts).error();
  Upstream upstream;
  upstream.kind = parts->secure ? Upstream::Kind::tls : Upstream::Kind::tcp;
  upstream.name = parts->host;
  upstream.port = parts->port;
  upstream.basePath = parts->path;
  upstream.headers = url.headers;
  auto tunnel = parts->secure ? tunnelFor(*parts, network) : Result<std::optional<HttpTunnel>>(std::nullopt);
  if (!tunnel) return std::move(tunnel).error();
  upstream.tunnel = std::move(*tunnel);
  if (!upstream.tunnel) {
    auto address = lookUp(parts->host);
    if (!address) return std::move(address).error();
    upstream.address = std::move(*address);
  }
  // A forwarder on this machine serves under any name, and then programs behind it see the one that the client used.
  const bool here = !parts->secure && (upstream.address.starts_with("127.") || upstream.address == "::1");
  if (!here) upstream.host = authorityOf(*parts, parts->port != (parts->secure ? 443 : 80));
  return upstream;
}

}  // namespace computesdk::gateway
