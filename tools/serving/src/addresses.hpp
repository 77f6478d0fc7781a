#pragma once

#include <computesdk/result.hpp>

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace computesdk::serving {

/// Where a socket is bound or connected. A plain value.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
};

/// Numeric addresses only: names need a resolver, which a static program has not. E_INVALID_ARGUMENT.
Result<SocketAddress> tcpAddress(const std::string& address, std::uint16_t port);
/// A path, or a name in the abstract namespace after '@'. E_INVALID_ARGUMENT when it is too long.
Result<SocketAddress> unixAddress(const std::string& path);
/// "127.0.0.1"; IPv4 in IPv6 as IPv4; "" for Unix sockets.
std::string addressText(const SocketAddress& address);
/// 0 for Unix sockets.
std::uint16_t portOf(const SocketAddress& address);

/// E_NETWORK, or what `code` says, with the text of errno.
ErrorInfo socketError(std::string what, int number, ErrorCode code = ErrorCode::network);

}  // namespace computesdk::serving
