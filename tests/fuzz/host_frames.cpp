// What the host makes of messages, which come from inside of sandboxes: any bytes, with any descriptors. The first byte
// of an input says how many descriptors go with it.
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <engine/channel.hpp>

#include "frames.hpp"
#include "target.hpp"

namespace computesdk::fuzz {
namespace {

using local::Frame;
using local::Receipt;
using wire::FrameType;

constexpr std::size_t kMostFds = 12;

// The lowest number that is free tells whether a descriptor was left open.
int lowestFree() {
  const int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
  close(fd);
  return fd;
}

void send(int socket, const char* bytes, std::size_t size, std::size_t fdCount) {
  alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))] = {};
  iovec part{const_cast<char*>(bytes), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fdCount > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fdCount * sizeof(int));
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(fdCount * sizeof(int));
    for (std::size_t i = 0; i < fdCount; ++i) memcpy(CMSG_DATA(head) + i * sizeof(int), &socket, sizeof socket);
  }
  require(sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(size), "it could be sent");
}

template <typename Body>
void readAs(const Frame& frame) {
  Body body;
  require(frame.read(body) == (frame.body.size() >= sizeof body), "a body is read whole or not at all");
}

void readProcess(const Frame& frame) {
  wire::Reader reader(frame.body.data(), frame.body.size());
  static_cast<void>(reader.pod<wire::ProcessBody>());
  const wire::Text command = reader.text(4096);
  const std::string text(command.data, command.size);
  require(text.size() <= frame.body.size(), "a command line lies in its frame");
}

void message(const char* bytes, std::size_t size, std::size_t fdCount) {
  auto pair = local::makeSocketPair();
  require(pair.ok(), "there is a pair of sockets");
  send(pair->theirs.get(), bytes, size, fdCount);
  Frame frame;
  const Receipt receipt = local::receiveFrame(pair->ours.get(), frame);
  require(receipt != Receipt::kNothing, "something came");
  if (receipt == Receipt::kEnd) return;
  require(frame.body.size() + sizeof(wire::Header) == size, "a frame is what came");
  readAs<wire::ReadyBody>(frame);
  readAs<wire::ReplyBody>(frame);
  readAs<wire::ExitBody>(frame);
  readAs<wire::UsageBody>(frame);
  readAs<wire::StartedBody>(frame);
  readAs<std::uint64_t>(frame);
  readProcess(frame);
}

}  // namespace

std::vector<std::string> seeds() {
  const wire::ExitBody exit{wire::Ending::kCode, 3, 0, 0, 1000, 1000, 1 << 20};
  const wire::ProcessBody process{7, wire::kExecBackground, 1700000000000, exit};
  return {std::string("\1") + frame(FrameType::kReady, bodyOf(wire::ReadyBody{})),
          std::string("\3") + frame(FrameType::kReady, bodyOf(wire::ReadyBody{})),
          std::string(1, '\0') + frame(FrameType::kStarted, bodyOf(wire::StartedBody{wire::Step::kCgroup, 5})),
          std::string("\2") + frame(FrameType::kProcessStarted, bodyOf(process)),
          std::string(1, '\0') + frame(FrameType::kProcessExited, bodyOf(exit)),
          std::string(1, '\0') + frame(FrameType::kProcess, bodyOf(process) + textOf("sleep 100")),
          std::string(1, '\0') + frame(FrameType::kEnd, bodyOf(std::uint64_t{0})),
          std::string(1, '\0') + frame(FrameType::kUsageReply, bodyOf(wire::UsageBody{})),
          std::string(1, '\0') + frame(FrameType::kReply, bodyOf(wire::ReplyBody{})),
          std::string("\1") + frame(FrameType::kFrozen, bodyOf(wire::ReplyBody{})),
          std::string("\5") + frame(FrameType::kExec, std::string(5000, 'x'), wire::kBodyInMemfd)};
}

}  // namespace computesdk::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace computesdk::fuzz;
  if (size < 2 || size > 60000) return 0;
  const int before = lowestFree();
  message(reinterpret_cast<const char*>(data) + 1, size - 1, data[0] % (kMostFds + 1));
  require(lowestFree() == before, "no descriptor is left open");
  return 0;
}
