// The file API, and those who would use it to get out.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "fixture.hpp"

namespace computesdk::local::testing {
namespace {

using FilesTest = SandboxTest;

TEST_F(FilesTest, writeReadStatListRemove) {
  auto sandbox = make();
  ASSERT_TRUE(sandbox->makeDirectory("/workspace/a/b/c").ok());
  ASSERT_TRUE(sandbox->makeDirectory("/workspace/a/b/c").ok()) << "mkdir -p is idempotent";
  const std::string bytes("\0\xff\n binary", 10);
  ASSERT_TRUE(sandbox->writeFile("/workspace/a/b/c/file", bytes, 0640).ok());
  EXPECT_EQ(*sandbox->readFile("/workspace/a/b/c/file"), bytes);
  const FileStat stat = *sandbox->stat("/workspace/a/b/c/file");
  EXPECT_EQ(stat.kind, FileKind::kFile);
  EXPECT_EQ(stat.size, bytes.size());
  EXPECT_EQ(stat.mode, 0640U);
  const auto list = *sandbox->list("/workspace/a/b/c");
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].name, "file");
  EXPECT_EQ(shell(*sandbox, "stat -c '%U %a' /workspace/a/b/c/file").out, "sandbox 640\n");
  ASSERT_TRUE(sandbox->rename("/workspace/a/b/c/file", "/workspace/moved").ok());
  EXPECT_TRUE(*sandbox->exists("/workspace/moved"));
  EXPECT_FALSE(*sandbox->exists("/workspace/a/b/c/file"));
  EXPECT_FALSE(sandbox->remove("/workspace/a", false).ok());
  ASSERT_TRUE(sandbox->remove("/workspace/a").ok());
  EXPECT_FALSE(*sandbox->exists("/workspace/a"));
  EXPECT_EQ(sandbox->remove("/workspace/a").error().kind, ErrorClass::kNotFound);
}

TEST_F(FilesTest, relativePathsStartAtTheWorkdir) {
  CreateSpec spec;
  spec.workdir = "/workspace";
  auto sandbox = make(spec);
  ASSERT_TRUE(sandbox->writeFile("here.txt", "x").ok());
  EXPECT_EQ(shell(*sandbox, "cat /workspace/here.txt").out, "x");
}

TEST_F(FilesTest, streamedInPieces) {
  auto sandbox = make();
  std::size_t left = 20000000;
  auto written = sandbox->writeFile("/tmp/large", [&](std::span<std::byte> into) -> Result<std::size_t> {
    const std::size_t count = std::min({left, into.size(), std::size_t{77777}});
    memset(into.data(), 'z', count);
    left -= count;
    return count;
  });
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(*written, 20000000U);
  std::uint64_t seen = 0;
  ASSERT_TRUE(sandbox
                  ->readFile("/tmp/large", 5, 10000000,
                             [&](std::span<const std::byte> bytes) {
                               seen += bytes.size();
                               return true;
                             })
                  .ok());
  EXPECT_EQ(seen, 10000000U);
  EXPECT_EQ(sandbox->readFile("/tmp/large", 1000).error().kind, ErrorClass::kResourceExhausted);
}

TEST_F(FilesTest, failedWriteLeavesTheOldFileAndNothingElse) {
  auto sandbox = make();
  ASSERT_TRUE(sandbox->writeFile("/tmp/x/../file", "old").ok() == false) << "no such parent";
  ASSERT_TRUE(sandbox->writeFile("/tmp/file", "old").ok());
  Error broken;
  broken.message = "source broke";
  int calls = 0;
  auto written = sandbox->writeFile("/tmp/file", [&](std::span<std::byte> into) -> Result<std::size_t> {
    if (++calls == 2) return broken;
    memset(into.data(), 'n', 100);
    return std::size_t{100};
  });
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().message, "source broke");
  EXPECT_EQ(*sandbox->readFile("/tmp/file"), "old");
  EXPECT_EQ(sandbox->list("/tmp")->size(), 1U);
}

