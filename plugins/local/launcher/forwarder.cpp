// Shows a sandbox's port on the host's loopback. For each connection init connects inside and hands the socket
// out; bytes are spliced here. No packet crosses, no privilege is needed.
#include "launcher.hpp"

namespace computesdk::local {
namespace {

using protocol::FrameType;

struct Direction {
  int pipe[2];       // only while bytes wait in it; else -1
  std::size_t held;  // bytes in the pipe
  bool ended;        // the source said end
  bool shut;         // and so did we, to the target
};

struct Tunnel {
  bool used;
  bool pending;
  std::uint32_t generation;
  int box;
  int side[2];  // client, server
  int call;     // to init, until it answered
  Direction way[2];
};

Slots<Tunnel, kMaxTunnels> tunnels;
bool anyPending;
// Empty, for whoever has something to move next: a tunnel that is idle has its two sockets and nothing more.
int sparePipe[2] = {-1, -1};

void closeTunnel(Tunnel& tunnel) {
  for (int i = 0; i < 2; ++i) {
    sys::closeFd(tunnel.side[i]);
    sys::closeFd(tunnel.way[i].pipe[0]);
    sys::closeFd(tunnel.way[i].pipe[1]);
  }
  sys::closeFd(tunnel.call);
  tunnel.used = false;
}

int indexOf(const Tunnel& tunnel) { return tunnels.indexOf(tunnel); }

Tunnel* newTunnel() {
  Tunnel* const tunnel = tunnels.free();
  if (tunnel == nullptr) return nullptr;
  const std::uint32_t generation = tunnel->generation + 1;
  memset(static_cast<void*>(tunnel), 0, sizeof *tunnel);
  tunnel->used = true;
  tunnel->generation = generation;
  tunnel->call = tunnel->side[0] = tunnel->side[1] = -1;
  for (Direction& way : tunnel->way) way.pipe[0] = way.pipe[1] = -1;
  return tunnel;
}

sys::Word splice(int from, int to, std::size_t size) {
  constexpr unsigned kMove = 1, kNonblock = 2;
  return sys::call(__NR_splice, from, 0, to, 0, sys::Word(size), kMove | kNonblock);
}

bool takePipe(Direction& way) {
  if (way.pipe[0] >= 0) return true;
  if (sparePipe[0] >= 0) {
    for (int i = 0; i < 2; ++i) {
      way.pipe[i] = sparePipe[i];
      sparePipe[i] = -1;
    }
    return true;
  }
  if (sys::pipe2(way.pipe, O_CLOEXEC | O_NONBLOCK) >= 0) return true;
  way.pipe[0] = way.pipe[1] = -1;
  return false;
}

void givePipeBack(Direction& way) {
  if (way.held > 0 || way.pipe[0] < 0) return;
  for (int i = 0; i < 2; ++i) {
    if (sparePipe[i] < 0) {
      sparePipe[i] = way.pipe[i];
    } else {
      sys::closeFd(way.pipe[i]);
    }
    way.pipe[i] = -1;
  }
}

// Moves what can be moved one way, through the pipe. False: the connection is broken.
bool pumpThrough(Tunnel& tunnel, int from) {
  constexpr std::size_t kPipe = 65536;
  Direction& way = tunnel.way[from];
  const int source = tunnel.side[from], target = tunnel.side[1 - from];
  bool blockedIn = way.ended, blockedOut = false;
  int rounds = 0;
  while (!(blockedIn && (way.held == 0 || blockedOut))) {
    if (++rounds > 32) {
      tunnel.pending = anyPending = true;  // the others first
      return true;
    }
    if (!blockedIn && way.held < kPipe) {
      const sys::Word n = splice(source, way.pipe[1], kPipe - way.held);
      if (n > 0) {
        way.held += static_cast<std::size_t>(n);
        blockedOut = false;
      } else if (n == 0) {
        way.ended = blockedIn = true;
      } else if (n == -sys::kEagain) {
        blockedIn = true;
      } else {
        return false;
      }
    } else if (!blockedIn) {
      blockedIn = blockedOut;
    }
    if (way.held > 0 && !blockedOut) {
      const sys::Word n = splice(way.pipe[0], target, way.held);
      if (n > 0) {
        way.held -= static_cast<std::size_t>(n);
      } else if (n == -sys::kEagain) {
        blockedOut = true;
      } else {
        return false;
      }
    }
  }
  if (way.ended && way.held == 0 && !way.shut) {
    way.shut = true;
    sys::call(__NR_shutdown, target, 1 /* SHUT_WR */);
  }
  return true;
}

bool pump(Tunnel& tunnel, int from) {
  Direction& way = tunnel.way[from];
  if (way.shut) return true;
  if (!takePipe(way)) return false;
  const bool good = pumpThrough(tunnel, from);
  givePipeBack(way);
  return good;
}

void run(Tunnel& tunnel) {
  if (!pump(tunnel, 0) || !pump(tunnel, 1) || (tunnel.way[0].shut && tunnel.way[1].shut)) closeTunnel(tunnel);
}

}  // namespace

int openForward(Box& box, std::uint16_t port) {
  for (int i = 0; i < box.forwardCount; ++i) {
    if (box.forwards[i].inside == port) return box.forwards[i].outside;
  }
  if (box.forwardCount == kMaxForwards) return -sys::kEmfile;
  const int fd = sys::socket(2 /* AF_INET */, sys::kStream | sys::kNonblock, 0);
  if (fd < 0) return fd;
  struct {
    std::uint16_t family = 2, port = 0;
    std::uint32_t address = 0x0100007f;
    char rest[8] = {};
  } address;
  int size = sizeof address;
  sys::Word result = sys::call(__NR_bind, fd, sys::word(&address), size);
  if (result == 0) result = sys::call(__NR_listen, fd, 256);
  if (result == 0) result = sys::call(__NR_getsockname, fd, sys::word(&address), sys::word(&size));
  if (result < 0) {
    sys::closeFd(fd);
    return static_cast<int>(result);
  }
  Forward& forward = box.forwards[box.forwardCount];
  forward.inside = port;
  forward.outside = static_cast<std::uint16_t>(address.port >> 8 | (address.port & 0xff) << 8);
  forward.listener = fd;
  const int index = launcher.boxes.indexOf(box);
  sys::epollControl(launcher.epoll, sys::kAdd, fd, sys::kIn,
                    topicKey(Topic::kForward, index, box.forwardCount, box.generation));
  ++box.forwardCount;
  rewriteMeta(box);
  return forward.outside;
}

void closeForwards(Box& box) {
  for (int i = 0; i < box.forwardCount; ++i) sys::closeFd(box.forwards[i].listener);
  box.forwardCount = 0;
  const int index = launcher.boxes.indexOf(box);
  for (Tunnel& tunnel : tunnels) {
    if (tunnel.used && tunnel.box == index) closeTunnel(tunnel);
  }
}

void acceptForward(int boxIndex, int which) {
  Box& box = launcher.boxes[boxIndex];
  const int client =
      static_cast<int>(sys::call(__NR_accept4, box.forwards[which].listener, 0, 0, sys::kCloexec | sys::kNonblock));
  if (client < 0) return;
  Tunnel* tunnel = newTunnel();
  int pair[2];
  if (tunnel == nullptr || sys::socketPair(pair) < 0) {
    if (tunnel != nullptr) tunnel->used = false;
    sys::closeFd(client);
    return;
  }
  tunnel->box = boxIndex;
  tunnel->side[0] = client;
  tunnel->call = pair[0];
  const std::uint64_t port = box.forwards[which].inside;
  const int sent = sendFrame(box.process.init, FrameType::kDial, &port, sizeof port, &pair[1], 1);
  sys::closeFd(pair[1]);
  if (sent < 0) {
    closeTunnel(*tunnel);
    return;
  }
  sys::epollControl(launcher.epoll, sys::kAdd, tunnel->call, sys::kIn | sys::kReadHangup,
                    topicKey(Topic::kTunnelCall, indexOf(*tunnel), 0, tunnel->generation));
}

bool tunnelCurrent(int index, std::uint32_t generation) {
  return tunnels[index].used && (tunnels[index].generation & 0xffff) == generation;
}

void tunnelCallAnswered(int index) {
  Tunnel& tunnel = tunnels[index];
  char message[64];
  ReceivedFds fds;
  const sys::Word size = receive(tunnel.call, message, sizeof message, fds, false);
  if (size == -sys::kEagain) return;
  if (size <= 0 || fds.count() < 1) {  // nobody listens: the client sees the connection close
    closeTunnel(tunnel);
    return;
  }
  tunnel.side[1] = fds.take(0);
  sys::closeFd(tunnel.call);
  tunnel.call = -1;
  constexpr std::uint32_t kEdge = 1U << 31;
  for (int side = 0; side < 2; ++side) {
    sys::fcntl(tunnel.side[side], 4 /* F_SETFL */, O_NONBLOCK);
    sys::epollControl(launcher.epoll, sys::kAdd, tunnel.side[side], sys::kIn | sys::kOut | sys::kReadHangup | kEdge,
                      topicKey(Topic::kTunnelSide, index, side, tunnel.generation));
  }
  run(tunnel);
}

void tunnelReady(int index) { run(tunnels[index]); }

bool pumpPending() {
  if (!anyPending) return false;
  anyPending = false;
  for (Tunnel& tunnel : tunnels) {
    if (!tunnel.used || !tunnel.pending) continue;
    tunnel.pending = false;
    run(tunnel);
  }
  return anyPending;
}

}  // namespace computesdk::local
