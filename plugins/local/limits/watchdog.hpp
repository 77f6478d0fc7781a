// Decisions of the memory watchdog, which stands in where no control group holds a sandbox's memory. Reading the
// numbers is its caller's. Freestanding: the static helper may include it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace computesdk::local::limits {

constexpr std::uint32_t kWatchIntervalMs = 25;

// RssAnon + RssShmem + VmSwap of a /proc/PID/status, in bytes. File-backed pages are left out: they are the page
// cache's, which gives them back. A text that lacks them (a zombie's) counts 0.
inline std::uint64_t residentBytes(const char* status, std::size_t size) {
  const char* const keys[] = {"RssAnon:", "RssShmem:", "VmSwap:"};
  std::uint64_t kilobytes = 0;
  bool lineStart = true;
  for (std::size_t i = 0; i < size; ++i) {
    if (lineStart) {
      for (const char* key : keys) {
        std::size_t n = 0;
        while (key[n] != 0 && i + n < size && status[i + n] == key[n]) ++n;
        if (key[n] != 0) continue;
        std::size_t at = i + n;
        while (at < size && (status[at] == ' ' || status[at] == '\t')) ++at;
        std::uint64_t value = 0;
        while (at < size && status[at] >= '0' && status[at] <= '9' && value < (1ULL << 50)) {
          value = value * 10 + static_cast<std::uint64_t>(status[at++] - '0');
        }
        kilobytes += value;
      }
    }
    lineStart = status[i] == '\n';
  }
  return kilobytes * 1024;
}

struct MemorySample {
  std::uint64_t processesBytes = 0;  // sum of residentBytes
  std::uint64_t tmpfsBytes = 0;      // used in the sandbox's tmpfs
  std::uint64_t sharedBytes = 0;     // System V segments
};

enum class MemoryVerdict : std::uint8_t { kFine, kLookAgainSoon, kKill };

// One a sandbox. Not thread-safe.
class MemoryWatchdog {
 public:
  explicit MemoryWatchdog(std::uint64_t limitBytes) : limit_(limitBytes) {}

  // The sum counts a page shared by n processes n times, so a first sight over the limit is only a suspicion where
  // `exact` (shared pages counted once) is still to be had: then kLookAgainSoon, and the next sample must be exact.
  MemoryVerdict judge(const MemorySample& sample, bool exact) {
    const std::uint64_t used = add(add(sample.processesBytes, sample.tmpfsBytes), sample.sharedBytes);
    if (used > peak_) peak_ = used;
    if (limit_ == 0 || used <= limit_) return MemoryVerdict::kFine;
    return exact ? MemoryVerdict::kKill : MemoryVerdict::kLookAgainSoon;
  }
  std::uint64_t peakBytes() const { return peak_; }

 private:
  static std::uint64_t add(std::uint64_t a, std::uint64_t b) {
    return a > ~std::uint64_t{0} - b ? ~std::uint64_t{0} : a + b;
  }
  std::uint64_t limit_;
  std::uint64_t peak_ = 0;
};

}  // namespace computesdk::local::limits
