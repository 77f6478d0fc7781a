// The roads to hard limits, through the engine: the kernel's own v1 groups as root; v2 delegated, and by a scope of
// systemd, over a tree of plain files and a bus of the test's.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits/delegation.hpp>
#include <sstream>

#include "../limits/stand_in_bus.hpp"
#include "fixture.hpp"
#include "plain_groups.hpp"

namespace computesdk::local::testing {
namespace {

namespace fs = std::filesystem;
using limits::StandInBus;

CreateSpec limited() {
  CreateSpec spec;
  spec.limits.memoryBytes = 64ULL << 20;
  spec.limits.processes = 40;
  spec.limits.milliCpus = 500;
  return spec;
}

LimitReport reportOf(const SandboxInfo& info, const std::string& name) {
  for (const LimitReport& report : info.limits) {
    if (report.name == name) return report;
  }
  return {};
}

class LimitsTest : public SandboxTest {
 protected:
  // The one folder of a launcher below `parent` that has, or had, the sandbox; "" if there is none.
  static std::string launcherFolder(const std::string& parent, const std::string& id) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(parent, ignored)) {
      if (limits::ownerInName(entry.path().filename().string()) && fs::exists(entry.path() / id)) return entry.path();
    }
    return {};
  }
};

// As root on cgroup v1.
class KernelGroups : public LimitsTest {
 protected:
  void SetUp() override {
    layout_ = limits::findLayout(*limits::realFileTree());
    if (!options().useCgroups || geteuid() != 0 || layout_.kind != limits::GroupKind::kV1) {
      GTEST_SKIP() << "needs root on a machine with cgroup v1";
    }
    for (const std::string& own : layout_.own) {
      if (own.empty() || access(own.c_str(), W_OK) != 0) GTEST_SKIP() << "a controller is missing";
    }
  }
  std::vector<std::string> foldersOf(const std::string& id) const {
    std::vector<std::string> found;
    for (const std::string& place : layout_.places()) {
      if (std::string folder = launcherFolder(place, id); !folder.empty()) found.push_back(std::move(folder));
    }
    return found;
  }
  limits::Layout layout_;
};

TEST_F(KernelGroups, holdEveryLimit) {
  std::vector<std::string> folders;
  {
    Engine engine(options());
    auto sandbox = engine.create(limited());
    ASSERT_TRUE(sandbox.ok()) << sandbox.error().message << " / " << sandbox.error().why;
    const std::string id = (*sandbox)->id();
    folders = foldersOf(id);
    ASSERT_EQ(folders.size(), 3U);
    EXPECT_EQ(textOf(folders[0] + "/" + id + "/memory.limit_in_bytes"), "67108864\n");
    EXPECT_EQ(textOf(folders[1] + "/" + id + "/cpu.cfs_quota_us"), "50000\n");
    EXPECT_EQ(textOf(folders[1] + "/" + id + "/cpu.shares"), "512\n");
    EXPECT_EQ(textOf(folders[2] + "/" + id + "/pids.max"), "56\n") << "and 16 to look into a full one";
    for (const std::string& folder : folders) EXPECT_FALSE(textOf(folder + "/" + id + "/cgroup.procs").empty());
    const SandboxInfo info = *(*sandbox)->info();
    EXPECT_EQ(reportOf(info, "memory").how, "cgroup v1 memory.limit_in_bytes");
    EXPECT_EQ(reportOf(info, "cpu").how, "cgroup v1 cpu.cfs_quota_us");
    EXPECT_NE(reportOf(info, "processes").how.find("cgroup v1 pids.max"), std::string::npos);
    EXPECT_TRUE((*sandbox)->destroy().ok());
    for (const std::string& folder : folders) EXPECT_FALSE(fs::exists(folder + "/" + id));
  }
  for (const std::string& folder : folders) EXPECT_FALSE(fs::exists(folder)) << "the launcher's goes with it";
}

TEST_F(KernelGroups, weighASandboxWithoutALimitLessThanOtherPrograms) {
  auto sandbox = make();
  const auto folders = foldersOf(sandbox->id());
  ASSERT_EQ(folders.size(), 3U);
  EXPECT_EQ(textOf(folders[1] + "/" + sandbox->id() + "/cpu.shares"), "512\n");
  EXPECT_EQ(textOf(folders[1] + "/" + sandbox->id() + "/cpu.cfs_quota_us"), "-1\n");
}

// Its launcher has no host that could do it.
TEST_F(KernelGroups, areRemovedByWhoeverDestroysTheLastSandbox) {
  int pipe[2];
  ASSERT_EQ(pipe2(pipe, O_CLOEXEC), 0);
  const pid_t host = fork();
  if (host == 0) {
    Engine engine(options());
    auto first = engine.create(limited()), second = engine.create(limited());
    if (!first.ok() || !second.ok()) _exit(1);
    const std::string ids = (*first)->id() + " " + (*second)->id() + "\n";
    _exit(write(pipe[1], ids.data(), ids.size()) == static_cast<ssize_t>(ids.size()) ? 0 : 1);
  }
  close(pipe[1]);
  int status = 0;
  waitpid(host, &status, 0);
  ASSERT_EQ(status, 0);
  char text[256] = {};
  ASSERT_GT(read(pipe[0], text, sizeof text - 1), 0);
  close(pipe[0]);
  std::istringstream ids(text);
  std::string first, second;
  ids >> first >> second;
  const auto folders = foldersOf(first);
  ASSERT_EQ(folders.size(), 3U);
  EXPECT_TRUE(engine_.destroy(first).ok());
  for (const std::string& folder : folders) EXPECT_TRUE(fs::exists(folder + "/" + second));
  EXPECT_TRUE(engine_.destroy(second).ok());
  for (const std::string& folder : folders) EXPECT_FALSE(fs::exists(folder));
}

