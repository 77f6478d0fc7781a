#pragma once

#include <stop_token>

// Ctrl-C and its kin. The first SIGINT, SIGTERM or SIGHUP asks everything to stop and clean up; the second ends the
// program at once. Neither is left out when the program was started with the signal ignored, as nohup does.
namespace computesdk::cli {

/// Catches the signals from now on, and starts the thread that turns them into a stop request. Called once, by verbs
/// that have something to clean up. SIGPIPE only fails the write; the handler, unlike SIG_IGN, is not inherited by the
/// programs that we start.
void catchSignals();
/// Keeps SIGPIPE from ending the program. Cheap; called at start.
void catchBrokenPipe();

/// Fires on the first signal, or stop().
std::stop_token stopToken();
/// Asks everything to stop, as a signal would; `number` is what interrupted() answers then.
void stop(int number);
/// The signal that asked the program to stop, or 0. Async-signal-safe.
int interrupted() noexcept;

/// Runs once before the program ends at once, on the second signal: puts the terminal back. Async-signal-safe functions
/// only.
void setLastWish(void (*wish)()) noexcept;

/// Marks the calling thread as one that may hang in write(2) on a descriptor that nobody reads; a stop request gets it
/// out (EINTR).
class WriterMark {
 public:
  WriterMark() noexcept;
  ~WriterMark();
  WriterMark(const WriterMark&) = delete;
  WriterMark& operator=(const WriterMark&) = delete;

 private:
  int previous_;
};

}  // namespace computesdk::cli
