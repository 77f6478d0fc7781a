#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "program.hpp"

// What the program costs before it does anything: the libraries that are mapped, and the streams that are not set up.
namespace computesdk::cli::test {
namespace {

/// Names of the shared objects in the memory of a process, without the loader and the kernel's own.
std::set<std::string> mappedLibraries(pid_t pid) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  std::set<std::string> names;
  std::string line;
  while (std::getline(maps, line)) {
    auto slash = line.rfind('/');
    if (slash == std::string::npos) continue;
    std::string name = line.substr(slash + 1);
    if (name.find(".so") != std::string::npos && !name.starts_with("ld-linux")) names.insert(name);
  }
  return names;
}

TEST(Linking, TheRoadOfRunMapsLibcAndThePluginOnly) {
  if (COMPUTESDK_SANITIZED) GTEST_SKIP() << "sanitizers bring libraries of their own";
  World world;
  std::string reason;
  if (!localWorks(world, reason)) GTEST_SKIP() << reason;
  Running running(world.setup({"run", "--provider", "local", "--", "sh", "-c", "echo ready; cat"}));
  ASSERT_TRUE(running.waitForOutput("ready\n"));
  EXPECT_EQ(mappedLibraries(running.pid()), (std::set<std::string>{"libc.so.6", "libcomputesdk_local.so"}));
  EXPECT_EQ(running.wait().code, 0);
}

TEST(Linking, OnlyLibcIsNeeded) {
  if (COMPUTESDK_SANITIZED) GTEST_SKIP() << "sanitizers bring libraries of their own";
  World world;
  Running::Setup setup = world.setup({});
  setup.argv = {"/usr/bin/env", "readelf", "-d", COMPUTESDK_PROGRAM};
  Ended ended = Running(setup).wait();
  ASSERT_EQ(ended.code, 0) << ended.err;
  std::set<std::string> needed;
  for (std::size_t at = 0; (at = ended.out.find("Shared library: [", at)) != std::string::npos; ++at) {
    auto begin = at + 17;
    needed.insert(ended.out.substr(begin, ended.out.find(']', begin) - begin));
  }
  EXPECT_TRUE(needed.contains("libc.so.6"));
  needed.erase("libc.so.6");
  std::erase_if(needed, [](const std::string& name) { return name.starts_with("ld-linux"); });
  EXPECT_TRUE(needed.empty()) << *needed.begin();
}

TEST(Linking, TheStandardStreamsAreNotLinked) {
  if (COMPUTESDK_SANITIZED) GTEST_SKIP() << "the C++ library is shared there";
  World world;
  Running::Setup setup = world.setup({});
  setup.argv = {"/usr/bin/env", "nm", COMPUTESDK_PROGRAM};
  Ended ended = Running(setup).wait();
  ASSERT_EQ(ended.code, 0) << ended.err;
  for (const char* stream : {"_ZSt3cin", "_ZSt4cout", "_ZSt4cerr", "_ZSt4clog"}) {
    EXPECT_EQ(ended.out.find(std::string(" ") + stream + "\n"), std::string::npos) << stream;
  }
}

}  // namespace
}  // namespace computesdk::cli::test
