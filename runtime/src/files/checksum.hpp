#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace computesdk::detail {

/// The CRC that POSIX `cksum` prints. Finds damage on the way; it is no defence against forgery. A plain value.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] std::uint32_t value() const noexcept;
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  std::uint32_t crc_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace computesdk::detail
