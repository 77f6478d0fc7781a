// The first role: read the orders, leave root's identity, enter the outer namespaces, and go.
#include "helper.hpp"

namespace computesdk::local {
namespace {

using protocol::Step;

alignas(16) char orders[protocol::kMaxFrame];
Config config;

void report(const Outcome& outcome) {
  const protocol::StartedBody body{outcome.step, outcome.error};
  sendBody(kLauncherSocket, protocol::FrameType::kStarted, body);
}

Outcome readOrders() {
  ReceivedFds fds;
  const sys::Word size = receive(kLauncherSocket, orders, sizeof orders, fds, true);
  if (size <= 0) return failed(Step::kFrame, size == 0 ? -sys::kEpipe : size);
  protocol::Header header;
  protocol::StartRequest request;
  const auto type = static_cast<std::uint16_t>(protocol::FrameType::kStart);
  if (!protocol::parseInlineHeader(orders, static_cast<std::size_t>(size), header) || header.type != type) {
    return failed(Step::kFrame, -sys::kEinval);
  }
  const bool parsed = protocol::parseStart(orders + sizeof header, header.size, request);
  const protocol::StartBody& body = request.body;
  if (body.mounts > kMaxMounts || body.layers > kMaxLayers) return failed(Step::kFrame, -sys::kE2big);
  if (!parsed || fds.count() < 1) return failed(Step::kFrame, -sys::kEinval);
  config.root = (body.flags & protocol::kStartAsRoot) != 0;
  config.bubblewrap = (body.flags & protocol::kStartBubblewrap) != 0;
  config.program = request.bubblewrap.data;
  config.isolated = (body.flags & protocol::kStartUnisolated) == 0 && !config.bubblewrap;
  config.users = (body.flags & protocol::kStartWithoutUsers) == 0;
  config.uid = body.sandboxUid;
  config.groupKind = body.groups;
  config.overlay = (body.flags & protocol::kStartOverlay) != 0;
  config.templateFolder = request.templateFolder.data;
  for (std::uint32_t i = 0; i < body.mounts; ++i) {
    const protocol::StartMount& mount = request.mounts[i];
    config.mounts[config.mountCount++] = {mount.source.data, mount.target.data, mount.writable, -1};
  }
  for (std::uint32_t i = 0; i < body.layers; ++i) config.layers[config.layerCount++] = {request.layers[i].data, -1, -1};
  config.registry = fds.take(0);
  int next = 1, last = -1;
  for (std::size_t i = 0; i < limits::kControllers; ++i) {
    if (!limits::holds(body.controllers, static_cast<limits::Controller>(i))) continue;
    if (last < 0 || config.groupKind == limits::GroupKind::kV1) last = fds.take(next++);
    config.groups[i] = last;
  }
  return {};
}

// Host root may never be the identity behind a sandbox: with it RLIMIT_NPROC does not bind, and every file of root
// would be the sandbox's own.
Outcome leaveRoot() {
  const sys::Word id = config.uid;
  sys::Word result = sys::call(__NR_setgroups, 0, 0);
  if (result == 0) result = sys::call(__NR_setresgid, id, id, id);
  if (result == 0) result = sys::call(__NR_setresuid, id, id, id);
  if (result < 0) return failed(Step::kSetUser, result);
  sys::prctl(4 /* PR_SET_DUMPABLE */, 1);  // else /proc/self/uid_map belongs to root
  return {};
}

}  // namespace

int cloneProcess(std::uint64_t flags, int* pidfd) {
  clone_args arguments{};
  arguments.flags = flags | (pidfd != nullptr ? 0x1000 /* CLONE_PIDFD */ : 0);
  arguments.pidfd = reinterpret_cast<std::uint64_t>(pidfd);
  arguments.exit_signal = 17;
  sys::Word result = sys::call(__NR_clone3, sys::word(&arguments), sizeof arguments);
  if (result == -sys::kEnosys) {  // filtered by an older container engine; the old call does as well
    result = sys::call(__NR_clone, sys::Word(arguments.flags) | 17, 0, sys::word(pidfd), 0, 0);
  }
  return static_cast<int>(result);
}

Outcome writeMaps(Step step, std::uint32_t uid, std::uint32_t gid, bool denySetgroups) {
  int result = denySetgroups ? sys::spill(AT_FDCWD, "/proc/self/setgroups", "deny", 4) : 0;
  sys::Line<64> users, groups;
  users << kInnerUid << " " << uid << " 1";
  groups << kInnerUid << " " << gid << " 1";
  if (result == 0) result = sys::spill(AT_FDCWD, "/proc/self/uid_map", users.text(), users.size());
  if (result == 0) result = sys::spill(AT_FDCWD, "/proc/self/gid_map", groups.text(), groups.size());
  return result < 0 ? failed(step, result) : Outcome{};
}

int helperMain(int arguments) {
  if (arguments > 1) runInside();
  sys::prctl(15 /* PR_SET_NAME */, sys::word("computesdk-local"));  // else the number of a descriptor
  sys::closeRange(kLauncherSocket + 1, ~0U);                        // whatever the host left open is not ours to keep
  Outcome outcome = readOrders();
  if (outcome.ok() && config.root && config.isolated) {
    outcome = openTrees(config);  // while everything may be read
    if (outcome.ok() && config.users) outcome = leaveRoot();
  }
  if (outcome.ok() && config.root && config.bubblewrap) outcome = leaveRoot();
  const auto gid = static_cast<std::uint32_t>(sys::call(__NR_getgid));
  int pid = 0;
  if (outcome.ok()) {
    const std::uint64_t outer = CLONE_NEWNS | CLONE_NEWPID | (config.users ? CLONE_NEWUSER : 0);
    pid = cloneProcess(config.isolated ? outer : 0, nullptr);
    if (pid < 0) outcome = failed(Step::kCloneOuter, pid);
  }
  if (!outcome.ok()) {
    report(outcome);
    return 1;
  }
  if (pid > 0) return 0;
  sys::call(__NR_setsid);
  const int kept = config.bubblewrap ? leaveKeeper(config) : 0;
  if (kept < 0) {
    report(failed(Step::kCloneOuter, kept));
    return 1;
  }
  outcome = beginLauncher(config, gid);
  report(outcome);
  if (!outcome.ok()) return 1;
  runLauncher();
}

}  // namespace computesdk::local
