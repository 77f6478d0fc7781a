// The host's side without a sandbox: what the registry's files say, what an errno means, which folders are trusted.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/beneath.hpp"
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
  meta.groups = limits::GroupKind::kV2;
  meta.controllers = 5;
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
  EXPECT_EQ(read->groups, limits::GroupKind::kV2);
  EXPECT_EQ(read->controllers, 5U);
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
  meta.groups = limits::GroupKind::kV2;
  meta.controllers = bitOf(limits::Controller::kMemory);  // as systemd delegates by default: cpu is not among them
  EXPECT_EQ(strength("memory"), LimitStrength::kHard);
  EXPECT_EQ(strength("cpu"), LimitStrength::kSoft);
  EXPECT_EQ(limitReports(meta)[1].how, "RLIMIT_NPROC in the sandbox's own user namespace");
  meta.groups = limits::GroupKind::kV1;
  meta.controllers = 7;
  EXPECT_EQ(strength("memory"), LimitStrength::kHard);
  EXPECT_EQ(strength("cpu"), LimitStrength::kHard);
  EXPECT_EQ(limitReports(meta)[1].how, "RLIMIT_NPROC in the sandbox's own user namespace, cgroup v1 pids.max");
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

}  // namespace
}  // namespace computesdk::local::testing
