#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <limits/cgroups.hpp>

#include "fake_tree.hpp"

namespace computesdk::local::limits {
namespace {

using std::chrono::milliseconds;

std::vector<pid_t> killed;
FakeTree* killTree = nullptr;
void fakeKill(pid_t pid) {
  killed.push_back(pid);
  for (auto& [path, node] : killTree->nodes) {
    if (path.find("cgroup.procs") != std::string::npos) node.text.clear();
  }
}

class GroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    killTree = &tree;
    killed.clear();
  }

  Delegation onV1() {
    Layout layout;
    layout.kind = GroupKind::kV1;
    layout.own = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/freezer"};
    for (const std::string& own : layout.own) tree.groupV1(own);
    return delegate(tree, layout, DelegationRequest{.launcher = 200, .startScope = {}});
  }

  Delegation onV2() {
    Layout layout;
    layout.kind = GroupKind::kV2;
    layout.own.fill("/sys/fs/cgroup/svc");
    tree.groupV2("/sys/fs/cgroup", "memory pids cpu");
    tree.groupV2("/sys/fs/cgroup/svc", "memory pids cpu");
    return delegate(tree, layout, DelegationRequest{.launcher = 200, .startScope = {}});
  }

  FakeTree tree;
};

constexpr GroupLimits kLimits{64ULL << 20, 32, 500};

TEST_F(GroupTest, WritesEveryLimitOnV2) {
  const Delegation delegation = onV2();
  ASSERT_EQ(delegation.kind(), GroupKind::kV2) << delegation.why();
  Group group(tree, delegation, "sb-1", fakeKill);
  ASSERT_TRUE(group.create(kLimits).ok());
  const std::string folder = delegation.folder(Controller::kMemory) + "/sb-1";
  EXPECT_EQ(tree.text(folder + "/memory.max"), "67108864");
  EXPECT_EQ(tree.text(folder + "/memory.swap.max"), "0");
  EXPECT_EQ(tree.text(folder + "/memory.oom.group"), "1");
  EXPECT_EQ(tree.text(folder + "/pids.max"), "32");
  EXPECT_EQ(tree.text(folder + "/cpu.max"), "50000 100000");
  EXPECT_EQ(tree.text(folder + "/cpu.weight"), "50");
  EXPECT_TRUE(group.openForClone().ok());
  ASSERT_TRUE(group.add(4242).ok());
  EXPECT_EQ(tree.text(folder + "/cgroup.procs"), "4242\n");
}

TEST_F(GroupTest, WritesEveryLimitOnV1AndMemoryBeforeSwap) {
  const Delegation delegation = onV1();
  Group group(tree, delegation, "sb-1", fakeKill);
  ASSERT_TRUE(group.create(kLimits).ok());
  EXPECT_EQ(tree.text(delegation.folder(Controller::kMemory) + "/sb-1/memory.memsw.limit_in_bytes"), "67108864");
  EXPECT_EQ(tree.text(delegation.folder(Controller::kPids) + "/sb-1/pids.max"), "32");
  EXPECT_EQ(tree.text(delegation.folder(Controller::kCpu) + "/sb-1/cpu.cfs_quota_us"), "50000");
  const auto at = [&](const std::string& part) {
    for (std::size_t i = 0; i < tree.log.size(); ++i) {
      if (tree.log[i].find(part) != std::string::npos) return i;
    }
    return tree.log.size();
  };
  EXPECT_LT(at("memory.limit_in_bytes"), at("memory.memsw.limit_in_bytes"));
  EXPECT_FALSE(group.openForClone().ok());
}

TEST_F(GroupTest, LeavesNothingWhenARequiredLimitCannotBeSet) {
  const Delegation delegation = onV2();
  const std::string folder = delegation.folder(Controller::kMemory) + "/sb-1";
  tree.failures["write " + folder + "/memory.max"] = EINVAL;
  Group group(tree, delegation, "sb-1", fakeKill);
  EXPECT_FALSE(group.create(kLimits).ok());
  EXPECT_FALSE(tree.exists(folder));
}

TEST_F(GroupTest, DoesWithoutSwapAccounting) {
  const Delegation delegation = onV2();
  tree.failures["write " + delegation.folder(Controller::kMemory) + "/sb-1/memory.swap.max"] = ENOENT;
  EXPECT_TRUE(Group(tree, delegation, "sb-1", fakeKill).create(kLimits).ok());
}

