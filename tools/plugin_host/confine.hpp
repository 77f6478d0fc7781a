#pragma once

#include <sys/types.h>
#include <string>

namespace computesdk::plugin_host {

/// What a plug-in's process may not do. `secretsByHost`: it neither runs programs nor opens sockets nor writes files;
/// HTTP happens in the host. Otherwise children and network are its own affair.
struct Confinement {
  bool secretsByHost = true;
  pid_t parent = 0;  ///< the process ends when this one does
};

/// Shuts this process in, before any code of the plug-in runs; cannot be undone. Empty, or what could not be done, in
/// which case the plug-in must not be loaded. One thread must be running.
std::string confine(const Confinement& confinement);

}  // namespace computesdk::plugin_host
