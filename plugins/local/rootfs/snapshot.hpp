// Snapshots: a copy of what a sandbox wrote over its base, kept as one more lower layer for later ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../engine/result.hpp"

namespace computesdk::local::rootfs {

// How the base was named when the sandbox was made; a snapshot is only valid over the same.
struct Base {
  std::string kind;  // "host", "directory", "oci", "snapshot"
  std::string name;  // path, "sha256:…" or snapshot id
};

struct Snapshot {
  std::string id;  // "snap-" and 16 hex digits
  std::string name;
  Base base;
  std::int64_t createdMs = 0;
  std::uint64_t bytes = 0;  // of file content
  std::uint64_t files = 0;
  std::vector<std::string> parts;  // the overlays it holds, e.g. "usr", "etc", "opt", "home"
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string root;  // its folder; parts are below root + "/layers/"
};

struct Part {
  std::string name;  // [a-z0-9-]
  int upper = -1;    // open folder: the overlay's upper, or a plain tmpfs tree. Borrowed
};

struct CopyLimits {
  std::uint64_t bytes = 64ULL << 30;
  std::uint64_t files = 5'000'000;
};

// Copies the parts into `store`/ID, atomically. Whiteouts (character device 0:0 where the caller may make one, else
// an empty file with user.overlay.whiteout="y"), user.overlay.* attributes, modes, times, holes, symlinks and hard
// links inside one part are kept; sockets, FIFOs and other devices are left out. FICLONE where the file system has
// it. The sandbox should be frozen: a file that changes meanwhile is copied as it was read.
Result<Snapshot> takeSnapshot(const std::string& store, std::string_view name, const Base& base,
                              const std::vector<Part>& parts,
                              const std::vector<std::pair<std::string, std::string>>& metadata,
                              const CopyLimits& limits = {});

// Newest first. Folders without a readable manifest are skipped.
Result<std::vector<Snapshot>> listSnapshots(const std::string& store);
// kNotFound; kInvalidArgument for an id that is none.
Result<Snapshot> findSnapshot(const std::string& store, std::string_view id);
// kFailedPrecondition while another snapshot is based on it.
Status removeSnapshot(const std::string& store, std::string_view id);

// The lower layers for a part of a new sandbox, topmost first, by following the bases: what goes left of the base's
// own folder in lowerdir=. Empty: no snapshot on the way holds that part. `base` becomes the last non-snapshot base.
Result<std::vector<std::string>> lowerLayers(const std::string& store, std::string_view id, std::string_view part,
                                             Base& base);

}  // namespace computesdk::local::rootfs
