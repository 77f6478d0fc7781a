// The launcher's loop. It lives as long as its host process or one of its sandboxes does, and holds no secret.
#include "launcher.hpp"

namespace computesdk::local {

Launcher launcher;

namespace {

using protocol::Step;

alignas(16) char frame[protocol::kMaxFrame];

void hostFrames() {
  for (int i = 0; i < 16; ++i) {
    ReceivedFds fds;
    const sys::Word size = receive(kLauncherSocket, frame, sizeof frame, fds, false);
    if (size == -sys::kEagain) return;
    if (size == -sys::kEinval) continue;
    if (size <= 0) {
      launcher.hostGone = true;
      dropSpare();
      sys::epollControl(launcher.epoll, sys::kRemove, kLauncherSocket, 0, 0);
      // Its other end is how the host sees whether we stay, as with those that are registered, or end.
      for (const Box& box : launcher.boxes) {
        if (!box.used || (box.flags & protocol::kCreateRegistered) == 0) continue;
        sys::closeFd(kLauncherSocket);
        break;
      }
      return;
    }
    protocol::Header header;
    protocol::CreateRequest request;
    if (protocol::parseInlineHeader(frame, static_cast<std::size_t>(size), header) &&
        header.type == static_cast<std::uint16_t>(protocol::FrameType::kCreate) &&
        protocol::parseCreate(frame + sizeof header, header.size, request)) {
      createBox(request, fds);
    }
  }
}

void handle(const sys::Event& event) {
  const auto topic = static_cast<Topic>(event.data >> 56);
  const int index = static_cast<int>(event.data & 0xffffffff), part = static_cast<int>(event.data >> 32 & 0xff);
  const auto generation = static_cast<std::uint32_t>(event.data >> 40 & 0xffff);
  const auto current = [&](int box) {
    return launcher.boxes[box].used && (launcher.boxes[box].generation & 0xffff) == generation;
  };
  switch (topic) {
    case Topic::kHost: hostFrames(); break;
    case Topic::kTimer: {
      std::uint64_t count;
      sys::readFd(launcher.timer, &count, sizeof count);
      expireDue();
      break;
    }
    case Topic::kBoxEnded:
      if (current(index)) boxEnded(index);
      break;
    case Topic::kKnock:
      if (current(index)) knock(index);
      break;
    case Topic::kLink:
      if (launcher.links[index].used && (launcher.links[index].generation & 0xffff) == generation) serveLink(index);
      break;
    case Topic::kForward:
      if (current(index)) acceptForward(index, part);
      break;
    case Topic::kTunnelCall:
      if (tunnelCurrent(index, generation)) tunnelCallAnswered(index);
      break;
    case Topic::kTunnelSide:
      if (tunnelCurrent(index, generation)) tunnelReady(index);
      break;
  }
}

void prepareProcess() {
  const std::uint64_t all = ~std::uint64_t{0};
  sys::call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, sys::word(&all), 0, 8);
  std::uint64_t files[2];
  if (sys::getRlimit(0, 7, files) == 0) sys::setRlimit(7, files[1], files[1]);
  sys::call(__NR_umask, 022);
  // Standard streams may be the caller's terminal, which must not reach a sandbox.
  const int null = sys::openAt(AT_FDCWD, "/dev/null", O_RDWR);
  for (int i = 0; i < 3; ++i) sys::dup3(null, i, 0);
  if (null > 2) sys::closeFd(null);
}

}  // namespace

Outcome beginLauncher(Config& config, std::uint32_t gid) {
  prepareProcess();
  launcher.config = &config;
  if (!config.isolated) {
    sys::prctl(36 /* PR_SET_CHILD_SUBREAPER */, 1);
    return {};
  }
  Outcome outcome;
  if (config.users) outcome = writeMaps(Step::kMapOuter, config.uid, gid, true);
  if (outcome.ok() && !config.root) outcome = openTrees(config);
  if (!outcome.ok()) return outcome;
  // A launcher is started because a sandbox is wanted. Its network, the dearest part, is made while we make the root.
  makeEarlySpare();
  outcome = buildTemplateRoot(config);
  if (outcome.ok()) showRootToSpare();
  return outcome;
}

void runLauncher() {
  launcher.epoll = sys::epollCreate();
  launcher.timer = static_cast<int>(sys::call(__NR_timerfd_create, sys::kBootClock, sys::kCloexec | sys::kNonblock));
  sys::epollControl(launcher.epoll, sys::kAdd, kLauncherSocket, sys::kIn | sys::kReadHangup, topicKey(Topic::kHost, 0));
  sys::epollControl(launcher.epoll, sys::kAdd, launcher.timer, sys::kIn, topicKey(Topic::kTimer, 0));
  bool more = false;
  while (!launcher.hostGone || launcher.boxCount > 0) {
    sys::Event events[64];
    const bool spare = wantsSpare();
    const int count = sys::epollWait(launcher.epoll, events, 64, more || spare ? 0 : -1);
    if (count == 0 && spare) makeSpare();
    for (int i = 0; i < count; ++i) handle(events[i]);
    more = pumpPending();
  }
  sys::exitNow(0);
}

}  // namespace computesdk::local
