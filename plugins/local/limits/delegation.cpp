// The folders of one launcher: made by the host, owned by the uid that the launcher runs as.
#include <fcntl.h>

#include <cerrno>
#include <chrono>

#include "delegation.hpp"

namespace computesdk::local::limits {
namespace {

constexpr const char* kLauncherLeaf = "/launcher";

bool lists(std::string_view list, std::string_view name) {
  std::size_t at = 0;
  while (at < list.size()) {
    std::size_t end = list.find_first_of(" \n", at);
    if (end == std::string_view::npos) end = list.size();
    if (list.substr(at, end - at) == name) return true;
    at = end + 1;
  }
  return false;
}

void note(std::string& why, const std::string& text) {
  if (!why.empty()) why += "; ";
  why += text;
}

// Makes one folder of a launcher. True also where it was already there.
Status make(FileTree& tree, const std::string& path) {
  Status made = tree.makeDirectory(path);
  if (!made.ok() && made.error().systemError == EEXIST) return okStatus();
  return made;
}

Status give(FileTree& tree, const std::string& path, const DelegationRequest& request) {
  const auto owner = tree.owner(path);
  if (owner.ok() && *owner == request.uid) return okStatus();
  return tree.setOwner(path, request.uid, request.gid);
}

// Switches the controllers on for the children of a v2 group. Gives those that are on afterwards.
std::string enable(FileTree& tree, const std::string& folder) {
  const auto available = tree.read(folder + "/cgroup.controllers");
  if (!available.ok()) return {};
  for (const char* name : {"memory", "pids", "cpu"}) {
    if (lists(*available, name)) (void)tree.write(folder + "/cgroup.subtree_control", std::string("+") + name);
  }
  const auto enabled = tree.read(folder + "/cgroup.subtree_control");
  return enabled.ok() ? *enabled : std::string();
}

bool anyOf(std::string_view enabled) {
  return lists(enabled, "memory") || lists(enabled, "pids") || lists(enabled, "cpu");
}

// A v2 group with processes may not hand controllers on. If that process is only ourselves, step aside.
void stepAside(FileTree& tree, const std::string& own, const DelegationRequest& request) {
  if (request.host == 0) return;
  for (const pid_t pid : processesOf(tree, own)) {
    if (pid != request.host && pid != request.launcher) return;
  }
  if (!make(tree, own + kHostLeaf).ok()) return;
  for (const pid_t pid : {request.host, request.launcher}) {
    (void)tree.write(own + kHostLeaf + "/cgroup.procs", std::to_string(pid));
  }
}

struct Prepared {
  std::string folder;  // "" if it did not work
  UniqueFd lock;
  std::string enabled;
  std::string why;
};

Prepared unprepared(std::string why) {
  Prepared prepared;
  prepared.why = std::move(why);
  return prepared;
}

// A new locked folder below `parent`. Somebody's sweep may come between making and locking: then again.
Result<UniqueFd> makeLocked(FileTree& tree, const std::string& folder) {
  for (int attempt = 0;; ++attempt) {
    const Status made = make(tree, folder);
    if (!made.ok()) return made.error();
    auto lock = tree.lockFolder(folder);
    if ((lock.ok() && tree.exists(folder)) || attempt == 3) return lock;
  }
}

// The launcher into its leaf, the controllers on, the ownership right. `folder` exists and holds no other process.
Prepared furnish(FileTree& tree, const std::string& folder, const DelegationRequest& request) {
  const std::string leaf = folder + kLauncherLeaf;
  Status done = make(tree, leaf);
  if (done.ok()) done = tree.write(leaf + "/cgroup.procs", std::to_string(request.launcher));
  Prepared prepared;
  if (done.ok()) {
    prepared.enabled = enable(tree, folder);
    if (!anyOf(prepared.enabled)) done = Error{.message = "no controller could be switched on in " + folder};
  }
  for (const std::string& path : {folder, folder + "/cgroup.procs", leaf, leaf + "/cgroup.procs"}) {
    if (done.ok()) done = give(tree, path, request);
  }
  if (done.ok()) {
    prepared.folder = folder;
  } else {
    prepared.why = done.error().message;
  }
  return prepared;
}

// Below a group that is there: this process's own, where it may step aside, or another.
Prepared below(FileTree& tree, const std::string& parent, bool own, const DelegationRequest& request,
               const std::string& name) {
  for (const char* file : {"", "/cgroup.procs", "/cgroup.subtree_control"}) {
    if (!tree.writable(parent + file)) return unprepared("the group " + parent + " is not delegated to this user");
  }
  bool divided = anyOf(enable(tree, parent));
  if (!divided && own) {
    stepAside(tree, parent, request);
    divided = anyOf(enable(tree, parent));
  }
  if (!divided) return unprepared("the group " + parent + " holds other processes, so it cannot be divided");
  const std::string folder = parent + "/" + name;
  auto lock = makeLocked(tree, folder);
  if (!lock.ok()) return unprepared(lock.error().message);
  Prepared prepared = furnish(tree, folder, request);
  prepared.lock = std::move(*lock);
  if (prepared.folder.empty()) {
    const std::string launcher = std::to_string(request.launcher);
    if (!tree.write(parent + "/cgroup.procs", launcher).ok()) {
      (void)tree.write(parent + kHostLeaf + "/cgroup.procs", launcher);
    }
    (void)tree.removeDirectory(folder + kLauncherLeaf);
    (void)tree.removeDirectory(folder);
  }
  return prepared;
}

Prepared belowScope(FileTree& tree, const Layout& layout, const DelegationRequest& request, const std::string& name) {
  if (!request.startScope) return {};
  if (layout.unifiedMount.empty()) return unprepared("the v2 tree is not wholly in sight");
  const auto scope = request.startScope(request.launcher, name);
  if (!scope.ok()) return unprepared(scope.error().message + ": " + scope.error().why);
  auto lock = tree.lockFolder(layout.unifiedMount + *scope);
  if (!lock.ok()) return unprepared(lock.error().message);
  Prepared prepared = furnish(tree, layout.unifiedMount + *scope, request);
  prepared.lock = std::move(*lock);
  return prepared;
}

}  // namespace

Delegation delegate(FileTree& tree, const Layout& layout, const DelegationRequest& request) {
  Delegation delegation;
  switch (layout.kind) {
    case GroupKind::kV1: delegation.delegateV1(tree, layout, request); break;
    case GroupKind::kV2: delegation.delegateV2(tree, layout, request); break;
    case GroupKind::kNone: delegation.why_ = layout.why; break;
  }
  return delegation;
}

void Delegation::delegateV1(FileTree& tree, const Layout& layout, const DelegationRequest& request) {
  const std::string name = newDelegationName(request.uid);
  for (std::size_t i = 0; i < kControllers; ++i) {
    const std::string& own = layout.own[i];
    if (own.empty()) {
      note(why_, std::string("the ") + kControllerNames[i] + " controller is not mounted");
      continue;
    }
    const std::string folder = own + "/" + name;
    std::size_t same = 0;  // controllers may share a hierarchy
    while (same < i && folders_[same] != folder) ++same;
    if (same < i) {
      folders_[i] = folder;
      locks_[i] = UniqueFd(::fcntl(locks_[same].get(), F_DUPFD_CLOEXEC, 3));
      continue;
    }
    if (!tree.writable(own)) {
      note(why_, "the group " + own + " belongs to root");
      continue;
    }
    auto lock = makeLocked(tree, folder);
    Status done = lock.ok() ? give(tree, folder, request) : Status(lock.error());
    if (lock.ok() && !done.ok()) (void)tree.removeDirectory(folder);
    if (done.ok()) {
      folders_[i] = folder;
      locks_[i] = std::move(*lock);
      kind_ = GroupKind::kV1;
    } else {
      note(why_, done.error().message);
    }
  }
}

void Delegation::delegateV2(FileTree& tree, const Layout& layout, const DelegationRequest& request) {
  const std::string name = newDelegationName(request.uid);
  Prepared prepared = below(tree, layout.unified, true, request, name);
  if (prepared.folder.empty()) {
    note(why_, prepared.why);
    prepared = belowScope(tree, layout, request, name);
    if (!prepared.why.empty()) note(why_, prepared.why);
  }
  // Root where no systemd keeps the tree.
  const std::string& top = layout.unifiedMount;
  if (prepared.folder.empty() && !top.empty() && top != layout.unified && tree.writable(top)) {
    prepared = below(tree, top, false, request, name);
    if (!prepared.why.empty()) note(why_, prepared.why);
  }
  if (prepared.folder.empty()) return;
  why_.clear();
  kind_ = GroupKind::kV2;
  for (std::size_t i = 0; i < kControllers; ++i) {
    if (lists(prepared.enabled, kControllerNames[i])) {
      folders_[i] = prepared.folder;
      locks_[i] = UniqueFd(::fcntl(prepared.lock.get(), F_DUPFD_CLOEXEC, 3));
    } else {
      note(why_, std::string("the ") + kControllerNames[i] + " controller is not delegated");
    }
  }
}

ControllerSet Delegation::controllers() const {
  ControllerSet set = 0;
  for (const Controller controller : {Controller::kMemory, Controller::kCpu, Controller::kPids}) {
    if (has(controller)) set |= bitOf(controller);
  }
  return set;
}

namespace {

// The launcher leaves its leaf a moment after it has let go of everything else.
Status removeEmptied(FileTree& tree, const std::string& folder) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  for (;;) {
    Status removed = tree.removeDirectory(folder);
    if (removed.ok() || removed.error().systemError == ENOENT) return okStatus();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (removed.error().systemError != EBUSY || left.count() <= 0) return removed;
    tree.waitForExit(folder, left);
  }
}

}  // namespace

Status Delegation::remove(FileTree& tree) const {
  Status result = okStatus();
  for (std::size_t i = 0; i < kControllers; ++i) {
    const std::string& folder = folders_[i];
    bool seen = folder.empty();
    for (std::size_t j = 0; j < i; ++j) seen = seen || folders_[j] == folder;
    if (seen) continue;
    Status removed = okStatus();
    if (kind_ == GroupKind::kV2) {
      const auto inside = tree.folders(folder);
      if (inside.ok() && inside->size() > 1) removed = systemError(ENOTEMPTY, "cannot remove folder " + folder);
      if (removed.ok()) removed = removeEmptied(tree, folder + kLauncherLeaf);
    }
    if (removed.ok()) removed = tree.removeDirectory(folder);
    if (removed.ok() || removed.error().systemError == ENOENT) continue;
    removed.error().kind = ErrorClass::kFailedPrecondition;
    result = std::move(removed);
  }
  return result;
}

}  // namespace computesdk::local::limits
