#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <rootfs/snapshot.hpp>

#include "image_builder.hpp"

namespace computesdk::local::rootfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Base kHost{"host", ""};

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() {
    folder.mkdir("upper");
    store = folder.path() + "/store";
  }
  Result<Snapshot> take(const Base& base = kHost, const CopyLimits& limits = {}) {
    const UniqueFd upper = folder.open("upper");
    return takeSnapshot(store, {"mine", base, "/work", {{"who", "me"}}}, {{"usr", upper.get()}}, limits);
  }
  std::string up(const std::string& name) { return folder.path() + "/upper/" + name; }

  TempFolder folder;
  std::string store;
};

TEST_F(SnapshotTest, KeepsWhatAnOverlayNeeds) {
  folder.mkdir("upper/bin");
  folder.write("upper/bin/tool", "content", 0750);
  ASSERT_EQ(::link(up("bin/tool").c_str(), up("bin/alias").c_str()), 0);
  ASSERT_EQ(::symlink("../nowhere", up("link").c_str()), 0);
  ASSERT_EQ(::mkfifo(up("pipe").c_str(), 0600), 0);
  const bool marks = ::setxattr(up("bin").c_str(), "user.overlay.opaque", "y", 1, 0) == 0;
  const bool whiteouts = ::mknod(up("gone").c_str(), S_IFCHR, ::makedev(0, 0)) == 0;
  const timespec times[2] = {{1000, 5}, {2000, 7}};
  ASSERT_EQ(::utimensat(AT_FDCWD, up("bin/tool").c_str(), times, 0), 0);

  const auto snapshot = take();
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message;
  const std::string copy = snapshot->root + "/layers/usr/";
  EXPECT_EQ(contentOf(copy + "bin/tool"), "content");
  struct stat tool {
  }, alias{}, gone{};
  ASSERT_EQ(::stat((copy + "bin/tool").c_str(), &tool), 0);
  ASSERT_EQ(::stat((copy + "bin/alias").c_str(), &alias), 0);
  EXPECT_EQ(tool.st_ino, alias.st_ino);
  EXPECT_EQ(tool.st_mode & 07777, 0750U);
  EXPECT_EQ(tool.st_mtim.tv_sec, 2000);
  EXPECT_EQ(tool.st_mtim.tv_nsec, 7);
  char target[32] = {};
  EXPECT_EQ(::readlink((copy + "link").c_str(), target, sizeof target), 10);
  EXPECT_STREQ(target, "../nowhere");
  EXPECT_NE(::access((copy + "pipe").c_str(), F_OK), 0);
  if (marks) {
    char value[8] = {};
    EXPECT_EQ(::getxattr((copy + "bin").c_str(), "user.overlay.opaque", value, sizeof value), 1);
  }
  if (whiteouts) {
    ASSERT_EQ(::lstat((copy + "gone").c_str(), &gone), 0);
    EXPECT_TRUE(S_ISCHR(gone.st_mode) && gone.st_rdev == ::makedev(0, 0));
  }
}

TEST_F(SnapshotTest, KeepsHoles) {
  const int file = ::open(up("sparse").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  constexpr off_t kSize = 64 << 20;
  ASSERT_EQ(::pwrite(file, "begin", 5, 0), 5);
  ASSERT_EQ(::pwrite(file, "middle", 6, kSize / 2), 6);
  ASSERT_EQ(::ftruncate(file, kSize), 0);
  ::close(file);
  const auto snapshot = take();
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message;
  struct stat status {};
  ASSERT_EQ(::stat((snapshot->root + "/layers/usr/sparse").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, kSize);
  EXPECT_LT(status.st_blocks * 512, 4 << 20);
  EXPECT_EQ(contentOf(snapshot->root + "/layers/usr/sparse").substr(kSize / 2, 6), "middle");
}

TEST_F(SnapshotTest, IsListedFoundAndRemoved) {
  EXPECT_THAT(listSnapshots(store).value(), IsEmpty());
  folder.write("upper/a", "12345");
  const auto first = take();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->files, 1U);
  EXPECT_EQ(first->bytes, 5U);
  const auto second = take({"snapshot", first->id});
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(listSnapshots(store).value().size(), 2U);
  const auto found = findSnapshot(store, first->id);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->name, "mine");
  EXPECT_EQ(found->base.kind, "host");
  EXPECT_THAT(found->parts, ElementsAre("usr"));
  EXPECT_THAT(found->metadata, ElementsAre(std::pair<std::string, std::string>("who", "me")));
  EXPECT_EQ(removeSnapshot(store, first->id).error().kind, ErrorClass::kFailedPrecondition);
  EXPECT_TRUE(removeSnapshot(store, second->id).ok());
  EXPECT_TRUE(removeSnapshot(store, first->id).ok());
  EXPECT_EQ(removeSnapshot(store, first->id).error().kind, ErrorClass::kNotFound);
  EXPECT_THAT(treeOf(store), IsEmpty());
}

