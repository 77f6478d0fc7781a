// Which cores a sandbox is pinned to where no control group holds its share. Freestanding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace computesdk::local::limits {

constexpr std::size_t kCpuWords = 128;  // 8192 cores
using CpuMask = std::uint64_t[kCpuWords];

// Cores that `milliCpus` amounts to: at least one, rounded up.
constexpr std::uint32_t coresFor(std::uint32_t milliCpus) { return milliCpus <= 1000 ? 1 : (milliCpus - 1) / 1000 + 1; }

// Reduces `mask` (the cores that may be used) to `cores` of them, beginning at the `turn`-th and wrapping round, so
// that sandboxes started one after the other spread over the machine. Fewer allowed than asked: all are kept.
// Gives the number kept.
inline std::uint32_t pickCores(std::uint64_t* mask, std::size_t words, std::uint32_t cores, std::uint32_t turn) {
  std::uint32_t allowed = 0;
  for (std::size_t i = 0; i < words; ++i) {
    for (std::uint64_t bits = mask[i]; bits != 0; bits &= bits - 1) ++allowed;
  }
  if (allowed <= cores || allowed == 0) return allowed;
  const std::uint32_t first = turn % allowed;
  std::uint32_t index = 0;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t kept = 0;
    for (std::uint64_t bits = mask[i]; bits != 0; bits &= bits - 1, ++index) {
      const std::uint32_t distance = (index + allowed - first) % allowed;
      if (distance < cores) kept |= bits & -bits;
    }
    mask[i] = kept;
  }
  return cores;
}

}  // namespace computesdk::local::limits
