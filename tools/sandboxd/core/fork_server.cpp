#include "core/fork_server.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr int kDescriptors = 4;  ///< in, out, err, status
/// What the kernel takes as arguments and environment, at most.
constexpr std::uint32_t kMaxText = 8U << 20U;

/// Goes ahead of the texts: program, cwd, arguments, environment, each with its NUL.
struct Request {
  std::uint32_t textSize;
  std::uint32_t arguments, variables;
  std::uint32_t terminal, limited;
  rlimit limit;
};

std::mutex serverMutex;
UniqueFd serverSocket;

bool sendAll(int fd, const char* bytes, std::size_t size) {
  while (size > 0) {
    const auto put = ::send(fd, bytes, size, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes += put;
    size -= static_cast<std::size_t>(put);
  }
  return true;
}

bool receiveAll(int fd, char* bytes, std::size_t size) {
  while (size > 0) {
    const auto got = ::recv(fd, bytes, size, MSG_WAITALL);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

/// A message of one Request with its descriptors, for both directions.
struct Envelope {
  iovec part{};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptors)] = {};
  msghdr message{};

  explicit Envelope(Request& request) {
    part.iov_base = &request;
    part.iov_len = sizeof request;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
  }
};

bool sendRequest(int fd, Request& request, const int (&descriptors)[kDescriptors]) {
  Envelope envelope(request);
  auto* header = CMSG_FIRSTHDR(&envelope.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
  ssize_t put = 0;
  do {
    put = ::sendmsg(fd, &envelope.message, MSG_NOSIGNAL);
  } while (put < 0 && errno == EINTR);
  return put == static_cast<ssize_t>(sizeof request);
}

bool receiveRequest(int fd, Request& request, int (&descriptors)[kDescriptors]) {
  Envelope envelope(request);
  ssize_t got = 0;
  do {
    got = ::recvmsg(fd, &envelope.message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  } while (got < 0 && errno == EINTR);
  const auto* header = CMSG_FIRSTHDR(&envelope.message);
  if (got != static_cast<ssize_t>(sizeof request) || header == nullptr ||
      header->cmsg_len != CMSG_LEN(sizeof descriptors)) {
    return false;
  }
  std::memcpy(descriptors, CMSG_DATA(header), sizeof descriptors);
  return request.textSize > 0 && request.textSize <= kMaxText;
}

/// Points to `count` texts, and moves past them.
std::vector<char*> takeTexts(char*& at, const char* end, std::uint32_t count) {
  std::vector<char*> out;
  for (std::uint32_t i = 0; i < count && at < end; ++i) {
    out.push_back(at);
    at += std::strlen(at) + 1;
  }
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void serveForks(int fd) {
  std::vector<char> text;
  for (;;) {
    Request request{};
    int descriptors[kDescriptors];
    if (!receiveRequest(fd, request, descriptors)) ::_exit(0);
    text.assign(request.textSize + 1, '\0');
    if (!receiveAll(fd, text.data(), request.textSize)) ::_exit(0);
    char* at = text.data();
    const char* end = at + request.textSize;
    const auto names = takeTexts(at, end, 2);
    const auto argv = takeTexts(at, end, request.arguments);
    const auto env = takeTexts(at, end, request.variables);
    HolderPlan plan{};
    plan.program = names[0];
    plan.cwd = names[1];
    plan.argv = argv.data();
    plan.env = env.data();
    plan.in = descriptors[0];
    plan.out = descriptors[1];
    plan.err = descriptors[2];
    plan.status = descriptors[3];
    plan.terminal = request.terminal != 0;
    plan.limited = request.limited != 0;
    plan.limit = request.limit;
    // A sister of this process, not a child: the daemon waits for it.
    const pid_t pid = bareFork(CLONE_PARENT);
    if (pid == 0) hold(plan);
    for (const int each : descriptors) ::close(each);
    const auto answer = static_cast<std::int32_t>(pid);
    if (!sendAll(fd, reinterpret_cast<const char*>(&answer), sizeof answer)) ::_exit(0);
  }
}

void addText(std::string& to, const char* text) { to.append(text, std::strlen(text) + 1); }

std::uint32_t addTexts(std::string& to, char* const* texts) {
  std::uint32_t count = 0;
  for (; *texts != nullptr; ++texts, ++count) addText(to, *texts);
  return count;
}

}  // namespace

bool startForkServer() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
  UniqueFd ours(ends[0]), theirs(ends[1]);
  sigset_t all, before;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setsid();
    ::prctl(PR_SET_NAME, "sandboxd-forks", 0, 0, 0);
    ours.reset();
    serveForks(theirs.get());
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return false;
  const std::lock_guard lock(serverMutex);
  serverSocket = std::move(ours);
  return true;
}

pid_t forkServerHolder(const HolderPlan& plan) {
  const std::lock_guard lock(serverMutex);
  if (!serverSocket) return -1;
  Request request{};
  std::string text;
  addText(text, plan.program);
  addText(text, plan.cwd);
  request.arguments = addTexts(text, plan.argv);
  request.variables = addTexts(text, plan.env);
  if (text.size() > kMaxText) return -1;  // the kernel says the same, to whoever asks it
  request.textSize = static_cast<std::uint32_t>(text.size());
  request.terminal = plan.terminal ? 1 : 0;
  request.limited = plan.limited ? 1 : 0;
  request.limit = plan.limit;
  std::int32_t pid = -1;
  if (sendRequest(serverSocket.get(), request, {plan.in, plan.out, plan.err, plan.status}) &&
      sendAll(serverSocket.get(), text.data(), text.size()) &&
      receiveAll(serverSocket.get(), reinterpret_cast<char*>(&pid), sizeof pid)) {
    return pid;
  }
  serverSocket.reset();  // somebody ended it: from now on without
  return -1;
}

}  // namespace computesdk::sandboxd
