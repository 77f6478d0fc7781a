#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "program.hpp"

// fs and cp with a provider that has files of its own.
namespace computesdk::cli::test {
namespace {

class LocalFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    if (!localWorks(world, reason)) GTEST_SKIP() << reason;
    id = world.create();
  }
  void TearDown() override { world.run({"rm", "--all"}); }
  World world{false};
  std::string id;
};

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(LocalFiles, FsVerbs) {
  std::string bytes("a\0b\xff\n", 5);
  EXPECT_EQ(world.run({"fs", "write", id, "/tmp/deep/file"}, bytes).code, 0);
  EXPECT_EQ(world.run({"fs", "cat", id, "/tmp/deep/file"}).out, bytes);
  EXPECT_EQ(world.run({"fs", "ls", id, "/tmp"}).out, "deep\n");
  EXPECT_NE(world.run({"fs", "ls", "-l", id, "/tmp/deep"}).out.find("file  0644  5 "), std::string::npos);
  EXPECT_NE(world.run({"fs", "stat", id, "/tmp/deep/file"}).out.find("size:      5\n"), std::string::npos);
  EXPECT_NE(world.run({"fs", "stat", "--no-follow", id, "/bin", "--json"}).out.find("\"type\":\"symlink\""),
            std::string::npos);
  EXPECT_EQ(world.run({"fs", "mkdir", id, "rel/a"}).code, 0);
  EXPECT_EQ(world.run({"exec", id, "--", "test", "-d", "rel/a"}).code, 0) << "below the working folder";
  EXPECT_EQ(world.run({"fs", "exists", id, "/tmp/deep"}).code, 0);
  EXPECT_EQ(world.run({"fs", "exists", id, "/tmp/deep", "--json"}).out, "true\n");
  Ended folder = world.run({"fs", "rm", id, "/tmp/deep"});
  EXPECT_EQ(folder.code, 1);
  EXPECT_NE(folder.err.find("computesdk fs rm -r"), std::string::npos) << folder.err;
  EXPECT_EQ(world.run({"fs", "rm", "-r", id, "/tmp/deep"}).code, 0);
  EXPECT_EQ(world.run({"fs", "exists", id, "/tmp/deep"}).code, 1);
  Ended missing = world.run({"fs", "cat", id, "/tmp/deep/file"});
  EXPECT_EQ(missing.code, 4);
  EXPECT_TRUE(missing.err.starts_with("error: File not found: /tmp/deep/file\n")) << missing.err;
  EXPECT_NE(missing.err.find("computesdk fs ls " + id + " /tmp/deep"), std::string::npos) << missing.err;
  Ended closed = world.run({"fs", "write", id, "/usr/x"}, "x");
  EXPECT_EQ(closed.code, 1);
  EXPECT_NE(closed.err.find("read-only"), std::string::npos) << closed.err;
}

TEST_F(LocalFiles, PathsStayInside) {
  Ended up = world.run({"fs", "cat", id, "/../../../etc/hostname"});
  EXPECT_EQ(world.run({"exec", id, "--", "cat", "/etc/hostname"}).out, up.out);
  std::ofstream(world.path("work/secret")) << "outside";
  ASSERT_EQ(world.run({"exec", id, "--", "ln", "-s", world.path("work/secret"), "/tmp/link"}).code, 0);
  EXPECT_EQ(world.run({"fs", "cat", id, "/tmp/link"}).code, 4);
}

TEST_F(LocalFiles, CpBothWays) {
  std::filesystem::create_directories(world.path("work/src/deep/empty"));
  std::ofstream(world.path("work/src/a file")) << "one";
  std::ofstream(world.path("work/src/deep/run.sh")) << "two";
  chmod(world.path("work/src/deep/run.sh").c_str(), 0755);
  Ended up = world.run({"cp", "./src", id + ":/tmp/dst"});
  ASSERT_EQ(up.code, 0) << up.err;
  EXPECT_EQ(up.out + up.err, "") << "no bar off a terminal";
  EXPECT_EQ(world.run({"exec", id, "--", "cat", "/tmp/dst/a file"}).out, "one");
  EXPECT_EQ(world.run({"exec", id, "--", "test", "-x", "/tmp/dst/deep/run.sh"}).code, 0);
  ASSERT_EQ(world.run({"exec", id, "--", "ln", "-s", "/etc", "/tmp/dst/etc"}).code, 0);
  Ended down = world.run({"cp", id + ":/tmp/dst", "back", "--json"});
  EXPECT_EQ(down.code, 1) << "something was left out";
  EXPECT_NE(down.out.find("{\"files\":2,\"bytes\":6,\"skipped\":[\"/tmp/dst/etc"), std::string::npos) << down.out;
  EXPECT_EQ(contents(world.path("work/back/deep/run.sh")), "two");
  EXPECT_TRUE(std::filesystem::is_directory(world.path("work/back/deep/empty")));
  EXPECT_FALSE(std::filesystem::exists(world.path("work/back/etc")));
  EXPECT_EQ(world.run({"cp", id + ":/tmp/nosuch", "."}).code, 4);
  EXPECT_EQ(world.run({"cp", "nosuch", id + ":/tmp/x"}).code, 4);
}

TEST_F(LocalFiles, ABarIsDrawnOnATerminal) {
  std::ofstream(world.path("work/big")) << std::string(3 << 20, 'x');
  world.env["TERM"] = "xterm";
  Running::Setup setup = world.setup({"cp", "big", id + ":/tmp/big"});
  setup.terminal = true;
  Ended ended = Running(setup).wait();
  EXPECT_EQ(ended.code, 0) << ended.out;
  EXPECT_NE(ended.out.find("big  [====="), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find("3M of 3M"), std::string::npos) << ended.out;
  EXPECT_TRUE(ended.out.ends_with("\r\033[K")) << "and taken away at the end";
}

}  // namespace
}  // namespace computesdk::cli::test
