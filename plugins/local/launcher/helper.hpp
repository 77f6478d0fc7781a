// What the parts of the helper share. One process image plays three roles in turn: the starter (leaves its caller's
// identity and namespaces and is gone), the launcher, and, forked from it, the init of each sandbox.
#pragma once

#include "../protocol/wire.hpp"
#include "messages.hpp"
#include "slots.hpp"
#include "sys.hpp"

namespace computesdk::local {

constexpr int kLauncherSocket = 3;
constexpr std::uint32_t kInnerUid = 1000;
constexpr int kMaxMounts = protocol::kMaxMounts;
constexpr int kMaxLayers = protocol::kMaxLayers;
constexpr int kMaxTops = 32;

struct UserMount {
  const char* source;
  const char* target;
  bool writable;
  int tree;  // the mount, detached, until it is placed
};

// What a snapshot kept: a folder with one folder a part.
struct Layer {
  const char* folder;
  int tree;
  int held;  // the folder, open; locked while a sandbox lives, so that the snapshot is not removed under it
};

// A folder of the base, by its name at the top, that every sandbox may write in its own way.
struct Top {
  char name[48];
};

// The launcher's orders, parsed from kStart. Texts point into a buffer that stays.
struct Config {
  bool root = false;
  bool isolated = true;
  bool users = true;  // false: root without user namespaces
  // Namespaces are bubblewrap's work. The launcher is then not isolated itself; init, which runs inside, is.
  bool bubblewrap = false;
  const char* program = "";  // bubblewrap's path, known to the launcher
  std::uint32_t uid = 0;
  limits::GroupKind groupKind = limits::GroupKind::kNone;
  const char* templateFolder = "";
  int templateTree = -1;
  UserMount mounts[kMaxMounts] = {};
  int mountCount = 0;
  bool overlay = false;
  Layer layers[kMaxLayers] = {};  // topmost first
  int layerCount = 0;
  Top tops[kMaxTops] = {};  // found while the root is built
  int topCount = 0;
  int registry = -1;
  int groups[limits::kControllers] = {-1, -1, -1};  // folders; on v2 all are the same one
};

// A step that failed. ok() when step is kNone.
struct Outcome {
  protocol::Step step = protocol::Step::kNone;
  int error = 0;
  bool ok() const { return step == protocol::Step::kNone; }
};
inline Outcome failed(protocol::Step step, sys::Word error) { return {step, static_cast<int>(-error)}; }

// `arguments`: how many words the program was started with, its name among them.
int helperMain(int arguments);

// Locks the layers for the first sandbox that wants them. Negative errno: -EAGAIN while the snapshot is being removed,
// -ENOENT once it is.
int holdLayers(const Config& config);
// When the last sandbox is gone.
void releaseLayers(const Config& config);

// Builds the read-only root that every sandbox of this launcher starts from, and enters it. Caller: the launcher,
// in its own mount namespace. Afterwards nothing of the host's tree is in reach but what was put in.
Outcome buildTemplateRoot(Config& config);
// Takes the trees of the template, the layers and the user's mounts, where the caller may still see them.
Outcome openTrees(Config& config);

// The launcher's first steps, in the outer namespaces: its maps, where there are users, and the root. `config` stays.
Outcome beginLauncher(Config& config, std::uint32_t gid);
[[noreturn]] void runLauncher();

// What init is given at birth.
struct Birth {
  protocol::CreateBody spec;
  char workdir[4096];
  int host;                              // the creator's end, -1: not born yet
  bool early;                            // the root is not ready yet either
  int launcher;                          // the launcher's end
  int groupFiles[limits::kControllers];  // cgroup.procs, to enter by
  int network;                           // its network namespace, if the host is to connect it
  int scratch;                           // the folder of all that it can write
  int oomControl;                        // v1 memory.oom_control or v2 memory.events, -1 without a memory group
  std::uint32_t turn;                    // differs between sandboxes that are made one after the other
};
// The descriptors that come from outside, in the order in which they are sent.
template <typename Visit>
void forEachGiven(Birth& birth, Visit visit) {
  for (int* fd : {&birth.host, &birth.oomControl}) {
    if (*fd >= 0) visit(*fd);
  }
  for (int& fd : birth.groupFiles) {
    if (fd >= 0) visit(fd);
  }
}
// One without any descriptor.
inline void clear(Birth& birth) {
  birth = Birth{};
  birth.host = birth.launcher = birth.oomControl = birth.network = birth.scratch = -1;
  for (int& file : birth.groupFiles) file = -1;
}
// The sandbox's process 1. Never returns. Without a host it makes its room, and waits for kBirth on the launcher's
// end; an early one first waits for kRoot.
[[noreturn]] void runInit(const Config& config, Birth& birth);
// Its beginning: user, network and host name. `uid` is looked at only where there are no user namespaces.
Outcome takeNamespaces(const Config& config, std::uint32_t uid);
// Then what no wish changes: the mounts of all sandboxes of this launcher. Leaves the scratch as the current folder.
Outcome makeRoom(const Config& config, Birth& birth);
// Last, what was asked for: control groups, sizes, mounts, limits, working folder; then privileges go.
Outcome moveIn(const Config& config, Birth& birth);

// One part of the writable disk, which is the current folder, shown at `target`: plain, or as the top of an overlay
// where a layer or `base` (a path, or null) lies below. `uid`: whom the sandbox runs as, where there are no user
// namespaces.
Outcome showPart(const Config& config, std::uint32_t uid, const char* part, const char* base, const char* target);
// The base's folders that can be written.
Outcome showTops(const Config& config, std::uint32_t uid);
// Of files that this process makes from now on, user and group.
void setFileOwner(std::uint32_t uid);

// Gives this sandbox a root with the top folder of its working folder beside the template's entries, backed by one more
// part of its scratch.
Outcome widenRoot(const Config& config, const Birth& birth);

// Becomes bubblewrap, which makes a sandbox of the shape that `birth` asks for and starts this program once more in it.
// What bubblewrap complains of goes to `complaint`. Failures before are told to the host.
[[noreturn]] void becomeBubblewrap(const Config& config, Birth& birth, int complaint);
// The second word on the command line of that program, which is init.
constexpr const char* kInsideWord = "init";
[[noreturn]] void runInside();
// Whether all that can be written is one file system, as it was asked of bubblewrap.
Outcome checkDisk();
// The folder at the top of an absolute path, "/repo" of "/repo/src".
sys::Line<300> topFolder(const char* path);
// Stays behind in a process of its own that ends what this one leaves. Returns in the other; -errno.
int leaveKeeper(const Config& config);

// fork() with namespaces. 0 in the child, the pid in the caller, -errno. `pidfd` may be null.
int cloneProcess(std::uint64_t flags, int* pidfd);

// Writes the maps of a process that has just entered a user namespace: one user, one group.
Outcome writeMaps(protocol::Step step, std::uint32_t uid, std::uint32_t gid, bool denySetgroups);

// mkdir -p below the current root. 0 or -errno.
int makeDirs(const char* path, int mode);

}  // namespace computesdk::local
