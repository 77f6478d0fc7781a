#include "redis/url.hpp"

#include <charconv>
#include <optional>

namespace computesdk::store::redis {
namespace {

ErrorInfo malformed(std::string why) {
  ErrorInfo error;
  error.code = ErrorCode::config;
  error.what = "cannot use the Redis url";
  error.why = std::move(why);
  error.fix =
      "write it as redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], with % : / @ in user and password as %25 %3A %2F %40";
  return error;
}

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percentDecoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hexDigit(text[i + 1]);
    const int low = hexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::optional<int> number(std::string_view text, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0 || value > most) {
    return std::nullopt;
  }
  return value;
}

/// Takes "[USER]:PASSWORD@" off the front of `rest`.
Result<void> readUser(std::string_view& rest, Address& address) {
  const std::size_t at = rest.rfind('@');
  if (at == rest.npos) return {};
  const std::string_view who = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const std::size_t colon = who.find(':');
  if (colon == who.npos) return malformed("what stands before the @ has no colon before the password");
  auto user = percentDecoded(who.substr(0, colon));
  auto password = percentDecoded(who.substr(colon + 1));
  if (!user || !password) return malformed("a % in user or password is not followed by two hex digits");
  if (password->empty() && !user->empty()) return malformed("there is a user, but no password");
  address.user = std::move(*user);
  address.password = std::move(*password);
  return {};
}

Result<void> readHost(std::string_view text, Address& address) {
  std::size_t colon = text.npos;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == text.npos) return malformed("the bracket of the IPv6 address is not closed");
    address.host = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
    if (!text.empty() && text.front() != ':') return malformed("something other than a port follows the IPv6 address");
    colon = text.empty() ? text.npos : 0;
  } else {
    colon = text.find(':');
    address.host = text.substr(0, colon);
  }
  if (address.host.empty()) return malformed("it has no host");
  if (colon == text.npos) return {};
  const auto port = number(text.substr(colon + 1), 65535);
  if (!port || *port == 0) return malformed("its port is not a number between 1 and 65535");
  address.port = static_cast<std::uint16_t>(*port);
  return {};
}

}  // namespace

std::string Address::shown() const {
  const bool colons = host.find(':') != host.npos;
  return "redis://" + (colons ? "[" + host + "]" : host) + ":" + std::to_string(port) + "/" + std::to_string(database);
}

Result<Address> parseUrl(std::string_view url) {
  if (url.starts_with("rediss://")) {
    return malformed("TLS (rediss://) is not offered; put a tunnel such as stunnel on this machine in front of it");
  }
  constexpr std::string_view kScheme = "redis://";
  if (!url.starts_with(kScheme)) return malformed("it does not begin with redis://");
  Address address;
  std::string_view rest = url.substr(kScheme.size());
  // A password may hold a slash if somebody forgot to encode it: the database is looked for behind the @.
  if (auto read = readUser(rest, address); !read) return std::move(read).error();
  const std::size_t slash = rest.find('/');
  if (slash != rest.npos && slash + 1 < rest.size()) {
    const auto database = number(rest.substr(slash + 1), 1'000'000);
    if (!database) return malformed("what follows the host is not the number of a database");
    address.database = *database;
  }
  if (auto read = readHost(rest.substr(0, slash), address); !read) return std::move(read).error();
  return address;
}

}  // namespace computesdk::store::redis
