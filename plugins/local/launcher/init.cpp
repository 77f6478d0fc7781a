// Process 1 of a sandbox: waits on its sockets and its children, and does nothing else.
#include "init.hpp"

namespace computesdk::local {

Init self;

namespace {

using protocol::FrameType;

alignas(16) char frame[protocol::kMaxFrame];
char* argumentTable[protocol::kMaxArguments + 2];

void addClient(int fd, int network) {
  for (int i = 0; i < kMaxClients; ++i) {
    if (self.clients[i] >= 0) continue;
    if (sys::epollControl(self.epoll, sys::kAdd, fd, sys::kIn | sys::kReadHangup, key(Source::kClient, i)) < 0) break;
    self.clients[i] = fd;
    const protocol::ReadyBody ready{};
    int fds[3] = {self.rootFd, network, -1};
    if (network >= 0) fds[2] = static_cast<int>(sys::call(__NR_pidfd_open, self.ownPid, 0));
    sendFrame(fd, FrameType::kReady, &ready, sizeof ready, fds, fds[2] >= 0 ? 3 : 1);
    sys::closeFd(fds[2]);
    return;
  }
  sys::closeFd(fd);
}

// A connection from inside to one of the sandbox's own ports: the connected socket itself is the answer.
void dial(int call, std::uint64_t port) {
  struct {
    std::uint16_t family, port;
    std::uint32_t rest[6];
  } address{};
  address.port = static_cast<std::uint16_t>(port >> 8 | (port & 0xff) << 8);
  sys::Word result = -sys::kEinval;
  int fd = -1;
  for (const bool six : {false, true}) {
    // Without waiting: a port whose queue is full must not hold up init. The answer may be a socket still connecting.
    fd = sys::socket(six ? 10 : 2, sys::kStream | sys::kNonblock, 0);
    if (fd < 0) {
      result = fd;
      break;
    }
    address.family = six ? 10 : 2;
    address.rest[0] = six ? 0 : 0x0100007f;
    address.rest[4] = six ? 0x01000000 : 0;
    const sys::Word size = six ? 28 : 16;
    result = sys::call(__NR_connect, fd, sys::word(&address), size);
    if (result == -sys::kEinprogress) result = 0;
    if (result == 0) break;
    sys::closeFd(fd);
    fd = -1;
    if (result != -sys::kEconnrefused) break;
  }
  const protocol::StartedBody body{protocol::Step::kNone, static_cast<int>(-result)};
  sendBody(call, FrameType::kDialled, body, fd);
  sys::closeFd(fd);
}

void runExec(const protocol::Header& header, ReceivedFds& fds) {
  char* body = frame + sizeof header;
  void* large = nullptr;
  if ((header.flags & protocol::kBodyInMemfd) != 0) {
    const int file = fds.take(fds.count() - 1);
    large = sys::map(header.size + 1, sys::kReadWrite, sys::kMapPrivateAnonymous, -1);
    body = static_cast<char*>(large);
    const sys::Word n = large == nullptr ? -1 : sys::preadFd(file, large, header.size, 0);
    sys::closeFd(file);
    if (n != sys::Word(header.size)) body = nullptr;
  }
  protocol::ExecRequest request;
  if (body != nullptr && protocol::parseExec(body, header.size, argumentTable, request)) startCommand(request, fds);
  if (large != nullptr) sys::unmap(large, header.size + 1);
}

void handleFrame(const protocol::Header& header, ReceivedFds& fds, bool fromLauncher) {
  const bool exec = header.type == static_cast<std::uint16_t>(FrameType::kExec);
  if (header.flags != 0 && !exec) return;  // nothing else is that long
  protocol::Reader reader(frame + sizeof header, header.size);
  const int call = fds.at(0);
  switch (static_cast<FrameType>(header.type)) {
    case FrameType::kExec: runExec(header, fds); break;
    case FrameType::kDial: dial(call, reader.pod<std::uint64_t>()); break;
    case FrameType::kProcesses: listProcesses(call, reader.pod<std::uint64_t>()); break;
    case FrameType::kOpenProcess: openProcess(fds.take(0), reader.pod<std::uint64_t>()); break;
    case FrameType::kFreeze: freeze(fds.take(0)); break;
    case FrameType::kUsage: sendBody(call, FrameType::kUsageReply, measure()); break;
    case FrameType::kClient:
      if (fromLauncher) addClient(fds.take(0), -1);
      break;
    default: break;
  }
}

// False when the peer has gone.
bool serve(int socket, bool fromLauncher) {
  for (int i = 0; i < 16; ++i) {  // then the others have their turn
    ReceivedFds fds;
    const sys::Word size = receive(socket, frame, sizeof frame, fds, false);
    if (size == -sys::kEagain) return true;
    if (size == -sys::kEinval) continue;
    if (size <= 0) return false;
    protocol::Header header;
    if (protocol::parseHeader(frame, static_cast<std::size_t>(size), header)) handleFrame(header, fds, fromLauncher);
  }
  return true;
}

constexpr int kSigChild = 17, kSigTerm = 15;

// Without a pid namespace the kernel does not clear up behind init.
[[noreturn]] void end() {
  if (!self.config->isolated) killDescendants();
  sys::exitNow(0);
}

void handle(const sys::Event& event) {
  const auto source = static_cast<Source>(event.data >> 56);
  const int index = static_cast<int>(event.data & 0xffffffff), part = static_cast<int>(event.data >> 32 & 0xff);
  const bool aboutJob = source == Source::kCall || source == Source::kOutput || source == Source::kWatcher;
  if (aboutJob && (self.jobs[index].tag & 0xffff) != (event.data >> 40 & 0xffff)) return;
  switch (source) {
    case Source::kClient:
      if (self.clients[index] >= 0 && !serve(self.clients[index], false)) {
        sys::closeFd(self.clients[index]);
        self.clients[index] = -1;
      }
      break;
    case Source::kLauncher:
      if (!serve(self.launcher, true)) end();
      break;
    case Source::kSignals: {
      std::uint32_t info[32];  // a signalfd_siginfo, which begins with the signal's number
      while (sys::readFd(self.signals, info, sizeof info) > 0) {
        if (info[0] == kSigTerm) end();
      }
      reapAll();
      break;
    }
    case Source::kCall: handleCall(index, event.events); break;
    case Source::kOutput: pumpOutput(index, part); break;
    case Source::kWatcher: handleWatcher(index, part, event.events); break;
    case Source::kFreezer: thaw(); break;
  }
}

// All signals come by descriptor; none interrupts.
int openSignals() {
  const std::uint64_t all = ~std::uint64_t{0};
  const std::uint64_t wanted = std::uint64_t{1} << (kSigChild - 1) | std::uint64_t{1} << (kSigTerm - 1);
  sys::call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, sys::word(&all), 0, 8);
  return static_cast<int>(sys::call(__NR_signalfd4, -1, sys::word(&wanted), 8, sys::kCloexec | sys::kNonblock));
}

// Keeps only what a sandbox needs of the launcher's descriptors, at the lowest numbers.
void adoptDescriptors(Birth& birth) {
  int* wanted[3 + limits::kControllers] = {&birth.host, &birth.launcher, &birth.oomControl};
  for (std::size_t i = 0; i < limits::kControllers; ++i) wanted[3 + i] = &birth.groupFiles[i];
  int next = 3;
  for (int* fd : wanted) {
    if (*fd < 0) continue;
    // First out of the way of the low numbers, which may still hold another of the wanted ones.
    *fd = sys::fcntl(*fd, 1030 /* F_DUPFD_CLOEXEC */, 512);
  }
  for (int* fd : wanted) {
    if (*fd < 0) continue;
    sys::dup3(*fd, next, O_CLOEXEC);
    *fd = next++;
  }
  sys::closeRange(static_cast<unsigned>(next), ~0U);
}

// Milliseconds until something is due, -1: nothing is.
int patience() {
  constexpr std::int64_t kMost = 3600000;
  std::int64_t next = self.nextCheckMs;
  if (next == 0 || (self.nextDeadlineMs != 0 && self.nextDeadlineMs < next)) next = self.nextDeadlineMs;
  if (next == 0) return -1;
  const std::int64_t left = next - sys::nowMs(sys::kMonotonic);
  return static_cast<int>(left < 0 ? 0 : left > kMost ? kMost : left);
}

// Only what keeps order: orphans come to us, and we end with the launcher.
void enterUnisolated(Birth& birth) {
  constexpr int kParentDeathSignal = 1, kSubreaper = 36;
  sys::prctl(kParentDeathSignal, kSigTerm);
  sys::prctl(kSubreaper, 1);
  std::uint64_t processes[2];
  // The limit would count everything else that this user runs, so it stays what it was.
  if (sys::getRlimit(0, 6 /* NPROC */, processes) == 0 && processes[0] < 0xffffffff) {
    birth.spec.processes = static_cast<std::uint32_t>(processes[0]);
  } else {
    birth.spec.processes = 0;
  }
  const int result = sys::changeDir(birth.workdir);
  if (result == 0) return;
  const protocol::ReadyBody body{protocol::Step::kWorkdir, -result};
  sendBody(birth.host, FrameType::kReady, body);
  sys::exitNow(1);
}

// The next frame from the launcher, which must be of this type and size.
bool awaitFrame(int launcher, FrameType type, std::size_t size, ReceivedFds& fds) {
  const sys::Word received = receive(launcher, frame, sizeof frame, fds, true);
  protocol::Header header;
  return received > 0 && protocol::parseInlineHeader(frame, static_cast<std::size_t>(received), header) &&
         header.type == static_cast<std::uint16_t>(type) && header.size == size;
}

// One that was made ahead learns whose it is. False: nobody wants it any more.
bool awaitBirth(Birth& birth) {
  ReceivedFds fds;
  if (!awaitFrame(birth.launcher, FrameType::kBirth, sizeof(Birth), fds)) return false;
  const int launcher = birth.launcher, scratch = birth.scratch;
  memcpy(static_cast<void*>(&birth), frame + sizeof(protocol::Header), sizeof birth);
  birth.launcher = launcher;
  birth.scratch = scratch;
  int next = 0;
  forEachGiven(birth, [&](int& fd) { fd = fds.take(next++); });
  return birth.host >= 0;
}

// What is to be reported to the host, when there is one.
Outcome enterSandbox(const Config& config, Birth& birth) {
  Outcome outcome = config.bubblewrap ? Outcome{} : takeNamespaces(config, birth.spec.uid);
  if (birth.early && outcome.ok()) {
    ReceivedFds none;
    if (!awaitFrame(birth.launcher, FrameType::kRoot, 0, none)) sys::exitNow(1);
  }
  if (outcome.ok() && !config.bubblewrap) outcome = makeRoom(config, birth);
  // A failure shows again in the one that takes its place, and that one has somebody to tell.
  if (birth.host < 0 && !(outcome.ok() && awaitBirth(birth))) sys::exitNow(1);
  return outcome.ok() ? moveIn(config, birth) : outcome;
}

}  // namespace

