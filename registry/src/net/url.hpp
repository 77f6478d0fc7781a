#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace computesdk::registry::net {

/// An absolute http, https, ws or wss URL in parts.
struct Url {
  bool tls = false;
  bool webSocket = false;
  std::string host;  ///< lower case, without brackets
  std::uint16_t port = 0;
  std::string target;  ///< path and query; "/" when there is none

  /// "https://api.example.com", with the port where it is not the scheme's own.
  [[nodiscard]] std::string origin() const;
};

/// Nothing when the text is no such URL, has a user part or holds a space or control character.
std::optional<Url> parseUrl(std::string_view text);

/// localhost, a name below it, or a literal loopback address.
bool isLoopbackHost(std::string_view host);

}  // namespace computesdk::registry::net