// What outlives its host keeps its groups.
TEST_F(KernelGroups, stayForThoseThatAreRegistered) {
  std::string id;
  {
    Engine engine(options());
    auto sandbox = engine.create(limited());
    ASSERT_TRUE(sandbox.ok());
    id = (*sandbox)->id();
    CreateSpec spec = limited();
    spec.dieWithHost = true;
    ASSERT_TRUE(engine.create(spec).ok());
  }
  EXPECT_EQ(foldersOf(id).size(), 3U);
  auto again = engine_.get(id);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(run(**again, {"echo", "here"}).out, "here\n");
  again->reset();
  const auto folders = foldersOf(id);
  EXPECT_TRUE(engine_.destroy(id).ok());
  for (const std::string& folder : folders) EXPECT_FALSE(fs::exists(folder));
}

TEST_F(KernelGroups, goAlsoWhenTheHostIsInAHurry) {
  std::vector<std::string> folders;
  {
    Engine engine(options());
    CreateSpec spec = limited();
    spec.dieWithHost = true;
    auto sandbox = engine.create(spec);
    ASSERT_TRUE(sandbox.ok());
    folders = foldersOf((*sandbox)->id());
    EXPECT_EQ(folders.size(), 3U);
  }
  for (const std::string& folder : folders) EXPECT_FALSE(fs::exists(folder)) << folder;
}

// Shared anonymous memory, which no limit of a process sees.
TEST_F(KernelGroups, endEverythingInsideWhenMemoryRunsOut) {
  auto sandbox = makeHostile(limited());
  BackgroundSpec waiting;
  waiting.argv = {"sleep", "1000"};
  auto background = sandbox->start(waiting);
  ASSERT_TRUE(background.ok());
  const Output output = run(*sandbox, {"/tmp/hostile", "memory", "shared", "600"});
  EXPECT_TRUE(output.status.outOfMemory);
  EXPECT_EQ(output.status.shellCode(), 137);
  EXPECT_TRUE(eventually([&] { return sandbox->stats()->processes == 0; }));
  EXPECT_EQ(run(*sandbox, {"echo", "usable"}).out, "usable\n");
}

// The roads that this machine may not have.
class PlainTree : public LimitsTest {
 protected:
  std::unique_ptr<Engine> engineOver(const std::shared_ptr<PlainGroups>& groups, const std::string& bus) const {
    EngineOptions other = options();
    other.useCgroups = true;
    other.groupTree = groups;
    other.bus = bus;
    return std::make_unique<Engine>(other);
  }
  // The kernel would remove the files with the folder.
  static void emptied(const std::string& folder) { fs::remove_all(folder); }
  Scratch tree_;
};

