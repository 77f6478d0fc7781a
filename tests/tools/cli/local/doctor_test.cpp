#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <rapidjson/document.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "program.hpp"

// doctor: each part of isolation, what it gives, what its lack costs, and the remedy.
namespace computesdk::cli::test {
namespace {

using Checks = std::map<std::string, std::map<std::string, std::string>>;

/// The checks of a run with --json, by name; absent values are empty.
Checks checksOf(const Ended& ended) {
  Checks checks;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(ended.out.c_str());
  if (document.HasParseError() || !document.IsObject()) {
    ADD_FAILURE() << ended.out << ended.err;
    return checks;
  }
  EXPECT_EQ(ended.code, document["failed"].GetInt() == 0 ? 0 : 1);
  for (const auto& item : document["checks"].GetArray()) {
    auto& check = checks[item["name"].GetString()];
    for (const char* key : {"state", "detail", "gives", "cost", "fix"}) {
      check[key] = item[key].IsString() ? item[key].GetString() : "";
    }
  }
  return checks;
}

constexpr const char* kParts[] = {"user-namespaces", "namespaces", "proc-mount",     "seccomp", "memfd",
                                  "pidfd",           "terminals",  "clone3",         "openat2", "overlay",
                                  "cgroups",         "tun",        "network-helper", "landlock"};

TEST(Doctor, ShowsEachPart) {
  World world(false);
  Checks checks = checksOf(world.run({"doctor", "--json"}));
  for (const char* name : kParts) {
    ASSERT_TRUE(checks.contains(name)) << name;
    EXPECT_NE(checks[name]["gives"], "") << name;
    if (checks[name]["state"] == "ok") continue;
    for (const char* key : {"detail", "cost", "fix"}) EXPECT_NE(checks[name][key], "") << name << " " << key;
  }
  for (const char* name : {"local sandbox", "default provider", "state folder"}) {
    EXPECT_TRUE(checks.contains(name)) << name;
  }
  Ended text = world.run({"doctor"});
  for (const char* name : kParts) EXPECT_NE(text.out.find(std::string(" ") + name + ": "), std::string::npos) << name;
  EXPECT_EQ(world.run({"doctor", "-q"}).out, "");
}

TEST(Doctor, AStateFolderThatOthersMayWriteFails) {
  World world(false);
  world.env["XDG_STATE_HOME"] = world.path("shared").string();
  const auto folder = world.path("shared") / "computesdk";
  std::filesystem::create_directories(folder);
  std::filesystem::permissions(folder, std::filesystem::perms(0777));
  Checks checks = checksOf(world.run({"doctor", "--json"}));
  EXPECT_EQ(checks["state folder"]["state"], "fail");
  EXPECT_EQ(checks["state folder"]["fix"], "chmod 700 " + folder.string());
}

TEST(Doctor, ProvesIt) {
  World world(false);
  std::string reason;
  if (!localWorks(world, reason)) GTEST_SKIP() << reason;
  Checks checks = checksOf(world.run({"doctor", "--json"}));
  EXPECT_EQ(checks["local sandbox"]["state"], "ok") << checks["local sandbox"]["detail"];
  for (const char* limit : {"cpu", "memory", "disk", "processes"}) {
    EXPECT_TRUE(checks.contains(std::string("limit of ") + limit)) << limit;
  }
  EXPECT_EQ(checks["limit of memory"]["detail"], checks["cgroups"]["state"] == "ok" ? "hard" : "soft");
}

/// What a container engine's default filter does, and an old kernel.
void forbidNamespaces() {
  constexpr std::uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
  constexpr std::uint32_t kUnknown = SECCOMP_RET_ERRNO | ENOSYS;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, kRefuse),
      BPF_STMT(BPF_RET | BPF_K, kUnknown),
  };
  sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(98);
}

Ended restricted(World& world, std::vector<std::string> words) {
  Running::Setup setup = world.setup(std::move(words));
  setup.inChild = forbidNamespaces;
  return Running(setup).wait();
}

TEST(Doctor, NamesCauseCostAndRemedyOfEachLack) {
  World world(false);
  Checks checks = checksOf(restricted(world, {"doctor", "--json"}));
  EXPECT_EQ(checks["user-namespaces"]["state"], "fail");
  EXPECT_EQ(checks["user-namespaces"]["cost"], "no sandbox can be made");
  EXPECT_NE(checks["user-namespaces"]["detail"].find("seccomp filter"), std::string::npos);
  EXPECT_NE(checks["user-namespaces"]["fix"].find("seccomp=unconfined"), std::string::npos);
  EXPECT_EQ(checks["openat2"]["state"], "warn");
  EXPECT_NE(checks["openat2"]["cost"].find("are refused"), std::string::npos);
  EXPECT_EQ(checks["clone3"]["state"], "warn");
  EXPECT_EQ(checks["seccomp"]["state"], "ok");
  EXPECT_EQ(checks["local sandbox"]["state"], "fail");
  Ended text = restricted(world, {"doctor"});
  EXPECT_EQ(text.code, 1);
  EXPECT_NE(text.out.find("✗ user-namespaces: a seccomp filter"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("\n    costs: no sandbox can be made\n    fix:   docker run"), std::string::npos) << text.out;
}

/// A machine whose root may make every namespace but those of users.
void forbidUserNamespaces() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
  };
  sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(98);
}

TEST(Doctor, RootDoesWithoutUserNamespacesAndIsToldWhatThatCosts) {
  World world(false);
  std::string reason;
  if (!localWorks(world, reason)) GTEST_SKIP() << reason;
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  Running::Setup setup = world.setup({"doctor", "--json"});
  setup.inChild = forbidUserNamespaces;
  Checks checks = checksOf(Running(setup).wait());
  EXPECT_EQ(checks["local sandbox"]["state"], "ok") << checks["local sandbox"]["detail"];
  EXPECT_NE(checks["local sandbox"]["detail"].find("root-namespaces"), std::string::npos);
  EXPECT_EQ(checks["user-namespaces"]["state"], "warn");
  EXPECT_NE(checks["user-namespaces"]["cost"].find("another way"), std::string::npos);
}

TEST(Doctor, WhatItForetellsIsSo) {
  World world(false);
  std::string reason;
  if (!localWorks(world, reason)) GTEST_SKIP() << reason;
  Ended refused = restricted(world, {"run", "--", "true"});
  EXPECT_EQ(refused.code, 125);
  EXPECT_NE(refused.err.find("E_ISOLATION"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("seccomp=unconfined"), std::string::npos) << refused.err;
  std::string id = world.create();
  Ended list = restricted(world, {"fs", "ls", id, "/tmp"});
  EXPECT_EQ(list.code, 5) << list.err;
  EXPECT_NE(list.err.find("openat2"), std::string::npos) << list.err;
  EXPECT_EQ(restricted(world, {"exec", id, "--", "echo", "hi"}).out, "hi\n");
  EXPECT_EQ(world.run({"rm", id}).code, 0);
}

TEST(Doctor, DoesWithoutAProviderThatTheUserForbids) {
  World world(false);
  std::filesystem::create_directories(world.path("home/.config/computesdk"));
  std::filesystem::path file = world.path("home/.config/computesdk/config.toml");
  std::ofstream(file) << "deny_providers = [\"local\"]\n";
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  Checks checks = checksOf(world.run({"doctor", "--json"}));
  EXPECT_EQ(checks["local provider"]["state"], "warn");
  EXPECT_FALSE(checks.contains("local sandbox"));
}

}  // namespace
}  // namespace computesdk::cli::test