TEST_F(FilesTest, readOnlyPlacesSaySo) {
  auto sandbox = make();
  for (const char* path : {"/usr/bin/new", "/etc/passwd", "/new", "/bin/sh"}) {
    const Status status = sandbox->writeFile(path, "x");
    ASSERT_FALSE(status.ok()) << path;
    EXPECT_EQ(status.error().kind, ErrorClass::kPermissionDenied) << path << status.error().message;
    EXPECT_FALSE(status.error().fix.empty());
  }
  EXPECT_FALSE(sandbox->remove("/usr").ok());
  EXPECT_FALSE(sandbox->remove("/").ok());
  EXPECT_FALSE(sandbox->remove("/tmp/..").ok());
}

TEST_F(FilesTest, pathsStayInside) {
  auto sandbox = make();
  const std::string secret = scratch_.path() + "/secret";
  const int fd = open(secret.c_str(), O_WRONLY | O_CREAT, 0666);
  ASSERT_EQ(write(fd, "host", 4), 4);
  close(fd);
  chmod(secret.c_str(), 0666);
  shell(*sandbox,
        "ln -s ../../../../../../../../" + secret + " /tmp/up; ln -s " + secret +
            " /tmp/abs; "
            "ln -s / /tmp/root; ln -s /proc/1/root /tmp/magic; ln -s /proc/self/root /tmp/self; ln -s loop /tmp/loop; "
            "ln -s /tmp/../../.. /tmp/dots");
  for (const std::string& path :
       {secret, "/tmp/../../../../../../../.." + secret, std::string("/tmp/up"), std::string("/tmp/abs"),
        "/tmp/root" + secret, "/tmp/magic" + secret, "/tmp/self" + secret, "/tmp/dots" + secret,
        "/proc/self/root" + secret, "/proc/1/root" + secret, "/proc/1/cwd/.." + secret, std::string("/tmp/loop")}) {
    EXPECT_FALSE(sandbox->readFile(path).ok()) << path;
    EXPECT_FALSE(sandbox->list(path).ok()) << path;
  }
  // Writing through a link that points out writes inside, or not at all.
  for (const char* path : {"/tmp/up", "/tmp/abs"}) static_cast<void>(sandbox->writeFile(path, "from inside").ok());
  char text[32] = {};
  const int check = open(secret.c_str(), O_RDONLY);
  EXPECT_EQ(read(check, text, sizeof text), 4);
  close(check);
  EXPECT_STREQ(text, "host");
}

TEST_F(FilesTest, writingFollowsALinkInside) {
  auto sandbox = make();
  shell(*sandbox, "mkdir /tmp/d; ln -s d/target /tmp/link; ln -s /tmp/link /tmp/link2");
  ASSERT_TRUE(sandbox->writeFile("/tmp/link2", "through").ok());
  EXPECT_EQ(shell(*sandbox, "cat /tmp/d/target; test -L /tmp/link && test -L /tmp/link2 && echo links").out,
            "throughlinks\n");
}

TEST_F(FilesTest, specialFilesAreRefusedAtOnce) {
  auto sandbox = make();
  shell(*sandbox,
        "mkfifo /tmp/fifo; perl -e 'use Socket; socket(S,AF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un(\"/tmp/sock\"))'");
  for (const char* path : {"/tmp/fifo", "/dev/zero", "/dev/tty", "/dev/ptmx", "/tmp"}) {
    auto content = sandbox->readFile(path);
    ASSERT_FALSE(content.ok()) << path;
    const Status status = sandbox->writeFile(path, "x");
    ASSERT_FALSE(status.ok()) << path;
  }
  EXPECT_EQ(sandbox->readFile("/tmp/fifo").error().kind, ErrorClass::kFailedPrecondition);
  EXPECT_EQ(sandbox->readFile("/dev/zero").error().kind, ErrorClass::kFailedPrecondition);
  if (*sandbox->exists("/tmp/sock")) {
    EXPECT_EQ(sandbox->readFile("/tmp/sock").error().kind, ErrorClass::kFailedPrecondition);
  }
  EXPECT_TRUE(sandbox->remove("/tmp/fifo").ok());
}

