// Snapshots: a copy of what a sandbox wrote over its base, kept as one more lower layer for later ones.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../engine/result.hpp"
#include "tree.hpp"

namespace computesdk::local::rootfs {

// How the base was named when the sandbox was made; a snapshot is only valid over the same.
struct Base {
  std::string kind;  // "host", "directory", "oci", "snapshot"
  std::string name;  // path, "sha256:…" or snapshot id
};

// What its maker says of a snapshot.
struct Description {
  std::string name;
  Base base;
  std::string workdir;  // of the sandbox
  std::vector<std::pair<std::string, std::string>> metadata;
};

struct Snapshot {
  std::string id;  // "snap-" and 16 hex digits
  std::string name;
  Base base;
  std::string workdir;
  std::int64_t createdMs = 0;
  std::uint64_t bytes = 0;  // of file content
  std::uint64_t files = 0;
  std::vector<std::string> parts;  // the overlays it holds, e.g. "top-usr", "home"
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string root;  // its folder; parts are below root + "/layers/"
};

struct Part {
  std::string name;  // [A-Za-z0-9._-], beginning with a letter or digit
  int upper = -1;    // open folder: the overlay's upper, or a plain tmpfs tree. Borrowed
};

struct CopyLimits {
  std::uint64_t bytes = 64ULL << 30;
  std::uint64_t files = 5'000'000;
  std::uint32_t owner = kCaller;    // to whom the files are given
  std::function<bool()> cancelled;  // asked again and again; may be empty. Then nothing is left of the snapshot
};

// Copies the parts into `store`/ID, atomically. Whiteouts (character device 0:0 where the caller may make one, else
// an empty file with user.overlay.whiteout="y"), user.overlay.* attributes, modes, times, holes, symlinks and hard
// links inside one part are kept; sockets, FIFOs and other devices are left out. FICLONE where the file system has
// it. The sandbox should be frozen: a file that changes meanwhile is copied as it was read.
Result<Snapshot> takeSnapshot(const std::string& store, const Description& description, const std::vector<Part>& parts,
                              const CopyLimits& limits = {});

// Newest first. Folders without a readable manifest are skipped.
Result<std::vector<Snapshot>> listSnapshots(const std::string& store);
// kNotFound; kInvalidArgument for an id that is none.
Result<Snapshot> findSnapshot(const std::string& store, std::string_view id);
// kFailedPrecondition while another snapshot is based on it, or somebody holds a lock (flock) on its layers.
Status removeSnapshot(const std::string& store, std::string_view id);

// The snapshot and those that it is based on, topmost first, at least one. The last one's base is no snapshot.
Result<std::vector<Snapshot>> snapshotChain(const std::string& store, std::string_view id);

}  // namespace computesdk::local::rootfs
