// The ends of the engine bubblewrap that are processes of their own: init as bubblewrap starts it, and the keeper.
#include "init.hpp"
#include "process_table.hpp"

namespace computesdk::local {
namespace {

using protocol::Step;

constexpr int kLauncherEnd = 3;

void closeStandardStreams() {
  const int null = sys::openAt(AT_FDCWD, "/dev/null", O_RDWR);
  for (int i = 0; i < 3; ++i) sys::dup3(null, i, 0);
  sys::closeFd(null);
}

std::uint64_t deviceOf(const char* path) {
  struct statx status {};
  if (sys::call(__NR_statx, AT_FDCWD, sys::word(path), 0, STATX_TYPE, sys::word(&status)) < 0) return 0;
  return std::uint64_t{status.stx_dev_major} << 32 | status.stx_dev_minor;
}

}  // namespace

void runInside() {
  static Config config;
  static Birth birth;
  sys::closeRange(kLauncherEnd + 1, ~0U);  // bubblewrap hands on all that it has
  closeStandardStreams();
  sys::prctl(15 /* PR_SET_NAME */, sys::word("computesdk-init"));
  sys::spill(AT_FDCWD, "/proc/self/oom_score_adj", "500", 3);  // the machine's own programs outlive us
  config.bubblewrap = true;
  clear(birth);
  birth.launcher = kLauncherEnd;
  const int own = static_cast<int>(sys::call(__NR_pidfd_open, sys::call(__NR_getpid), 0));
  sendFrame(kLauncherEnd, protocol::FrameType::kBorn, nullptr, 0, &own, own >= 0 ? 1 : 0);
  sys::closeFd(own);
  runInit(config, birth);
}

Outcome checkDisk() {
  const std::uint64_t disk = deviceOf("/tmp");
  for (const char* place : {"/home", "/run", "/dev/shm", "/work", "/workspace"}) {
    if (disk == 0 || deviceOf(place) != disk) return failed(Step::kBubblewrap, -sys::kExdev);
  }
  return disk == deviceOf("/") ? failed(Step::kBubblewrap, -sys::kExdev) : Outcome{};
}

// A launcher in a pid namespace takes everything along when it dies. Here bubblewrap does, and for a moment while it
// starts it cannot: its child waits for it and would do so for ever.
int leaveKeeper(const Config& config) {
  sys::prctl(36 /* PR_SET_CHILD_SUBREAPER */, 1);
  const int launcher = cloneProcess(0, nullptr);
  if (launcher <= 0) return launcher;
  const std::uint64_t all = ~std::uint64_t{0};
  sys::call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, sys::word(&all), 0, 8);
  // Nothing is kept but the launcher's line to its host, who hears of the end on it when all is done.
  sys::closeRange(0, kLauncherSocket - 1);
  sys::closeRange(kLauncherSocket + 1, ~0U);
  sys::Word ended;
  do {
    ended = sys::call(__NR_wait4, -1, 0, 0, 0);
  } while (ended > 0 && ended != launcher);
  self.config = &config;
  self.ownPid = static_cast<int>(sys::call(__NR_getpid));
  while ((ended = sys::call(__NR_wait4, -1, 0, 1 /* WNOHANG */, 0)) >= 0) {
    if (ended > 0) continue;
    killDescendants();
    sys::call(__NR_wait4, -1, 0, 0, 0);
  }
  sys::exitNow(0);
}

}  // namespace computesdk::local
