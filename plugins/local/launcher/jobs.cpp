// Commands: starting, reaping, signalling, and keeping the output of those that run in the background.
#include "../limits/watchdog.hpp"
#include "init.hpp"
#include "process_table.hpp"

namespace computesdk::local {
namespace {

using protocol::Ending;
using protocol::FrameType;

// RLIMIT_MSGQUEUE's hard limit serves as a label: every descendant of a command inherits it whatever session,
// group or parent it moves to, it survives exec, and nobody inside can raise it again.
constexpr int kLabelResource = 12;
constexpr std::uint64_t kHighestLabel = 819200;  // what Linux gives every process

constexpr int kSigKill = 9, kSigTerm = 15, kSigStop = 19;
constexpr std::int64_t kGraceMs = 2000;

alignas(16) char childStack[65536];

struct ChildOrders {
  char** argv;
  char** envp;
  const char* cwd;
  int descriptors[3];
  bool terminal;
  std::uint64_t label;
  std::uint64_t processes, openFiles;
  Ending failure;
  int error;
};

const char* variable(char** envp, const char* name) {
  const std::size_t size = sys::length(name);
  for (; *envp != nullptr; ++envp) {
    if (sys::startsWith(*envp, name) && (*envp)[size] == '=') return *envp + size + 1;
  }
  return nullptr;
}

// execvp by the command's own PATH. Answers only on failure: -errno of the most telling attempt.
int execute(ChildOrders& orders) {
  const char* name = orders.argv[0];
  for (const char* c = name; *c != 0; ++c) {
    if (*c == '/') return int(sys::call(__NR_execve, sys::word(name), sys::word(orders.argv), sys::word(orders.envp)));
  }
  const char* path = variable(orders.envp, "PATH");
  if (path == nullptr) path = "/usr/local/bin:/usr/bin:/bin";
  int result = -sys::kEnoent;
  while (true) {
    const char* end = path;
    while (*end != 0 && *end != ':') ++end;
    sys::Line<4096> file;
    if (end == path) {
      file << ".";
    } else {
      file.append(path, static_cast<std::size_t>(end - path));
    }
    file << "/" << name;
    const int attempt = static_cast<int>(
        sys::call(__NR_execve, sys::word(file.text()), sys::word(orders.argv), sys::word(orders.envp)));
    if (attempt != -sys::kEnoent && attempt != -sys::kEnotdir) result = attempt;
    if (*end == 0) return result;
    path = end + 1;
  }
}

// Runs in the child, in init's memory: raw calls only, and nothing that init would miss.
void child(void* argument) {
  auto& orders = *static_cast<ChildOrders*>(argument);
  const auto give = [&](Ending ending, int error) {
    orders.failure = ending;
    orders.error = -error;
    sys::exitNow(127);
  };
  sys::call(__NR_setsid);
  for (int i = 0; i < 3; ++i) sys::dup3(orders.descriptors[i], i, 0);
  if (orders.terminal) sys::ioctl(0, 0x540E /* TIOCSCTTY */, 0);
  sys::closeRange(3, ~0U);
  int result = sys::changeDir(orders.cwd);
  if (result < 0) give(Ending::kBadFolder, result);
  sys::setRlimit(kLabelResource, orders.label, orders.label);
  if (orders.processes > 0) sys::setRlimit(6 /* NPROC */, orders.processes, orders.processes);
  sys::setRlimit(7 /* NOFILE */, orders.openFiles, orders.openFiles);
  const std::uint64_t none = 0;
  sys::call(__NR_rt_sigprocmask, 2, sys::word(&none), 0, 8);
  result = execute(orders);
  give(result == -sys::kEnoent || result == -sys::kEnotdir ? Ending::kNotFound : Ending::kNotExecutable, result);
}

void closeAndForget(int& fd) {
  sys::closeFd(fd);
  fd = -1;
}

void release(Job& job) {
  closeAndForget(job.call);
  for (int& watcher : job.watchers) closeAndForget(watcher);
  for (int& output : job.output) closeAndForget(output);
  closeAndForget(job.input);
  closeAndForget(job.ringFd);
  if (job.ring != nullptr) sys::unmap(job.ring, protocol::kRingFileSize);
  job.ring = nullptr;
  job.used = false;
}

// A free slot, else that of the background command that ended longest ago.
Job* allocate() {
  Job* job = self.jobs.free();
  if (job == nullptr) {
    for (Job& each : self.jobs) {
      if (each.pid == 0 && (job == nullptr || each.startedMs < job->startedMs)) job = &each;
    }
    if (job == nullptr) return nullptr;
    release(*job);
  }
  memset(static_cast<void*>(job), 0, sizeof *job);
  job->used = true;
  job->call = job->input = job->ringFd = -1;
  for (int& watcher : job->watchers) watcher = -1;
  for (int& output : job->output) output = -1;
  return job;
}

void refuse(int call, Ending ending, int error) {
  protocol::ExitBody exit{};
  exit.ending = ending;
  exit.value = error;
  sendBody(call, FrameType::kProcessExited, exit);
}

int indexOf(const Job& job) { return self.jobs.indexOf(job); }

// Master and slave of a new terminal of the sandbox's own devpts.
int openTerminal(const protocol::ExecBody& body, int& slave) {
  const int master = sys::openAt(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  if (master < 0) return master;
  int unlocked = 0;
  sys::ioctl(master, 0x40045431 /* TIOCSPTLCK */, sys::word(&unlocked));
  slave = sys::ioctl(master, 0x5441 /* TIOCGPTPEER */, O_RDWR | O_NOCTTY | O_CLOEXEC);
  const std::uint16_t size[4] = {body.rows, body.columns, 0, 0};
  sys::ioctl(master, 0x5414 /* TIOCSWINSZ */, sys::word(size));
  if (slave >= 0) return master;
  sys::closeFd(master);
  return slave;
}

// The ring is a file of the caller's, sealed at its size: it neither counts against the sandbox's disk nor can be
// cut short under init's feet.
int openRing(Job& job, ReceivedFds& fds) {
  job.ringFd = fds.take(1);
  if (job.ringFd < 0) return -sys::kEinval;
  job.ring = static_cast<protocol::RingHeader*>(
      sys::map(protocol::kRingFileSize, sys::kReadWrite, sys::kMapShared, job.ringFd));
  return job.ring == nullptr ? -sys::kEnomem : 0;
}

struct Pipes {
  int child[3] = {-1, -1, -1};  // ends for the command
  ~Pipes() {
    for (const int fd : child) sys::closeFd(fd);
  }
};

// Descriptors of a background command: init keeps the other ends.
int openBackground(Job& job, ReceivedFds& fds, Pipes& pipes) {
  int result = openRing(job, fds);
  if (result < 0) return result;
  if ((job.flags & protocol::kExecPty) == 0) {
    for (int stream = 0; stream < 2; ++stream) {
      int pair[2];
      result = sys::pipe2(pair, O_CLOEXEC);
      if (result < 0) return result;
      job.output[stream] = pair[0];
      pipes.child[stream + 1] = pair[1];
      sys::fcntl(pair[0], 4 /* F_SETFL */, O_NONBLOCK);
    }
    if ((job.flags & protocol::kExecInput) != 0) {
      int pair[2];
      result = sys::pipe2(pair, O_CLOEXEC);
      if (result < 0) return result;
      pipes.child[0] = pair[0];
      job.input = pair[1];
    } else {
      pipes.child[0] = sys::openAt(AT_FDCWD, "/dev/null", O_RDONLY);
    }
  }
  return 0;
}

int prepare(Job& job, const protocol::ExecRequest& request, ReceivedFds& fds, Pipes& pipes) {
  const bool background = (job.flags & protocol::kExecBackground) != 0;
  int result = 0;
  if (background) result = openBackground(job, fds, pipes);
  if (result == 0 && (job.flags & protocol::kExecPty) != 0) {
    int slave = -1;
    job.output[0] = openTerminal(request.body, slave);
    if (job.output[0] < 0) return job.output[0];
    pipes.child[0] = slave;
    pipes.child[1] = sys::fcntl(slave, 1030, 3);
    pipes.child[2] = sys::fcntl(slave, 1030, 3);
    if (background) sys::fcntl(job.output[0], 4, O_NONBLOCK);
  } else if (!background) {
    if (fds.count() < 4) return -sys::kEinval;
    for (int i = 0; i < 3; ++i) pipes.child[i] = fds.take(i + 1);
  }
  return result;
}

void announce(Job& job) {
  protocol::ProcessBody body{};
  body.pid = job.shownPid;
  body.flags = job.flags;
  body.startedMs = job.startedMs;
  body.exit = job.exit;
  int fds[2];
  int count = 0;
  if ((job.flags & protocol::kExecBackground) != 0) {
    fds[count++] = job.ringFd;
    const int input = (job.flags & protocol::kExecPty) != 0 ? job.output[0] : job.input;
    if (input >= 0) fds[count++] = input;
  } else {
    fds[count++] = job.output[0];
  }
  sendFrame(job.call, FrameType::kProcessStarted, &body, sizeof body, fds, count);
}

void watchOutput(Job& job) {
  for (int stream = 0; stream < 2; ++stream) {
    if (job.output[stream] >= 0) {
      sys::epollControl(self.epoll, sys::kAdd, job.output[stream], sys::kIn,
                        key(Source::kOutput, indexOf(job), stream, job.tag));
    }
  }
}

// Tells those who follow a background command to look at its ring. A full socket already holds such a hint.
void hint(Job& job) {
  if (job.call >= 0) sendFrame(job.call, FrameType::kOutputGrew, nullptr, 0);
  for (const int watcher : job.watchers) {
    if (watcher >= 0) sendFrame(watcher, FrameType::kOutputGrew, nullptr, 0);
  }
}

void finishBackground(Job& job) {
  for (int stream = 0; stream < 2; ++stream) {
    if (job.output[stream] >= 0) pumpOutput(indexOf(job), stream);
    closeAndForget(job.output[stream]);
  }
  closeAndForget(job.input);
  job.ring->exit = job.exit;
  __atomic_store_n(&job.ring->ended, 1U, __ATOMIC_RELEASE);
  // The end of the channel is the news, which no full buffer can hold back.
  closeAndForget(job.call);
  for (int& watcher : job.watchers) closeAndForget(watcher);
}

void finish(Job& job, int status, const std::uint64_t* usage) {
  job.pid = 0;
  const int signal = status & 0x7f;
  job.exit.ending = signal != 0 ? Ending::kSignal : Ending::kCode;
  job.exit.value = signal != 0 ? signal : (status >> 8 & 0xff);
  if (job.timedOut) {
    job.exit.ending = Ending::kTimeout;
    job.exit.value = 0;
  }
  job.exit.userMicroseconds = usage[0] * 1000000 + usage[1];
  job.exit.systemMicroseconds = usage[2] * 1000000 + usage[3];
  job.exit.maxRssBytes = usage[4] * 1024;
  if (job.sweep) signalJob(job, kSigKill);
  // Killed itself, or a shell that tells of what it ran.
  const bool killed = signal == kSigKill || (signal == 0 && job.exit.value == 128 + kSigKill);
  if (killed && (job.outOfMemory || groupKilled())) job.exit.outOfMemory = 1;
  if ((job.flags & protocol::kExecBackground) != 0) {
    finishBackground(job);
    return;
  }
  sendBody(job.call, FrameType::kProcessExited, job.exit);
  release(job);
}

std::uint64_t labelOf(const Job& job) {
  std::uint64_t own[2] = {kHighestLabel, kHighestLabel};
  sys::getRlimit(0, kLabelResource, own);
  const std::uint64_t highest = own[1] < kHighestLabel ? own[1] : kHighestLabel;
  return highest > 2 ? highest - 1 - job.tag % (highest / 2) : 0;
}

// Without a pid namespace, other processes than ours are in sight.
bool ours(int pid) {
  if (self.config->isolated) return true;
  for (int depth = 0; depth < 4096 && pid > 1; ++depth) {
    if (pid == self.ownPid) return depth > 0;
    Stat stat;
    if (!readStat(pid, stat)) return false;
    pid = stat.parent;
  }
  return false;
}

bool labelled(int pid, std::uint64_t label) {
  std::uint64_t values[2];
  return sys::getRlimit(pid, kLabelResource, values) == 0 && values[1] == label;
}

void setDeadline(Job& job, std::uint64_t timeoutMs) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 52;
  if (timeoutMs == 0) return;
  job.deadlineMs = sys::nowMs(sys::kMonotonic) + static_cast<std::int64_t>(timeoutMs < kMost ? timeoutMs : kMost);
  if (self.nextDeadlineMs == 0 || job.deadlineMs < self.nextDeadlineMs) self.nextDeadlineMs = job.deadlineMs;
}

}  // namespace

void startCommand(const protocol::ExecRequest& request, ReceivedFds& fds) {
  Job* job = allocate();
  if (job == nullptr) {
    refuse(fds.at(0), Ending::kCannotFork, sys::kEagain);
    return;
  }
  job->flags = request.body.flags;
  job->call = fds.take(0);
  Pipes pipes;
  const int prepared = prepare(*job, request, fds, pipes);
  if (prepared < 0) {
    refuse(job->call, Ending::kCannotFork, -prepared);
    release(*job);
    return;
  }
  job->tag = ++self.nextTag;
  ChildOrders orders{request.argv,
                     request.envp,
                     request.cwd.size > 0 ? request.cwd.data : self.workdir,
                     {pipes.child[0], pipes.child[1], pipes.child[2]},
                     (job->flags & protocol::kExecPty) != 0,
                     labelOf(*job),
                     self.spec.processes,
                     self.spec.openFiles,
                     Ending::kRunning,
                     0};
  const int pid = sys::spawnSharing(childStack + sizeof childStack, child, &orders);
  if (pid < 0 || orders.failure != Ending::kRunning) {
    refuse(job->call, pid < 0 ? Ending::kCannotFork : orders.failure, pid < 0 ? -pid : orders.error);
    release(*job);
    return;  // the child that failed is reaped as an orphan is
  }
  job->pid = job->shownPid = pid;
  if (self.freezer >= 0) sys::killPid(pid, kSigStop);
  sys::Line<sizeof job->command> command;
  for (char** word = request.argv; *word != nullptr && !command.full(); ++word) {
    if (word != request.argv) command << " ";
    command << *word;
  }
  memcpy(job->command, command.text(), command.size() + 1);
  sys::epollControl(self.epoll, sys::kAdd, job->call, sys::kIn | sys::kReadHangup,
                    key(Source::kCall, indexOf(*job), 0, job->tag));
  if ((job->flags & (protocol::kExecBackground | protocol::kExecPty)) != 0) {
    job->startedMs = sys::nowMs(sys::kWallClock);
    announce(*job);
    if ((job->flags & protocol::kExecBackground) != 0) {
      watchOutput(*job);
    } else {
      closeAndForget(job->output[0]);  // the caller has the master
    }
  }
  if ((job->flags & protocol::kExecBackground) != 0) setDeadline(*job, request.body.timeoutMs);
  const bool watched = (self.spec.flags & protocol::kCreateHardMemory) == 0 || self.config->bubblewrap;
  if (self.config->isolated && watched && self.nextCheckMs == 0) {
    self.nextCheckMs = sys::nowMs(sys::kMonotonic) + limits::kWatchIntervalMs;
  }
}

void reapAll() {
  for (;;) {
    int status = 0;
    std::uint64_t usage[18] = {};
    const sys::Word pid = sys::call(__NR_wait4, -1, sys::word(&status), 1 /* WNOHANG */, sys::word(usage));
    if (pid <= 0) return;
    for (Job& job : self.jobs) {
      if (job.used && job.pid == pid) {
        finish(job, status, usage);
        break;
      }
    }
  }
}

bool haveChildren() {
  constexpr int kAll = 0, kNoHang = 1, kExited = 4, kNoWait = 0x01000000;
  return sys::call(__NR_waitid, kAll, 0, 0, kExited | kNoHang | kNoWait, 0) == 0;
}

void checkDeadlines() {
  if (self.nextDeadlineMs == 0) return;
  const std::int64_t now = sys::nowMs(sys::kMonotonic);
  if (now < self.nextDeadlineMs) return;
  self.nextDeadlineMs = 0;
  for (Job& job : self.jobs) {
    if (!job.used || job.pid == 0 || job.deadlineMs == 0) continue;
    if (now >= job.deadlineMs) {
      signalJob(job, job.timedOut ? kSigKill : kSigTerm);
      job.deadlineMs = job.timedOut ? 0 : now + kGraceMs;
      job.timedOut = job.sweep = true;
    }
    if (job.deadlineMs != 0 && (self.nextDeadlineMs == 0 || job.deadlineMs < self.nextDeadlineMs)) {
      self.nextDeadlineMs = job.deadlineMs;
    }
  }
}

void signalJob(const Job& job, int number) {
  if (number != kSigKill) {
    if (job.pid > 0) sys::killPid(-job.pid, number);
    return;
  }
  if (job.pid > 0) sys::killPid(-job.pid, kSigKill);
  const std::uint64_t label = labelOf(job);
  killEach([&](int pid) { return labelled(pid, label) && ours(pid); });
}

void killDescendants() { killEach(ours); }

namespace {

// Takes what a follower of a job asks for. False: it has gone.
bool serveFollower(Job& job, int channel, std::uint32_t events) {
  char message[64];
  ReceivedFds fds;
  sys::Word size = receive(channel, message, sizeof message, fds, false);
  // A follower that hangs up with news unread says so first; what it had asked for before is still there.
  if (size == -sys::kEconnreset) size = receive(channel, message, sizeof message, fds, false);
  if (size == -sys::kEagain) return (events & (sys::kHangup | sys::kReadHangup)) == 0;
  if (size <= 0) return false;
  protocol::Header header;
  if (!protocol::parseHeader(message, static_cast<std::size_t>(size), header)) return true;
  protocol::Reader reader(message + sizeof header, header.size);
  const auto number = reader.pod<std::uint64_t>();
  if (header.type == static_cast<std::uint16_t>(FrameType::kSignal) && number < 65) {
    signalJob(job, static_cast<int>(number));
  } else if (header.type == static_cast<std::uint16_t>(FrameType::kCloseInput)) {
    closeAndForget(job.input);
  } else if (header.type == static_cast<std::uint16_t>(FrameType::kSweep)) {
    job.sweep = true;
  }
  return true;
}

}  // namespace

void handleCall(int index, std::uint32_t events) {
  Job& job = self.jobs[index];
  if (!job.used || job.call < 0 || serveFollower(job, job.call, events)) return;
  // The caller is gone. A command that nobody can hear goes with it; a background one stays.
  closeAndForget(job.call);
  if ((job.flags & protocol::kExecBackground) == 0) signalJob(job, kSigKill);
}

void pumpOutput(int index, int stream) {
  Job& job = self.jobs[index];
  if (!job.used || job.output[stream] < 0) return;
  char* data = reinterpret_cast<char*>(job.ring) + protocol::ringOffset(stream);
  for (int round = 0; round < 32; ++round) {
    const std::uint64_t written = job.ring->written[stream];
    const std::size_t at = written % protocol::kRingSize;
    std::size_t room = protocol::kRingSize - at;
    if (room > protocol::kRingSlack) room = protocol::kRingSlack;
    const sys::Word n = sys::readFd(job.output[stream], data + at, room);
    if (n == -sys::kEagain) return;
    if (n <= 0) {
      if (job.pid != 0 && (job.flags & protocol::kExecPty) != 0) {  // a terminal may be opened again
        sys::epollControl(self.epoll, sys::kRemove, job.output[stream], 0, 0);
        return;
      }
      closeAndForget(job.output[stream]);
      return;
    }
    __atomic_store_n(&job.ring->written[stream], written + static_cast<std::uint64_t>(n), __ATOMIC_RELEASE);
    hint(job);
  }
}

void handleWatcher(int index, int which, std::uint32_t events) {
  Job& job = self.jobs[index];
  if (!job.used || job.watchers[which] < 0 || serveFollower(job, job.watchers[which], events)) return;
  closeAndForget(job.watchers[which]);
}

void listProcesses(int call, std::uint64_t from) {
  constexpr int kPage = 64;
  int given = 0;
  std::uint64_t next = 0;
  const auto end = static_cast<std::uint64_t>(self.jobs.reached());
  for (std::uint64_t slot = from; slot < end; ++slot) {
    const Job& job = self.jobs[static_cast<int>(slot)];
    if (!job.used || (job.flags & protocol::kExecBackground) == 0) continue;
    if (given++ == kPage) {
      next = slot;
      break;
    }
    char body[sizeof(protocol::ProcessBody) + sizeof job.command + 8];
    protocol::Writer writer(body, sizeof body);
    protocol::ProcessBody process{};
    process.pid = job.shownPid;
    process.flags = job.flags;
    process.startedMs = job.startedMs;
    process.exit = job.exit;
    writer.pod(process);
    writer.text(job.command, sys::length(job.command));
    sendFrame(call, FrameType::kProcess, body, writer.size());
  }
  sendBody(call, FrameType::kEnd, next);
}

void openProcess(int call, std::uint64_t pid) {
  for (Job& job : self.jobs) {
    if (!job.used || (job.flags & protocol::kExecBackground) == 0 || std::uint64_t(job.shownPid) != pid) continue;
    for (int i = 0; i < kMaxWatchers; ++i) {
      if (job.watchers[i] >= 0) continue;
      const int caller = job.call;
      job.call = call;
      announce(job);
      job.call = caller;
      if (job.pid == 0) break;
      job.watchers[i] = call;
      sys::epollControl(self.epoll, sys::kAdd, call, sys::kIn | sys::kReadHangup,
                        key(Source::kWatcher, indexOf(job), i, job.tag));
      return;
    }
    break;
  }
  sys::closeFd(call);  // ended (the ring is on its way), unknown, or followed by too many
}

}  // namespace computesdk::local
