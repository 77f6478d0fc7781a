// Decisions of the memory watchdog, which stands in where no control group holds a sandbox's memory. Reading the
// numbers is its caller's. Freestanding: the static helper may include it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace computesdk::local::limits {

constexpr std::int64_t kWatchIntervalMs = 25;

// The sum, in bytes, of the lines of a /proc file that begin with one of `keys` and go on in kilobytes.
inline std::uint64_t sumOfFields(const char* text, std::size_t size, std::initializer_list<const char*> keys) {
  std::uint64_t kilobytes = 0;
  bool lineStart = true;
  for (std::size_t i = 0; i < size; ++i) {
    if (lineStart) {
      for (const char* key : keys) {
        std::size_t n = 0;
        while (key[n] != 0 && i + n < size && text[i + n] == key[n]) ++n;
        if (key[n] != 0) continue;
        std::size_t at = i + n;
        while (at < size && (text[at] == ' ' || text[at] == '\t')) ++at;
        std::uint64_t value = 0;
        while (at < size && text[at] >= '0' && text[at] <= '9' && value < (1ULL << 50)) {
          value = value * 10 + static_cast<std::uint64_t>(text[at++] - '0');
        }
        kilobytes += value;
      }
    }
    lineStart = text[i] == '\n';
  }
  return kilobytes * 1024;
}

// Of a /proc/PID/status. File-backed pages are left out: they are the page cache's, which gives them back. A text that
// lacks the rest (a zombie's) counts 0.
inline std::uint64_t residentBytes(const char* status, std::size_t size) {
  return sumOfFields(status, size, {"RssAnon:", "RssShmem:", "VmSwap:"});
}

// The same of a /proc/PID/smaps_rollup, in which a shared page counts once over all who share it.
inline std::uint64_t proportionalBytes(const char* rollup, std::size_t size) {
  return sumOfFields(rollup, size, {"Pss_Anon:", "Pss_Shmem:", "SwapPss:"});
}

struct MemorySample {
  std::uint64_t processesBytes = 0;
  std::uint64_t tmpfsBytes = 0;   // used in the sandbox's tmpfs
  std::uint64_t sharedBytes = 0;  // System V segments

  std::uint64_t total() const { return add(add(processesBytes, tmpfsBytes), sharedBytes); }

 private:
  static std::uint64_t add(std::uint64_t a, std::uint64_t b) {
    return a > ~std::uint64_t{0} - b ? ~std::uint64_t{0} : a + b;
  }
};

enum class MemoryVerdict : std::uint8_t { kFine, kLookAgain, kKill };

// A cheap sample counts a page shared by n processes n times, so a first sight over the limit is only a suspicion:
// kLookAgain, and the next sample must be exact. A limit of 0 is none.
inline MemoryVerdict judge(const MemorySample& sample, std::uint64_t limit, bool exact) {
  if (limit == 0 || sample.total() <= limit) return MemoryVerdict::kFine;
  return exact ? MemoryVerdict::kKill : MemoryVerdict::kLookAgain;
}

}  // namespace computesdk::local::limits
