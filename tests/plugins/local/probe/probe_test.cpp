#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <support/plain_fork.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <map>
#include <probe/probe.hpp>

namespace computesdk::local::probe {
namespace {

using ::testing::HasSubstr;

// A machine where everything works but what a test says.
class FakeMachine final : public Machine {
 public:
  int attempt(Primitive primitive, std::string& detail) override {
    detail = details[primitive];
    const auto found = failures.find(primitive);
    return found == failures.end() ? 0 : found->second;
  }
  std::string read(const std::string& path) override { return files[path]; }
  bool root() override { return isRoot; }

  std::map<Primitive, int> failures;
  std::map<Primitive, std::string> details;
  std::map<std::string, std::string> files;
  bool isRoot = false;
};

constexpr Primitive kAll[] = {
    Primitive::kUserNamespaces, Primitive::kNamespaces, Primitive::kProcMount,     Primitive::kSeccomp,
    Primitive::kClone3,         Primitive::kOpenat2,    Primitive::kOverlay,       Primitive::kCgroups,
    Primitive::kTerminals,      Primitive::kTun,        Primitive::kNetworkHelper, Primitive::kBubblewrap,
    Primitive::kMemfd,          Primitive::kPidfd};

TEST(Probe, AGoodMachineIsGood) {
  FakeMachine machine;
  const Report report = run(machine);
  EXPECT_TRUE(report.canIsolate());
  EXPECT_EQ(report.findings.size(), std::size(kAll));
  for (const Finding& finding : report.findings) {
    EXPECT_EQ(finding.verdict, Verdict::kOk) << finding.name;
    EXPECT_FALSE(finding.gives.empty());
    EXPECT_TRUE(finding.why.empty() && finding.fix.empty() && finding.cost.empty());
  }
}

TEST(Probe, EachLackHasCauseCostAndRemedyWhateverTheError) {
  for (const Primitive primitive : kAll) {
    for (const int error : {EPERM, EACCES, ENOSYS, ENOSPC, EINVAL, ENODEV, ENOENT, EUSERS, ETIMEDOUT}) {
      FakeMachine machine;
      machine.failures[primitive] = error;
      const Report report = run(machine);
      const Finding& finding = report.of(primitive);
      EXPECT_NE(finding.verdict, Verdict::kOk);
      EXPECT_FALSE(finding.why.empty()) << finding.name << " " << error;
      EXPECT_FALSE(finding.fix.empty()) << finding.name << " " << error;
      EXPECT_FALSE(finding.cost.empty()) << finding.name;
      EXPECT_EQ(report.canIsolate(), !finding.needed) << finding.name;
      if (finding.needed) {
        EXPECT_EQ(report.refusal().kind, ErrorClass::kUnavailable);
        EXPECT_EQ(report.refusal().why, finding.why);
        EXPECT_EQ(report.refusal().fix, finding.fix);
      }
    }
  }
}

struct Refusal {
  const char* file;
  const char* text;
  int error;
  const char* why;
  const char* fix;
};

TEST(Probe, NamesTheExactCauseOfMissingUserNamespaces) {
  const Refusal refusals[] = {
      {"/proc/sys/user/max_user_namespaces", "0", ENOSPC, "user.max_user_namespaces is 0",
       "sudo sysctl -w user.max_user_namespaces=15000"},
      {"/proc/sys/user/max_user_namespaces", "100", ENOSPC, "used up", "max_user_namespaces"},
      {"/proc/sys/kernel/unprivileged_userns_clone", "0", EPERM, "kernel.unprivileged_userns_clone is 0",
       "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
      {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", EACCES,
       "kernel.apparmor_restrict_unprivileged_userns is 1", "apparmor_restrict_unprivileged_userns=0"},
      {"/proc/self/status", "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1", EPERM, "seccomp filter around",
       "seccomp=unconfined"},
      {"/none", "", EINVAL, "CONFIG_USER_NS", "kernel"},
      {"/none", "", EPERM, "security module", "dmesg"},
  };
  for (const Refusal& refusal : refusals) {
    FakeMachine machine;
    machine.files[refusal.file] = refusal.text;
    machine.failures[Primitive::kUserNamespaces] = refusal.error;
    const Error error = run(machine).refusal();
    EXPECT_THAT(error.why, HasSubstr(refusal.why));
    EXPECT_THAT(error.fix, HasSubstr(refusal.fix));
  }
}

TEST(Probe, RootIsNotToldOfWhatDoesNotBindIt) {
  FakeMachine machine;
  machine.isRoot = true;
  machine.files["/proc/sys/kernel/unprivileged_userns_clone"] = "0";
  machine.failures[Primitive::kUserNamespaces] = EPERM;
  EXPECT_THAT(run(machine).refusal().why, Not(HasSubstr("unprivileged_userns_clone")));
}

TEST(Probe, KnowsAMaskedProc) {
  FakeMachine machine;
  machine.failures[Primitive::kProcMount] = EPERM;
  EXPECT_THAT(run(machine).refusal().why, HasSubstr("masked"));
  EXPECT_THAT(run(machine).refusal().fix, HasSubstr("systempaths=unconfined"));
}

TEST(Probe, TheRemedyForControlGroupsIsOneForTheirLayout) {
  FakeMachine machine;
  machine.failures[Primitive::kCgroups] = EACCES;
  machine.details[Primitive::kCgroups] = "the own group is not delegated to this user";
  EXPECT_THAT(run(machine).of(Primitive::kCgroups).fix, HasSubstr("systemd-run --user"));
  machine.details[Primitive::kCgroups] = "the machine uses cgroup v1, which only root may divide";
  EXPECT_THAT(run(machine).of(Primitive::kCgroups).fix, HasSubstr("unified_cgroup_hierarchy"));
  machine.details[Primitive::kCgroups] = "no cgroup file system is mounted";
  EXPECT_THAT(run(machine).of(Primitive::kCgroups).fix, HasSubstr("mount -t cgroup2"));
}

TEST(Probe, ARealMachineCanBeMadeToFail) {
  const auto machine = failing(realMachine(), {{Primitive::kOpenat2, ENOSYS}, {Primitive::kOverlay, EPERM}});
  const Report report = run(*machine);
  EXPECT_EQ(report.of(Primitive::kOpenat2).verdict, Verdict::kDegraded);
  EXPECT_EQ(report.of(Primitive::kOverlay).verdict, Verdict::kDegraded);
}

// What is really here is only printed: the test must hold on every machine. Two things hold everywhere.
void checkReal(const Report& report) {
  for (const Finding& finding : report.findings) {
    std::printf("  %-16s %-9s %s\n", finding.name.c_str(), std::string(toString(finding.verdict)).c_str(),
                finding.why.c_str());
  }
  EXPECT_EQ(report.of(Primitive::kMemfd).verdict, Verdict::kOk);
  EXPECT_EQ(report.of(Primitive::kPidfd).verdict, Verdict::kOk);
  if (report.of(Primitive::kUserNamespaces).verdict != Verdict::kOk) {
    EXPECT_NE(report.of(Primitive::kNamespaces).verdict, Verdict::kOk);
  }
}

TEST(Probe, TheRealMachine) { checkReal(cached()); }

TEST(Probe, TheRealMachineForAnOrdinaryUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "is one already";
  std::fflush(nullptr);
  const pid_t child = computesdk::testing::plainFork();
  if (child == 0) {
    if (::setresgid(64000, 64000, 64000) != 0 || ::setresuid(64000, 64000, 64000) != 0) ::_exit(99);
    const auto machine = realMachine();
    checkReal(run(*machine));
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

// Runs in a child of its own, since none of this can be taken back.
template <typename Body>
int inChild(const Body& body) {
  std::fflush(nullptr);
  const pid_t child = computesdk::testing::plainFork();
  if (child == 0) {
    body();
    std::fflush(nullptr);
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void put(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  EXPECT_TRUE(fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size())) << path;
  ::close(fd);
}

// Every user namespace has its own copy of the limit, so it can be set to nothing without harm.
TEST(Probe, AKernelThatForbidsUserNamespacesForReal) {
  if (run(*realMachine()).of(Primitive::kUserNamespaces).verdict != Verdict::kOk) GTEST_SKIP();
  EXPECT_EQ(inChild([] {
              const std::string uid = std::to_string(::geteuid()), gid = std::to_string(::getegid());
              ASSERT_EQ(::unshare(CLONE_NEWUSER), 0);
              put("/proc/self/setgroups", "deny");
              put("/proc/self/uid_map", "1000 " + uid + " 1");
              put("/proc/self/gid_map", "1000 " + gid + " 1");
              put("/proc/sys/user/max_user_namespaces", "0");
              const Report report = run(*realMachine());
              EXPECT_FALSE(report.canIsolate());
              EXPECT_EQ(report.refusal().why, "user.max_user_namespaces is 0");
            }),
            0);
}

// What a container engine's default filter does.
TEST(Probe, AnOuterSeccompFilterForReal) {
  EXPECT_EQ(inChild([] {
              sock_filter filter[] = {
                  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
              };
              sock_fprog program{std::size(filter), filter};
              ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
              ASSERT_EQ(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 0);
              const Report report = run(*realMachine());
              EXPECT_FALSE(report.canIsolate());
              EXPECT_THAT(report.refusal().why, HasSubstr("seccomp filter around"));
              EXPECT_EQ(report.of(Primitive::kOpenat2).verdict, Verdict::kDegraded);
              EXPECT_THAT(report.of(Primitive::kOpenat2).why, HasSubstr("seccomp filter around"));
              EXPECT_EQ(report.of(Primitive::kClone3).verdict, Verdict::kDegraded);
              EXPECT_EQ(report.of(Primitive::kSeccomp).verdict, Verdict::kOk);
            }),
            0);
}

}  // namespace
}  // namespace computesdk::local::probe
