#include "plugin/streams.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <semaphore>
#include <vector>

#include "plugin/convert.hpp"

namespace computesdk::local {

using plugin::Call;

InputSource::Read CallInput::read(std::span<std::byte> into) {
  std::size_t size = 0;
  try {
    const csdk_status status = input_.read(reinterpret_cast<std::uint8_t*>(into.data()), into.size(), &size);
    if (status == CSDK_OK) return {State::kBytes, size};
    return {status == CSDK_AGAIN ? State::kAgain : State::kEnd, 0};
  } catch (const plugin::Error&) {  // cancelled: the canceller ends the command, which needs no more input
    return {State::kEnd, 0};
  }
}

void CallInput::whenReadable(std::function<void()> wake) {
  registered_.reset();
  try {
    registered_.emplace(input_, wake);
  } catch (const plugin::Error&) {
    wake();  // read() will say that it is the end
  }
}

Result<std::size_t> BlockingInput::fill(std::span<std::byte> into) {
  try {
    for (;;) {
      std::size_t size = 0;
      const csdk_status status = input_.read(reinterpret_cast<std::uint8_t*>(into.data()), into.size(), &size);
      if (status != CSDK_AGAIN) return size;
      std::binary_semaphore readable(0);
      const auto registered = input_.onReadable([&readable] { readable.release(); });
      readable.acquire();
    }
  } catch (const plugin::Error&) {
    return Error{.kind = ErrorClass::kCancelled, .message = "the transfer was cancelled", .why = {}, .fix = {}};
  }
}

bool pushOutput(const Call& call, std::uint32_t stream, std::span<const std::byte> bytes) {
  try {
    call.write(stream, plugin::bytes(bytes));
    return true;
  } catch (const plugin::Error&) {
    return false;
  }
}

namespace {

// Skips `count` bytes of what is kept, stdout's first. A terminal has one stream, so there this is exact.
void skipKept(Process& process, std::int64_t count, std::uint64_t (&seen)[2]) {
  constexpr std::array kStreams = {Stream::kStdout, Stream::kStderr};
  std::uint64_t left = count < 0 ? UINT64_MAX : static_cast<std::uint64_t>(count);
  for (std::size_t i = 0; i < kStreams.size(); ++i) {
    while (left > 0) {
      const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(left, 65536));
      const auto bytes = take(process.readOutput(kStreams[i], seen[i], most), Subject::other);
      if (bytes.empty()) break;
      if (left != UINT64_MAX) left -= bytes.size();
    }
  }
}

// Hands over what is there; true if anything was.
bool pushKept(const Call& call, Process& process, std::uint64_t (&seen)[2]) {
  constexpr std::array<std::pair<Stream, std::uint32_t>, 2> kStreams = {
      {{Stream::kStdout, CSDK_STREAM_STDOUT}, {Stream::kStderr, CSDK_STREAM_STDERR}}};
  bool any = false;
  for (std::size_t i = 0; i < kStreams.size(); ++i) {
    const auto bytes = take(process.readOutput(kStreams[i].first, seen[i]), Subject::other);
    if (bytes.empty()) continue;
    call.write(kStreams[i].second, plugin::bytes(std::span<const std::byte>(bytes)));
    any = true;
  }
  return any;
}

}  // namespace

void followProcess(const Call& call, Process& process, std::int64_t offset, bool toItsEnd) {
  CancelLink link(call);
  std::uint64_t seen[2] = {0, 0};
  if (offset != 0) skipKept(process, offset, seen);
  for (;;) {
    // Asked before the last look at the rings: what it wrote before its end is in them.
    const bool ended = process.ended();
    while (pushKept(call, process, seen)) {
    }
    if (ended) break;
    if (!toItsEnd) return call.exit(CSDK_EXIT_UNKNOWN, 0, 0);
    const Status changed = process.waitForChange(seen[0], seen[1], Milliseconds(-1), &link.canceller());
    if (!changed.ok() && changed.error().kind != ErrorClass::kDeadlineExceeded) raise(changed.error());
    call.throwIfCancelled();
  }
  emitExit(call, take(process.wait(Milliseconds(-1), &link.canceller())));
}

namespace {

constexpr std::size_t kPortBuffer = 65536;

// One direction's bytes on their way into the socket.
struct Outgoing {
  std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kPortBuffer);
  std::size_t begin = 0, end = 0;
  bool sourceEnded = false;
  bool closed = false;
};

UniqueFd makeWakeDescriptor() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (fd.get() < 0) raise(systemError(errno, "cannot make an eventfd"));
  return fd;
}

// Sends as much as the socket takes and pulls more; true while the source said "again".
bool pumpOut(plugin::Input& input, int socket, Outgoing& out) {
  for (;;) {
    if (out.begin == out.end && !out.sourceEnded) {
      std::size_t size = 0;
      const csdk_status status = input.read(out.buffer.data(), out.buffer.size(), &size);
      if (status == CSDK_AGAIN) return true;
      out.sourceEnded = status == CSDK_EOF;
      out.begin = 0;
      out.end = size;
    }
    if (out.begin == out.end) {
      if (out.sourceEnded && !out.closed) {
        ::shutdown(socket, SHUT_WR);
        out.closed = true;
      }
      return false;
    }
    const ssize_t sent =
        ::send(socket, out.buffer.data() + out.begin, out.end - out.begin, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
      out.sourceEnded = out.closed = true;  // the port takes no more; what it sends may still come
      out.begin = out.end = 0;
      return false;
    }
    out.begin += static_cast<std::size_t>(sent);
  }
}

// Reads what is there; false at the end.
bool pumpIn(const Call& call, int socket, std::vector<std::byte>& buffer) {
  for (;;) {
    const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) {
      call.write(CSDK_STREAM_DATA,
                 plugin::bytes(std::span<const std::byte>(buffer.data(), static_cast<std::size_t>(got))));
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    }
  }
}

void drainWake(int fd) {
  std::uint64_t count = 0;
  while (::read(fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

}  // namespace

void carryPort(const Call& call, plugin::Input input, UniqueFd socket) {
  CancelLink link(call);
  const UniqueFd wake = makeWakeDescriptor();
  const auto ring = [fd = wake.get()] {
    const std::uint64_t one = 1;
    while (::write(fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
  };
  call.write(CSDK_STREAM_DATA, csdk_bytes{});  // the connection stands
  Outgoing out;
  std::vector<std::byte> buffer(kPortBuffer);
  bool incoming = true;
  std::optional<plugin::Input::ReadableGuard<decltype(ring)>> waiting;
  while (incoming || !out.closed) {
    const bool again = !out.closed && pumpOut(input, socket.get(), out);
    if (again && !waiting) waiting.emplace(input, ring);
    if (!incoming && out.closed) break;
    short events = 0;
    if (incoming) events |= POLLIN;
    if (out.begin != out.end) events |= POLLOUT;
    std::array<pollfd, 3> polled = {{{events != 0 ? socket.get() : -1, events, 0},
                                     {wake.get(), POLLIN, 0},
                                     {link.canceller().descriptor(), POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) raise(systemError(errno, "poll failed"));
    call.throwIfCancelled();
    if (polled[1].revents != 0) {
      drainWake(wake.get());
      waiting.reset();
    }
    if (incoming && (polled[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !pumpIn(call, socket.get(), buffer)) {
      incoming = false;
      call.write(CSDK_STREAM_END, csdk_bytes{});
    }
  }
}

}  // namespace computesdk::local
