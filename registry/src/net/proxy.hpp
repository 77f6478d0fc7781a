#pragma once

#include "net/url.hpp"

#include <computesdk/registry/loader.hpp>
#include <computesdk/registry/registry.hpp>

#include <optional>
#include <string>

namespace computesdk::registry::net {

/// HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY (lower-case twins first), SSL_CERT_FILE, SSL_CERT_DIR and
/// COMPUTESDK_CA_FILE of an environment.
NetworkSettings networkSettings(const Environment& environment);

struct Proxy {
  std::string host;
  std::uint16_t port = 0;
  std::string authorization;  ///< "Basic …", or empty; a secret
};

/// The proxy for a URL. Nothing: none. `problem` is set when the setting cannot be used; then the request must not go
/// out another way.
std::optional<Proxy> proxyFor(const Url& url, const NetworkSettings& settings, std::string& problem);

}  // namespace computesdk::registry::net
