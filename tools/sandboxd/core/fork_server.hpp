// A small process that forks in place of the daemon. Forking copies the tables of all memory of a process, and the
// daemon may have much of it in its hands: outputs, uploads. The server was forked when there was next to nothing.
#pragma once

#include <sys/types.h>

#include "core/holder.hpp"

namespace computesdk::sandboxd {

/// Forks the server. Once, before threads are started and before much memory is in use. It ends with this process.
/// False: it could not be; forking works without it too.
bool startForkServer();

/// Lets the server fork a holder, which becomes a child of this process. Any thread. -1 when there is no server, or it
/// cannot: fork here then.
pid_t forkServerHolder(const HolderPlan& plan);

}  // namespace computesdk::sandboxd
