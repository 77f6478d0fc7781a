#pragma once

#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace computesdk::gateway {

/// Where the gateway reaches a port of a sandbox. A plain value; `headers` are secret.
struct Upstream {
  enum class Kind {
    tcp,   ///< a plain connection to `address`
    tls,   ///< the same under TLS for the name `host`
    dial,  ///< a stream that the provider carries
  };
  Kind kind = Kind::dial;
  std::string host;        ///< for the Host header; empty: the client's
  std::string address;     ///< numeric
  std::uint16_t port = 0;  ///< of the address; of the sandbox for `dial`
  std::string basePath;    ///< before the path of each request, without a slash at its end
  StringMap headers;       ///< that each request must carry
};

/// Parts of "http(s)://host[:port][/path]". Nothing is resolved. Errors: E_PROTOCOL.
struct UrlParts {
  bool secure = false;
  std::string host;
  std::uint16_t port = 0;
  std::string path;
};
Result<UrlParts> splitUrl(std::string_view url);

/// Looks the host up; blocks. Errors: E_PROTOCOL for a URL that is none, E_NETWORK when there is no such host.
Result<Upstream> upstreamOf(const PortUrl& url);

}  // namespace computesdk::gateway
