// The kernel's own control groups, where this process may make some.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <support/plain_fork.hpp>

#include <limits/cgroups.hpp>

namespace computesdk::local::limits {
namespace {

using std::chrono::milliseconds;
constexpr uid_t kUid = 64000;

class RealGroups : public ::testing::Test {
 protected:
  void SetUp() override {
    layout = findLayout(*tree);
    if (layout.kind != GroupKind::kV1 || ::geteuid() != 0) GTEST_SKIP() << "needs root on a machine with cgroup v1";
    DelegationRequest request;
    request.launcher = ::getpid();
    request.uid = request.gid = kUid;
    delegation = delegate(*tree, layout, request);
    if (delegation.memory() != LimitStrength::kHard) GTEST_SKIP() << delegation.why();
  }
  void TearDown() override {
    if (delegation.kind() == GroupKind::kNone) return;
    Group group(*tree, delegation, "sb-1");
    (void)group.killAll();
    EXPECT_TRUE(group.remove(milliseconds(5000)).ok());
    const Status removed = delegation.remove(*tree);
    EXPECT_TRUE(removed.ok()) << removed.error().message;
  }

  // Runs `body` as the sandbox's user inside the group. Its wait status.
  template <typename Body>
  int inside(const Body& body) {
    int go[2];
    EXPECT_EQ(::pipe(go), 0);
    const pid_t child = computesdk::testing::plainFork();
    if (child == 0) {
      char c;
      ::close(go[1]);
      if (::read(go[0], &c, 1) < 0 || ::setresgid(kUid, kUid, kUid) != 0 || ::setresuid(kUid, kUid, kUid) != 0) {
        ::_exit(99);
      }
      ::_exit(body());
    }
    ::close(go[0]);
    EXPECT_TRUE(group().add(child).ok());
    ::close(go[1]);
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  Group group() { return Group(*tree, delegation, "sb-1"); }

  std::unique_ptr<FileTree> tree = realFileTree();
  Layout layout;
  Delegation delegation;
};

TEST_F(RealGroups, MemoryIsHard) {
  ASSERT_TRUE(group().create({32ULL << 20, 0, 0}).ok());
  const int status = inside([] {
    constexpr std::size_t kSize = 128U << 20;
    auto* memory = static_cast<char*>(
        ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));  // no rlimit sees it
    for (std::size_t i = 0; i < kSize; i += 4096) memory[i] = 1;
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  const Group::Usage usage = group().usage();
  EXPECT_GE(usage.outOfMemoryKills, 1U);
  EXPECT_GE(usage.memoryPeakBytes, 30ULL << 20);
  EXPECT_LE(usage.memoryPeakBytes, 32ULL << 20);
}

TEST_F(RealGroups, ProcessesAreHard) {
  ASSERT_TRUE(group().create({0, 4, 0}).ok());
  const int status = inside([] {
    int made = 0;
    while (made < 20) {
      const pid_t child = computesdk::testing::plainFork();
      if (child < 0) break;
      if (child == 0) {
        ::pause();
        ::_exit(0);
      }
      ++made;
    }
    return made;
  });
  ASSERT_TRUE(group().killAll().ok());
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 3) << "four with itself";
}

TEST_F(RealGroups, TheOwnerNeedsNoPrivilegeForGroupsBelow) {
  // What the launcher does: as the sandbox's user, through descriptors, make, fill, enter, leave to be removed.
  auto memory = delegation.open(Controller::kMemory);
  ASSERT_TRUE(memory.ok());
  const int folder = memory->get();
  const pid_t child = computesdk::testing::plainFork();
  if (child == 0) {
    if (::setresgid(kUid, kUid, kUid) != 0 || ::setresuid(kUid, kUid, kUid) != 0) ::_exit(1);
    if (::mkdirat(folder, "sb-1", 0755) != 0) ::_exit(2);
    const int limit = ::openat(folder, "sb-1/memory.limit_in_bytes", O_WRONLY);
    if (limit < 0 || ::write(limit, "33554432", 8) != 8) ::_exit(3);
    const int procs = ::openat(folder, "sb-1/cgroup.procs", O_WRONLY);
    if (procs < 0 || ::write(procs, "0", 1) != 1) ::_exit(4);
    // Its own limit above stays out of reach.
    if (::openat(folder, "memory.limit_in_bytes", O_WRONLY) >= 0) ::_exit(5);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
  EXPECT_TRUE(group().remove(milliseconds(5000)).ok());
}

TEST_F(RealGroups, FreezeAndKillAll) {
  if (!delegation.canFreeze()) GTEST_SKIP() << "no freezer";
  ASSERT_TRUE(group().create({}).ok());
  const pid_t child = computesdk::testing::plainFork();
  if (child == 0) {
    for (;;) ::pause();
  }
  ASSERT_TRUE(group().add(child).ok());
  EXPECT_TRUE(group().freeze(true).ok());
  EXPECT_TRUE(group().freeze(false).ok());
  EXPECT_EQ(processesOf(*tree, delegation.folder(Controller::kPids) + "/sb-1").size(), 1U);
  ASSERT_TRUE(group().killAll().ok());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(group().remove(milliseconds(5000)).ok());
}

TEST_F(RealGroups, CpuIsLimited) {
  ASSERT_TRUE(group().create({0, 0, 100}).ok());
  const std::string& folder = delegation.folder(Controller::kCpu);
  ASSERT_FALSE(folder.empty());
  const auto quota = tree->read(folder + "/sb-1/cpu.cfs_quota_us");
  ASSERT_TRUE(quota.ok());
  EXPECT_EQ(*quota, "10000\n");
}

TEST_F(RealGroups, ALivingLaunchersFoldersAreNotSweptAndADeadOnesAre) {
  ASSERT_TRUE(group().create({}).ok());
  EXPECT_EQ(sweepStale(*tree, layout, kUid), 0U) << "this process holds the lock";
  std::vector<std::string> folders;
  for (std::size_t i = 0; i < kControllers; ++i) {
    const std::string& folder = delegation.folder(static_cast<Controller>(i));
    if (!folder.empty()) folders.push_back(folder);
  }
  const pid_t child = computesdk::testing::plainFork();
  if (child == 0) {
    for (;;) ::pause();
  }
  ASSERT_TRUE(group().add(child).ok());
  // A launcher that died without a word: descriptors gone, a sandbox's process still there. That process was
  // forked from this one, so it shares the lock; only when it is killed as well the lock is free.
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  delegation = Delegation();
  EXPECT_EQ(sweepStale(*tree, layout, kUid), folders.size());
  for (const std::string& folder : folders) EXPECT_FALSE(tree->exists(folder));
}

}  // namespace
}  // namespace computesdk::local::limits
