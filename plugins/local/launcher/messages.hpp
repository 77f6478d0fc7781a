// Sending and receiving frames with descriptors, for the helper.
#pragma once

#include "../protocol/wire.hpp"
#include "sys.hpp"

namespace computesdk::local {

constexpr int kMaxFds = 6;

// Descriptors that came with a message; closes those that nobody took.
class ReceivedFds {
 public:
  ReceivedFds() = default;
  ReceivedFds(const ReceivedFds&) = delete;
  ReceivedFds& operator=(const ReceivedFds&) = delete;
  ~ReceivedFds() {
    for (int i = 0; i < count_; ++i) sys::closeFd(fds_[i]);
  }
  int count() const { return count_; }
  int at(int index) const { return index < count_ ? fds_[index] : -1; }
  int take(int index) {
    if (index < 0 || index >= count_) return -1;
    const int fd = fds_[index];
    fds_[index] = -1;
    return fd;
  }
  void add(int fd) {
    if (count_ < kMaxFds) {
      fds_[count_++] = fd;
    } else {
      sys::closeFd(fd);
    }
  }

 private:
  int fds_[kMaxFds] = {-1, -1, -1, -1, -1, -1};
  int count_ = 0;
};

// One message into `buffer`. Its size, 0 at the end of the stream, -errno. Truncated messages are -EINVAL.
sys::Word receive(int socket, char* buffer, std::size_t capacity, ReceivedFds& fds, bool wait);

// One frame. 0 or -errno (-EAGAIN when the peer does not read).
int sendFrame(int socket, protocol::FrameType type, const void* body, std::size_t size, const int* fds = nullptr,
              int fdCount = 0);

template <typename Body>
int sendBody(int socket, protocol::FrameType type, const Body& body, int fd = -1) {
  return sendFrame(socket, type, &body, sizeof(Body), &fd, fd >= 0 ? 1 : 0);
}

}  // namespace computesdk::local
