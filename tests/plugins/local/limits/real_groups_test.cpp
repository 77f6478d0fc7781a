// The kernel's own control groups, where this process may make some. That they hold what they are told to, sandboxes
// show (LimitsTest).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <support/plain_fork.hpp>

#include <limits/delegation.hpp>

namespace computesdk::local::limits {
namespace {

constexpr uid_t kUserId = 64000;

class RealGroups : public ::testing::Test {
 protected:
  void SetUp() override {
    layout = findLayout(*tree);
    if (layout.kind != GroupKind::kV1 || ::geteuid() != 0) GTEST_SKIP() << "needs root on a machine with cgroup v1";
    DelegationRequest request;
    request.launcher = ::getpid();
    request.uid = request.gid = kUserId;
    delegation = delegate(*tree, layout, request);
    if (!delegation.has(Controller::kMemory)) GTEST_SKIP() << delegation.why();
  }
  void TearDown() override {
    if (delegation.kind() == GroupKind::kNone) return;
    const Status removed = delegation.remove(*tree);
    EXPECT_TRUE(removed.ok()) << removed.error().message;
  }
  std::vector<std::string> folders() const {
    std::vector<std::string> all;
    for (const Controller controller : {Controller::kMemory, Controller::kCpu, Controller::kPids}) {
      if (delegation.has(controller)) all.push_back(delegation.folder(controller));
    }
    return all;
  }

  std::shared_ptr<FileTree> tree = realFileTree();
  Layout layout;
  Delegation delegation;
};

TEST_F(RealGroups, TheOwnerNeedsNoPrivilegeForGroupsBelow) {
  // What the launcher does: as the sandbox's user, through descriptors, make, fill, enter, leave to be removed.
  const int folder = delegation.lock(Controller::kMemory);
  ASSERT_GE(folder, 0);
  const pid_t child = computesdk::testing::plainFork();
  if (child == 0) {
    if (::setresgid(kUserId, kUserId, kUserId) != 0 || ::setresuid(kUserId, kUserId, kUserId) != 0) ::_exit(1);
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
  const Status removed = delegation.remove(*tree);
  ASSERT_FALSE(removed.ok()) << "a sandbox's folder is in it";
  EXPECT_EQ(removed.error().kind, ErrorClass::kFailedPrecondition);
  EXPECT_EQ(::unlinkat(folder, "sb-1", AT_REMOVEDIR), 0);
}

TEST_F(RealGroups, ALivingLaunchersFoldersAreNotSweptAndADeadOnesAre) {
  for (const std::string& folder : folders()) ASSERT_TRUE(tree->makeDirectory(folder + "/sb-1").ok());
  EXPECT_EQ(sweepStale(*tree, layout, kUserId), 0U) << "this process holds the lock";
  // A launcher that died without a word: nobody holds the lock, and a sandbox's process is still there.
  const pid_t child = computesdk::testing::plainFork();
  if (child == 0) {
    for (;;) ::pause();
  }
  for (const std::string& folder : folders()) {
    ASSERT_TRUE(tree->write(folder + "/sb-1/cgroup.procs", std::to_string(child)).ok());
  }
  delegation.releaseLocks();
  // That process was forked from this one, so it shares the lock until it is killed as well.
  EXPECT_EQ(sweepStale(*tree, layout, kUserId), 0U);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(sweepStale(*tree, layout, kUserId), folders().size());
  for (const std::string& folder : folders()) EXPECT_FALSE(tree->exists(folder));
}

}  // namespace
}  // namespace computesdk::local::limits
