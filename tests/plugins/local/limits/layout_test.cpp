#include <gtest/gtest.h>

#include <limits/layout.hpp>

#include "fake_tree.hpp"

namespace computesdk::local::limits {
namespace {

FakeTree machine(const std::string& mountInfo, const std::string& groups) {
  FakeTree tree;
  tree.file("/proc/self/mountinfo", mountInfo);
  tree.file("/proc/self/cgroup", groups);
  return tree;
}

TEST(Layout, FindsV1AsRootSeesIt) {
  FakeTree tree = machine(
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
      "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
      "8:pids:/\n4:memory:/api/47\n1:cpu:/\n0::/\n");
  tree.groupV1("/sys/fs/cgroup/cpu");
  tree.groupV1("/sys/fs/cgroup/memory/api/47");
  tree.groupV1("/sys/fs/cgroup/pids");
  tree.unreadable.insert("/sys/fs/cgroup/unified/cgroup.controllers");  // it is not even looked at
  const Layout layout = findLayout(tree);
  EXPECT_EQ(layout.kind, GroupKind::kV1);
  EXPECT_EQ(layout.of(Controller::kMemory), "/sys/fs/cgroup/memory/api/47");
  EXPECT_EQ(layout.of(Controller::kCpu), "/sys/fs/cgroup/cpu");
  EXPECT_EQ(layout.of(Controller::kPids), "/sys/fs/cgroup/pids");
}

TEST(Layout, FindsV2) {
  FakeTree tree = machine("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
                          "0::/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope\n");
  const std::string own = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope";
  tree.groupV2(own, "memory pids");
  const Layout layout = findLayout(tree);
  EXPECT_EQ(layout.kind, GroupKind::kV2);
  EXPECT_EQ(layout.of(Controller::kMemory), own);
  EXPECT_EQ(layout.of(Controller::kPids), own);
  EXPECT_FALSE(layout.has(Controller::kCpu));
  EXPECT_EQ(layout.unified, own);
  EXPECT_EQ(layout.unifiedMount, "/sys/fs/cgroup");
}

TEST(Layout, UnderstandsControllersThatShareAHierarchy) {
  FakeTree tree = machine("32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
                          "3:cpuacct,cpu:/system.slice\n");
  tree.groupV1("/sys/fs/cgroup/cpu,cpuacct/system.slice");
  EXPECT_EQ(findLayout(tree).of(Controller::kCpu), "/sys/fs/cgroup/cpu,cpuacct/system.slice");
}

TEST(Layout, SeesThroughAContainersPartialMount) {
  FakeTree tree = machine("32 31 0:29 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
                          "4:memory:/docker/abc/inner\n");
  tree.groupV1("/sys/fs/cgroup/memory/inner");
  EXPECT_EQ(findLayout(tree).of(Controller::kMemory), "/sys/fs/cgroup/memory/inner");
  FakeTree other =
      machine("32 31 0:29 /docker/abcd /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "4:memory:/docker/abc\n");
  EXPECT_EQ(findLayout(other).kind, GroupKind::kNone) << "a neighbour's folder is not ours";
}

TEST(Layout, DoesNotLeaveTheNamespacesRoot) {
  FakeTree tree = machine("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/../other\n");
  tree.groupV2("/sys/fs/cgroup", "memory");
  const Layout layout = findLayout(tree);
  EXPECT_EQ(layout.kind, GroupKind::kNone);
  EXPECT_FALSE(layout.why.empty());
}

TEST(Layout, ReadsEscapedPaths) {
  FakeTree tree = machine("30 23 0:26 / /mnt/with\\040blank rw - cgroup2 cgroup2 rw\n", "0::/\n");
  tree.groupV2("/mnt/with blank", "memory");
  EXPECT_EQ(findLayout(tree).of(Controller::kMemory), "/mnt/with blank");
}

TEST(Layout, AGroupThatWasGivenNothingIsStillOfV2) {
  FakeTree tree = machine("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/user.slice/session-1.scope\n");
  tree.groupV2("/sys/fs/cgroup", "memory pids cpu");
  tree.groupV2("/sys/fs/cgroup/user.slice/session-1.scope", "");
  const Layout layout = findLayout(tree);
  EXPECT_EQ(layout.kind, GroupKind::kV2);
  EXPECT_FALSE(layout.has(Controller::kMemory));
  EXPECT_EQ(layout.unified, "/sys/fs/cgroup/user.slice/session-1.scope");
  FakeTree without = machine("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/a\n");
  without.groupV2("/sys/fs/cgroup", "hugetlb");
  without.groupV2("/sys/fs/cgroup/a", "");
  EXPECT_EQ(findLayout(without).kind, GroupKind::kNone) << "nobody has the memory controller";
}

// Else each further launcher would go one folder deeper.
TEST(Layout, AHostThatSteppedAsideIsWhereItWas) {
  FakeTree tree = machine("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/svc/computesdk-host\n");
  tree.groupV2("/sys/fs/cgroup/svc", "memory");
  tree.groupV2("/sys/fs/cgroup/svc/computesdk-host", "memory");
  EXPECT_EQ(findLayout(tree).unified, "/sys/fs/cgroup/svc");
  EXPECT_EQ(findLayout(tree).of(Controller::kMemory), "/sys/fs/cgroup/svc");
}

TEST(Layout, NamesEachPlaceOnce) {
  Layout v1;
  v1.kind = GroupKind::kV1;
  v1.own = {"/m", "/cpu", "/cpu"};
  v1.unifiedMount = "/unified";
  EXPECT_EQ(v1.places(), (std::vector<std::string>{"/m", "/cpu"}));
  Layout v2;
  v2.kind = GroupKind::kV2;
  v2.own.fill("/cg/a");
  v2.unified = "/cg/a";
  v2.unifiedMount = "/cg";
  EXPECT_EQ(v2.places(), (std::vector<std::string>{"/cg/a", "/cg"}));
}

TEST(Layout, SaysWhyThereIsNone) {
  FakeTree nothing;
  EXPECT_NE(findLayout(nothing).why.find("cannot be read"), std::string::npos);
  FakeTree unmounted = machine("23 1 0:1 / / rw - ext4 /dev/vda rw\n", "0::/\n");
  EXPECT_EQ(findLayout(unmounted).why, "no cgroup file system is mounted");
}

TEST(Layout, SurvivesNonsense) {
  for (const char* text : {"", "\n\n", "- cgroup", "1 2 3 4 5 6 - cgroup2", ":::", "a:b", "0::"}) {
    FakeTree tree = machine(text, text);
    EXPECT_EQ(findLayout(tree).kind, GroupKind::kNone) << text;
  }
}

}  // namespace
}  // namespace computesdk::local::limits
