// Machines that cannot isolate: made by taking something away in a child, then asking for a sandbox there.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <support/plain_fork.hpp>

#include <fstream>

#include "fixture.hpp"

namespace computesdk::local::testing {
namespace {

class RefusalTest : public SandboxTest {
 protected:
  // Runs create() in a child after `spoil`; gives the refusal's text, "made" if there was none.
  template <typename Spoil>
  std::string refusalAfter(Spoil spoil) {
    int pipe[2];
    EXPECT_EQ(pipe2(pipe, O_CLOEXEC), 0);
    const pid_t pid = computesdk::testing::plainFork();
    if (pid == 0) {
      std::string said = "spoiling failed";
      if (spoil()) {
        EngineOptions other = options();
        Engine engine(other);
        auto sandbox = engine.create({});
        said = "made";
        if (!sandbox.ok()) {
          const Error& error = sandbox.error();
          said = std::to_string(static_cast<int>(error.kind)) + "|" + error.message + "|" + error.why + "|" + error.fix;
        }
      }
      static_cast<void>(!write(pipe[1], said.data(), said.size()));
      _exit(0);
    }
    close(pipe[1]);
    std::string said;
    char text[4096];
    ssize_t n;
    while ((n = read(pipe[0], text, sizeof text)) > 0) said.append(text, static_cast<std::size_t>(n));
    close(pipe[0]);
    waitpid(pid, nullptr, 0);
    EXPECT_EQ(access((scratch_.path() + "/left").c_str(), F_OK), -1);
    return said;
  }

  static bool put(const char* path, const std::string& text) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool done = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(fd);
    return done;
  }

  // A user namespace of its own in which the caller is who he was.
  static bool enterUserNamespace(int more) {
    const std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());
    return unshare(CLONE_NEWUSER | more) == 0 && put("/proc/self/setgroups", "deny") &&
           put("/proc/self/uid_map", uid + " " + uid + " 1") && put("/proc/self/gid_map", gid + " " + gid + " 1");
  }

  static bool filter(int call, int error) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog whole{sizeof program / sizeof *program, program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0;
  }
};

constexpr char kUnavailable[] = "11|";

// Nobody makes a user namespace after it.
bool forbidUserNamespaces() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog whole{sizeof program / sizeof *program, program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0;
}

TEST_F(RefusalTest, rootDoesWithoutUserNamespaces) {
  const std::string said = refusalAfter(forbidUserNamespaces);
  if (geteuid() == 0 && !bubblewrapEngine()) {
    EXPECT_EQ(said, "made");
  } else {
    EXPECT_EQ(said.find(kUnavailable), 0U) << said;
    EXPECT_NE(said.find("user namespace"), std::string::npos) << said;
  }
}

TEST_F(RefusalTest, theEngineForRootIsForRoot) {
  if (geteuid() == 0) GTEST_SKIP() << "this is root";
  EngineOptions forced = options();
  forced.engine = EngineKind::kRoot;
  Engine engine(forced);
  const auto made = engine.create({});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind, ErrorClass::kUnavailable);
  EXPECT_FALSE(made.error().fix.empty());
}

TEST_F(RefusalTest, userNamespacesForbiddenBySysctl) {
  if (geteuid() == 0) GTEST_SKIP() << "the limit counts for ordinary users";
  const std::string said = refusalAfter([] {
    // The limit of a namespace of ours counts below it.
    return enterUserNamespace(0) && put("/proc/sys/user/max_user_namespaces", "0");
  });
  EXPECT_EQ(said.find(kUnavailable), 0U) << said;
  EXPECT_NE(said.find("user.max_user_namespaces is 0"), std::string::npos) << said;
}

TEST_F(RefusalTest, mountForbiddenByAFilter) {
  const std::string said = refusalAfter([] { return filter(SYS_mount, EPERM); });
  EXPECT_EQ(said.find(kUnavailable), 0U) << said;
  EXPECT_NE(said.find("seccomp"), std::string::npos) << said;
  EXPECT_NE(said.find("--security-opt"), std::string::npos) << said;
}

TEST_F(RefusalTest, cloneThreeMissingIsNoObstacle) {
  EXPECT_EQ(refusalAfter([] { return filter(SYS_clone3, ENOSYS); }), "made");
}

TEST_F(RefusalTest, coveredProc) {
  if (rootEngine()) GTEST_SKIP() << "within a user namespace there is no unused uid";
  const std::string said = refusalAfter([] {
    if (!enterUserNamespace(CLONE_NEWNS)) return false;
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
    return mount("tmpfs", "/proc/sys", "tmpfs", 0, nullptr) == 0;
  });
  EXPECT_EQ(said.find(kUnavailable), 0U) << said;
  EXPECT_NE(said.find("systempaths=unconfined"), std::string::npos) << said;
}

TEST_F(RefusalTest, withinAUserNamespaceItWorks) {
  const std::string said = refusalAfter([] { return enterUserNamespace(CLONE_NEWNS); });
  EXPECT_EQ(said.find(rootEngine() ? kUnavailable : "made"), 0U) << said;
}

TEST_F(RefusalTest, openat2MissingIsSaidAndNothingIsReadAnyhow) {
  auto sandbox = make();
  const pid_t pid = computesdk::testing::plainFork();
  if (pid == 0) {
    if (!filter(SYS_openat2, ENOSYS)) _exit(2);
    auto content = sandbox->readFile("/etc/passwd");
    _exit(!content.ok() && content.error().kind == ErrorClass::kUnimplemented ? 0 : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace computesdk::local::testing
