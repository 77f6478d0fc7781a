// The folders of one launcher: made by the host, owned by the uid that the launcher runs as.
#include <cerrno>
#include <cstdio>

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
  (void)tree.write(own + kHostLeaf + "/cgroup.procs", std::to_string(request.host));
}

struct Prepared {
  std::string folder;  // "" if it did not work
  std::string enabled;
  std::string why;
};

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
    return {{}, {}, "the own group " + own + " is not delegated to this user"};
  }
  if (!anyOf(enable(tree, own))) {
    stepAside(tree, own, request);
    if (!anyOf(enable(tree, own))) {
      return {{}, {}, "the own group " + own + " holds other processes, so it cannot be divided"};
    }
  }
  const std::string folder = own + "/" + name;
  const Status made = make(tree, folder);
  if (!made.ok()) return {{}, {}, made.error().message};
  Prepared prepared = furnish(tree, folder, request);
  if (prepared.folder.empty()) {
    (void)tree.write(own + "/cgroup.procs", std::to_string(request.launcher));
    (void)tree.removeDirectory(folder + kLauncherLeaf);
    (void)tree.removeDirectory(folder);
  }
  return prepared;
}

Prepared belowScope(FileTree& tree, const Layout& layout, const DelegationRequest& request, const std::string& name) {
  if (!request.startScope) return {};
  if (layout.unifiedMount.empty()) return {{}, {}, "the v2 tree is not wholly in sight"};
  const auto scope = request.startScope(request.launcher, name);
  if (!scope.ok()) return {{}, {}, scope.error().message};
  return furnish(tree, layout.unifiedMount + *scope, request);
}

}  // namespace

Delegation delegate(FileTree& tree, const Layout& layout, const DelegationRequest& request) {
  Delegation delegation;
  const std::string name =
      DelegationName{request.uid, request.pidNamespace, request.launcher, request.launcherStart}.text();
  if (layout.kind == GroupKind::kV1) {
    for (std::size_t i = 0; i < kControllers; ++i) {
      if (layout.own[i].empty()) {
        note(delegation.why_, std::string("the ") + kNames[i] + " controller is not mounted");
        continue;
      }
      const std::string folder = layout.own[i] + "/" + name;
      Status done = make(tree, folder);
      if (done.ok()) {
        done = give(tree, folder, request);
        if (!done.ok()) (void)tree.removeDirectory(folder);
      }
      if (done.ok()) {
        delegation.folders_[i] = folder;
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
    } else {
      note(delegation.why_, std::string("the ") + kNames[i] + " controller is not delegated");
    }
  }
  return delegation;
}

Result<UniqueFd> Delegation::open(FileTree& tree, Controller controller) const {
  if (folder(controller).empty()) return Error{.kind = ErrorClass::kNotFound, .message = "no such controller"};
  return tree.openFolder(folder(controller));
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
