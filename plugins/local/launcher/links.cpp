// Control connections: who may ask the launcher for what.
#include "launcher.hpp"

namespace computesdk::local {
namespace {

using protocol::FrameType;

void reply(const Link& link, int error, std::uint64_t value = 0) {
  const protocol::ReplyBody body{error, protocol::Step::kNone, value};
  sendBody(link.fd, FrameType::kReply, body);
}

bool sameToken(const std::uint8_t* left, const std::uint8_t* right) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < protocol::kTokenSize; ++i) difference |= static_cast<unsigned>(left[i] ^ right[i]);
  return difference == 0;
}

struct Token {
  std::uint8_t bytes[protocol::kTokenSize];
};

void attach(const Box& box, ReceivedFds& fds) {
  const int fd = fds.at(0);
  if (fd >= 0) sendFrame(box.process.init, FrameType::kClient, nullptr, 0, &fd, 1);
}

// A sandbox that was made ahead becomes somebody's that outlives them.
void keep(Link& link, Box& box, std::uint64_t ttlMs, protocol::Reader& reader) {
  const protocol::Text meta = reader.text(protocol::kMaxFrame);
  if (!reader.atEnd() || !link.creator || box.folder >= 0) {
    reply(link, sys::kEinval);
    return;
  }
  setExpiry(box, ttlMs);
  const int result = registerBox(box, meta);
  if (result < 0) {
    unregisterBox(box);
  } else {
    box.flags = (box.flags & ~std::uint32_t{protocol::kCreateDieWithHost}) | protocol::kCreateRegistered;
    armTimer();
  }
  reply(link, -result);
}

void serve(Link& link, const protocol::Header& header, const char* body, ReceivedFds& fds) {
  Box& box = launcher.boxes[link.box];
  protocol::Reader reader(body, header.size);
  const auto type = static_cast<FrameType>(header.type);
  if (type == FrameType::kHello) {
    const auto token = reader.pod<Token>();
    link.trusted = reader.ok() && sameToken(token.bytes, box.token);
    reply(link, link.trusted ? 0 : sys::kEacces);
    return;
  }
  if (!link.trusted) {
    reply(link, sys::kEacces);
    return;
  }
  const std::uint64_t value = header.size >= 8 ? reader.pod<std::uint64_t>() : 0;
  switch (type) {
    case FrameType::kDestroy:
      link.awaitsEnd = true;
      killBox(box);
      break;
    case FrameType::kExtend:
      setExpiry(box, value);
      armTimer();
      reply(link, -rewriteMeta(box), static_cast<std::uint64_t>(box.expiresWallMs));
      break;
    case FrameType::kUrl: {
      const int port =
          value == 0 || value > 65535 ? -sys::kEinval : openForward(box, static_cast<std::uint16_t>(value));
      reply(link, port < 0 ? -port : 0, port < 0 ? 0 : static_cast<std::uint64_t>(port));
      break;
    }
    case FrameType::kAttach: attach(box, fds); break;
    case FrameType::kKeep: keep(link, box, value, reader); break;
    default: reply(link, sys::kEinval);
  }
}

}  // namespace

int addLink(int fd, int box, bool creator) {
  Link* const link = launcher.links.free();
  if (link == nullptr) {
    sys::closeFd(fd);
    return -sys::kEmfile;
  }
  const int index = launcher.links.indexOf(*link);
  const std::uint32_t generation = link->generation + 1;
  *link = Link{true, fd, box, creator, creator, false, generation};
  const int watched = sys::epollControl(launcher.epoll, sys::kAdd, fd, sys::kIn | sys::kReadHangup,
                                        topicKey(Topic::kLink, index, 0, generation));
  if (watched < 0) dropLink(*link);  // its end would never be seen
  return watched < 0 ? watched : index;
}

void dropLink(Link& link) {
  sys::closeFd(link.fd);
  link.used = false;
}

void serveLink(int index) {
  Link& link = launcher.links[index];
  alignas(16) static char frame[protocol::kMaxFrame];
  ReceivedFds fds;
  const sys::Word size = receive(link.fd, frame, sizeof frame, fds, false);
  if (size == -sys::kEagain) return;
  protocol::Header header;
  if (size <= 0 || !protocol::parseInlineHeader(frame, static_cast<std::size_t>(size), header)) {
    // Gone, or as good as gone.
    Box& box = launcher.boxes[link.box];
    if (link.creator && (box.flags & protocol::kCreateDieWithHost) != 0) killBox(box);
    dropLink(link);
    return;
  }
  serve(link, header, frame + sizeof header, fds);
}

// Somebody at the registry's socket. The folder's mode kept other users out already; this is the second look.
void knock(int index) {
  const Box& box = launcher.boxes[index];
  const int fd = static_cast<int>(sys::call(__NR_accept4, box.listener, 0, 0, sys::kCloexec));
  if (fd < 0) return;
  struct {
    int pid;
    std::uint32_t uid, gid;
  } peer{};
  int size = sizeof peer;
  const sys::Word known = sys::call(__NR_getsockopt, fd, 1, 17 /* SO_PEERCRED */, sys::word(&peer), sys::word(&size));
  // Host root is nobody here: then the token alone decides.
  const Config& config = *launcher.config;
  const bool rootKnown = !config.users || (config.bubblewrap && config.root);
  const std::uint32_t own = rootKnown ? 0 : config.isolated ? kInnerUid : config.uid;
  const bool nameless = config.root && !rootKnown;
  if (known < 0 || (!nameless && peer.uid != own)) {
    sys::closeFd(fd);
    return;
  }
  addLink(fd, index, false);
}

}  // namespace computesdk::local