void runInit(const Config& config, Birth& birth) {
  adoptDescriptors(birth);
  sys::call(__NR_setsid);
  self.signals = openSignals();
  self.config = &config;
  self.ownPid = static_cast<int>(sys::call(__NR_getpid));
  if (config.isolated) {
    const Outcome outcome = enterSandbox(config, birth);
    if (!outcome.ok()) {
      const protocol::ReadyBody body{outcome.step, outcome.error};
      sendBody(birth.host, FrameType::kReady, body);
      sys::exitNow(1);
    }
  } else {
    enterUnisolated(birth);
  }
  self.spec = birth.spec;
  std::uint64_t files[2];
  if (sys::getRlimit(0, 7 /* NOFILE */, files) == 0 && files[1] < self.spec.openFiles) {
    self.spec.openFiles = static_cast<std::uint32_t>(files[1]);
  }
  self.workdir = birth.workdir;
  self.launcher = birth.launcher;
  self.oomControl = birth.oomControl;
  self.scratch = birth.scratch;
  self.freezer = -1;
  self.epoll = sys::epollCreate();
  self.rootFd = sys::openAt(AT_FDCWD, "/", O_PATH | O_DIRECTORY);
  for (int& client : self.clients) client = -1;
  sys::epollControl(self.epoll, sys::kAdd, self.signals, sys::kIn, key(Source::kSignals, 0));
  sys::epollControl(self.epoll, sys::kAdd, self.launcher, sys::kIn | sys::kReadHangup, key(Source::kLauncher, 0));
  countKills();
  addClient(birth.host, birth.network);
  sys::closeFd(birth.network);
  for (;;) {
    sys::Event events[32];
    const int count = sys::epollWait(self.epoll, events, 32, patience());
    for (int i = 0; i < count; ++i) handle(events[i]);
    checkMemory();
    checkDeadlines();
  }
}

}  // namespace computesdk::local
