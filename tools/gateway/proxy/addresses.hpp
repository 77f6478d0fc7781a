#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// How requests for sandboxes are told apart: by their path, or by their host.
namespace computesdk::gateway {

/// What a request is for. `port` 0: the daemon.
struct SandboxAddress {
  std::string id;
  std::uint16_t port = 0;
  std::string path;    ///< for the sandbox, undecoded, begins with a slash
  std::string prefix;  ///< of the path, as clients see it: "/s/ID", "/s/ID/p/3000", ""
};

/// "/s/ID/…" and "/s/ID/p/PORT/…". Nothing for other paths.
std::optional<SandboxAddress> addressOfPath(std::string_view path);
/// "ID.domain" and "ID-PORT.domain"; `host` and `domain` without a port, lower case. Nothing for other hosts and for
/// ports that are none.
std::optional<SandboxAddress> addressOfHost(std::string_view host, std::string_view domain);
/// A decimal port from 1 to 65535 without leading zeroes.
std::optional<std::uint16_t> parsePort(std::string_view text) noexcept;

/// The query with the value of each parameter `token` replaced.
std::string withToken(std::string_view query, std::string_view token);
/// A Set-Cookie value whose cookie goes to paths below `prefix` only, and to no other host.
std::string narrowCookie(std::string_view cookie, std::string_view prefix);

}  // namespace computesdk::gateway
