// What a sandbox's root file system is made of.
#pragma once

#include <rootfs/snapshot.hpp>
#include <string>
#include <vector>

#include "result.hpp"
#include "types.hpp"

namespace computesdk::local {

struct RootPlan {
  std::string folder;               // of the base; empty: this machine's /usr
  std::vector<std::string> layers;  // folders of snapshots over it, topmost first
  bool overlay = false;             // the base's folders can be written
  rootfs::Base base;                // by which a snapshot of the sandbox names what it lies over
  Pairs envs;                       // the image's
  std::string workdir;              // the image's or the snapshot's; may be empty
};

// Looks at the template or the snapshot; unpacks an OCI image that is not in the cache yet. kInvalidArgument,
// kNotFound, and as openOciLayout.
Result<RootPlan> planRoot(const CreateSpec& spec);

// $XDG_DATA_HOME/computesdk/local/snapshots, else below $HOME/.local/share. kFailedPrecondition without either.
Result<std::string> snapshotStore();

}  // namespace computesdk::local
