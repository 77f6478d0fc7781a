// What runs between a fork and the program that was asked for.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

namespace computesdk::sandboxd {

/// Everything that the two new processes need, made before the fork.
struct HolderPlan {
  const char* program;
  char* const* argv;
  char* const* env;
  const char* cwd;
  int in, out, err;
  bool terminal;
  int status;  ///< write end
  bool limited;
  rlimit limit;
};

/// A bare fork with these flags of clone besides SIGCHLD, without the C library's handlers: only for a child that runs
/// hold(). -1 with errno on failure.
pid_t bareFork(unsigned long flags = 0);

/// Life of the holder: starts the program, adopts what it leaves behind, tells how it ended, and goes last. All signals
/// are blocked.
[[noreturn]] void hold(const HolderPlan& plan);

}  // namespace computesdk::sandboxd
