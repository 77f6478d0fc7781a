#include "raw_client.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace serving_test {
namespace {

constexpr int kDeadlineMs = 15'000;

bool awaits(int descriptor, int most = kDeadlineMs) {
  pollfd entry{descriptor, POLLIN, 0};
  return ::poll(&entry, 1, most) == 1;
}

}  // namespace

RawClient::RawClient(std::uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ADD_FAILURE() << "cannot connect to port " << port << ": " << std::strerror(errno);
  }
}

RawClient::RawClient(const std::string& path) : descriptor_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ADD_FAILURE() << "cannot connect to " << path << ": " << std::strerror(errno);
  }
}

RawClient RawClient::adopt(int descriptor) { return RawClient(descriptor, true); }

RawClient::RawClient(RawClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), buffer_(std::move(other.buffer_)) {}

RawClient::~RawClient() { close(); }

void RawClient::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void RawClient::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

long RawClient::trySend(std::string_view bytes) const {
  const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  return count;
}

bool RawClient::more() {
  if (!awaits(descriptor_)) {
    ADD_FAILURE() << "nothing came for " << kDeadlineMs << " ms after: " << buffer_.substr(0, 300);
    return false;
  }
  char piece[65536];
  const ssize_t count = ::recv(descriptor_, piece, sizeof piece, 0);
  if (count <= 0) return false;
  buffer_.append(piece, static_cast<std::size_t>(count));
  return true;
}

std::string RawClient::until(std::string_view mark) {
  std::size_t from = 0;
  std::size_t found = 0;
  while ((found = buffer_.find(mark, from)) == std::string::npos) {
    from = buffer_.size() > mark.size() ? buffer_.size() - mark.size() : 0;
    if (!more()) return std::exchange(buffer_, {});
  }
  std::string out = buffer_.substr(0, found + mark.size());
  buffer_.erase(0, out.size());
  return out;
}

std::string RawClient::exactly(std::size_t count) {
  while (buffer_.size() < count) {
    if (!more()) break;
  }
  std::string out = buffer_.substr(0, count);
  buffer_.erase(0, out.size());
  return out;
}

std::string RawClient::rest() {
  while (more()) {
  }
  return std::exchange(buffer_, {});
}

std::string RawClient::answer() {
  std::string out = until("\r\n\r\n");
  const int status = statusOf(out);
  if (status < 200 || status == 204 || status == 304) return out;
  if (fieldOf(out, "Transfer-Encoding") == "chunked") {
    while (true) {
      const std::size_t size = std::strtoul(until("\r\n").c_str(), nullptr, 16);
      out += exactly(size);
      exactly(2);
      if (size == 0) return out;
    }
  }
  return out + exactly(std::strtoul(fieldOf(out, "Content-Length").c_str(), nullptr, 10));
}

bool RawClient::readable(std::chrono::milliseconds most) const {
  return awaits(descriptor_, static_cast<int>(most.count()));
}

bool RawClient::closed() {
  while (awaits(descriptor_)) {
    char piece[4096];
    if (::recv(descriptor_, piece, sizeof piece, 0) <= 0) return true;
  }
  return false;
}

void RawClient::halfClose() const { ::shutdown(descriptor_, SHUT_WR); }

void RawClient::reset() {
  const linger at{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at, sizeof at);
  close();
}

void RawClient::shrinkReceiveBuffer() const {
  const int size = 4096;
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

std::string bodyOf(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

int statusOf(const std::string& answer) {
  return answer.size() < 12 ? 0 : static_cast<int>(std::strtol(answer.c_str() + 9, nullptr, 10));
}

std::string fieldOf(const std::string& answer, std::string_view name) {
  const std::string line = "\r\n" + std::string(name) + ": ";
  const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
  const auto found = std::search(answer.begin(), answer.end(), line.begin(), line.end(), same);
  if (found == answer.end()) return "";
  const auto begin = found + static_cast<std::ptrdiff_t>(line.size());
  return {begin, std::find(begin, answer.end(), '\r')};
}

}  // namespace serving_test
