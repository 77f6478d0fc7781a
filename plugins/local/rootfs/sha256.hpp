// SHA-256 of a stream, to verify what an image says of its parts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace computesdk::local::rootfs {

class Sha256 {
 public:
  void update(const void* data, std::size_t size);
  // Of all that was given; the object is spent afterwards. 64 hex digits.
  std::string finish();

 private:
  void block(const std::uint8_t* data);
  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> pending_{};
  std::uint64_t size_ = 0;
};

}  // namespace computesdk::local::rootfs
