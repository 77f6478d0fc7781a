// One call to systemd, the user's or the system's: a scope for a process, with its control groups delegated.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>

#include "../engine/result.hpp"

namespace computesdk::local::limits {

// Where the systemd is that this process may ask. As root the system's bus; else the user's, by
// $DBUS_SESSION_BUS_ADDRESS or $XDG_RUNTIME_DIR/bus. "" if there is none.
std::string busAddress();

// StartTransientUnit("UNIT.scope", {PIDs: [pid], Delegate: true, CollectMode: "inactive-or-failed"}) over the bus
// at `address` ("unix:path=…" or "unix:abstract=…"), then waits until the job is done and asks for the scope's
// control group. Gives that path below the v2 mount. Speaks the wire protocol itself, so that no library is mapped.
// Errors: kUnavailable (no bus, no systemd on it, no delegation), kPermissionDenied, kDeadlineExceeded.
Result<std::string> startScope(std::string_view address, std::string_view unit, pid_t pid,
                               std::chrono::milliseconds timeout);

}  // namespace computesdk::local::limits
