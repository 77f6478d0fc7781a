#include "carry.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace computesdk::simulators {
namespace {

std::string requestHead(const Request& request) {
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\n";
  const bool upgrades = !request.header("upgrade").empty();
  for (const auto& [name, value] : request.headers) {
    if (name != "connection" || upgrades) head.append(name).append(": ").append(value).append("\r\n");
  }
  // One request a connection: the client's next one may be meant for somebody else.
  return head + (upgrades ? "\r\n" : "connection: close\r\n\r\n");
}

bool sendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

void carry(Exchange& exchange, int fd) {
  exchange.close = true;
  sendAll(fd, requestHead(exchange.request));
  std::thread outward([&] {
    char buffer[16384];
    for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      if (!exchange.stream.write({buffer, static_cast<std::size_t>(got)})) break;
    }
    ::shutdown(fd, SHUT_RDWR);
    exchange.stream.shutdown();
  });
  exchange.carryInput([fd](std::string_view bytes) { return sendAll(fd, bytes); });
  ::shutdown(fd, SHUT_WR);
  outward.join();
  ::close(fd);
}

}  // namespace computesdk::simulators
