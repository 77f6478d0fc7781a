#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <limits/delegation.hpp>

#include "fake_tree.hpp"

namespace computesdk::local::limits {
namespace {

using ::testing::HasSubstr;

constexpr pid_t kHost = 100, kLauncher = 200;
constexpr uid_t kUid = 64000;

DelegationRequest request() {
  DelegationRequest request;
  request.launcher = kLauncher;
  request.host = kHost;
  request.uid = kUid;
  request.gid = kUid;
  return request;
}

Layout v2Layout() {
  Layout layout;
  layout.kind = GroupKind::kV2;
  layout.own.fill("/sys/fs/cgroup/svc");
  layout.unified = "/sys/fs/cgroup/svc";
  layout.unifiedMount = "/sys/fs/cgroup";
  return layout;
}

FakeTree v2Tree() {
  FakeTree tree;
  tree.groupV2("/sys/fs/cgroup", "memory pids cpu");
  tree.groupV2("/sys/fs/cgroup/svc", "memory pids cpu");
  tree.nodes["/sys/fs/cgroup/svc/cgroup.procs"].text = "100\n200\n";
  tree.nodes["/sys/fs/cgroup"].writable = false;
  return tree;
}

Layout v1Layout() {
  Layout layout;
  layout.kind = GroupKind::kV1;
  layout.own = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/pids"};
  return layout;
}

FakeTree v1Tree() {
  FakeTree tree;
  for (const char* name : {"memory", "cpu", "pids"}) tree.groupV1(std::string("/sys/fs/cgroup/") + name);
  return tree;
}

TEST(DelegationV1, OneFolderAControllerOwnedByTheSandboxesUser) {
  FakeTree tree = v1Tree();
  const Delegation delegation = delegate(tree, v1Layout(), request());
  EXPECT_EQ(delegation.kind(), GroupKind::kV1);
  EXPECT_EQ(delegation.controllers(), 7U);
  EXPECT_EQ(delegation.why(), "");
  EXPECT_EQ(tree.nodes[delegation.folder(Controller::kMemory)].owner, kUid);
  EXPECT_EQ(tree.nodes[delegation.folder(Controller::kPids)].owner, kUid);
  EXPECT_GE(delegation.lock(Controller::kCpu), 0);
  EXPECT_TRUE(delegation.remove(tree).ok());
  EXPECT_TRUE(tree.under("/sys/fs/cgroup/memory").empty());
}

TEST(DelegationV1, AnOrdinaryUserGetsNoneAndTheReason) {
  FakeTree tree = v1Tree();
  for (const char* name : {"memory", "cpu", "pids"}) tree.nodes[std::string("/sys/fs/cgroup/") + name].writable = false;
  const Delegation delegation = delegate(tree, v1Layout(), request());
  EXPECT_EQ(delegation.kind(), GroupKind::kNone);
  EXPECT_EQ(delegation.controllers(), 0U);
  EXPECT_THAT(delegation.why(), HasSubstr("belongs to root"));
  EXPECT_TRUE(tree.log.empty()) << "nothing is tried that cannot work";
}

TEST(DelegationV1, AControllerThatFailsIsLeftOutAlone) {
  FakeTree tree = v1Tree();
  tree.nodes["/sys/fs/cgroup/cpu"].writable = false;
  const Delegation delegation = delegate(tree, v1Layout(), request());
  EXPECT_TRUE(delegation.has(Controller::kMemory));
  EXPECT_FALSE(delegation.has(Controller::kCpu));
  EXPECT_LT(delegation.lock(Controller::kCpu), 0);
}

TEST(DelegationV1, ControllersOfOneHierarchyShareTheirFolder) {
  FakeTree tree = v1Tree();
  Layout layout = v1Layout();
  layout.own[1] = layout.own[2];
  Delegation delegation = delegate(tree, layout, request());
  EXPECT_EQ(delegation.controllers(), 7U) << delegation.why();
  EXPECT_EQ(delegation.folder(Controller::kCpu), delegation.folder(Controller::kPids));
  EXPECT_GE(delegation.lock(Controller::kPids), 0);
  delegation.releaseLocks();
  EXPECT_LT(delegation.lock(Controller::kPids), 0);
  EXPECT_TRUE(delegation.remove(tree).ok());
  EXPECT_TRUE(tree.under("/sys/fs/cgroup/pids").empty());
}

TEST(DelegationV1, StaysWhileASandboxLives) {
  FakeTree tree = v1Tree();
  const Delegation delegation = delegate(tree, v1Layout(), request());
  const std::string sandbox = delegation.folder(Controller::kMemory) + "/sb-1";
  tree.groupV1(sandbox);
  const Status removed = delegation.remove(tree);
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().kind, ErrorClass::kFailedPrecondition);
  EXPECT_TRUE(tree.removeDirectory(sandbox).ok());
  EXPECT_TRUE(delegation.remove(tree).ok());
}

TEST(DelegationV2, LauncherLivesBesideTheSandboxes) {
  FakeTree tree = v2Tree();
  const Delegation delegation = delegate(tree, v2Layout(), request());
  ASSERT_EQ(delegation.kind(), GroupKind::kV2) << delegation.why();
  const std::string& folder = delegation.folder(Controller::kMemory);
  EXPECT_EQ(folder, delegation.folder(Controller::kPids));
  EXPECT_EQ(tree.text(folder + "/launcher/cgroup.procs"), "200\n");
  EXPECT_EQ(tree.text(folder + "/cgroup.subtree_control"), "memory pids cpu");
  // The host stepped aside: a group with processes may not hand controllers on.
  EXPECT_EQ(tree.text("/sys/fs/cgroup/svc/computesdk-host/cgroup.procs"), "100\n");
  // The common ancestor of launcher and sandbox must be the launcher's own.
  EXPECT_EQ(tree.nodes[folder].owner, kUid);
  EXPECT_EQ(tree.nodes[folder + "/cgroup.procs"].owner, kUid);
  EXPECT_EQ(tree.nodes[folder + "/launcher/cgroup.procs"].owner, kUid);
  EXPECT_EQ(tree.nodes["/sys/fs/cgroup/svc"].owner, 0U);
}

TEST(DelegationV2, DoesNotMoveStrangers) {
  FakeTree tree = v2Tree();
  tree.nodes["/sys/fs/cgroup/svc/cgroup.procs"].text = "100\n200\n999\n";
  const Delegation delegation = delegate(tree, v2Layout(), request());
  EXPECT_EQ(delegation.kind(), GroupKind::kNone);
  EXPECT_THAT(delegation.why(), HasSubstr("holds other processes"));
  EXPECT_TRUE(tree.under("/sys/fs/cgroup/svc").empty());
  EXPECT_EQ(tree.text("/sys/fs/cgroup/svc/cgroup.procs"), "100\n200\n999\n");
}

TEST(DelegationV2, IsRemovedWhenTheLauncherHasLeft) {
  FakeTree tree = v2Tree();
  const Delegation delegation = delegate(tree, v2Layout(), request());
  const std::string& folder = delegation.folder(Controller::kMemory);
  tree.groupV2(folder + "/sb-1", "memory");
  EXPECT_FALSE(delegation.remove(tree).ok()) << "a sandbox lives";
  EXPECT_TRUE(tree.exists(folder + "/launcher"));
  ASSERT_TRUE(tree.removeDirectory(folder + "/sb-1").ok());
  tree.waitsUntilEmpty = 2;  // the launcher is just about to go
  const Status removed = delegation.remove(tree);
  EXPECT_TRUE(removed.ok()) << removed.error().message;
  EXPECT_FALSE(tree.exists(folder));
  EXPECT_TRUE(delegation.remove(tree).ok()) << "already gone is fine";
}

TEST(DelegationV2, RootWithoutASystemdGoesToTheTop) {
  FakeTree tree = v2Tree();
  tree.nodes["/sys/fs/cgroup"].writable = true;
  tree.nodes["/sys/fs/cgroup/svc/cgroup.procs"].text = "100\n200\n999\n";
  const Delegation delegation = delegate(tree, v2Layout(), request());
  ASSERT_EQ(delegation.kind(), GroupKind::kV2) << delegation.why();
  EXPECT_EQ(delegation.folder(Controller::kMemory).rfind("/sys/fs/cgroup/computesdk-64000-", 0), 0U);
  EXPECT_EQ(tree.text("/sys/fs/cgroup/svc/cgroup.procs"), "100\n999\n") << "only the launcher left";
}

TEST(DelegationV2, NamesAControllerThatIsNotDelegated) {
  FakeTree tree = v2Tree();
  tree.groupV2("/sys/fs/cgroup/svc", "memory pids");
  const Delegation delegation = delegate(tree, v2Layout(), request());
  EXPECT_TRUE(delegation.has(Controller::kMemory));
  EXPECT_FALSE(delegation.has(Controller::kCpu));
  EXPECT_THAT(delegation.why(), HasSubstr("cpu controller is not delegated"));
}

TEST(DelegationV2, UndoesWhatItBegan) {
  for (const char* operation : {"chown", "write"}) {
    FakeTree tree = v2Tree();
    tree.nodes["/sys/fs/cgroup/svc/cgroup.procs"].text.clear();
    ASSERT_TRUE(tree.write("/sys/fs/cgroup/svc/cgroup.subtree_control", "+memory").ok());
    // The name is not known beforehand: fail whatever happens in a leaf.
    struct Failing final : FileTree {
      FakeTree& inner;
      std::string operation;
      explicit Failing(FakeTree& tree, std::string what) : inner(tree), operation(std::move(what)) {}
      Result<std::string> read(const std::string& p) override { return inner.read(p); }
      Status write(const std::string& p, std::string_view t) override {
        if (operation == "write" && p.find("/launcher/") != std::string::npos) return systemError(EACCES, p);
        return inner.write(p, t);
      }
      Status makeDirectory(const std::string& p) override { return inner.makeDirectory(p); }
      Status removeDirectory(const std::string& p) override { return inner.removeDirectory(p); }
      Result<std::vector<std::string>> folders(const std::string& p) override { return inner.folders(p); }
      bool exists(const std::string& p) override { return inner.exists(p); }
      bool writable(const std::string& p) override { return inner.writable(p); }
      Status setOwner(const std::string& p, uid_t u, gid_t g) override {
        return operation == "chown" ? Status(systemError(EPERM, p)) : inner.setOwner(p, u, g);
      }
      Result<uid_t> owner(const std::string& p) override { return inner.owner(p); }
      void waitForExit(const std::string& p, std::chrono::milliseconds m) override { inner.waitForExit(p, m); }
      Result<UniqueFd> openFolder(const std::string& p) override { return inner.openFolder(p); }
      Result<UniqueFd> lockFolder(const std::string& p) override { return inner.lockFolder(p); }
    } failing(tree, operation);
    const Delegation delegation = delegate(failing, v2Layout(), request());
    EXPECT_EQ(delegation.kind(), GroupKind::kNone);
    EXPECT_TRUE(tree.under("/sys/fs/cgroup/svc").empty()) << operation;
    EXPECT_FALSE(delegation.why().empty());
  }
}

TEST(DelegationV2, FallsBackToAScopeOfTheUsersSystemd) {
  FakeTree tree = v2Tree();
  tree.nodes["/sys/fs/cgroup/svc"].writable = false;
  DelegationRequest wanted = request();
  std::string unitAsked;
  wanted.startScope = [&](pid_t launcher, std::string_view unit) -> Result<std::string> {
    EXPECT_EQ(launcher, kLauncher);
    unitAsked = std::string(unit);
    tree.groupV2("/sys/fs/cgroup/user", "memory pids");
    tree.groupV2("/sys/fs/cgroup/user/x.scope", "memory pids");
    tree.nodes["/sys/fs/cgroup/user/x.scope/cgroup.procs"].text = "200\n";
    return std::string("/user/x.scope");
  };
  const Delegation delegation = delegate(tree, v2Layout(), wanted);
  ASSERT_EQ(delegation.kind(), GroupKind::kV2) << delegation.why();
  EXPECT_EQ(delegation.folder(Controller::kMemory), "/sys/fs/cgroup/user/x.scope");
  EXPECT_EQ(tree.text("/sys/fs/cgroup/user/x.scope/launcher/cgroup.procs"), "200\n");
  EXPECT_EQ(ownerInName(unitAsked), kUid);
}

TEST(DelegationV2, TellsBothReasonsWhenTheScopeFailsToo) {
  FakeTree tree = v2Tree();
  tree.nodes["/sys/fs/cgroup/svc"].writable = false;
  DelegationRequest wanted = request();
  wanted.startScope = [](pid_t, std::string_view) -> Result<std::string> {
    return Error{.kind = ErrorClass::kUnavailable, .message = "no scope", .why = "no bus"};
  };
  const Delegation delegation = delegate(tree, v2Layout(), wanted);
  EXPECT_THAT(delegation.why(), HasSubstr("not delegated to this user"));
  EXPECT_THAT(delegation.why(), HasSubstr("no bus"));
}

TEST(Names, AreOursOnlyInOurForm) {
  EXPECT_EQ(ownerInName(newDelegationName(1000)), 1000U);
  EXPECT_NE(newDelegationName(0), newDelegationName(0));
  for (const char* name :
       {"", "computesdk-", "computesdk-1000", "computesdk-1000-", "computesdk-x-0123456789abcdef",
        "computesdk-1000-0123456789abcde", "computesdk-1000-0123456789abcdef0", "computesdk-1000-0123456789ABCDEF",
        "computesdk-01-0123456789abcdef", "computesdk-4294967296-0123456789abcdef", "docker-1-0123456789abcdef"}) {
    EXPECT_FALSE(ownerInName(name).has_value()) << name;
  }
}

std::vector<pid_t> killed;
FakeTree* killTree = nullptr;
void fakeKill(pid_t pid) {
  killed.push_back(pid);
  for (auto& [path, node] : killTree->nodes) {
    const std::string line = std::to_string(pid) + "\n";
    if (path.find("cgroup.procs") == std::string::npos) continue;
    if (const std::size_t at = node.text.find(line); at != std::string::npos) node.text.erase(at, line.size());
  }
}

TEST(Processes, AreReadOneALine) {
  FakeTree tree;
  tree.file("/a/cgroup.procs", "41\n0\n42\nx\n43");
  EXPECT_THAT(processesOf(tree, "/a"), ::testing::ElementsAre(41, 42, 43)) << "0 is one of a foreign namespace";
  EXPECT_TRUE(processesOf(tree, "/b").empty());
}

TEST(Sweep, RootRemovesThoseOfEverybody) {
  FakeTree tree = v2Tree();
  const std::string dead = "/sys/fs/cgroup/svc/computesdk-1001-00000000000000aa";
  tree.groupV2(dead, "memory");
  tree.groupV2(dead + "/launcher", "");
  tree.nodes[dead].owner = 1001;
  EXPECT_EQ(sweepStale(tree, v2Layout(), kUid), 0U);
  EXPECT_EQ(sweepStale(tree, v2Layout(), 0), 1U);
  EXPECT_FALSE(tree.exists(dead));
}

TEST(Sweep, RemovesTheDeadAndNothingElse) {
  FakeTree tree = v1Tree();
  killTree = &tree;
  killed.clear();
  const std::string base = "/sys/fs/cgroup/memory/";
  const std::string dead = "computesdk-64000-00000000000000aa", alive = "computesdk-64000-00000000000000bb",
                    stranger = "computesdk-1001-00000000000000cc", foreign = "docker",
                    disguised = "computesdk-64000-00000000000000dd";
  for (const std::string& name : {dead, alive, stranger, foreign, disguised}) tree.groupV1(base + name);
  for (const std::string& name : {dead, alive}) tree.nodes[base + name].owner = kUid;
  tree.nodes[base + stranger].owner = 1001;
  tree.nodes[base + disguised].owner = 1001;
  tree.groupV1(base + dead + "/sb-1");
  tree.nodes[base + dead + "/sb-1/cgroup.procs"].text = "4242\n";
  tree.locked.insert(base + alive);
  EXPECT_EQ(sweepStale(tree, v1Layout(), kUid, fakeKill), 1U);
  EXPECT_THAT(killed, ::testing::ElementsAre(4242));
  EXPECT_THAT(tree.under("/sys/fs/cgroup/memory"),
              ::testing::UnorderedElementsAre(base + alive, base + stranger, base + foreign, base + disguised));
  EXPECT_EQ(sweepStale(tree, v1Layout(), kUid, fakeKill), 0U) << "idempotent";
}

}  // namespace
}  // namespace computesdk::local::limits
