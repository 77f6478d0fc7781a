// The host's side without a sandbox: what the registry's files say, what an errno means, which folders are trusted.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/beneath.hpp"
#include "engine/cgroup_setup.hpp"
#include "engine/diagnosis.hpp"
#include "engine/meta.hpp"
#include "fixture.hpp"

namespace computesdk::local::testing {
namespace {

using protocol::Step;

TEST(Meta, comesBackAsItWasWritten) {
  Meta meta;
  meta.id = "local-x";
  meta.name = "a \"name\" \\ \n\x01 \xc3\xa4";
  for (std::size_t i = 0; i < meta.token.size(); ++i) meta.token[i] = static_cast<std::uint8_t>(i * 7);
  meta.uid = 1879048200;
  meta.createdMs = 1700000000123;
  meta.network = NetworkMode::kFull;
  meta.workdir = "/workspace";
  meta.limits.milliCpus = 1500;
  meta.cgroups = protocol::CgroupKind::kV2;
  meta.cpuHard = true;
  meta.envs = {{"A", "1"}, {"A", "2"}};
  meta.metadata = {{"live", ",\"live\":{"}};
  const auto read = parseMeta(metaPrefix(meta) + ",\"live\":{\"expires_ms\":5,\"ports\":{\"80\":4000,\"90\":4001}}}\n");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->name, meta.name);
  EXPECT_EQ(read->token, meta.token);
  EXPECT_EQ(read->uid, meta.uid);
  EXPECT_EQ(read->createdMs, meta.createdMs);
  EXPECT_EQ(read->network, NetworkMode::kFull);
  EXPECT_EQ(read->limits.milliCpus, 1500U);
  EXPECT_EQ(read->envs, meta.envs);
  EXPECT_EQ(read->metadata, meta.metadata);
  EXPECT_EQ(read->expiresMs, 5);
  ASSERT_EQ(read->ports.size(), 2U);
  EXPECT_EQ(read->ports[1].second, 4001);
}

TEST(Meta, damageIsAnError) {
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"), std::string("{\"version\":2}"),
                                  std::string("{\"version\":1,\"token\":\"zz\"}"), std::string(100000, '[')}) {
    EXPECT_FALSE(parseMeta(text).ok());
  }
}

TEST(Meta, limitsSayWhatTheyAreWorth) {
  Meta meta;
  meta.limits.milliCpus = 1000;
  const auto strength = [&](const std::string& name) {
    for (const LimitReport& report : limitReports(meta)) {
      if (report.name == name) return report.strength;
    }
    return LimitStrength::kNone;
  };
  EXPECT_EQ(strength("memory"), LimitStrength::kSoft);
  EXPECT_EQ(strength("cpu"), LimitStrength::kSoft);
  EXPECT_EQ(strength("processes"), LimitStrength::kHard);
  meta.cgroups = protocol::CgroupKind::kV1;
  meta.cpuHard = true;
  EXPECT_EQ(strength("memory"), LimitStrength::kHard);
  EXPECT_EQ(strength("cpu"), LimitStrength::kHard);
  meta.isolation = Isolation::kNone;
  EXPECT_EQ(strength("memory"), LimitStrength::kNone);
}

struct Refusal {
  Step step;
  int error;
  MachineFacts facts;
  const char* says;
};

TEST(Diagnosis, namesTheCauseAndTheRemedy) {
  MachineFacts off, debian, ubuntu, docker, plain, noProc;
  off.maxUserNamespaces = "0";
  debian.unprivilegedClone = "0";
  ubuntu.apparmorRestricts = "1";
  docker.seccompMode = "2";
  noProc.procMounted = false;
  const Refusal cases[] = {
      {Step::kCloneOuter, ENOSPC, off, "user.max_user_namespaces"},
      {Step::kCloneOuter, EPERM, debian, "kernel.unprivileged_userns_clone"},
      {Step::kMapOuter, EPERM, ubuntu, "kernel.apparmor_restrict_unprivileged_userns"},
      {Step::kPrivateMounts, EACCES, ubuntu, "kernel.apparmor_restrict_unprivileged_userns"},
      {Step::kCloneOuter, EPERM, docker, "seccomp"},
      {Step::kMountProc, EPERM, plain, "systempaths=unconfined"},
      {Step::kMapOuter, ENOENT, noProc, "mount -t proc"},
      {Step::kCloneSandbox, ENOSPC, plain, "user.max_net_namespaces"},
      {Step::kCloneOuter, EINVAL, plain, "kernel that has them"},
  };
  for (const Refusal& refusal : cases) {
    const Error error = explain(refusal.step, refusal.error, refusal.facts);
    EXPECT_EQ(error.kind, ErrorClass::kUnavailable) << refusal.says;
    EXPECT_FALSE(error.why.empty());
    EXPECT_NE((error.why + error.fix).find(refusal.says), std::string::npos) << error.why << " / " << error.fix;
  }
  EXPECT_EQ(explain(Step::kWorkdir, EROFS, plain).kind, ErrorClass::kInvalidArgument);
  EXPECT_EQ(explain(Step::kFull, EMFILE, plain).kind, ErrorClass::kResourceExhausted);
}

