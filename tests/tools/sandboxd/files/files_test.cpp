#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "core/answer.hpp"
#include "files/atomic_file.hpp"
#include "files/batch.hpp"
#include "files/file_info.hpp"
#include "files/io.hpp"
#include "files/path_locks.hpp"
#include "files/paths.hpp"
#include "files/remove_tree.hpp"
#include "temp_folder.hpp"

namespace computesdk::sandboxd {
namespace {

using sandboxd_test::TempFolder;

std::string absoluteOf(const std::string& directory, std::string_view remainder,
                       LostSlash lost = LostSlash::kPossible) {
  const auto path = askedInUrl(directory, remainder, lost);
  return path ? path->absolute : "error: " + path.error().what;
}

TEST(Paths, WhatFollowsFilesIsDecodedOnce) {
  EXPECT_EQ(absoluteOf("/w", "/tmp/a%20b"), "/tmp/a b");
  EXPECT_EQ(absoluteOf("/w", "%2Ftmp%2Fa%20b"), "/tmp/a b");
  EXPECT_EQ(absoluteOf("/w", "rel%2Fx"), "/w/rel/x");
  EXPECT_EQ(absoluteOf("/w", "a%2525"), "/w/a%25");
  EXPECT_EQ(absoluteOf("/w", "a%"), "error: path is not percent-encoded rightly");
  EXPECT_EQ(absoluteOf("/w", "a%00b"), "error: path must not hold a NUL character");
  EXPECT_EQ(absoluteOf("/w", ""), "error: path must not be empty");
  EXPECT_EQ(absoluteOf("/w", "/"), "/");
}

TEST(Paths, ALostSlashIsFoundAgain) {
  const TempFolder folder;
  folder.write("there", "x");
  folder.folder("work/tmp2");
  const std::string lost = folder.path("there").substr(1);
  EXPECT_EQ(absoluteOf(folder.path("work"), lost), folder.path("there"));
  EXPECT_EQ(absoluteOf(folder.path("work"), lost, LostSlash::kNever), folder.path("work") + "/" + lost);
  // Errors show the path that was meant.
  EXPECT_EQ(absoluteOf(folder.path("work"), "tmp/missing/f"), "/tmp/missing/f");
  EXPECT_EQ(absoluteOf(folder.path("work"), "tmp2/missing"), folder.path("work/tmp2/missing"));
  EXPECT_EQ(absoluteOf(folder.path("work"), "missing"), folder.path("work/missing"));
}

TEST(Paths, OneSpelling) {
  EXPECT_EQ(normalPath("/a//b/./c/"), "/a/b/c");
  EXPECT_EQ(normalPath("/"), "/");
  EXPECT_EQ(normalPath("/a/../b"), "/a/../b");
  EXPECT_EQ(lastName("/a/b/"), "b");
  EXPECT_EQ(lastName("/"), "/");
  EXPECT_EQ(folderOf("/a"), "/");
  EXPECT_EQ(folderOf("/a/b"), "/a");
}

TEST(AtomicWrite, MakesParentsAndKeepsPermissions) {
  const TempFolder folder;
  ASSERT_TRUE(writeFile(folder.path("a/b/c.txt"), "one"));
  EXPECT_EQ(folder.read("a/b/c.txt"), "one");
  ASSERT_EQ(chmod(folder.path("a/b/c.txt").c_str(), 0751), 0);
  const ino_t before = folder.info("a/b/c.txt").st_ino;
  ASSERT_TRUE(writeFile(folder.path("a/b/c.txt"), "two"));
  EXPECT_EQ(folder.read("a/b/c.txt"), "two");
  EXPECT_EQ(folder.info("a/b/c.txt").st_mode & 07777, 0751U);
  EXPECT_NE(folder.info("a/b/c.txt").st_ino, before);
}

TEST(AtomicWrite, FollowsLinksAndLeavesThem) {
  const TempFolder folder;
  folder.write("real", "old");
  ASSERT_EQ(symlink("real", folder.path("link").c_str()), 0);
  ASSERT_TRUE(writeFile(folder.path("link"), "new"));
  EXPECT_EQ(folder.read("real"), "new");
  EXPECT_TRUE(S_ISLNK(folder.info("link").st_mode));
  ASSERT_EQ(symlink("nowhere/yet", folder.path("dangling").c_str()), 0);
  ASSERT_TRUE(writeFile(folder.path("dangling"), "made"));
  EXPECT_EQ(folder.read("nowhere/yet"), "made");
  ASSERT_EQ(symlink("loop", folder.path("loop").c_str()), 0);
  EXPECT_FALSE(writeFile(folder.path("loop"), "x"));
}

TEST(AtomicWrite, RefusesWhatIsNoFileAndLeavesNothingBehind) {
  const TempFolder folder;
  folder.folder("dir");
  ASSERT_EQ(mkfifo(folder.path("fifo").c_str(), 0600), 0);
  folder.write("file", "x");
  EXPECT_EQ(writeFile(folder.path("dir"), "x").error().what, "Is a directory: " + folder.path("dir"));
  EXPECT_EQ(writeFile(folder.path("fifo"), "x").error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(writeFile(folder.path("file/below"), "x").error().what, "Not a directory: " + folder.path("file"));
  EXPECT_EQ(writeFile(folder.path("new/"), "x").error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(writeFile(folder.path(std::string(300, 'n')), "x").error().code, ErrorCode::invalidArgument);
  {
    auto unfinished = AtomicFile::begin(folder.path("file"));
    ASSERT_TRUE(unfinished && unfinished->append("half"));
  }
  EXPECT_EQ(folder.read("file"), "x");
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(kTemporaryPrefix)) << entry.path();
  }
}

TEST(AtomicWrite, ReadersSeeOneOrTheOther) {
  const TempFolder folder;
  const std::string one(200'000, '1'), two(200'000, '2');
  ASSERT_TRUE(writeFile(folder.path("f"), one));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(writeFile(folder.path("f"), i % 2 != 0 ? one : two));
    done = true;
  });
  while (!done) {
    const std::string seen = folder.read("f");
    EXPECT_TRUE(seen == one || seen == two) << seen.size();
  }
  writer.join();
}

