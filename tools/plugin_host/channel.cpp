#include "channel.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace computesdk::plugin_host {

using namespace registry::host;

void Channel::send(FrameType type, std::uint16_t flags, std::uint64_t call, std::string_view body) {
  const std::string frame = encodeFrame(type, flags, call, body);
  std::lock_guard lock(mutex_);
  for (std::size_t sent = 0; sent < frame.size();) {
    const ssize_t count = ::send(fd_, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) ::_exit(0);
    sent += static_cast<std::size_t>(count);
  }
}

std::optional<Frame> Channel::receive() {
  for (;;) {
    if (auto frame = reader_.next()) return *frame;
    if (reader_.broken()) ::_exit(1);
    const auto space = reader_.space();
    const ssize_t count = ::recv(fd_, space.data(), space.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::nullopt;
    reader_.filled(static_cast<std::size_t>(count));
  }
}

}  // namespace computesdk::plugin_host
