// Everything inside stands still while its disk is being copied.
#include "init.hpp"
#include "process_table.hpp"

namespace computesdk::local {
namespace {

constexpr int kSigContinue = 18, kSigStop = 19;
constexpr int kPatienceMs = 2000;

// One that waits in the kernel (D) is not writing either.
bool moves(int pid) {
  Stat stat;
  return readStat(pid, stat) && (stat.state == 'R' || stat.state == 'S');
}

// A stop takes effect when its process next runs. 0, or -errno when somebody goes on; then all go on.
int stopAll() {
  const std::int64_t end = sys::nowMs(sys::kMonotonic) + kPatienceMs;
  for (;;) {
    sys::killPid(-1, kSigStop);
    if (forEachProcess(moves) == 0) return 0;
    if (sys::nowMs(sys::kMonotonic) > end) {
      sys::killPid(-1, kSigContinue);
      return -sys::kEagain;
    }
    const __kernel_timespec millisecond{0, 1000000};
    sys::call(__NR_nanosleep, sys::word(&millisecond), 0);
  }
}

}  // namespace

void freeze(int call) {
  // Without isolation there is no scratch, and "everybody" would be the whole machine.
  const int refused = self.scratch < 0 ? -sys::kEopnotsupp : self.freezer >= 0 ? -sys::kEbusy : stopAll();
  const protocol::ReplyBody body{-refused, protocol::Step::kNone, 0};
  const int sent = sendBody(call, protocol::FrameType::kFrozen, body, refused == 0 ? self.scratch : -1);
  if (refused < 0) {
    sys::closeFd(call);
    return;
  }
  self.freezer = call;
  const int watched =
      sys::epollControl(self.epoll, sys::kAdd, call, sys::kIn | sys::kReadHangup, key(Source::kFreezer, 0));
  if (sent < 0 || watched < 0) thaw();
}

void thaw() {
  sys::closeFd(self.freezer);
  self.freezer = -1;
  sys::killPid(-1, kSigContinue);
}

}  // namespace computesdk::local
