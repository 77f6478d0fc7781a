#include "files/checksum.hpp"

#include <array>

namespace computesdk::detail {
namespace {

constexpr auto kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i << 24;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x80000000u) != 0 ? crc << 1 ^ 0x04C11DB7u : crc << 1;
    table[i] = crc;
  }
  return table;
}();

std::uint32_t step(std::uint32_t crc, std::uint32_t byte) noexcept {
  return crc << 8 ^ kTable[(crc >> 24 ^ byte) & 255];
}

}  // namespace

void Checksum::add(std::span<const std::byte> bytes) noexcept {
  for (std::byte byte : bytes) crc_ = step(crc_, std::to_integer<std::uint32_t>(byte));
  size_ += bytes.size();
}

std::uint32_t Checksum::value() const noexcept {
  std::uint32_t crc = crc_;
  for (std::uint64_t rest = size_; rest != 0; rest >>= 8) crc = step(crc, static_cast<std::uint32_t>(rest & 255));
  return ~crc;
}

}  // namespace computesdk::detail