TEST(Paths, areCheckedBeforeUse) {
  EXPECT_EQ(*insidePath("a", "/work"), "/work/a");
  EXPECT_EQ(*insidePath("/a", "/work"), "/a");
  EXPECT_FALSE(insidePath("", "/work").ok());
  EXPECT_FALSE(insidePath(std::string_view("/a\0b", 4), "/work").ok());
  EXPECT_FALSE(insidePath(std::string(4096, 'x'), "/").ok());
  EXPECT_TRUE(insidePath(std::string(4000, 'x'), "/").ok());
}

TEST(Paths, theParentOfALinkIsInside) {
  Scratch scratch;
  std::filesystem::create_directories(scratch.path() + "/etc/deep");
  symlink("/etc/deep/../passwd", (scratch.path() + "/link").c_str());
  symlink("../../../../etc/passwd", (scratch.path() + "/up").c_str());
  symlink("loop", (scratch.path() + "/loop").c_str());
  UniqueFd root(open(scratch.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const char* link : {"/link", "/up"}) {
    auto place = openParent(root.get(), link, true);
    ASSERT_TRUE(place.ok()) << place.error().message;
    EXPECT_EQ(place->name, "passwd");
    struct stat inside {
    }, expected{};
    ASSERT_EQ(fstat(place->parent.get(), &inside), 0);
    ASSERT_EQ(::stat((scratch.path() + "/etc").c_str(), &expected), 0);
    EXPECT_EQ(inside.st_ino, expected.st_ino);
  }
  EXPECT_FALSE(openParent(root.get(), "/loop", true).ok());
  EXPECT_FALSE(openParent(root.get(), "/", true).ok());
  EXPECT_FALSE(openParent(root.get(), "/etc/..", true).ok());
  EXPECT_FALSE(openParent(root.get(), "/none/x", true).ok());
}

// A control group tree of plain files.
class FakeCgroups {
 public:
  explicit FakeCgroups(bool v2) {
    view.prefix = scratch.path();
    view.mountInfo = scratch.path() + "/mountinfo";
    view.ownCgroup = scratch.path() + "/cgroup";
    if (v2) {
      std::filesystem::create_directories(scratch.path() + "/cg/user/scope");
      write("/mountinfo", "30 20 0:26 / /cg rw,nosuid - cgroup2 cgroup2 rw\n");
      write("/cgroup", "0::/user/scope\n");
      for (const char* folder : {"/cg", "/cg/user/scope"}) {
        write(std::string(folder) + "/cgroup.controllers", "cpu memory pids\n");
        write(std::string(folder) + "/cgroup.subtree_control", "");
      }
    } else {
      for (const char* name : {"memory", "cpu,cpuacct"}) {
        std::filesystem::create_directories(scratch.path() + "/cg/" + name + "/box");
      }
      write("/mountinfo",
            "31 20 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n32 20 0:28 / /cg/cpu,cpuacct rw - cgroup cgroup "
            "rw,cpu,cpuacct\n");
      write("/cgroup", "4:memory:/box\n3:cpu,cpuacct:/box\n0::/\n");
    }
  }
  void write(const std::string& path, const std::string& text) { std::ofstream(scratch.path() + path) << text; }
  Scratch scratch;
  CgroupView view;
};

TEST(CgroupPlaces, v1BelowTheOwnGroup) {
  FakeCgroups fake(false);
  const CgroupPlace place = prepareCgroups(fake.view, geteuid());
  EXPECT_EQ(place.kind, protocol::CgroupKind::kV1);
  EXPECT_TRUE(place.memory);
  EXPECT_TRUE(place.cpu);
  EXPECT_TRUE(std::filesystem::exists(fake.scratch.path() + "/cg/memory/box/computesdk"));
}

TEST(CgroupPlaces, whatDeadLaunchersLeftIsRemovedAndTheLivingStay) {
  FakeCgroups fake(false);
  const std::string base = fake.scratch.path() + "/cg/memory/box/computesdk";
  CgroupPlace living = prepareCgroups(fake.view, geteuid());
  std::filesystem::create_directories(base + "/dead/local-x");
  const CgroupPlace next = prepareCgroups(fake.view, geteuid());
  EXPECT_FALSE(std::filesystem::exists(base + "/dead"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(base), {}), 2);
  living = {};
  const CgroupPlace third = prepareCgroups(fake.view, geteuid());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(base), {}), 2);
}

TEST(CgroupPlaces, noneWithoutARightToWrite) {
  CgroupView view;
  view.mountInfo = "/nowhere";
  EXPECT_EQ(prepareCgroups(view, 0).kind, protocol::CgroupKind::kNone);
  FakeCgroups v2(true);  // its controllers do not come down, as where processes are inside
  EXPECT_EQ(prepareCgroups(v2.view, geteuid()).kind, protocol::CgroupKind::kNone);
}

}  // namespace
}  // namespace computesdk::local::testing
