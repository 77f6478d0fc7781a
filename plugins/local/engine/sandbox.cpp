// Asking the launcher and init.
#include "sandbox.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "registry_folder.hpp"
#include "sandbox_state.hpp"

namespace computesdk::local {

using protocol::FrameType;

namespace {

constexpr int kAnswerMs = 30000;

Result<Meta> readMeta(const SandboxState& state) {
  UniqueFd file(
      openat(state.registry.get(), (state.meta.id + "/meta.json").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return endedError(state);
  std::string text(70 * 1024, '\0');
  const ssize_t n = read(file.get(), text.data(), text.size());
  if (n <= 0) return endedError(state);
  return parseMeta({text.data(), static_cast<std::size_t>(n)});
}

// Of the launcher, at the other end of a socket that it listened on.
UniqueFd processBehind(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) return {};
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
}

// Waits for the end of a launcher whose host is gone, and does what that would have done.
void removeGroupsOf(int launcher, limits::FileTree& tree) {
  constexpr int kPatienceMs = 2000;
  pollfd item{launcher, POLLIN, 0};
  while (poll(&item, 1, kPatienceMs) < 0 && errno == EINTR) {
  }
  limits::sweepStale(tree, limits::findLayout(tree), geteuid());
}

Error dialError(std::uint16_t port, int code) {
  Error error = systemError(code, "Port " + std::to_string(port) + " of the sandbox");
  error.kind = ErrorClass::kUnavailable;
  error.why = "Nothing answers on it, on 127.0.0.1 or ::1 inside.";
  error.fix = "Start the server first; one that listens on 0.0.0.0 or localhost is reached.";
  return error;
}

}  // namespace

Error endedError(const SandboxState& state) {
  Error error;
  error.kind = ErrorClass::kNotFound;
  error.message = "The local sandbox " + state.meta.id + " has ended";
  error.why = "It was destroyed, or its time was up.";
  error.fix = "Create a new one; --ttl gives more time.";
  return error;
}

Result<std::uint64_t> request(SandboxState& state, FrameType type, std::uint64_t value, const char* what) {
  return request(state, type, {reinterpret_cast<const char*>(&value), sizeof value}, what);
}

Result<std::uint64_t> request(SandboxState& state, FrameType type, std::span<const char> body, const char* what) {
  const std::lock_guard lock(state.controlMutex);
  if (!state.control) return endedError(state);
  if (sendFrame(state.control.get(), type, body) != 0) return endedError(state);
  Frame frame;
  const Receipt receipt = waitFrame(state.control.get(), frame, kAnswerMs);
  protocol::ReplyBody reply{};
  if (receipt == Receipt::kEnd) return endedError(state);
  if (receipt == Receipt::kNothing || frame.type != FrameType::kReply || !frame.read(reply)) {
    Error error;
    error.kind = ErrorClass::kUnavailable;
    error.message = std::string(what) + ": the launcher does not answer";
    error.fix = "Try again; if it stays so, end the process named computesdk-local.";
    state.control.reset();  // an answer that comes late must not be taken for another's
    return error;
  }
  if (reply.error != 0) return systemError(reply.error, what);
  return reply.value;
}

Result<UniqueFd> call(SandboxState& state, FrameType type, std::span<const char> body, std::span<const int> fds) {
  auto pair = makeSocketPair();
  if (!pair.ok()) return pair.error();
  int sent[5] = {pair->theirs.get()};
  std::size_t count = 1;
  for (const int fd : fds) sent[count++] = fd;
  const int result = sendFrame(state.init.get(), type, body, {sent, count});
  if (result == EPIPE || result == ECONNRESET) return endedError(state);
  if (result != 0) return systemError(result, "Cannot speak to the sandbox");
  return std::move(pair->ours);
}

SandboxIdentity::SandboxIdentity(const SandboxState& state) : active_(state.asRoot) {
  if (!active_) return;
  syscall(SYS_setfsgid, state.meta.uid);  // of this thread only
  syscall(SYS_setfsuid, state.meta.uid);
}

SandboxIdentity::~SandboxIdentity() {
  if (!active_) return;
  syscall(SYS_setfsuid, geteuid());
  syscall(SYS_setfsgid, getegid());
}

Sandbox::Sandbox(std::shared_ptr<SandboxState> state) : state_(std::move(state)) {}
Sandbox::~Sandbox() = default;

const std::string& Sandbox::id() const { return state_->meta.id; }

Result<UniqueFd> Sandbox::dial(std::uint16_t port) {
  const std::uint64_t number = port;
  auto channel = call(*state_, FrameType::kDial, {reinterpret_cast<const char*>(&number), sizeof number}, {});
  if (!channel.ok()) return channel.error();
  Frame frame;
  if (waitFrame(channel->get(), frame, kAnswerMs) != Receipt::kFrame) return endedError(*state_);
  protocol::StartedBody body{};
  if (!frame.read(body) || body.error != 0 || !frame.fds[0]) return dialError(port, body.error != 0 ? body.error : EIO);
  // It may still be connecting, where a server's queue is full.
  pollfd item{frame.fds[0].get(), POLLOUT, 0};
  while (poll(&item, 1, kAnswerMs) < 0 && errno == EINTR) {
  }
  int failure = item.revents == 0 ? ETIMEDOUT : 0;
  socklen_t size = sizeof failure;
  if (failure == 0) getsockopt(frame.fds[0].get(), SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) return dialError(port, failure);
  fcntl(frame.fds[0].get(), F_SETFL, 0);
  return std::move(frame.fds[0]);
}

Result<std::string> Sandbox::url(std::uint16_t port) {
  auto outside = request(*state_, FrameType::kUrl, port, "Opening a port of the sandbox");
  if (!outside.ok()) return outside.error();
  return "http://127.0.0.1:" + std::to_string(*outside);
}

Result<SandboxInfo> Sandbox::info() {
  if (state_->registered) {
    auto meta = readMeta(*state_);
    if (!meta.ok()) return meta.error();
    return toInfo(*meta, SandboxStatus::kRunning);
  }
  pollfd item{state_->init.get(), 0, 0};
  if (poll(&item, 1, 0) > 0 && (item.revents & (POLLHUP | POLLERR)) != 0) return endedError(*state_);
  const std::lock_guard lock(state_->controlMutex);
  return toInfo(state_->meta, SandboxStatus::kRunning);
}

Result<SandboxStats> Sandbox::stats() {
  auto channel = call(*state_, FrameType::kUsage, {}, {});
  if (!channel.ok()) return channel.error();
  Frame frame;
  protocol::UsageBody usage{};
  if (waitFrame(channel->get(), frame, kAnswerMs) != Receipt::kFrame || !frame.read(usage)) return endedError(*state_);
  SandboxStats stats;
  stats.memoryBytes = usage.memoryBytes;
  stats.diskUsedBytes = usage.diskUsed;
  stats.diskTotalBytes = usage.diskTotal;
  stats.filesUsed = usage.filesUsed;
  stats.filesTotal = usage.filesTotal;
  stats.processes = usage.processes;
  stats.cpuMicroseconds = usage.cpuMicroseconds;
  return stats;
}

Result<std::int64_t> Sandbox::extend(Milliseconds ttl) {
  if (ttl.count() < 0) {
    Error error;
    error.kind = ErrorClass::kInvalidArgument;
    error.message = "A time to live must not be negative";
    return error;
  }
  auto end = request(*state_, FrameType::kExtend, static_cast<std::uint64_t>(ttl.count()), "Extending the sandbox");
  if (!end.ok()) return end.error();
  const std::lock_guard lock(state_->controlMutex);
  state_->meta.expiresMs = static_cast<std::int64_t>(*end);
  return static_cast<std::int64_t>(*end);
}

Status Sandbox::destroy() {
  const UniqueFd launcher = state_->groups ? processBehind(state_->control.get()) : UniqueFd();
  auto gone = request(*state_, FrameType::kDestroy, 0, "Destroying the sandbox");
  const bool launcherEnds = gone.ok() && *gone != 0;
  if (launcherEnds && launcher) removeGroupsOf(launcher.get(), *state_->groups);
  if (gone.ok() || gone.error().kind == ErrorClass::kNotFound) return okStatus();
  return gone.error();
}

}  // namespace computesdk::local
