// The lowest layer of starting a process: fork the holder, let it start the program, and hear of it.
#pragma once

#include <sys/types.h>

#include <computesdk/result.hpp>
#include <cstdint>
#include <string>

#include "core/spawn.hpp"
#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {

/// What the holder says through its pipe.
struct HolderMessage {
  enum Kind : std::int32_t {
    started,  ///< value: pid of the process
    failed,   ///< value: errno; `step` says of what
    ended,    ///< value: the status as waitpid gives it
  };
  enum Step : std::int32_t { fork, folder, terminal, exec };
  std::int32_t kind;
  std::int32_t value;
  std::int32_t step;
};

/// A process that runs below its holder. All descriptors are non-blocking.
struct Started {
  pid_t holder = -1;  ///< our child, to be waited for once `status` is at its end
  pid_t pid = -1;     ///< the holder's child
  UniqueFd status;    ///< HolderMessage `ended`, later the end of the file
  UniqueFd out, err;  ///< out: stdout, both streams, or the master of the terminal; err: of separate streams only
};

/// Starts `options.argv` with `program` as the file. Blocks for the time of two forks and an exec.
Result<Started> start(const SpawnOptions& options, const std::string& program);

/// Lets this process have as many descriptors as it may; what it starts gets the number of before. Call it once, early.
void raiseDescriptorLimit();

}  // namespace computesdk::sandboxd
