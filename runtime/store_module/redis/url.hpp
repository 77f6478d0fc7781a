#pragma once

#include <computesdk/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace computesdk::store::redis {

/// Where a Redis is and who asks.
struct Address {
  std::string host;
  std::uint16_t port = 6379;
  std::string user;      ///< empty: the default user
  std::string password;  ///< empty: none
  int database = 0;

  /// Without user and password: "redis://127.0.0.1:6379/0".
  [[nodiscard]] std::string shown() const;
};

/// "redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]"; user and password percent-encoded, an IPv6 host in brackets. Errors:
/// E_CONFIG; no error holds any part of the url that could be a password.
Result<Address> parseUrl(std::string_view url);

}  // namespace computesdk::store::redis
