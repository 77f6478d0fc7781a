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

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../engine/types.hpp"
#include "layout.hpp"

namespace computesdk::local::limits {

struct DelegationRequest {
  pid_t launcher = 0;  // its host pid; moved into the delegation on v2, used in the name
  uid_t uid = 0;       // who will own the sandboxes' folders
  gid_t gid = 0;
  // Asks the user's systemd for a scope holding `launcher` and gives its v2 path below the mount, e.g.
  // "/user.slice/…/computesdk-123.scope". Null: that road is not tried.
  std::function<Result<std::string>(pid_t launcher, std::string_view unit)> startScope;
};

// The folders of one launcher. Destroying it removes nothing: sandboxes may outlive their host. Use remove().
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
  // The same, open; kNotFound without that controller.
  Result<UniqueFd> open(FileTree& tree, Controller controller) const;
  // Why a controller is not there, or "" when all are.
  const std::string& why() const { return why_; }
  // Removes the launcher's folders. kFailedPrecondition while a sandbox lives in them.
  Status remove(FileTree& tree) const;

 private:
  friend Delegation delegate(FileTree&, const Layout&, const DelegationRequest&);
  LimitStrength strength(Controller c) const { return folder(c).empty() ? LimitStrength::kNone : LimitStrength::kHard; }
  GroupKind kind_ = GroupKind::kNone;
  std::array<std::string, kControllers> folders_;
  std::string why_;
};

// Makes the folders. Never fails: what cannot be had is absent and named in why(). Nothing half-made stays behind.
Delegation delegate(FileTree& tree, const Layout& layout, const DelegationRequest& request);

// One sandbox's groups, seen from outside: for what the host does itself, and for reading.
class Group {
 public:
  Group(FileTree& tree, const Delegation& delegation, std::string_view id);
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
  std::vector<std::string> folders() const;  // distinct
  bool empty();
  FileTree& tree_;
  GroupKind kind_;
  std::array<std::string, kControllers> folders_;
};

// Whether a launcher still lives: pid and start time (clock ticks since boot, /proc/PID/stat field 22).
using IsAlive = std::function<bool(pid_t pid, std::uint64_t startTicks)>;
bool processIsAlive(pid_t pid, std::uint64_t startTicks);

// Removes what launchers that are dead left in any hierarchy: processes killed, folders removed. Only folders of
// our own naming that belong to `uid` are touched. Gives the number of launchers' folders removed.
std::size_t sweepStale(FileTree& tree, const Layout& layout, uid_t uid, const IsAlive& isAlive);

// "computesdk-UID-PID-STARTTICKS" and back.
std::string delegationName(uid_t uid, pid_t pid, std::uint64_t startTicks);
bool parseDelegationName(std::string_view name, uid_t& uid, pid_t& pid, std::uint64_t& startTicks);
// Field 22 of /proc/PID/stat; 0 when the process is gone.
std::uint64_t startTicksOf(pid_t pid);

}  // namespace computesdk::local::limits
