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
// the user's systemd is asked for. A v1 tree is never open to an ordinary user.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../engine/types.hpp"
#include "layout.hpp"

namespace computesdk::local::limits {

struct DelegationRequest {
  pid_t launcher = 0;  // its host pid; moved into the delegation on v2, used in the name
  pid_t host = 0;      // this process; moved to a leaf of its own if it is alone in a delegated v2 group. 0: never
  uid_t uid = 0;       // who will own the sandboxes' folders
  gid_t gid = 0;
  // Asks the user's systemd for a scope holding `launcher` and gives its v2 path below the mount, e.g.
  // "/user.slice/…/computesdk-123.scope". Null: that road is not tried.
  std::function<Result<std::string>(pid_t launcher, std::string_view unit)> startScope;
};

// The folders of one launcher, locked: whoever holds a descriptor from open() keeps them from being swept as stale.
// Destroying it removes nothing: sandboxes may outlive their host. Use remove(). Movable.
class Delegation {
 public:
  GroupKind kind() const { return kind_; }
  // hard where a group holds that limit, none where the caller must find another way.
  LimitStrength memory() const { return strength(Controller::kMemory); }
  LimitStrength cpu() const { return strength(Controller::kCpu); }
  LimitStrength processes() const { return strength(Controller::kPids); }
  bool canFreeze() const { return strength(Controller::kFreezer) == LimitStrength::kHard; }
  // The folder below which a sandbox's own is made; empty without that controller.
  const std::string& folder(Controller controller) const { return folders_[static_cast<std::size_t>(controller)]; }
  // The same, open, sharing the lock: for the launcher. kNotFound without that controller.
  Result<UniqueFd> open(Controller controller) const;
  // Why a controller is not there, or "" when all are.
  const std::string& why() const { return why_; }
  // Removes the launcher's folders. kFailedPrecondition while a sandbox lives in them.
  Status remove(FileTree& tree) const;

 private:
  friend Delegation delegate(FileTree&, const Layout&, const DelegationRequest&);
  LimitStrength strength(Controller c) const { return folder(c).empty() ? LimitStrength::kNone : LimitStrength::kHard; }
  GroupKind kind_ = GroupKind::kNone;
  std::array<std::string, kControllers> folders_;
  std::array<UniqueFd, kControllers> locks_;
  std::string why_;
};

// Makes the folders. Never fails: what cannot be had is absent and named in why(). Nothing half-made stays behind.
Delegation delegate(FileTree& tree, const Layout& layout, const DelegationRequest& request);

using KillProcess = void (*)(pid_t);

// One sandbox's groups, seen from outside: for what the host does itself, and for reading.
class Group {
 public:
  // `kill` ends one process; null: SIGKILL.
  Group(FileTree& tree, const Delegation& delegation, std::string_view id, KillProcess kill = nullptr);
  // Makes the folders and writes the limits. On failure nothing stays.
  Status create(const GroupLimits& limits);
  // Moves a process in (v1: into each hierarchy).
  Status add(pid_t pid);
  // The v2 folder for clone3's CLONE_INTO_CGROUP. kUnimplemented on v1.
  Result<UniqueFd> openForClone();
  Status freeze(bool frozen);
  // SIGKILL to every process inside, also to those that fork meanwhile: cgroup.kill, else freeze, kill, thaw.
  Status killAll();
  // Removes the folders; waits for the last process's end, at most `patience`. OK when already gone.
  Status remove(std::chrono::milliseconds patience);

  struct Usage {
    std::uint64_t memoryBytes = 0, memoryPeakBytes = 0, cpuMicroseconds = 0, outOfMemoryKills = 0;
    std::uint32_t processes = 0;
    bool hasMemory = false, hasCpu = false, hasProcesses = false;
  };
  // What can be read; absent controllers leave their `has…` false.
  Usage usage();

 private:
  bool set(Controller controller, const char* file, std::string_view text);
  FileTree& tree_;
  GroupKind kind_;
  KillProcess kill_;
  std::array<std::string, kControllers> folders_;
};

// "computesdk-UID-HEX16": how launchers' folders and scopes are called. nullopt: not one of ours.
std::string newDelegationName(uid_t uid);
std::optional<uid_t> ownerInName(std::string_view name);

// Removes what dead launchers of `uid` left below this process's own groups: folders whose lock is free; processes
// killed, folders removed. Folders of another naming or owner are not touched. Gives the number removed.
std::size_t sweepStale(FileTree& tree, const Layout& layout, uid_t uid, KillProcess kill = nullptr);

// Processes in one group's folder, itself excluded.
std::vector<pid_t> processesOf(FileTree& tree, const std::string& folder);

}  // namespace computesdk::local::limits