TEST(RemoveTree, TakesWhatIsThereAndFollowsNoLink) {
  const TempFolder folder;
  folder.folder("outside");
  folder.write("outside/kept", "x");
  folder.folder("tree/a/b/c");
  folder.write("tree/a/f", "x");
  ASSERT_EQ(symlink("../outside", folder.path("tree/link").c_str()), 0);
  ASSERT_TRUE(removeTree(folder.path("tree/")));
  EXPECT_FALSE(folder.has("tree"));
  EXPECT_TRUE(folder.has("outside/kept"));
  EXPECT_EQ(removeTree(folder.path("tree")).error().what, "File not found: " + folder.path("tree"));
  EXPECT_EQ(removeTree("/").error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(removeTree(folder.path("outside/..")).error().code, ErrorCode::invalidArgument);
  ASSERT_EQ(symlink("nowhere", folder.path("dangling").c_str()), 0);
  EXPECT_TRUE(removeTree(folder.path("dangling")));
}

TEST(RemoveTree, AnyDepth) {
  const TempFolder folder;
  const int start = open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int at = start;
  for (int i = 0; i < 1200; ++i) {
    ASSERT_EQ(mkdirat(at, "deep", 0700), 0);
    const int next = openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(next, 0);
    if (at != start) close(at);
    at = next;
  }
  close(at);
  close(start);
  EXPECT_TRUE(removeTree(folder.path("deep")));
  EXPECT_FALSE(folder.has("deep"));
}

TEST(FileInfo, TellsWhatTheApiShows) {
  const TempFolder folder;
  folder.write("a.txt", "hello");
  const struct timespec times[2] = {{1'700'000'000, 0}, {1'700'000'000, 123'456'789}};
  ASSERT_EQ(utimensat(AT_FDCWD, folder.path("a.txt").c_str(), times, 0), 0);
  EXPECT_EQ(fileInfo({"a.txt", folder.path("a.txt")}).value(),
            R"({"name":"a.txt","path":"a.txt","size":5,"is_dir":false,"modified_at":"2023-11-14T22:13:20.123Z"})");
  EXPECT_EQ(fileInfo({"no", folder.path("no")}).error().what, "File not found: " + folder.path("no"));
}

TEST(FileInfo, ListsChildrenByName) {
  const TempFolder folder;
  folder.write("b", "");
  folder.write(".hidden", "");
  folder.folder("a");
  ASSERT_EQ(symlink("nowhere", folder.path("dangling").c_str()), 0);
  const auto listed = parseJson(listFolder({folder.path(), folder.path()}).value());
  ASSERT_TRUE(listed);
  std::vector<std::string> names;
  for (const auto& file : listed->GetArray()) names.emplace_back(file["name"].GetString());
  EXPECT_EQ(names, (std::vector<std::string>{".hidden", "a", "b", "dangling"}));
  EXPECT_TRUE((*listed)[1]["is_dir"].GetBool());
  EXPECT_EQ((*listed)[1]["path"].GetString(), folder.path("a"));
  EXPECT_EQ(listFolder({"x", folder.path("x")}).error().what, "Directory not found: " + folder.path("x"));
  EXPECT_EQ(listFolder({"b", folder.path("b")}).error().what, "Not a directory: " + folder.path("b"));
}

TEST(Reading, NothingIsWaitedFor) {
  const TempFolder folder;
  ASSERT_EQ(mkfifo(folder.path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(openForReading(folder.path("fifo")).error().what, "Not a regular file: " + folder.path("fifo"));
  EXPECT_EQ(openForReading("/dev/zero").error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(openForReading(folder.path()).error().what, "Is a directory: " + folder.path());
  EXPECT_FALSE(readFile("/proc/self/status", 1 << 20).value().empty());
  EXPECT_EQ(readFile("/proc/self/status", 10).error().code, ErrorCode::outOfRange);
}

Result<std::vector<FileOperation>> batch(const std::string& json, rapidjson::Document& body) {
  body = std::move(parseJson(json).value());
  return batchOf("/w", body);
}

TEST(Batch, TheLastOperationOfAPathIsKeptInByteOrder) {
  rapidjson::Document body;
  const auto operations =
      batch(R"({"files":[{"path":"b","operation":"write","content":"1"},{"path":"/w/a","operation":"delete"},)"
            R"({"path":"./b","operation":"write","content":"2"},{"path":"B","operation":"write"}]})",
            body);
  ASSERT_TRUE(operations);
  ASSERT_EQ(operations->size(), 3U);
  EXPECT_EQ((*operations)[0].asked, "./b");
  EXPECT_EQ((*operations)[0].content, "2");
  EXPECT_EQ((*operations)[1].asked, "/w/a");
  EXPECT_TRUE((*operations)[1].remove);
  EXPECT_EQ((*operations)[2].asked, "B");
  EXPECT_EQ((*operations)[2].content, "");
}

TEST(Batch, SaysWhatIsWrong) {
  rapidjson::Document body;
  EXPECT_EQ(batch("{}", body).error().what, "files must be an array");
  EXPECT_EQ(batch(R"({"files":[{"path":"a","operation":"move"}]})", body).error().what,
            "files[0]: operation must be \"write\" or \"delete\"");
  EXPECT_EQ(batch(R"({"files":[{"path":"a","operation":"write","content":1}]})", body).error().what,
            "files[0]: content must be a string");
  EXPECT_FALSE(batch(R"({"files":["a"]})", body));
  EXPECT_FALSE(batch(R"({"files":[{"operation":"write"}]})", body));
}

TEST(Batch, OneThatFailsStopsNoOther) {
  const TempFolder folder;
  folder.write("gone", "x");
  const std::string there = folder.path("there"), missing = folder.path("missing"), gone = folder.path("gone");
  const BatchOutcome outcome =
      runBatch({{gone, gone, true, {}}, {missing, missing, true, {}}, {there, there, false, "content"}});
  EXPECT_FALSE(outcome.allDone);
  const auto results = parseJson(outcome.results);
  ASSERT_TRUE(results);
  EXPECT_TRUE((*results)[0]["success"].GetBool());
  EXPECT_EQ((*results)[1]["error"].GetString(), "File not found: " + missing);
  EXPECT_EQ((*results)[2]["file"]["size"].GetInt(), 7);
  EXPECT_FALSE(folder.has("gone"));
}

TEST(PathLocks, OneSpellingOneLock) {
  const auto held = lockPath("/a/b");
  std::atomic<bool> got = false;
  std::thread other([&] {
    const auto second = lockPath("/a//b/");
    got = true;
  });
  EXPECT_FALSE(got);
  const_cast<std::unique_lock<std::mutex>&>(held).unlock();
  other.join();
  EXPECT_TRUE(got);
}

}  // namespace
}  // namespace computesdk::sandboxd
