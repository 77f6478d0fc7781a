#include "channel.hpp"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

namespace computesdk::local {
namespace {

constexpr std::size_t kMaxSent = 6;

UniqueFd bodyFile(std::span<const char> body) {
  UniqueFd file(memfd_create("computesdk-frame", MFD_CLOEXEC));
  std::size_t done = 0;
  while (file && done < body.size()) {
    const ssize_t n = ::write(file.get(), body.data() + done, body.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return {};
    done += static_cast<std::size_t>(n);
  }
  return file;
}

}  // namespace

Result<SocketPair> makeSocketPair() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return systemError(errno, "socketpair");
  return SocketPair{UniqueFd(pair[0]), UniqueFd(pair[1])};
}

int sendFrame(int socket, protocol::FrameType type, std::span<const char> body, std::span<const int> fds) {
  if (body.size() > protocol::kMaxBody || fds.size() >= kMaxSent) return E2BIG;
  protocol::Header header{protocol::kMagic, static_cast<std::uint16_t>(type), 0,
                          static_cast<std::uint32_t>(body.size())};
  int sent[kMaxSent];
  std::size_t count = fds.size();
  if (count > 0) memcpy(sent, fds.data(), count * sizeof(int));
  UniqueFd large;
  if (sizeof header + body.size() > protocol::kMaxFrame) {
    large = bodyFile(body);
    if (!large) return errno != 0 ? errno : ENOMEM;
    header.flags = protocol::kBodyInMemfd;
    sent[count++] = large.get();
    body = {};
  }
  iovec parts[2] = {{&header, sizeof header}, {const_cast<char*>(body.data()), body.size()}};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxSent * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(head), sent, count * sizeof(int));
  }
  ssize_t n;
  do {
    n = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? errno : 0;
}

Receipt receiveFrame(int socket, Frame& frame) {
  alignas(16) char buffer[4096];  // what comes this way is small: exits, replies, process lines
  alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))];
  iovec part{buffer, sizeof buffer};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  int resets = 0;
  do {
    n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    // A peer that closed with something of ours unread is reported before its last words can be read.
  } while (n < 0 && (errno == EINTR || (errno == ECONNRESET && ++resets < 3)));
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Receipt::kNothing;
  for (UniqueFd& fd : frame.fds) fd.reset();
  std::size_t next = 0;
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); n > 0 && head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
      UniqueFd owned(fd);
      if (next < frame.fds.size()) frame.fds[next++] = std::move(owned);
    }
  }
  if (n <= 0 || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Receipt::kEnd;
  protocol::Header header;
  if (!protocol::parseHeader(buffer, static_cast<std::size_t>(n), header)) return Receipt::kEnd;
  frame.type = static_cast<protocol::FrameType>(header.type);
  frame.body.assign(buffer + sizeof header, buffer + n);
  return Receipt::kFrame;
}

bool waitReadable(int fd, int timeoutMs) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(timeoutMs);
  for (;;) {
    pollfd item{fd, POLLIN, 0};
    const int n = poll(&item, 1, timeoutMs);
    if (n > 0) return true;
    if (n == 0 || errno != EINTR) return false;
    if (timeoutMs > 0) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
      timeoutMs = left > 0 ? static_cast<int>(left) : 0;
    }
  }
}

ssize_t writeQuietly(int fd, std::span<const std::byte> bytes) {
  sigset_t pipe, before, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&pending);
  const bool already = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  const ssize_t n = ::write(fd, bytes.data(), bytes.size());
  const int error = errno;
  if (n < 0 && error == EPIPE && !already) {
    const timespec now{};
    while (sigtimedwait(&pipe, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return n;
}

Receipt waitFrame(int socket, Frame& frame, int timeoutMs) {
  if (!waitReadable(socket, timeoutMs)) return Receipt::kNothing;
  return receiveFrame(socket, frame);
}

}  // namespace computesdk::local
