#pragma once

#include <computesdk/registry/loader.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include "proxy/http_tunnel.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::gateway {

/// Where the gateway reaches a port of a sandbox. A plain value; `headers` are secret.
struct Upstream {
  enum class Kind {
    tcp,   ///< a plain connection to `address`
    tls,   ///< the same under TLS for `name`
    dial,  ///< a stream that the provider carries
  };
  Kind kind = Kind::dial;
  std::string host;        ///< for the Host header; empty: the client's
  std::string name;        ///< of the peer, for TLS
  std::string address;     ///< numeric; empty where `tunnel` leads there
  std::uint16_t port = 0;  ///< of the address; of the sandbox for `dial`
  std::optional<HttpTunnel> tunnel;
  std::string basePath;  ///< before the path of each request, without a slash at its end
  StringMap headers;     ///< that each request must carry
};

/// Parts of "http(s)://host[:port][/path]". Nothing is resolved. Errors: E_PROTOCOL.
struct UrlParts {
  bool secure = false;
  std::string host;
  std::uint16_t port = 0;
  std::string path;
};
Result<UrlParts> splitUrl(std::string_view url);

/// Looks the host up; blocks. An https URL goes through the proxy that `network` has for it: then the proxy looks the
/// host up. Errors: E_PROTOCOL for a URL that is none, E_NETWORK when there is no such host, E_CONFIG for a proxy
/// that cannot be used.
Result<Upstream> upstreamOf(const PortUrl& url, const registry::NetworkSettings& network);

}  // namespace computesdk::gateway