TEST_F(GroupTest, KillsThroughTheKernelWhereItCan) {
  const Delegation delegation = onV2();
  Group group(tree, delegation, "sb-1", fakeKill);
  ASSERT_TRUE(group.create(kLimits).ok());
  ASSERT_TRUE(group.killAll().ok());
  EXPECT_EQ(tree.text(delegation.folder(Controller::kMemory) + "/sb-1/cgroup.kill"), "1");
  EXPECT_TRUE(killed.empty());
}

TEST_F(GroupTest, FreezesBeforeKillingWithoutCgroupKill) {
  const Delegation delegation = onV2();
  const std::string folder = delegation.folder(Controller::kMemory) + "/sb-1";
  Group group(tree, delegation, "sb-1", fakeKill);
  ASSERT_TRUE(group.create(kLimits).ok());
  tree.failures["write " + folder + "/cgroup.kill"] = ENOENT;
  tree.nodes[folder + "/cgroup.procs"].text = "41\n42\n0\n";
  tree.log.clear();
  ASSERT_TRUE(group.killAll().ok());
  EXPECT_THAT(killed, ::testing::ElementsAre(41, 42)) << "0 is a process of a foreign namespace";
  ASSERT_EQ(tree.log.size(), 2U);
  EXPECT_EQ(tree.log[0], "write " + folder + "/cgroup.freeze 1");
  EXPECT_EQ(tree.log[1], "write " + folder + "/cgroup.freeze 0");
}

TEST_F(GroupTest, RemoveWaitsForTheLastProcess) {
  const Delegation delegation = onV2();
  const std::string folder = delegation.folder(Controller::kMemory) + "/sb-1";
  Group group(tree, delegation, "sb-1", fakeKill);
  ASSERT_TRUE(group.create(kLimits).ok());
  tree.nodes[folder + "/cgroup.procs"].text = "42\n";
  tree.waitsUntilEmpty = 3;
  EXPECT_TRUE(group.remove(milliseconds(10000)).ok());
  EXPECT_EQ(tree.waits, 3);
  EXPECT_FALSE(tree.exists(folder));
  EXPECT_TRUE(group.remove(milliseconds(0)).ok()) << "already gone is fine";
}

TEST_F(GroupTest, RemoveGivesUpAtItsPatience) {
  const Delegation delegation = onV2();
  Group group(tree, delegation, "sb-1", fakeKill);
  ASSERT_TRUE(group.create(kLimits).ok());
  tree.nodes[delegation.folder(Controller::kMemory) + "/sb-1/cgroup.procs"].text = "42\n";
  const Status removed = group.remove(milliseconds(0));
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().systemError, EBUSY);
}

TEST_F(GroupTest, ReadsUseOfBothKinds) {
  const Delegation v2 = onV2();
  Group group(tree, v2, "sb-1", fakeKill);
  ASSERT_TRUE(group.create(kLimits).ok());
  const std::string folder = v2.folder(Controller::kMemory) + "/sb-1";
  tree.file(folder + "/memory.current", "5000000\n");
  tree.file(folder + "/memory.stat", "anon 1\ninactive_file 1000000\n");
  tree.file(folder + "/memory.peak", "6000000\n");
  tree.file(folder + "/memory.events", "low 0\noom 1\noom_kill 2\noom_group_kill 1\n");
  tree.file(folder + "/pids.current", "7\n");
  tree.file(folder + "/cpu.stat", "usage_usec 123456\nuser_usec 1\n");
  Group::Usage usage = group.usage();
  EXPECT_EQ(usage.memoryBytes, 4000000U);
  EXPECT_EQ(usage.memoryPeakBytes, 6000000U);
  EXPECT_EQ(usage.outOfMemoryKills, 2U);
  EXPECT_EQ(usage.processes, 7U);
  EXPECT_EQ(usage.cpuMicroseconds, 123456U);

  const Delegation v1 = onV1();
  Group old(tree, v1, "sb-2", fakeKill);
  ASSERT_TRUE(old.create(kLimits).ok());
  tree.file(v1.folder(Controller::kMemory) + "/sb-2/memory.usage_in_bytes", "4096\n");
  tree.file(v1.folder(Controller::kCpu) + "/sb-2/cpuacct.usage", "5000000\n");
  usage = old.usage();
  EXPECT_TRUE(usage.hasMemory);
  EXPECT_EQ(usage.memoryBytes, 4096U);
  EXPECT_EQ(usage.cpuMicroseconds, 5000U);
  EXPECT_FALSE(usage.hasProcesses);
}

}  // namespace
}  // namespace computesdk::local::limits
