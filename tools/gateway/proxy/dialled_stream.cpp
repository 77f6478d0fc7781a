#include "proxy/dialled_stream.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <span>
#include <system_error>
#include <thread>

#include "commands/input.hpp"
#include "core/fd.hpp"
#include "core/sandbox_state.hpp"

namespace computesdk::gateway {
namespace {

ErrorInfo dialFailure(ErrorCode code, std::string why) {
  ErrorInfo error;
  error.code = code;
  error.what = "cannot dial a port of the sandbox";
  error.why = std::move(why);
  error.retryable = true;
  return error;
}

/// Sends all of it, waiting as long as the other side does not read. False when that side is gone.
bool sendAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      pollfd wait{fd, POLLOUT, 0};
      (void)::poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

/// Carries the bytes of one dialled port between the provider and our end of a socket pair, until both are done.
void carry(const std::shared_ptr<detail::SandboxState>& sandbox, std::uint16_t port, const detail::UniqueFd& fd) {
  std::stop_source stop;
  const auto input = detail::descriptorSource(fd.get());
  const registry::OutputFunction output = [&](OutputStream stream, std::span<const std::byte> bytes) {
    if (stream == OutputStream::end) {
      ::shutdown(fd.get(), SHUT_WR);
    } else if (!bytes.empty() && !sendAll(fd.get(), bytes)) {
      stop.request_stop();
    }
  };
  // How it ended is seen by the other end of the pair: its bytes end.
  (void)sandbox->call(stop.get_token(), std::nullopt,
                      [&](const registry::Target& target, const registry::CallContext& context) {
                        return sandbox->provider().dial(target, port, *input, output, context);
                      });
}

}  // namespace

void dialSandbox(serving::Loop& loop, std::shared_ptr<detail::SandboxState> sandbox, std::uint16_t port,
                 serving::DialHandler handler) {
  int ends[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return loop.post([handler = std::move(handler)] {
      handler(dialFailure(ErrorCode::resourceExhausted, "no more descriptors can be opened"));
    });
  }
  auto theirs = std::make_shared<detail::UniqueFd>(ends[1]);
  auto ours = serving::adoptSocket(loop, ends[0]);
  if (ours) {
    try {
      std::thread([sandbox = std::move(sandbox), port, theirs] { carry(sandbox, port, *theirs); }).detach();
    } catch (const std::system_error&) {
      ours = dialFailure(ErrorCode::resourceExhausted, "no more threads can be started");
    }
  }
  loop.post([handler = std::move(handler), ours = std::move(ours)]() mutable { handler(std::move(ours)); });
}

}  // namespace computesdk::gateway
