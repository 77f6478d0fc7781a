// The daemon as the first process of a container.
#pragma once

namespace computesdk::sandboxd {

/// Returns at once in any process but the first of a PID namespace. There it forks: the child returns and becomes the
/// daemon; the first process stays, reaps every orphan of the namespace, hands SIGTERM, SIGINT and SIGHUP on, and ends
/// with the child's exit code (128+n for signal n). So the daemon's own children are its own alone. Once, before
/// threads are started. Where it cannot fork it returns too, in the first process.
void leaveFirstProcess();

}  // namespace computesdk::sandboxd
