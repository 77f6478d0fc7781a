// 10,000 create + command + destroy cycles, 16 at a time: memory, descriptors and processes stay where they were.
#include <gtest/gtest.h>
#include <computesdk/computesdk.hpp>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "scratch.hpp"

namespace computesdk {
namespace {

long residentKilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
  }
  return 0;
}

long descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

void cycles(Compute& compute, int count, std::atomic<int>& failures) {
  std::atomic<int> next{0};
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 16; ++thread) {
    threads.emplace_back([&] {
      while (next.fetch_add(1) < count) {
        auto sandbox = compute.sandbox().create(nothrow, {.dieWithHost = true});
        if (!sandbox) {
          if (failures++ == 0) std::fprintf(stderr, "%s\n", formatError(sandbox.error()).c_str());
          continue;
        }
        const auto result = sandbox->runCommand(nothrow, CommandLine({"/bin/true"}));
        if (!result || result->exitCode != 0) ++failures;
      }
    });
  }
}

TEST(LocalSoak, NothingGrows) {
  const testing::Scratch scratch;
  Compute compute(scratch.localConfig());
  const Sandbox anchor = compute.sandbox().create({.dieWithHost = true});  // keeps the launcher up
  std::atomic<int> failures{0};
  cycles(compute, 500, failures);  // caches and pools reach their size
  const long memory = residentKilobytes();
  const long open = descriptors();
  cycles(compute, 10000, failures);
  EXPECT_EQ(failures, 0);
  EXPECT_LE(descriptors(), open + 4);
  EXPECT_LE(residentKilobytes(), memory + 8 * 1024);
}

}  // namespace
}  // namespace computesdk
