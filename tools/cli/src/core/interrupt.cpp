#include "core/interrupt.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>

namespace computesdk::cli {
namespace {

std::atomic<int> theSignal{0};
std::atomic<int> theWriter{0};
std::atomic<void (*)()> theWish{nullptr};
int theEvent = -1;

/// Lives as long as the program: the signal thread may still look at it while main returns.
std::stop_source& stopSource() {
  static auto* source = new std::stop_source;
  return *source;
}

void wakeThread() noexcept {
  std::uint64_t one = 1;
  // The counter cannot overflow within a program's life, so the write cannot fail.
  [[maybe_unused]] auto written = ::write(theEvent, &one, sizeof one);
}

void onSignal(int number) {
  int saved = errno;
  int expected = 0;
  if (!theSignal.compare_exchange_strong(expected, number)) {
    if (auto* wish = theWish.load()) wish();
    _exit(128 + number);
  }
  wakeThread();
  errno = saved;
}

void onNothing(int) {}

/// Waits for the first signal, hands it on as a stop request, and then keeps getting hung writers out.
void* signalThread(void*) {
  std::uint64_t count = 0;
  while (::read(theEvent, &count, sizeof count) < 0 && errno == EINTR) {
  }
  stopSource().request_stop();
  for (;;) {
    // The mark and the write are two steps, so one kick could come between them.
    if (int writer = theWriter.load(); writer != 0) syscall(SYS_tgkill, getpid(), writer, SIGUSR1);
    timespec pause{0, 20'000'000};
    nanosleep(&pause, nullptr);
  }
}

void handle(int number, void (*handler)(int), int flags) {
  struct sigaction action = {};
  if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) return;
  action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(number, &action, nullptr);
}

}  // namespace

void catchBrokenPipe() { handle(SIGPIPE, onNothing, SA_RESTART); }

void catchSignals() {
  if (theEvent >= 0) return;
  theEvent = eventfd(0, EFD_CLOEXEC);
  if (theEvent < 0) return;
  stopSource();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, std::size_t{256} << 10);
  pthread_t thread;
  bool started = pthread_create(&thread, &attributes, signalThread, nullptr) == 0;
  pthread_attr_destroy(&attributes);
  // Without the thread the signals keep their usual effect, which is to end the program.
  if (!started) return;
  handle(SIGUSR1, onNothing, 0);
  for (int number : std::array{SIGINT, SIGTERM, SIGHUP}) handle(number, onSignal, SA_RESTART);
}

std::stop_token stopToken() { return stopSource().get_token(); }

void stop(int number) {
  int expected = 0;
  if (!theSignal.compare_exchange_strong(expected, number)) return;
  if (theEvent >= 0) {
    wakeThread();
  } else {
    stopSource().request_stop();
  }
}

int interrupted() noexcept { return theSignal.load(); }

void setLastWish(void (*wish)()) noexcept { theWish.store(wish); }

WriterMark::WriterMark() noexcept : previous_(theWriter.exchange(static_cast<int>(syscall(SYS_gettid)))) {}
WriterMark::~WriterMark() { theWriter.store(previous_); }

}  // namespace computesdk::cli
