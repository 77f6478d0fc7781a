// The freestanding parts: what to write, when to kill, which cores.
#include <gtest/gtest.h>

#include <limits/affinity.hpp>
#include <limits/settings.hpp>
#include <limits/watchdog.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::local::limits {
namespace {

std::string find(const Settings& settings, std::string_view file) {
  for (const Setting& setting : settings) {
    if (file == setting.file) return std::string(setting.value, setting.size);
  }
  return "(absent)";
}

TEST(Settings, UnlimitedWritesNoLimit) {
  const Settings settings = settingsFor(GroupKind::kV2, {});
  EXPECT_EQ(settings.size(), 1U);
  EXPECT_EQ(find(settings, "cpu.weight"), "50");
  EXPECT_EQ(settingsFor(GroupKind::kNone, {1, 1, 1}).size(), 0U);
}

TEST(Settings, EveryLimitOnV2) {
  const Settings settings = settingsFor(GroupKind::kV2, {64ULL << 20, 32, 500});
  EXPECT_EQ(find(settings, "memory.max"), "67108864");
  EXPECT_EQ(find(settings, "memory.swap.max"), "0");
  EXPECT_EQ(find(settings, "pids.max"), "32");
  EXPECT_EQ(find(settings, "cpu.max"), "50000 100000");
  EXPECT_EQ(find(settings, "cpu.weight"), "50");
}

TEST(Settings, EveryLimitOnV1AndMemoryBeforeSwap) {
  const Settings settings = settingsFor(GroupKind::kV1, {64ULL << 20, 32, 500});
  std::vector<std::string> files;
  for (const Setting& setting : settings) files.emplace_back(setting.file);
  EXPECT_EQ(files,
            (std::vector<std::string>{"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.swappiness",
                                      "pids.max", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.shares"}));
  EXPECT_EQ(find(settings, "memory.memsw.limit_in_bytes"), "67108864");
  EXPECT_EQ(find(settings, "cpu.cfs_quota_us"), "50000");
  EXPECT_EQ(find(settings, "cpu.shares"), "512");
}

TEST(Settings, LargestValuesFit) {
  const GroupLimits most{~std::uint64_t{0}, ~std::uint32_t{0}, ~std::uint32_t{0}};
  for (const GroupKind kind : {GroupKind::kV1, GroupKind::kV2}) {
    const Settings settings = settingsFor(kind, most);
    EXPECT_LT(settings.size(), Settings::kMost);
    EXPECT_EQ(find(settings, kind == GroupKind::kV1 ? "memory.limit_in_bytes" : "memory.max"), "18446744073709551615");
  }
  EXPECT_EQ(find(settingsFor(GroupKind::kV2, most), "cpu.max"), "429496729500 100000");
}

TEST(Settings, ATinyShareIsTheKernelsLeast) {
  EXPECT_EQ(find(settingsFor(GroupKind::kV2, {0, 0, 1}), "cpu.max"), "1000 100000");
}

std::uint64_t resident(std::string_view text) { return residentBytes(text.data(), text.size()); }

TEST(Watchdog, CountsWhatOnlyTheProcessHolds) {
  EXPECT_EQ(resident("Name:\tRssAnon: 5\nVmRSS:\t  9000 kB\nRssAnon:\t    100 kB\nRssFile:\t 4000 kB\n"
                     "RssShmem:\t   20 kB\nVmSwap:\t    3 kB\n"),
            123U * 1024);
}

TEST(Watchdog, AZombieOrNonsenseCountsNothing) {
  EXPECT_EQ(resident("Name:\tsh\nState:\tZ (zombie)\n"), 0U);
  EXPECT_EQ(resident(""), 0U);
  EXPECT_EQ(resident("RssAnon:"), 0U);
  EXPECT_EQ(resident("RssAnon:\tx kB\n"), 0U);
  EXPECT_EQ(resident("XRssAnon:\t7 kB\n"), 0U);
  EXPECT_GT(resident("RssAnon:\t99999999999999999999999 kB"), 0U);
}

TEST(Watchdog, SharedPagesAreSharedOut) {
  constexpr std::string_view kRollup =
      "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss: 9000 kB\nPss: 800 kB\nPss_Anon: 100 kB\nPss_File: 700 kB\n"
      "Pss_Shmem: 20 kB\nSwap: 50 kB\nSwapPss: 3 kB\n";
  EXPECT_EQ(proportionalBytes(kRollup.data(), kRollup.size()), 123U * 1024);
}

TEST(Watchdog, ASharedPageIsLookedAtTwice) {
  EXPECT_EQ(judge({50, 50, 0}, 100, false), MemoryVerdict::kFine);
  EXPECT_EQ(judge({90, 11, 0}, 100, false), MemoryVerdict::kLookAgain);
  EXPECT_EQ(judge({60, 11, 0}, 100, true), MemoryVerdict::kFine);
  EXPECT_EQ(judge({0, 0, 101}, 100, true), MemoryVerdict::kKill);
}

TEST(Watchdog, DoesNotWrapRound) {
  EXPECT_EQ(judge({~std::uint64_t{0}, ~std::uint64_t{0}, 5}, 100, true), MemoryVerdict::kKill);
  EXPECT_EQ(judge({~std::uint64_t{0}, 0, 0}, 0, true), MemoryVerdict::kFine) << "0 is no limit";
}

TEST(Affinity, RoundsUp) {
  EXPECT_EQ(coresFor(0), 1U);
  EXPECT_EQ(coresFor(1), 1U);
  EXPECT_EQ(coresFor(1000), 1U);
  EXPECT_EQ(coresFor(1001), 2U);
  EXPECT_EQ(coresFor(2500), 3U);
  EXPECT_EQ(coresFor(~std::uint32_t{0}), 4294968U);
}

TEST(Affinity, SpreadsAndWrapsRound) {
  std::uint64_t mask[2] = {0b101101, 0b1};  // cores 0, 2, 3, 5, 64
  EXPECT_EQ(pickCores(mask, 2, 2, 4), 2U);  // the fifth and, round the corner, the first
  EXPECT_EQ(mask[0], 0b1U);
  EXPECT_EQ(mask[1], 0b1U);
  std::uint64_t other[1] = {0b1111};
  EXPECT_EQ(pickCores(other, 1, 2, 1), 2U);
  EXPECT_EQ(other[0], 0b0110U);
}

TEST(Affinity, KeepsAllWhenThereAreNotEnough) {
  std::uint64_t mask[1] = {0b11};
  EXPECT_EQ(pickCores(mask, 1, 8, 3), 2U);
  EXPECT_EQ(mask[0], 0b11U);
  std::uint64_t none[1] = {0};
  EXPECT_EQ(pickCores(none, 1, 1, 0), 0U);
}

}  // namespace
}  // namespace computesdk::local::limits
