#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "program.hpp"

// fs and cp. The provider has no file operations, so they go through its commands.
namespace computesdk::cli::test {
namespace {

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Fs, WritesReadsListsAndRemoves) {
  World world;
  std::string id = world.create();
  std::filesystem::path inside = world.sandboxes() / id;
  std::string bytes("a\0b\xff\n", 5);
  std::string file = inside / "dir/file";
  Ended written = world.run({"fs", "write", id, file}, bytes);
  ASSERT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(contents(file), bytes);
  EXPECT_EQ(world.run({"fs", "cat", id, file}).out, bytes);
  EXPECT_EQ(world.run({"fs", "ls", id, inside / "dir"}).out, "file\n");
  EXPECT_NE(world.run({"fs", "ls", "-l", id, inside / "dir"}).out.find("file"), std::string::npos);
  EXPECT_NE(world.run({"fs", "stat", id, file, "--json"}).out.find("\"size\":5"), std::string::npos);
  EXPECT_EQ(world.run({"fs", "mkdir", id, inside / "x/y"}).code, 0);
  EXPECT_TRUE(std::filesystem::is_directory(inside / "x/y"));
  EXPECT_EQ(world.run({"fs", "exists", id, file}).code, 0);
  EXPECT_NE(world.run({"fs", "rm", id, inside / "dir"}).code, 0) << "a folder needs -r";
  EXPECT_EQ(world.run({"fs", "rm", "-r", id, inside / "dir"}).code, 0);
  EXPECT_EQ(world.run({"fs", "exists", id, file}).code, 1);
  Ended missing = world.run({"fs", "cat", id, file});
  EXPECT_EQ(missing.code, 4);
  EXPECT_NE(missing.err.find("File not found: " + file), std::string::npos) << missing.err;
}

TEST(Fs, APredicateThatCannotBeAnsweredIsNoNo) {
  World world;
  EXPECT_GE(world.run({"fs", "exists", "nosuch", "/x"}).code, 2);
}

TEST(Cp, CopiesFoldersThereAndBack) {
  World world;
  std::string id = world.create();
  std::filesystem::path inside = world.sandboxes() / id;
  std::filesystem::path source = world.path("work/src");
  std::filesystem::create_directories(source / "deep/empty");
  std::ofstream(source / "a file") << "one";
  std::ofstream(source / "deep/run.sh") << "two";
  chmod((source / "deep/run.sh").c_str(), 0755);
  std::filesystem::create_symlink("a file", source / "link");
  Ended up = world.run({"cp", "./src", id + ":" + (inside / "dst").string()});
  ASSERT_EQ(up.code, 0) << up.err;
  EXPECT_EQ(contents(inside / "dst/a file"), "one");
  EXPECT_EQ(contents(inside / "dst/link"), "one");
  EXPECT_TRUE(std::filesystem::is_directory(inside / "dst/deep/empty"));
  Ended into = world.run({"cp", "./src/a file", id + ":" + (inside / "dst").string()});
  EXPECT_EQ(into.code, 0) << into.err;
  Ended down = world.run({"cp", id + ":" + (inside / "dst").string(), "back"});
  ASSERT_EQ(down.code, 0) << down.err;
  EXPECT_EQ(contents(world.path("work/back/a file")), "one");
  EXPECT_EQ(contents(world.path("work/back/deep/run.sh")), "two");
  struct stat status = {};
  ASSERT_EQ(stat(world.path("work/back/deep/run.sh").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0755U);
  Ended again = world.run({"cp", id + ":" + (inside / "dst").string(), "back"});
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(contents(world.path("work/back/dst/a file")), "one") << "a folder that is there takes it in";
}

TEST(Cp, ReportsWhatItLeavesOut) {
  World world;
  std::string id = world.create();
  std::filesystem::path inside = world.sandboxes() / id;
  std::filesystem::create_directories(inside / "d/sub");
  std::filesystem::create_symlink("/etc", inside / "d/etc");
  ASSERT_EQ(mkfifo((inside / "d/fifo").c_str(), 0600), 0);
  std::ofstream(inside / "d/file") << "x";
  Ended down = world.run({"cp", id + ":" + (inside / "d").string(), "out"});
  EXPECT_EQ(down.code, 1);
  EXPECT_NE(down.err.find("d/etc: a link, not to a file"), std::string::npos) << down.err;
  EXPECT_NE(down.err.find("d/fifo: neither a file nor a folder"), std::string::npos) << down.err;
  EXPECT_EQ(contents(world.path("work/out/file")), "x");
  EXPECT_FALSE(std::filesystem::exists(world.path("work/out/etc")));
}

TEST(Cp, NeedsExactlyOneSandbox) {
  World world;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"cp", "a", "b"}, {"cp", "x:/a", "y:/b"}, {"cp", "a", "x:"}, {"cp", "a"}}) {
    EXPECT_EQ(world.run(words).code, 2);
  }
}

}  // namespace
}  // namespace computesdk::cli::test