TEST_F(FilesTest, badPaths) {
  auto sandbox = make();
  const std::string nul("/tmp/a\0b", 8);
  for (const std::string& path : {std::string(), nul, "/" + std::string(5000, 'x')}) {
    EXPECT_EQ(sandbox->readFile(path).error().kind, ErrorClass::kInvalidArgument);
    EXPECT_EQ(sandbox->writeFile(path, "x").error().kind, ErrorClass::kInvalidArgument);
    EXPECT_EQ(sandbox->stat(path).error().kind, ErrorClass::kInvalidArgument);
    EXPECT_EQ(sandbox->list(path).error().kind, ErrorClass::kInvalidArgument);
    EXPECT_EQ(sandbox->makeDirectory(path).error().kind, ErrorClass::kInvalidArgument);
    EXPECT_EQ(sandbox->remove(path).error().kind, ErrorClass::kInvalidArgument);
  }
  EXPECT_FALSE(sandbox->writeFile("/tmp/" + std::string(300, 'x'), "x").ok());
  EXPECT_FALSE(sandbox->writeFile("/tmp/x", "x", 0100644).ok());
}

TEST_F(FilesTest, listIsBounded) {
  auto sandbox = make();
  shell(*sandbox, "mkdir /tmp/many; cd /tmp/many; seq 1 500 | xargs touch");
  EXPECT_EQ(sandbox->list("/tmp/many", 100).error().kind, ErrorClass::kResourceExhausted);
  EXPECT_EQ(sandbox->list("/tmp/many", 500)->size(), 500U);
}

TEST_F(FilesTest, removeDoesNotFollowLinks) {
  auto sandbox = make();
  shell(*sandbox, "mkdir -p /tmp/keep/x /tmp/gone; ln -s /tmp/keep /tmp/gone/link; touch /tmp/keep/x/y");
  ASSERT_TRUE(sandbox->remove("/tmp/gone").ok());
  EXPECT_TRUE(*sandbox->exists("/tmp/keep/x/y"));
}

TEST_F(FilesTest, veryDeepTreesEndInAnError) {
  auto sandbox = make();
  std::string path = "/tmp";
  for (int i = 0; i < 900; ++i) path += "/d";
  ASSERT_EQ(run(*sandbox, {"mkdir", "-p", path}).status.value, 0);
  const Status status = sandbox->remove("/tmp/d");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::kResourceExhausted);
}

// A folder that turns into a link and back while the host walks through it.
TEST_F(FilesTest, linkRacesDoNotGetOut) {
  auto sandbox = make();
  const std::string secret = scratch_.path() + "/race";
  mkdir(secret.c_str(), 0777);
  chmod(secret.c_str(), 0777);
  std::thread flipper([&] {
    ExecSpec spec;
    spec.shell = "mkdir -p /tmp/race/real" + scratch_.path() +
                 "; cd /tmp/race; ln -s ../../../../../../.. link; "
                 "while [ ! -e /tmp/stop ]; do mv -T real now 2>/dev/null; mv -T now real 2>/dev/null; "
                 "mv -T link now 2>/dev/null; mv -T now link 2>/dev/null; done";
    spec.timeout = Milliseconds(60000);
    runSpec(*sandbox, spec);
  });
  ASSERT_TRUE(eventually([&] { return *sandbox->exists("/tmp/race/link"); }));
  int attempts = 0, written = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  while (std::chrono::steady_clock::now() < until) {
    ++attempts;
    const std::string path = "/tmp/race/now" + secret;
    if (sandbox->writeFile(path + "/escaped", "x").ok()) ++written;
    static_cast<void>(sandbox->makeDirectory(path + "/made").ok());
  }
  static_cast<void>(sandbox->writeFile("/tmp/stop", "").ok());
  flipper.join();
  EXPECT_GT(attempts, 10);
  EXPECT_NE(access((secret + "/escaped").c_str(), F_OK), 0) << "after " << written << " writes";
  EXPECT_NE(access((secret + "/made").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace computesdk::local::testing
