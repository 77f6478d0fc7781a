#include "launcher_client.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../limits/systemd_scope.hpp"
#include "identity.hpp"

extern "C" {
extern const char computesdk_local_helper_start[] __attribute__((visibility("hidden")));
extern const char computesdk_local_helper_end[] __attribute__((visibility("hidden")));
}

namespace computesdk::local {
namespace {

// The helper's bytes as a file that nobody can change: even a sandbox that reached it by /proc could not.
int helperFile() {
  static const int file = [] {
    constexpr unsigned kExec = 0x10;  // MFD_EXEC, since 6.3; older kernels refuse the flag
    int fd = memfd_create("computesdk-local", MFD_CLOEXEC | MFD_ALLOW_SEALING | kExec);
    if (fd < 0) fd = memfd_create("computesdk-local", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    const char* at = computesdk_local_helper_start;
    while (at < computesdk_local_helper_end) {
      const ssize_t n = write(fd, at, static_cast<std::size_t>(computesdk_local_helper_end - at));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return -1;
      at += n;
    }
    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return fd;
  }();
  return file;
}

// Not fork: the host's memory may hold keys, and copying its page tables is slow.
int spawnHelper(int socket, pid_t& pid) {
  const int file = helperFile();
  if (file < 0) return ENOMEM;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, socket, 3);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  char name[] = "computesdk-local";
  char* argv[] = {name, nullptr};
  char* envp[] = {nullptr};
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const int result = posix_spawn(&pid, path.c_str(), &actions, &attributes, argv, envp);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return result;
}

std::vector<char> startOrders(const LauncherKey& key, std::uint32_t uid, const limits::Delegation& groups) {
  std::size_t size = 1024 + key.folder.size() + key.bubblewrap.size();
  for (const Mount& mount : key.mounts) size += mount.source.size() + mount.target.size() + 64;
  for (const std::string& layer : key.layers) size += layer.size() + 64;
  std::vector<char> body(size);
  protocol::Writer writer(body.data(), body.size());
  protocol::StartBody start{};
  start.flags = (uid != geteuid() ? protocol::kStartAsRoot : 0U) |
                (key.isolation == Isolation::kNone ? protocol::kStartUnisolated : 0U) |
                (key.overlay ? protocol::kStartOverlay : 0U) |
                (key.engine == EngineKind::kRoot ? protocol::kStartWithoutUsers : 0U) |
                (!key.bubblewrap.empty() ? protocol::kStartBubblewrap : 0U);
  start.sandboxUid = uid;
  start.groups = groups.kind();
  start.controllers = groups.controllers();
  start.mounts = static_cast<std::uint32_t>(key.mounts.size());
  start.layers = static_cast<std::uint32_t>(key.layers.size());
  writer.pod(start);
  writer.text(key.folder.data(), key.folder.size());
  for (const Mount& mount : key.mounts) {
    writer.text(mount.source.data(), mount.source.size());
    writer.text(mount.target.data(), mount.target.size());
    writer.pod(std::uint32_t{mount.writable});
  }
  for (const std::string& layer : key.layers) writer.text(layer.data(), layer.size());
  if (!key.bubblewrap.empty()) writer.text(key.bubblewrap.data(), key.bubblewrap.size());
  body.resize(writer.ok() ? writer.size() : 0);
  return body;
}

limits::Delegation makeGroups(const GroupSource& source, pid_t launcher, std::uint32_t owner) {
  constexpr std::chrono::milliseconds kPatience(1000);
  const limits::Layout layout = limits::findLayout(*source.tree);
  limits::DelegationRequest request;
  request.launcher = launcher;
  request.host = getpid();
  request.uid = request.gid = owner;
  if (owner == geteuid()) request.gid = getegid();
  const std::string bus =
      layout.kind == limits::GroupKind::kV2 ? (source.bus ? *source.bus : limits::busAddress()) : "";
  if (!bus.empty()) {
    request.startScope = [&](pid_t pid, std::string_view unit) {
      return limits::startScope(bus, unit, pid, kPatience);
    };
  }
  limits::Delegation groups = limits::delegate(*source.tree, layout, request);
  // Who can have none has left none, and pays for no look.
  if (groups.kind() != limits::GroupKind::kNone) limits::sweepStale(*source.tree, layout, geteuid());
  return groups;
}

// Of the locked folders, one a controller, on v2 one for all.
void addFolders(const limits::Delegation& groups, std::vector<int>& fds) {
  using limits::Controller;
  for (const Controller controller : {Controller::kMemory, Controller::kCpu, Controller::kPids}) {
    if (!groups.has(controller)) continue;
    fds.push_back(groups.lock(controller));
    if (groups.kind() == limits::GroupKind::kV2) return;
  }
}

}  // namespace

Result<std::shared_ptr<Launcher>> Launcher::start(const LauncherKey& key, int registry, const GroupSource& groups) {
  std::shared_ptr<Launcher> launcher(new Launcher);
  const bool isolated = key.isolation == Isolation::kNamespaces;
  launcher->key_ = key;
  // Over a tree that was made for sandboxes they are its owner, else they could not write to it.
  launcher->uid_ = key.folder.empty() && key.layers.empty() ? unusedUid() : treeOwner();
  if (!isolated || !canBecome(launcher->uid_)) launcher->uid_ = geteuid();
  auto pair = makeSocketPair();
  if (!pair.ok()) return pair.error();
  pid_t pid = 0;
  const int spawned = spawnHelper(pair->theirs.get(), pid);  // first: it gets ready while its orders are written
  if (spawned != 0) return systemError(spawned, "Cannot start the local launcher", "Check ulimit -u and free memory.");
  pair->theirs.reset();
  launcher->socket_ = std::move(pair->ours);
  if (groups.tree && isolated) {
    launcher->tree_ = groups.tree;
    launcher->groups_ = makeGroups(groups, pid, key.engine == EngineKind::kRoot ? geteuid() : launcher->uid_);
  }
  const auto orders = startOrders(key, launcher->uid_, launcher->groups_);
  std::vector<int> fds{registry};
  addFolders(launcher->groups_, fds);
  const int sent =
      orders.empty() ? E2BIG : sendFrame(launcher->socket_.get(), protocol::FrameType::kStart, orders, fds);
  launcher->groups_.releaseLocks();               // once it is dead, nobody is to hold them
  if (orders.empty()) launcher->socket_.reset();  // it ends for lack of any
  // The process that was started hands over to one in its own session and is gone at once.
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (sent == E2BIG) return systemError(sent, "Too many or too long mounts");
  if (sent != 0 && sent != EPIPE) return systemError(sent, "Cannot speak to the local launcher");
  return launcher;
}

Launcher::~Launcher() {
  if (groups_.kind() == limits::GroupKind::kNone) return;
  if (socket_) shutdown(socket_.get(), SHUT_WR);
  if (groups_.remove(*tree_).ok() || !socket_) return;
  // Its end of the socket closes when it has ended, or when it will go on for those that do not die with us.
  constexpr int kPatienceMs = 2000;
  pollfd item{socket_.get(), 0, 0};
  while (poll(&item, 1, kPatienceMs) < 0 && errno == EINTR) {
  }
  static_cast<void>(groups_.remove(*tree_));
}

std::uint32_t Launcher::uidOfNext() const {
  // What separates users of namespaces from each other are the namespaces; elsewhere it is the uid.
  const bool ownTree = !key_.folder.empty() || !key_.layers.empty();
  return key_.engine == EngineKind::kRoot && !ownTree ? unusedUid() : uid_;
}

int Launcher::create(std::span<const char> body, int initEnd, int controlEnd) const {
  const int fds[] = {initEnd, controlEnd};
  const int sent = sendFrame(socket_.get(), protocol::FrameType::kCreate, body, fds);
  return sent == ECONNRESET ? EPIPE : sent;  // it is gone, and had not read all that it was sent
}

protocol::StartedBody Launcher::reasonOfDeath() {
  const std::lock_guard lock(mutex_);
  if (!heard_) {
    Frame frame;
    if (waitFrame(socket_.get(), frame, 2000) == Receipt::kFrame && frame.type == protocol::FrameType::kStarted) {
      heard_ = frame.read(started_);
    }
  }
  return started_;
}

bool Launcher::gone() const {
  pollfd item{socket_.get(), 0, 0};
  return poll(&item, 1, 0) > 0 && (item.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace computesdk::local
