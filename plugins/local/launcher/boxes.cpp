// Birth and death of sandboxes.
#include "launcher.hpp"
#include "process_table.hpp"

namespace computesdk::local {
namespace {

using protocol::FrameType;
using protocol::Step;

Birth birth;  // in static memory, since the child keeps using it

bool taken(const protocol::Text& id) {
  for (const Box& box : launcher.boxes) {
    if (box.used && sys::length(box.id) == id.size && memcmp(box.id, id.data, id.size) == 0) return true;
  }
  return false;
}

void refuse(int host, Step step, int error) {
  const protocol::ReadyBody body{step, error};
  sendBody(host, FrameType::kReady, body);
}

// Clones an init for `birth`. 0 or -errno; only the caller comes back.
int spawn(Newborn& made) {
  int pair[2];
  int result = sys::socketPair(pair);
  if (result < 0) return result;
  birth.launcher = pair[1];
  const Config& config = *launcher.config;
  made.inner = -1;
  made.complaint = config.bubblewrap ? sys::memfdCreate("computesdk-bubblewrap") : -1;
  const std::uint64_t inner = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (config.users ? CLONE_NEWUSER : 0);
  made.pid = cloneProcess(config.isolated ? inner : 0, &made.pidfd);
  if (made.pid == 0 && config.bubblewrap) becomeBubblewrap(config, birth, made.complaint);
  if (made.pid == 0) runInit(config, birth);
  sys::closeFd(pair[1]);
  if (made.pid < 0) {
    sys::closeFd(pair[0]);
    sys::closeFd(made.complaint);
    return made.pid;
  }
  made.init = pair[0];
  return 0;
}

// What it is to become, for one that was made ahead and for one inside bubblewrap, which does not share our memory.
int sendBirth(const Newborn& made) {
  int fds[2 + limits::kControllers], count = 0;
  forEachGiven(birth, [&](int& fd) { fds[count++] = fd; });
  return sendFrame(made.init, FrameType::kBirth, &birth, sizeof birth, fds, count);
}

Shape shapeOf(const Birth& birth) {
  Shape shape;
  memset(&shape, 0, sizeof shape);
  shape.diskBytes = birth.spec.diskBytes;
  const auto top = topFolder(birth.workdir);
  memcpy(shape.workdirTop, top.text(), top.size());
  return shape;
}

// Where bubblewrap was told beforehand what its disk is to be, one that waits fits only the same wish.
bool fits(const Birth& birth) {
  if (!launcher.config->bubblewrap) return true;
  const Shape shape = shapeOf(birth);
  const bool same = memcmp(&shape, &launcher.shape, sizeof shape) == 0;
  launcher.shape = shape;
  return same;
}

// Of init itself, which is the one to kill where bubblewrap is between: bubblewrap then ends after everything inside
// has. Init's first word holds it.
int innerOf(Newborn& made) {
  if (made.inner >= 0 || !launcher.config->bubblewrap) return made.inner;
  char frame[128];
  ReceivedFds fds;
  const sys::Word size = receive(made.init, frame, sizeof frame, fds, false);
  protocol::Header header;
  if (size > 0 && protocol::parseInlineHeader(frame, static_cast<std::size_t>(size), header) &&
      header.type == static_cast<std::uint16_t>(FrameType::kBorn)) {
    made.inner = fds.take(0);
  }
  return made.inner;
}

void closeAll(Newborn& made) {
  for (const int fd : {made.pidfd, made.init, made.inner, made.complaint}) sys::closeFd(fd);
}

// The one that waits becomes the sandbox of `birth`. False: there is none, or it died meanwhile.
bool takeSpare(Newborn& made) {
  const bool fitting = fits(birth);  // in any case: the next one is made like this one
  if (launcher.spare.pid == 0) return false;
  if (!fitting || sendBirth(launcher.spare) < 0) {
    dropSpare();
    return false;
  }
  made = launcher.spare;
  launcher.spare = {};
  return true;
}

int spawnFor(Newborn& made) {
  const int result = spawn(made);
  if (result == 0 && launcher.config->bubblewrap) sendBirth(made);  // one that has failed already does not read it
  return result;
}

}  // namespace

void createBox(const protocol::CreateRequest& request, ReceivedFds& fds) {
  const int host = fds.at(0);
  Box* const place = launcher.boxes.free();
  if (place == nullptr || fds.count() < 2 || taken(request.id)) {
    refuse(host, Step::kFull, place == nullptr ? sys::kEmfile : sys::kEexist);
    return;
  }
  if (launcher.boxCount == 0) {
    if (const int held = holdLayers(*launcher.config); held < 0) {
      releaseLayers(*launcher.config);
      refuse(host, Step::kTemplateMount, -held);
      return;
    }
  }
  Box& box = *place;
  const int index = launcher.boxes.indexOf(box);
  const std::uint32_t generation = box.generation + 1;
  memset(static_cast<void*>(&box), 0, sizeof box);
  box.generation = generation;
  memcpy(box.id, request.id.data, request.id.size);
  memcpy(box.token, request.body.token, sizeof box.token);
  box.flags = request.body.flags;
  box.folder = box.lock = box.listener = -1;
  clear(birth);
  birth.spec = request.body;
  memcpy(birth.workdir, request.workdir.data, request.workdir.size + 1);
  birth.host = host;
  if (launcher.created == 0) memcpy(&launcher.turn, box.token, sizeof launcher.turn);
  birth.turn = launcher.turn++;
  int result = makeGroups(box, request.body, birth);
  if (result < 0) {
    refuse(host, Step::kCgroup, -result);
  } else {
    if (!takeSpare(box.process)) result = spawnFor(box.process);
    if (result < 0) refuse(host, Step::kCloneSandbox, -result);
  }
  for (const int file : birth.groupFiles) sys::closeFd(file);
  sys::closeFd(birth.oomControl);
  if (result < 0) {
    removeGroups(box);
    if (launcher.boxCount == 0) releaseLayers(*launcher.config);
    return;
  }
  box.used = true;
  ++launcher.boxCount;
  ++launcher.created;
  launcher.spareRefused = false;
  sys::epollControl(launcher.epoll, sys::kAdd, box.process.pidfd, sys::kIn,
                    topicKey(Topic::kBoxEnded, index, 0, generation));
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

namespace {

// Descends from us, but from no living init.
bool orphaned(int pid, int own) {
  for (int depth = 0; depth < 4096 && pid > 1; ++depth) {
    if (pid == launcher.spare.pid) return false;
    for (const Box& box : launcher.boxes) {
      if (box.used && box.process.pid == pid) return false;
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

bool wantsSpare() {
  // Whoever made two will make more. One that was made for nothing would cost a program that needs one sandbox.
  return launcher.created > 1 && launcher.spare.pid == 0 && !launcher.spareRefused && !launcher.hostGone &&
         ((launcher.config->isolated && launcher.config->users) || launcher.config->bubblewrap);
}

void makeEarlySpare() {
  // What of the base can be written is only known when the root is there.
  if (!launcher.config->users || launcher.config->overlay) return;
  clear(birth);
  birth.early = true;
  if (spawn(launcher.spare) < 0) launcher.spare = {};
}

void showRootToSpare() {
  if (launcher.spare.pid != 0) sendFrame(launcher.spare.init, FrameType::kRoot, nullptr, 0);
}

void makeSpare() {
  clear(birth);
  birth.spec.diskBytes = launcher.shape.diskBytes;
  memcpy(birth.workdir, launcher.shape.workdirTop, sizeof launcher.shape.workdirTop);
  launcher.spareRefused = spawn(launcher.spare) < 0;
  if (launcher.spareRefused) launcher.spare = {};
}

void dropSpare() {
  Newborn& spare = launcher.spare;
  if (spare.pid == 0) return;
  const int inner = innerOf(spare);
  sys::call(__NR_pidfd_send_signal, inner >= 0 ? inner : spare.pidfd, 9, 0, 0);
  sys::call(__NR_wait4, spare.pid, 0, 0, 0);
  if (inner < 0 && launcher.config->bubblewrap) endOrphans();
  closeAll(spare);
  spare = {};
}

void killBox(Box& box) {
  // Without a pid namespace init has to clear up first.
  const int signal = launcher.config->isolated || launcher.config->bubblewrap ? 9 : 15;
  const int inner = innerOf(box.process);
  sys::call(__NR_pidfd_send_signal, inner >= 0 ? inner : box.process.pidfd, signal, 0, 0);
}

namespace {

// What bubblewrap said before it ended without a sandbox.
void tellComplaint(int index) {
  char text[1024];
  sys::Word size = sys::preadFd(launcher.boxes[index].process.complaint, text, sizeof text, 0);
  if (size < 0) size = 0;
  for (const Link& link : launcher.links) {
    if (link.used && link.box == index && link.creator) {
      sendFrame(link.fd, FrameType::kRefused, text, static_cast<std::size_t>(size));
    }
  }
}

}  // namespace

void boxEnded(int index) {
  Box& box = launcher.boxes[index];
  int status = 0;
  sys::call(__NR_wait4, box.process.pid, sys::word(&status), 0, 0);
  unregisterBox(box);
  removeGroups(box);
  closeForwards(box);
  if (launcher.config->bubblewrap && innerOf(box.process) < 0) tellComplaint(index);
  closeAll(box.process);
  box.used = false;
  if (--launcher.boxCount == 0) releaseLayers(*launcher.config);
  const bool killed = (status & 0x7f) != 0;
  if (killed && !launcher.config->isolated) endOrphans();
  const protocol::ReplyBody ended{0, Step::kNone, launcher.hostGone && launcher.boxCount == 0};
  for (Link& link : launcher.links) {
    if (!link.used || link.box != index) continue;
    if (link.awaitsEnd) sendBody(link.fd, FrameType::kReply, ended);
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
