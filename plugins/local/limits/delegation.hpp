// Control groups of sandboxes.
//
// Who does what. The host process, once a launcher, makes one folder for it in each hierarchy ("delegation") and, as
// root, gives that folder to the uid that the launcher takes on; then it hands the open folders over. The launcher
// needs no privilege: making, filling and removing a sandbox's folder below are plain file operations of the owner.
// So no part of the helper keeps root, and a launcher that is taken over can only touch its own groups. On v1 the
// kernel lets a process be moved by its own uid. On v2 it asks for the common ancestor of both groups as well, so
// there the launcher itself must live below the delegation too ("launcher" beside the sandboxes' folders).
//
// v1 as root; v2 where the own group is delegated (a service with Delegate=yes, a container); v2 below a scope that
// systemd is asked for; v2 as root at the top of a tree that no systemd keeps. A v1 tree is never open to an ordinary
// user.
#pragma once

#include <sys/types.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "layout.hpp"

namespace computesdk::local::limits {

struct DelegationRequest {
  pid_t launcher = 0;  // its host pid; moved into the delegation on v2
  pid_t host = 0;      // this process; moved to a leaf of its own if it is alone in a delegated v2 group. 0: never
  uid_t uid = 0;       // who will own the sandboxes' folders
  gid_t gid = 0;
  // Asks systemd for a scope holding `launcher` and gives its v2 path below the mount, e.g.
  // "/user.slice/…/computesdk-123.scope". Null: that road is not tried.
  std::function<Result<std::string>(pid_t launcher, std::string_view unit)> startScope;
};

// The folders of one launcher, locked: whoever holds one of the locks keeps them from being swept as stale.
// Destroying it removes nothing: sandboxes may outlive their host. Use remove(). Movable.
class Delegation {
 public:
  GroupKind kind() const { return kind_; }
  bool has(Controller controller) const { return !folder(controller).empty(); }
  ControllerSet controllers() const;
  // The folder below which a sandbox's own is made; empty without that controller. On v2 all are the same.
  const std::string& folder(Controller controller) const { return folders_[static_cast<std::size_t>(controller)]; }
  // The same, open and locked, for the launcher; -1 without that controller.
  int lock(Controller controller) const { return locks_[static_cast<std::size_t>(controller)].get(); }
  // Leaves the locks to whom they were handed over.
  void releaseLocks() { locks_ = {}; }
  // Why a controller is not there, or "" when all are.
  const std::string& why() const { return why_; }
  // Removes the launcher's folders. kFailedPrecondition while a sandbox, or on v2 the launcher, lives in them.
  Status remove(FileTree& tree) const;

 private:
  friend Delegation delegate(FileTree&, const Layout&, const DelegationRequest&);
  void delegateV1(FileTree& tree, const Layout& layout, const DelegationRequest& request);
  void delegateV2(FileTree& tree, const Layout& layout, const DelegationRequest& request);
  GroupKind kind_ = GroupKind::kNone;
  std::array<std::string, kControllers> folders_;
  std::array<UniqueFd, kControllers> locks_;
  std::string why_;
};

// Makes the folders. Never fails: what cannot be had is absent and named in why(). Nothing half-made stays behind.
Delegation delegate(FileTree& tree, const Layout& layout, const DelegationRequest& request);

using KillProcess = void (*)(pid_t);

// "computesdk-UID-HEX16": how launchers' folders and scopes are called. nullopt: not one of ours.
std::string newDelegationName(uid_t uid);
std::optional<uid_t> ownerInName(std::string_view name);

// Removes what dead launchers left where this process's are made: folders whose lock is free; processes killed (`kill`
// ends one; null: SIGKILL), folders removed. Root removes anybody's, others their own. Folders of another naming or
// owner are not touched. Gives the number removed.
std::size_t sweepStale(FileTree& tree, const Layout& layout, uid_t self, KillProcess kill = nullptr);

// Processes in one group's folder.
std::vector<pid_t> processesOf(FileTree& tree, const std::string& folder);

}  // namespace computesdk::local::limits
