// Root file systems: templates, overlays, OCI images, snapshots; and that none is another sandbox's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <support/plain_fork.hpp>

#include "../rootfs/image_builder.hpp"
#include "fixture.hpp"

namespace computesdk::local::testing {
namespace {

using rootfs::LayoutBuilder;
using rootfs::TarBuilder;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string textIn(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What a shell and a few tools need, at their places.
const std::vector<std::string> kTools = {"/usr/bin/dash", "/usr/bin/cat", "/usr/bin/rm",
                                         "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                         "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"};

class RootsTest : public SandboxTest {
 protected:
  RootsTest() {
    std::filesystem::permissions(scratch_.path(), std::filesystem::perms(0755));
    ::setenv("XDG_DATA_HOME", (scratch_.path() + "/data").c_str(), 1);
    ::setenv("XDG_CACHE_HOME", (scratch_.path() + "/cache").c_str(), 1);
  }
  void SetUp() override {
    const std::set<std::string> overlayFree = {"ATemplateCanStayReadOnly", "WhatIsNoTemplateIsRefused",
                                               "WithoutIsolationThereIsNoSnapshot"};
    if (bubblewrapEngine() && !overlayFree.contains(::testing::UnitTest::GetInstance()->current_test_info()->name()))
      GTEST_SKIP() << "bubblewrap mounts no overlay; that it says so: BubblewrapTest";
  }
  ~RootsTest() override {
    ::unsetenv("XDG_DATA_HOME");
    ::unsetenv("XDG_CACHE_HOME");
  }

  std::string makeTemplate() const {
    const std::string root = scratch_.path() + "/root";
    for (const char* folder : {"/etc", "/srv", "/var/tmp", "/usr/bin", "/usr/lib/x86_64-linux-gnu"}) {
      std::filesystem::create_directories(root + folder);
    }
    for (const std::string& tool : kTools) std::filesystem::copy_file(tool, root + tool);
    std::filesystem::create_symlink("dash", root + "/usr/bin/sh");
    std::filesystem::create_directory_symlink("usr/bin", root + "/bin");
    std::filesystem::create_directory_symlink("usr/lib", root + "/lib");
    std::filesystem::create_directory_symlink("usr/lib/x86_64-linux-gnu", root + "/lib64");
    std::ofstream(root + "/etc/marker") << "template";
    return root;
  }

  SnapshotSummary snapshotOf(Sandbox& sandbox, const std::string& name = {}) {
    auto taken = sandbox.snapshot(name, {{"who", "me"}});
    if (!taken.ok()) {
      ADD_FAILURE() << taken.error().message << " / " << taken.error().why;
      ::abort();
    }
    return *taken;
  }

  std::shared_ptr<Sandbox> restore(const std::string& id) {
    CreateSpec spec;
    spec.snapshotId = id;
    return make(spec);
  }
};

TEST_F(RootsTest, ATemplateIsWrittenByEachSandboxForItself) {
  CreateSpec spec;
  spec.templateSource = makeTemplate();
  const auto one = make(spec);
  const auto two = make(spec);
  EXPECT_EQ(*one->readFile("/etc/marker"), "template");
  EXPECT_EQ(shell(*one, "echo new > /srv/made && rm /etc/marker && cat /srv/made").out, "new\n");
  EXPECT_FALSE(*one->exists("/etc/marker"));
  EXPECT_EQ(*two->readFile("/etc/marker"), "template");
  EXPECT_FALSE(*two->exists("/srv/made"));
  EXPECT_EQ(textIn(spec.templateSource + "/etc/marker"), "template");
  EXPECT_FALSE(std::filesystem::exists(spec.templateSource + "/srv/made"));
}

TEST_F(RootsTest, ATemplateCanStayReadOnly) {
  CreateSpec spec;
  spec.templateSource = makeTemplate();
  spec.writableBase = false;
  const auto sandbox = make(spec);
  EXPECT_NE(shell(*sandbox, "echo new > /srv/made").status.value, 0);
  EXPECT_EQ(shell(*sandbox, "echo $HOME > /tmp/x; cat /tmp/x").out, "/home/sandbox\n");
}

TEST_F(RootsTest, WhereNoOverlayCanBeHadItIsSaidAndReadOnlyWorks) {
  if (::geteuid() != 0 || rootEngine()) GTEST_SKIP() << "takes a mount, and a sandbox that may not look below it";
  CreateSpec spec;
  spec.templateSource = makeTemplate();
  const std::string below = spec.templateSource + "/srv/below";
  std::filesystem::create_directory(below);
  ASSERT_EQ(::mount("tmpfs", below.c_str(), "tmpfs", 0, nullptr), 0);
  const auto refused = engine_.create(spec);
  spec.writableBase = false;
  const Output plain = shell(*make(spec), "cat /etc/marker");
  ::umount2(below.c_str(), MNT_DETACH);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorClass::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, HasSubstr("overlay"));
  EXPECT_THAT(refused.error().fix, HasSubstr("writable=none"));
  EXPECT_EQ(plain.out, "template");
}

TEST_F(RootsTest, WhatIsNoTemplateIsRefused) {
  const auto refused = [&](const std::string& source) {
    CreateSpec spec;
    spec.templateSource = source;
    const auto made = engine_.create(spec);
    return made.ok() ? Error{} : made.error();
  };
  EXPECT_EQ(refused("/no/such/template").kind, ErrorClass::kInvalidArgument);
  EXPECT_EQ(refused("/").kind, ErrorClass::kInvalidArgument);
  EXPECT_EQ(refused("/proc").kind, ErrorClass::kInvalidArgument);
  EXPECT_EQ(refused("relative").kind, ErrorClass::kInvalidArgument);
  const std::string root = makeTemplate();
  std::filesystem::permissions(root, std::filesystem::perms(0777));
  EXPECT_THAT(refused(root).message, HasSubstr("can be changed by other users"));
  CreateSpec both;
  both.templateSource = root;
  both.snapshotId = "snap-0000000000000000";
  EXPECT_EQ(engine_.create(both).error().kind, ErrorClass::kInvalidArgument);
}

TEST_F(RootsTest, TheMachinesOwnFoldersCanBeWrittenOnWish) {
  CreateSpec spec;
  EXPECT_NE(shell(*make(spec), "echo x > /usr/local/bin/x").status.value, 0);
  spec.writableBase = true;
  const auto sandbox = make(spec);
  const Output made =
      shell(*sandbox,
            "printf '#!/bin/sh\\necho mine\\n' > /usr/local/bin/tool && chmod +x /usr/local/bin/tool && "
            "tool && echo conf > /etc/own.conf && mkdir /opt/app && cat /etc/own.conf && "
            "rm /usr/bin/env && test ! -e /usr/bin/env && ls -d /etc/ssl");
  EXPECT_EQ(made.out, "mine\nconf\n/etc/ssl\n") << made.err;
  EXPECT_FALSE(std::filesystem::exists("/usr/local/bin/tool"));
  EXPECT_FALSE(std::filesystem::exists("/etc/own.conf"));
  EXPECT_TRUE(std::filesystem::exists("/usr/bin/env"));
  const auto other = make(spec);
  EXPECT_NE(shell(*other, "test -e /usr/local/bin/tool").status.value, 0);
  EXPECT_EQ(shell(*other, "id -un").out, "sandbox\n");
}

TEST_F(RootsTest, AnOverlayCountsAsDisk) {
  CreateSpec spec;
  spec.writableBase = true;
  spec.limits.diskBytes = 8U << 20;
  const auto sandbox = make(spec);
  EXPECT_THAT(shell(*sandbox, "head -c 20000000 /dev/zero > /usr/local/lib/big").err, HasSubstr("No space left"));
}

TEST_F(RootsTest, ASnapshotBringsBackWhatWasWritten) {
  CreateSpec spec;
  spec.workdir = "/app/src";
  const auto sandbox = make(spec);
  ASSERT_EQ(
      shell(*sandbox,
            "echo a > a; mkdir -p /home/sandbox/deep/er; echo h > /home/sandbox/deep/er/h; echo w > /workspace/w; "
            "echo t > /tmp/t; echo v > /var/tmp/v; chmod 700 /home/sandbox/deep; ln -s h /home/sandbox/link; "
            "echo gone > /run/gone")
          .status.value,
      0);
  const SnapshotSummary snapshot = snapshotOf(*sandbox, "first");
  EXPECT_EQ(snapshot.name, "first");
  EXPECT_EQ(snapshot.base, "host");
  EXPECT_EQ(snapshot.sandboxId, sandbox->id());
  ASSERT_TRUE(sandbox->destroy().ok());

  const auto again = restore(snapshot.id);
  EXPECT_EQ(
      shell(*again, "pwd; cat a /home/sandbox/deep/er/h /work/w /tmp/t /var/tmp/v; readlink /home/sandbox/link").out,
      "/app/src\na\nh\nw\nt\nv\nh\n");
  EXPECT_FALSE(*again->exists("/run/gone"));
  EXPECT_EQ(shell(*again, "stat -c %a /home/sandbox/deep").out, "700\n");
  const auto kept = engine_.snapshots();
  ASSERT_TRUE(kept.ok());
  ASSERT_THAT(*kept, SizeIs(1));
  EXPECT_EQ(kept->front().metadata, (Pairs{{"who", "me"}}));
  EXPECT_THAT(*engine_.snapshots("local-other"), SizeIs(0));
}

TEST_F(RootsTest, ForksOfASnapshotGoTheirOwnWays) {
  const auto origin = make();
  shell(*origin, "echo one > /home/sandbox/file; echo two > /home/sandbox/other");
  const SnapshotSummary snapshot = snapshotOf(*origin);
  shell(*origin, "echo later > /home/sandbox/file");
  const auto left = restore(snapshot.id);
  const auto right = restore(snapshot.id);
  EXPECT_EQ(shell(*left, "cat ~/file; echo left >> ~/file; rm ~/other; cat ~/file").out, "one\none\nleft\n");
  EXPECT_EQ(shell(*right, "cat ~/file ~/other").out, "one\ntwo\n");

  const SnapshotSummary second = snapshotOf(*left);
  EXPECT_EQ(second.base, "snapshot " + snapshot.id);
  const auto grandchild = restore(second.id);
  EXPECT_EQ(shell(*grandchild, "cat ~/file; ls ~").out, "one\nleft\nfile\n");
  EXPECT_EQ(engine_.removeSnapshot(snapshot.id).error().kind, ErrorClass::kFailedPrecondition);
}

TEST_F(RootsTest, ASnapshotKeepsWhatWasChangedInTheBase) {
  CreateSpec spec;
  spec.templateSource = makeTemplate();
  const auto sandbox = make(spec);
  ASSERT_EQ(shell(*sandbox, "rm /etc/marker; echo s > /srv/s").status.value, 0);
  ASSERT_TRUE(sandbox->makeDirectory("/srv/folder").ok());
  const SnapshotSummary snapshot = snapshotOf(*sandbox);
  EXPECT_EQ(snapshot.base, "directory " + spec.templateSource);
  const auto again = restore(snapshot.id);
  EXPECT_FALSE(*again->exists("/etc/marker"));
  EXPECT_EQ(*again->readFile("/srv/s"), "s\n");
  EXPECT_EQ(shell(*again, "echo more >> /srv/s; cat /srv/s; echo x > /srv/folder/x").out, "s\nmore\n");
}

TEST_F(RootsTest, EverythingStandsStillForASnapshotAndGoesOn) {
  const auto sandbox = make();
  BackgroundSpec writer;
  writer.shell = "i=0; while :; do i=$((i+1)); echo $i > /tmp/a; echo $i > /tmp/b; done";
  auto process = sandbox->start(writer);
  ASSERT_TRUE(process.ok());
  ASSERT_TRUE(eventually([&] { return *sandbox->exists("/tmp/b"); }));
  const SnapshotSummary snapshot = snapshotOf(*sandbox);
  // One copy of both files, of one moment: they differ by a step at most.
  const auto still = restore(snapshot.id);
  const int a = std::stoi("0" + *still->readFile("/tmp/a"));
  const int b = std::stoi("0" + *still->readFile("/tmp/b"));
  EXPECT_TRUE(a == 0 || b == 0 || a - b == 0 || a - b == 1) << a << " " << b;
  const std::string then = *sandbox->readFile("/tmp/a");
  EXPECT_TRUE(eventually([&] { return *sandbox->readFile("/tmp/a") != then; }));
  EXPECT_EQ(shell(*sandbox, "echo alive").out, "alive\n");
}

TEST_F(RootsTest, SnapshotsAreRemovedOnlyWhenNothingLiesOverThem) {
  const auto sandbox = make();
  const SnapshotSummary snapshot = snapshotOf(*sandbox);
  {
    const auto user = restore(snapshot.id);
    EXPECT_EQ(engine_.removeSnapshot(snapshot.id).error().kind, ErrorClass::kFailedPrecondition);
    ASSERT_TRUE(user->destroy().ok());
    const auto next = restore(snapshot.id);
    EXPECT_EQ(shell(*next, "echo on").out, "on\n");
    EXPECT_EQ(engine_.removeSnapshot(snapshot.id).error().kind, ErrorClass::kFailedPrecondition);
    ASSERT_TRUE(next->destroy().ok());
  }
  // At once, though the launcher stays for the next sandbox.
  EXPECT_TRUE(engine_.removeSnapshot(snapshot.id).ok());
  CreateSpec removed;
  removed.snapshotId = snapshot.id;
  EXPECT_EQ(engine_.create(removed).error().kind, ErrorClass::kNotFound);
  EXPECT_EQ(engine_.removeSnapshot("snap-0123456789abcdef").error().kind, ErrorClass::kNotFound);
  EXPECT_EQ(engine_.removeSnapshot("../../etc").error().kind, ErrorClass::kInvalidArgument);
  CreateSpec lost;
  lost.snapshotId = "snap-0123456789abcdef";
  EXPECT_EQ(engine_.create(lost).error().kind, ErrorClass::kNotFound);
}

TEST_F(RootsTest, WithoutIsolationThereIsNoSnapshot) {
  CreateSpec spec;
  spec.isolation = Isolation::kNone;
  const auto sandbox = make(spec);
  const pid_t bystander = computesdk::testing::plainFork();
  if (bystander == 0) {
    for (;;) ::pause();
  }
  ::kill(bystander, SIGSTOP);
  int status = 0;
  ASSERT_EQ(::waitpid(bystander, &status, WUNTRACED), bystander);
  EXPECT_EQ(sandbox->snapshot("", {}).error().kind, ErrorClass::kUnimplemented);
  EXPECT_EQ(::waitpid(bystander, &status, WCONTINUED | WNOHANG), 0) << "what stood still outside does so on";
  ::kill(bystander, SIGKILL);
  EXPECT_EQ(::waitpid(bystander, &status, 0), bystander);
  EXPECT_EQ(shell(*sandbox, "echo on").out, "on\n");
}

TEST_F(RootsTest, AnImageOnDiskIsATemplate) {
  const rootfs::TempFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  const LayoutBuilder layout(folder);
  TarBuilder system;
  for (const char* name : {"usr", "usr/bin", "usr/lib", "usr/lib/x86_64-linux-gnu", "etc", "app"}) system.folder(name);
  for (const std::string& tool : kTools) system.file(tool.substr(1), textIn(tool), 0755);
  system.symlink("usr/bin/sh", "dash").symlink("bin", "usr/bin").symlink("lib", "usr/lib");
  system.symlink("lib64", "usr/lib/x86_64-linux-gnu").file("app/data", "from the image\n");
  layout.single({{system.done()}, {TarBuilder().file("app/more", "second layer\n").done()}},
                R"({"config":{"Env":["GREETING=hi","HOME=/app"],"WorkingDir":"/app"}})");
  CreateSpec spec;
  spec.templateSource = folder.path() + ":latest";
  spec.envs = {{"HOME", "/tmp"}};
  const auto sandbox = make(spec);
  // What came with the image can be changed in place.
  const Output output = shell(*sandbox, "echo $GREETING $HOME; echo x >> data; cat data more");
  EXPECT_EQ(output.out, "hi /tmp\nfrom the image\nx\nsecond layer\n") << output.err;

  const SnapshotSummary snapshot = snapshotOf(*sandbox);
  EXPECT_THAT(snapshot.base, HasSubstr("oci sha256:"));
  const auto again = restore(snapshot.id);
  EXPECT_EQ(shell(*again, "pwd; echo $GREETING; cat data").out, "/app\nhi\nfrom the image\nx\n");
  spec.templateSource = folder.path() + ":other";
  EXPECT_FALSE(engine_.create(spec).ok());
}

}  // namespace
}  // namespace computesdk::local::testing
