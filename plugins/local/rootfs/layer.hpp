// Puts one layer of an image over what the layers below it made.
#pragma once

#include <cstdint>

#include "byte_source.hpp"
#include "template_source.hpp"

namespace computesdk::local::rootfs {

// What an image may still use; counted over all of its layers.
struct Allowance {
  std::uint64_t bytes, files;
};

// `root`: an open folder that nobody else writes to. Whiteouts (.wh.NAME, .wh..wh..opq) take away from the layers
// below. Files belong to the caller; set-uid, set-gid and sticky bits are cleared; devices and pipes are left out.
// Nothing outside of `root` is ever touched. Errors as openOciLayout.
Status applyLayer(int root, ByteSource& archive, Allowance& allowance);

}  // namespace computesdk::local::rootfs
