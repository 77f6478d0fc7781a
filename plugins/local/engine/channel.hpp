// Frames over SEQPACKET sockets, host side. Sending is atomic, so that any thread may use one socket at once.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../protocol/wire.hpp"
#include "result.hpp"
#include "unique_fd.hpp"

namespace computesdk::local {

struct SocketPair {
  UniqueFd ours, theirs;
};
Result<SocketPair> makeSocketPair();

// Sends one frame. A body too large for a message travels in a memfd. 0 or errno.
int sendFrame(int socket, protocol::FrameType type, std::span<const char> body, std::span<const int> fds = {});

template <typename Body>
int sendBody(int socket, protocol::FrameType type, const Body& body, std::span<const int> fds = {}) {
  return sendFrame(socket, type, {reinterpret_cast<const char*>(&body), sizeof body}, fds);
}

struct Frame {
  protocol::FrameType type{};
  std::vector<char> body;
  std::array<UniqueFd, 3> fds;

  template <typename Body>
  bool read(Body& body) const {
    protocol::Reader reader(this->body.data(), this->body.size());
    body = reader.pod<Body>();
    return reader.ok();
  }
};

enum class Receipt : std::uint8_t { kFrame, kNothing, kEnd };
// Takes one frame without waiting. A malformed one counts as the end.
Receipt receiveFrame(int socket, Frame& frame);
// Waits up to timeoutMs (negative: for ever) for a frame.
Receipt waitFrame(int socket, Frame& frame, int timeoutMs);

// write() that never raises SIGPIPE in this process: a library may not end its host because a command stopped reading.
ssize_t writeQuietly(int fd, std::span<const std::byte> bytes);

// poll() on one descriptor, EINTR handled. True when something came.
bool waitReadable(int fd, int timeoutMs);

}  // namespace computesdk::local
