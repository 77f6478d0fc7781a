// Birth and death of sandboxes.
#include "launcher.hpp"
#include "process_table.hpp"

namespace computesdk::local {
namespace {

using protocol::FrameType;
using protocol::Step;

Birth birth;  // in static memory, since the child keeps using it

int freeBox() {
  for (int i = 0; i < kMaxBoxes; ++i) {
    if (!launcher.boxes[i].used) return i;
  }
  return -1;
}

int boxById(const protocol::Text& id) {
  for (int i = 0; i < kMaxBoxes; ++i) {
    const Box& box = launcher.boxes[i];
    if (box.used && sys::length(box.id) == id.size && memcmp(box.id, id.data, id.size) == 0) return i;
  }
  return -1;
}

void refuse(int host, Step step, int error) {
  const protocol::ReadyBody body{step, error};
  sendBody(host, FrameType::kReady, body);
}

// Clones an init. 0 or -errno; only the caller comes back.
int spawn(Box& box) {
  int pair[2];
  int result = sys::socketPair(pair);
  if (result < 0) return result;
  birth.launcher = pair[1];
  const std::uint64_t inner =
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (launcher.config->users ? CLONE_NEWUSER : 0);
  const int pid = cloneProcess(launcher.config->isolated ? inner : 0, &box.pidfd);
  if (pid == 0) runInit(*launcher.config, birth);
  sys::closeFd(pair[1]);
  if (pid < 0) {
    sys::closeFd(pair[0]);
    return pid;
  }
  box.pid = pid;
  box.init = pair[0];
  return 0;
}

}  // namespace

void createBox(const protocol::CreateRequest& request, ReceivedFds& fds) {
  const int host = fds.at(0);
  const int index = freeBox();
  if (index < 0 || fds.count() < 2 || boxById(request.id) >= 0) {
    refuse(host, Step::kFull, index < 0 ? sys::kEmfile : sys::kEexist);
    return;
  }
  Box& box = launcher.boxes[index];
  const std::uint32_t generation = box.generation + 1;
  memset(static_cast<void*>(&box), 0, sizeof box);
  box.generation = generation;
  memcpy(box.id, request.id.data, request.id.size);
  memcpy(box.token, request.body.token, sizeof box.token);
  box.flags = request.body.flags;
  box.folder = box.lock = box.listener = -1;
  birth = Birth{};
  birth.spec = request.body;
  memcpy(birth.workdir, request.workdir.data, request.workdir.size + 1);
  birth.host = host;
  birth.cgroupFiles[0] = birth.cgroupFiles[1] = birth.oomControl = birth.network = birth.scratch = -1;
  int result = enterCgroups(box, request.body, birth);
  if (result < 0) {
    refuse(host, Step::kCgroup, -result);
  } else {
    result = spawn(box);
    if (result < 0) refuse(host, Step::kCloneSandbox, -result);
  }
  for (const int file : birth.cgroupFiles) sys::closeFd(file);
  sys::closeFd(birth.oomControl);
  if (result < 0) {
    leaveCgroups(box);
    return;
  }
  box.used = true;
  ++launcher.boxCount;
  sys::epollControl(launcher.epoll, sys::kAdd, box.pidfd, sys::kIn, topicKey(Topic::kBoxEnded, index, 0, generation));
  setExpiry(box, request.body.ttlMs);
  const int control = fds.take(1);
  if ((box.flags & protocol::kCreateRegistered) != 0) {
    const int registered = registerBox(box, request.meta);  // while init sets up
    const protocol::ReplyBody body{-registered, Step::kRegistry, 0};
    sendBody(control, FrameType::kRegistered, body);
    if (registered < 0) killBox(box);
  }
  if (addLink(control, index, true) < 0) killBox(box);
  armTimer();
}

void killBox(Box& box) {
  // Without a pid namespace init has to clear up first.
  const int signal = launcher.config->isolated ? 9 : 15;
  sys::call(__NR_pidfd_send_signal, box.pidfd, signal, 0, 0);
}

namespace {

// Descends from us, but from no living init.
bool orphaned(int pid, int own) {
  for (int depth = 0; depth < 4096 && pid > 1; ++depth) {
    for (const Box& box : launcher.boxes) {
      if (box.used && box.pid == pid) return false;
    }
    Stat stat;
    if (!readStat(pid, stat)) return false;
    if (stat.parent == own) return true;
    pid = stat.parent;
  }
  return false;
}

// Without a pid namespace, what the commands of a killed init have become comes to us.
void endOrphans() {
  const int own = static_cast<int>(sys::call(__NR_getpid));
  killEach([&](int pid) { return orphaned(pid, own); });
  forEachProcess([&](int pid) {
    Stat stat;
    if (!readStat(pid, stat) || stat.state != 'Z' || stat.parent != own || !orphaned(pid, own)) return false;
    return sys::call(__NR_wait4, pid, 0, 1 /* WNOHANG */, 0) > 0;
  });
}

}  // namespace

void boxEnded(int index) {
  Box& box = launcher.boxes[index];
  int status = 0;
  sys::call(__NR_wait4, box.pid, sys::word(&status), 0, 0);
  unregisterBox(box);
  leaveCgroups(box);
  closeForwards(box);
  sys::closeFd(box.pidfd);
  sys::closeFd(box.init);
  box.used = false;
  --launcher.boxCount;
  const bool killed = (status & 0x7f) != 0;
  if (killed && !launcher.config->isolated) endOrphans();
  for (Link& link : launcher.links) {
    if (!link.used || link.box != index) continue;
    if (link.awaitsEnd) sendBody(link.fd, FrameType::kReply, protocol::ReplyBody{});
    dropLink(link);
  }
}

void setExpiry(Box& box, std::uint64_t ttlMs) {
  constexpr std::uint64_t kLongest = 100ULL * 365 * 86400 * 1000;
  if (ttlMs > kLongest) ttlMs = kLongest;
  const auto ttl = static_cast<std::int64_t>(ttlMs);
  box.expiresBootMs = ttl == 0 ? 0 : sys::nowMs(sys::kBootClock) + ttl;
  box.expiresWallMs = ttl == 0 ? 0 : sys::nowMs(sys::kWallClock) + ttl;
}

void armTimer() {
  std::int64_t next = 0;
  for (const Box& box : launcher.boxes) {
    if (box.used && box.expiresBootMs != 0 && (next == 0 || box.expiresBootMs < next)) next = box.expiresBootMs;
  }
  const __kernel_timespec value[2] = {{0, 0}, {next / 1000, next % 1000 * 1000000}};
  sys::call(__NR_timerfd_settime, launcher.timer, 1 /* TFD_TIMER_ABSTIME */, sys::word(value), 0);
}

void expireDue() {
  const std::int64_t now = sys::nowMs(sys::kBootClock);
  for (Box& box : launcher.boxes) {
    if (box.used && box.expiresBootMs != 0 && box.expiresBootMs <= now) {
      killBox(box);
      box.expiresBootMs = 0;
    }
  }
  armTimer();
}

}  // namespace computesdk::local