TEST_F(PlainTree, v2WhereTheOwnGroupIsDelegated) {
  const auto groups = std::make_shared<PlainGroups>(tree_.path(), "/svc");
  groups->group("/svc", "cpu memory pids");
  ASSERT_TRUE(groups->write("/sys/fs/cgroup/svc/cgroup.procs", std::to_string(getpid())).ok());
  auto engine = engineOver(groups, "");
  auto sandbox = engine->create(limited());
  ASSERT_TRUE(sandbox.ok()) << sandbox.error().message << " / " << sandbox.error().why;
  const std::string id = (*sandbox)->id(), folder = launcherFolder(groups->place("/svc"), id), own = folder + "/" + id;
  ASSERT_FALSE(folder.empty());
  EXPECT_EQ(textOf(own + "/memory.max"), "67108864");
  EXPECT_EQ(textOf(own + "/memory.swap.max"), "0");
  EXPECT_EQ(textOf(own + "/pids.max"), "56");
  EXPECT_EQ(textOf(own + "/cpu.max"), "50000 100000");
  EXPECT_EQ(textOf(own + "/cpu.weight"), "50");
  EXPECT_EQ(textOf(own + "/cgroup.procs"), "0") << "process 1 enters by itself, once";
  EXPECT_EQ(textOf(folder + "/cgroup.subtree_control"), "memory pids cpu ");
  EXPECT_FALSE(textOf(folder + "/launcher/cgroup.procs").empty());
  EXPECT_EQ(groups->text("/svc/computesdk-host/cgroup.procs"), std::to_string(getpid()) + "\n");
  const SandboxInfo info = *(*sandbox)->info();
  EXPECT_EQ(reportOf(info, "memory").how, "cgroup v2 memory.max");
  EXPECT_EQ(reportOf(info, "cpu").how, "cgroup v2 cpu.max");
  EXPECT_EQ(reportOf(info, "memory").strength, LimitStrength::kHard);
  EXPECT_TRUE((*sandbox)->destroy().ok());
  emptied(own);
  sandbox->reset();
  engine.reset();
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(PlainTree, v2ByAScopeOfSystemd) {
  StandInBus bus(StandInBus::Manner::kGood);
  const auto groups = std::make_shared<PlainGroups>(tree_.path(), "/user.slice/session-1.scope");
  groups->group("/user.slice", "memory pids");
  groups->group("/user.slice/session-1.scope", "");
  groups->group("/user.slice/x.scope", "memory pids");  // what the bus will name
  groups->locked = "/sys/fs/cgroup/user.slice/session-1.scope";
  auto engine = engineOver(groups, bus.address());
  CreateSpec spec = limited();
  auto sandbox = engine->create(spec);
  ASSERT_TRUE(sandbox.ok()) << sandbox.error().message << " / " << sandbox.error().why;
  const std::string scope = groups->place("/user.slice/x.scope"), own = scope + "/" + (*sandbox)->id();
  EXPECT_EQ(textOf(own + "/memory.max"), "67108864");
  EXPECT_EQ(textOf(own + "/pids.max"), "56");
  EXPECT_FALSE(fs::exists(own + "/cpu.max"));
  EXPECT_FALSE(textOf(scope + "/launcher/cgroup.procs").empty());
  EXPECT_EQ(bus.startCall().signature, "ssa(sv)a(sa(sv))");
  // systemd delegates no cpu by default: that limit alone is soft, and said to be.
  const SandboxInfo info = *(*sandbox)->info();
  EXPECT_EQ(reportOf(info, "memory").strength, LimitStrength::kHard);
  EXPECT_EQ(reportOf(info, "cpu").strength, LimitStrength::kSoft);
  EXPECT_EQ(shell(**sandbox, "nproc").out, "1\n");
  EXPECT_NE(shell(**sandbox, "taskset -c 0-63 true").status.value, 0);
  EXPECT_TRUE((*sandbox)->destroy().ok());
  spec.limits.requireHard = true;
  const auto refused = engine->create(spec);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().why.find("the cpu controller is not delegated"), std::string::npos) << refused.error().why;
  spec.limits.milliCpus = 0;
  const auto met = engine->create(spec);
  EXPECT_TRUE(met.ok());
}

TEST_F(PlainTree, whatSystemdRefusesIsSoftAndSaidToBe) {
  const auto groups = std::make_shared<PlainGroups>(tree_.path(), "/user.slice/session-1.scope");
  groups->group("/user.slice", "memory pids");
  groups->group("/user.slice/session-1.scope", "memory pids");
  ASSERT_TRUE(groups->write("/sys/fs/cgroup/user.slice/session-1.scope/cgroup.procs", "1").ok());
  groups->locked = "/sys/fs/cgroup";
  StandInBus refusing(StandInBus::Manner::kRefuses);
  for (const std::string& bus : {refusing.address(), std::string("unix:path=/nonexistent/bus"), std::string()}) {
    auto engine = engineOver(groups, bus);
    CreateSpec spec = limited();
    auto sandbox = engine->create(spec);
    ASSERT_TRUE(sandbox.ok()) << bus << ": " << sandbox.error().message;
    const SandboxInfo info = *(*sandbox)->info();
    EXPECT_EQ(reportOf(info, "memory").strength, LimitStrength::kSoft);
    EXPECT_EQ(run(**sandbox, {"echo", "runs"}).out, "runs\n");
    spec.limits.requireHard = true;
    const auto refused = engine->create(spec);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().why.find("holds other processes"), std::string::npos) << refused.error().why;
    if (bus == refusing.address()) {
      EXPECT_NE(refused.error().why.find("authentication required"), std::string::npos) << refused.error().why;
    }
  }
  EXPECT_EQ(groups->text("/user.slice/session-1.scope/cgroup.procs"), "1\n");
}

// What a launcher that was killed left goes with the next start; whoever is alive stays.
TEST_F(PlainTree, whatDeadLaunchersLeftIsSwept) {
  const auto groups = std::make_shared<PlainGroups>(tree_.path(), "/svc");
  groups->group("/svc", "memory");
  const std::string owner = std::to_string(geteuid());
  const std::string dead = "/svc/computesdk-" + owner + "-00000000000000aa",
                    living = "/svc/computesdk-" + owner + "-00000000000000bb";
  groups->group(dead, "memory");
  groups->group(dead + "/local-x", "memory");
  groups->group(living, "memory");
  const auto lock = groups->lockFolder("/sys/fs/cgroup" + living);
  ASSERT_TRUE(lock.ok());
  auto engine = engineOver(groups, "");
  ASSERT_TRUE(engine->create(limited()).ok());
  EXPECT_FALSE(fs::exists(groups->place(dead)));
  EXPECT_TRUE(fs::exists(groups->place(living)));
}

}  // namespace
}  // namespace computesdk::local::testing
