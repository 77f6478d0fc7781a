#include "addresses.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <system_error>

namespace computesdk::serving {
namespace {

ErrorInfo badAddress(const std::string& text, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::invalidArgument;
  error.what = "cannot use the address \"" + text + "\"";
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

}  // namespace

Result<SocketAddress> tcpAddress(const std::string& address, std::uint16_t port) {
  SocketAddress out;
  auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
  std::string text = address;
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    out.length = sizeof v4;
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    out.length = sizeof v6;
  } else {
    return badAddress(address, "it is not a numeric IPv4 or IPv6 address", "for example 127.0.0.1, 0.0.0.0 or ::1");
  }
  return out;
}

Result<SocketAddress> unixAddress(const std::string& path) {
  SocketAddress out;
  auto& local = reinterpret_cast<sockaddr_un&>(out.storage);
  if (path.empty() || path.size() >= sizeof local.sun_path) {
    return badAddress(path, "a socket's path has 1 to 107 bytes", "choose a shorter path");
  }
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, path.data(), path.size());
  out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  if (path.front() == '@') {
    local.sun_path[0] = '\0';
    --out.length;
  }
  return out;
}

std::string addressText(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.family() == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr, text, sizeof text);
  } else if (address.family() == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      ::inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &v6, text, sizeof text);
    }
  }
  return text;
}

std::uint16_t portOf(const SocketAddress& address) {
  if (address.family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address.storage).sin_port);
  if (address.family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_port);
  return 0;
}

ErrorInfo socketError(std::string what, int number, ErrorCode code) {
  ErrorInfo error;
  error.code = code;
  error.what = std::move(what);
  error.why = std::generic_category().message(number);
  return error;
}

}  // namespace computesdk::serving
