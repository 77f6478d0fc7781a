// The parts of the launcher: parent of the sandboxes' inits, keeper of their lifetimes.
#pragma once

#include "helper.hpp"

namespace computesdk::local {

constexpr int kMaxBoxes = 2048;
constexpr int kMaxLinks = 4096;
constexpr int kMaxForwards = 16;
constexpr int kMaxTunnels = 16384;

enum class Topic : std::uint8_t { kHost, kTimer, kBoxEnded, kKnock, kLink, kForward, kTunnelCall, kTunnelSide };
constexpr std::uint64_t topicKey(Topic topic, int index, int part = 0, std::uint32_t generation = 0) {
  return std::uint64_t(topic) << 56 | std::uint64_t(generation & 0xffff) << 40 | std::uint64_t(part) << 32 |
         static_cast<std::uint32_t>(index);
}

// A port of a sandbox shown on the host's loopback.
struct Forward {
  std::uint16_t inside, outside;
  int listener;
};

// An init as its parent has it.
struct Newborn {
  int pid;  // 0: none
  int pidfd;
  int init;  // control end
  // Where bubblewrap is between: pid and pidfd are its own, this is init's pidfd, -1 as long as it is not known.
  int inner;
  int complaint;  // a file with what bubblewrap said, or -1
};

// What bubblewrap is told of a sandbox on its command line.
struct Shape {
  std::uint64_t diskBytes;
  char workdirTop[304];
};

struct Box {
  bool used;
  std::uint32_t generation;
  char id[protocol::kMaxId + 1];
  std::uint32_t flags;  // protocol::CreateFlags
  std::uint8_t token[protocol::kTokenSize];
  Newborn process;
  int folder;                                 // its registry folder, -1 if unregistered
  int lock;                                   // held for as long as it lives
  int listener;                               // the registry's socket
  bool grouped;                               // has folders in the control groups
  std::int64_t expiresBootMs, expiresWallMs;  // 0: never
  int forwardCount;
  Forward forwards[kMaxForwards];
};

// A control connection: the creator's, or one that came by the registry's socket.
struct Link {
  bool used;
  int fd;
  int box;
  bool trusted;
  bool creator;
  bool awaitsEnd;
  std::uint32_t generation;
};

struct Launcher {
  Config* config;
  int epoll, timer;
  bool hostGone;
  int boxCount;
  std::uint64_t created;  // boxes so far
  std::uint32_t turn;     // of the next box; begins anywhere
  Newborn spare;          // has made its room, and waits for whose it will be
  bool spareRefused;      // the last attempt to make one failed
  Shape shape;            // of the last sandbox, and of the one that waits
  Slots<Box, kMaxBoxes> boxes;
  Slots<Link, kMaxLinks> links;
};
extern Launcher launcher;

// boxes.cpp
void createBox(const protocol::CreateRequest& request, ReceivedFds& fds);
// One init is made ahead, while nothing else is to do: creating is then half as long.
bool wantsSpare();
void makeSpare();
// The same while the root is still to be made; then it is told.
void makeEarlySpare();
void showRootToSpare();
void dropSpare();
void killBox(Box& box);
void boxEnded(int index);
void setExpiry(Box& box, std::uint64_t ttlMs);
void armTimer();
void expireDue();

// links.cpp
int addLink(int fd, int box, bool creator);
void dropLink(Link& link);
void serveLink(int index);
void knock(int box);

// registry.cpp
int registerBox(Box& box, const protocol::Text& meta);
int rewriteMeta(const Box& box);
void unregisterBox(Box& box);

// groups.cpp
int makeGroups(Box& box, const protocol::CreateBody& spec, Birth& birth);
void removeGroups(Box& box);

// forwarder.cpp
int openForward(Box& box, std::uint16_t port);  // the port outside, or -errno
void closeForwards(Box& box);
void acceptForward(int box, int which);
void tunnelCallAnswered(int index);
void tunnelReady(int index);
bool pumpPending();  // continues tunnels that had more to move; true: call again soon
bool tunnelCurrent(int index, std::uint32_t generation);

}  // namespace computesdk::local
