// What a sandbox's root file system may be made of: a directory, or an OCI image layout on disk.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../engine/result.hpp"
#include "tree.hpp"

namespace computesdk::local::rootfs {

enum class SourceKind : std::uint8_t { kDirectory, kOciLayout };

// Tells a layout (has `oci-layout` and `index.json`) from a root directory. kNotFound, kInvalidArgument.
Result<SourceKind> classify(const std::string& path);

// Checks that a directory can serve as a root: absolute, a folder all the way, not writable by anybody else than
// this user and root (a sticky /tmp on the way is fine), holds an executable /bin/sh or /usr/bin, is not "/" and
// holds no home folder of this user. Gives its real path. kInvalidArgument names the reason.
Result<std::string> validateDirectory(const std::string& path);

struct UnpackLimits {
  std::uint64_t bytes = 16ULL << 30;  // unpacked
  std::uint64_t files = 2'000'000;
  std::uint64_t archiveBytes = 16ULL << 30;  // of all layers as stored
  std::uint32_t layers = 128;
  std::uint32_t owner = kCaller;  // to whom the files are given
};

struct OciImage {
  std::string digest;  // of the manifest: "sha256:…"
  std::string root;    // the unpacked tree, complete and read-only by convention
  std::vector<std::string> env;
  std::vector<std::string> command;  // Entrypoint + Cmd
  std::string workdir;
  std::string user;
};

// Unpacks an image of a layout into `cache`/sha256/HEX, once per digest, atomically (others may race). `reference`:
// the org.opencontainers.image.ref.name annotation to take; empty: the only image, or the one for this platform.
// Every blob's digest and size are verified. Owners are not kept (all belongs to `limits.owner`), device nodes and
// FIFOs are left out, set-uid bits are cleared. Errors: kInvalidArgument (what is wrong with the image), kNotFound,
// kResourceExhausted (limits), kUnimplemented (zstd layers). On error the cache is as before.
Result<OciImage> openOciLayout(const std::string& layout, std::string_view reference, const std::string& cache,
                               const UnpackLimits& limits = {});

// An image that openOciLayout unpacked into this cache. kNotFound when it is not there any more.
Result<OciImage> openUnpacked(const std::string& cache, std::string_view digest);

// $XDG_CACHE_HOME/computesdk/local, else $HOME/.cache/computesdk/local; "" without either.
std::string cacheDirectory();

}  // namespace computesdk::local::rootfs