TEST_F(SnapshotTest, RestoreIsAChainOfLayers) {
  const auto first = take({"oci", "sha256:00"});
  const auto second = take({"snapshot", first->id});
  const UniqueFd other = folder.open("upper");
  const auto third = takeSnapshot(store, {"", {"snapshot", second->id}, "", {}}, {{"etc", other.get()}});
  ASSERT_TRUE(third.ok());
  const auto chain = snapshotChain(store, third->id);
  ASSERT_TRUE(chain.ok());
  std::vector<std::string> ids;
  for (const Snapshot& snapshot : *chain) ids.push_back(snapshot.id);
  EXPECT_THAT(ids, ElementsAre(third->id, second->id, first->id));
  EXPECT_EQ(chain->back().base.kind, "oci");
  EXPECT_EQ(chain->at(1).workdir, "/work");
}

TEST_F(SnapshotTest, IsNotRemovedWhileItIsInUse) {
  const auto snapshot = take();
  UniqueFd user(::open((snapshot->root + "/layers").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(user.get(), LOCK_SH), 0);
  EXPECT_EQ(removeSnapshot(store, snapshot->id).error().kind, ErrorClass::kFailedPrecondition);
  EXPECT_TRUE(findSnapshot(store, snapshot->id).ok());
  user.reset();
  EXPECT_TRUE(removeSnapshot(store, snapshot->id).ok());
}

TEST_F(SnapshotTest, ACircleEnds) {
  const auto first = take();
  const auto second = take({"snapshot", first->id});
  std::string manifest = contentOf(first->root + "/manifest.json");
  const std::string host = "{\"kind\":\"host\",\"name\":\"\"}";
  manifest.replace(manifest.find(host), host.size(), "{\"kind\":\"snapshot\",\"name\":\"" + second->id + "\"}");
  folder.write("store/" + first->id + "/manifest.json", manifest);
  EXPECT_EQ(snapshotChain(store, second->id).error().kind, ErrorClass::kInvalidArgument);
}

TEST_F(SnapshotTest, LimitsHoldAndLeaveNothing) {
  folder.write("upper/a", std::string(100000, 'x'));
  folder.write("upper/b", "x");
  CopyLimits limits;
  limits.bytes = 1000;
  EXPECT_EQ(take(kHost, limits).error().kind, ErrorClass::kResourceExhausted);
  limits = {};
  limits.files = 1;
  EXPECT_EQ(take(kHost, limits).error().kind, ErrorClass::kResourceExhausted);
  EXPECT_THAT(treeOf(store), IsEmpty());
}

TEST_F(SnapshotTest, ACancelledCopyStopsBetweenFilesAndLeavesNothing) {
  for (int i = 0; i < 10; ++i) folder.write("upper/" + std::to_string(i), std::string(10000, 'x'));
  int asked = 0;
  CopyLimits limits;
  limits.cancelled = [&asked] { return ++asked == 7; };
  EXPECT_EQ(take(kHost, limits).error().kind, ErrorClass::kCancelled);
  EXPECT_EQ(asked, 7);
  EXPECT_THAT(treeOf(store), IsEmpty());
}

TEST_F(SnapshotTest, BadRequestsAreRefused) {
  const UniqueFd upper = folder.open("upper");
  for (const char* part : {"", "..", "a/b", "Usr:x", "-x", ".b"}) {
    EXPECT_EQ(takeSnapshot(store, {"", kHost, "", {}}, {{part, upper.get()}}).error().kind,
              ErrorClass::kInvalidArgument)
        << part;
  }
  EXPECT_FALSE(takeSnapshot(store, {"", kHost, "", {}}, {{"a", upper.get()}, {"a", upper.get()}}).ok());
  EXPECT_FALSE(takeSnapshot(store, {"", {"moon", ""}, "", {}}, {{"a", upper.get()}}).ok());
  EXPECT_FALSE(takeSnapshot(store, {"", {"snapshot", "../x"}, "", {}}, {{"a", upper.get()}}).ok());
  for (const char* id : {"", "..", "snap-", "snap-../../etc", "snap-00000000000000zz", "/etc"}) {
    EXPECT_EQ(findSnapshot(store, id).error().kind, ErrorClass::kInvalidArgument) << id;
    EXPECT_FALSE(removeSnapshot(store, id).ok()) << id;
  }
}

TEST_F(SnapshotTest, ADamagedManifestIsSkippedAndCanBeRemoved) {
  const auto snapshot = take();
  ASSERT_TRUE(snapshot.ok());
  for (const char* text : {"", "{}", "[]", "{\"version\":1,\"id\":\"snap-0000000000000000\"}"}) {
    folder.write("store/" + snapshot->id + "/manifest.json", text);
    EXPECT_THAT(listSnapshots(store).value(), IsEmpty());
    EXPECT_FALSE(findSnapshot(store, snapshot->id).ok());
  }
  EXPECT_TRUE(removeSnapshot(store, snapshot->id).ok());
}

TEST_F(SnapshotTest, WhatAKilledCopyLeftIsSwept) {
  folder.mkdir("store/.new-0123456789abcdef/layers/usr");
  folder.mkdir("store/.gone-0123456789abcdef");
  const auto snapshot = take();
  ASSERT_TRUE(snapshot.ok());
  EXPECT_THAT(listSnapshots(store).value().size(), 1U);
  EXPECT_NE(::access((store + "/.new-0123456789abcdef").c_str(), F_OK), 0);
  EXPECT_NE(::access((store + "/.gone-0123456789abcdef").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace computesdk::local::rootfs
