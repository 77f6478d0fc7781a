// The folders of one launcher: made by the host, owned by the uid that the launcher runs as.
#include <fcntl.h>

#include <cerrno>

#include "cgroups.hpp"

namespace computesdk::local::limits {
namespace {

constexpr const char* kNames[kControllers] = {"memory", "cpu", "pids", "freezer"};
constexpr const char* kLauncherLeaf = "/launcher";
constexpr const char* kHostLeaf = "/computesdk-host";

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

Prepared belowOwnGroup(FileTree& tree, const Layout& layout, const DelegationRequest& request,
                       const std::string& name) {
  const std::string& own = layout.of(Controller::kFreezer);
  if (!tree.writable(own) || !tree.writable(own + "/cgroup.procs") || !tree.writable(own + "/cgroup.subtree_control")) {
    return unprepared("the own group " + own + " is not delegated to this user");
  }
  if (!anyOf(enable(tree, own))) {
    stepAside(tree, own, request);
    if (!anyOf(enable(tree, own))) {
      return unprepared("the own group " + own + " holds other processes, so it cannot be divided");
    }
  }
  const std::string folder = own + "/" + name;
  auto lock = makeLocked(tree, folder);
  if (!lock.ok()) return unprepared(lock.error().message);
  Prepared prepared = furnish(tree, folder, request);
  prepared.lock = std::move(*lock);
  if (prepared.folder.empty()) {
    (void)tree.write(own + "/cgroup.procs", std::to_string(request.launcher));
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
  const std::string name = newDelegationName(request.uid);
  if (layout.kind == GroupKind::kV1) {
    for (std::size_t i = 0; i < kControllers; ++i) {
      if (layout.own[i].empty()) {
        note(delegation.why_, std::string("the ") + kNames[i] + " controller is not mounted");
        continue;
      }
      const std::string folder = layout.own[i] + "/" + name;
      auto lock = makeLocked(tree, folder);
      Status done = lock.ok() ? give(tree, folder, request) : Status(lock.error());
      if (lock.ok() && !done.ok()) (void)tree.removeDirectory(folder);
      if (done.ok()) {
        delegation.folders_[i] = folder;
        delegation.locks_[i] = std::move(*lock);
        delegation.kind_ = GroupKind::kV1;
      } else {
        note(delegation.why_, done.error().message);
      }
    }
    return delegation;
  }
  if (layout.kind == GroupKind::kNone) {
    delegation.why_ = layout.why;
    return delegation;
  }
  Prepared prepared = belowOwnGroup(tree, layout, request, name);
  if (prepared.folder.empty()) {
    note(delegation.why_, prepared.why);
    prepared = belowScope(tree, layout, request, name);
    if (!prepared.why.empty()) note(delegation.why_, prepared.why);
  }
  if (prepared.folder.empty()) return delegation;
  delegation.why_.clear();
  delegation.kind_ = GroupKind::kV2;
  for (std::size_t i = 0; i < kControllers; ++i) {
    if (i == static_cast<std::size_t>(Controller::kFreezer) || lists(prepared.enabled, kNames[i])) {
      delegation.folders_[i] = prepared.folder;
      delegation.locks_[i] = UniqueFd(::fcntl(prepared.lock.get(), F_DUPFD_CLOEXEC, 3));
    } else {
      note(delegation.why_, std::string("the ") + kNames[i] + " controller is not delegated");
    }
  }
  return delegation;
}

Result<UniqueFd> Delegation::open(Controller controller) const {
  const UniqueFd& lock = locks_[static_cast<std::size_t>(controller)];
  if (!lock) return Error{.kind = ErrorClass::kNotFound, .message = "no such controller"};
  UniqueFd copy(::fcntl(lock.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return systemError(errno, "cannot duplicate a descriptor");
  return copy;
}

Status Delegation::remove(FileTree& tree) const {
  for (std::size_t i = 0; i < kControllers; ++i) {
    const std::string& folder = folders_[i];
    if (folder.empty() || (kind_ == GroupKind::kV2 && i != static_cast<std::size_t>(Controller::kFreezer))) continue;
    if (kind_ == GroupKind::kV2) (void)tree.removeDirectory(folder + kLauncherLeaf);
    Status removed = tree.removeDirectory(folder);
    if (!removed.ok() && removed.error().systemError != ENOENT) {
      removed.error().kind = ErrorClass::kFailedPrecondition;
      return removed;
    }
  }
  return okStatus();
}

}  // namespace computesdk::local::limits
