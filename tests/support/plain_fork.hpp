// fork() whose child has one thread, also under thread sanitizer: after a fork that it knows of it starts one of its
// own, and a process with two threads cannot enter a user namespace. The child may not start threads.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

namespace computesdk::testing {

inline pid_t plainFork() {
#ifdef __SANITIZE_THREAD__
  return static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
#else
  return ::fork();
#endif
}

}  // namespace computesdk::testing
