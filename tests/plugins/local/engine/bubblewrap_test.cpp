// The engine bubblewrap by itself: what it must not hand on, what it cannot do, and when it is chosen. All other tests
// of sandboxes run by it once more (COMPUTESDK_TEST_BUBBLEWRAP_ENGINE).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <support/plain_fork.hpp>

#include "engine/choice.hpp"
#include "fixture.hpp"

namespace computesdk::local::testing {
namespace {

using ::testing::HasSubstr;

class BubblewrapTest : public SandboxTest {
 protected:
  BubblewrapTest() : bubblewrap_(byBubblewrap()) {}
  void SetUp() override {
    if (!findBubblewrap().ok()) GTEST_SKIP() << "bubblewrap is not installed";
  }
  EngineOptions byBubblewrap() const {
    EngineOptions forced = options();
    forced.engine = EngineKind::kBubblewrap;
    return forced;
  }
  std::shared_ptr<Sandbox> makeBy(Engine& engine, const CreateSpec& spec = {}) {
    auto sandbox = engine.create(spec);
    if (sandbox.ok()) return *sandbox;
    ADD_FAILURE() << sandbox.error().message << " / " << sandbox.error().why;
    abort();
  }
  Error refusalOf(const CreateSpec& spec) {
    const auto made = bubblewrap_.create(spec);
    return made.ok() ? Error{} : made.error();
  }

  Engine bubblewrap_;
};

std::string contentOf(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Of launchers, of bubblewrap itself and of init: whoever is below a process that works for this registry.
std::vector<int> below(int parent) {
  std::vector<int> all;
  const std::string number = std::to_string(parent);
  std::ifstream children("/proc/" + number + "/task/" + number + "/children");
  for (int child = 0; children >> child;) {
    all.push_back(child);
    const auto more = below(child);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

TEST_F(BubblewrapTest, nothingOfTheCallerIsHandedOn) {
  setenv("COMPUTESDK_TEST_API_KEY", "k3y-of-the-caller", 1);
  const int open = ::open("/etc/hostname", O_RDONLY);  // without O_CLOEXEC, as other libraries may
  ASSERT_GE(open, 0);
  const auto sandbox = makeBy(bubblewrap_);
  const Output found = shell(*sandbox,
                             "cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -c 'k[3]y'; "
                             "ls /proc/1/fd /proc/1/environ /proc/1/exe 2>/dev/null; cat /proc/1/environ 2>/dev/null; "
                             "tr '\\0' ' ' < /proc/1/cmdline; ls /proc/self/fd");
  EXPECT_EQ(found.out.substr(0, 2), "0\n");
  EXPECT_THAT(found.out, HasSubstr("init"));
  EXPECT_THAT(found.out, HasSubstr("0\n1\n2\n3\n")) << "3 is the listing itself";
  EXPECT_EQ(found.out.find("\n4\n"), std::string::npos) << found.out;
  // And outside, where this user could look: bubblewrap was started with nothing.
  int looked = 0;
  for (const int launcher : launchers()) {
    for (const int pid : below(launcher)) {
      const std::filesystem::path process = "/proc/" + std::to_string(pid);
      EXPECT_EQ(contentOf(process / "environ").find("k3y"), std::string::npos) << pid;
      std::error_code ignored;
      for (const auto& link : std::filesystem::directory_iterator(process / "fd", ignored)) {
        EXPECT_NE(std::filesystem::read_symlink(link.path(), ignored), "/etc/hostname");
        EXPECT_NE(std::filesystem::read_symlink(link.path(), ignored), scratch_.path() + "/computesdk/local");
      }
      ++looked;
    }
  }
  EXPECT_GE(looked, 2);
  close(open);
  unsetenv("COMPUTESDK_TEST_API_KEY");
}

TEST_F(BubblewrapTest, aCommandHasNoCapabilityAndTheSameFilter) {
  const auto sandbox = makeBy(bubblewrap_);
  const Output status = shell(*sandbox, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr '\\t' ' '");
  EXPECT_EQ(status.out,
            "CapInh: 0000000000000000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\n"
            "CapBnd: 0000000000000000\nCapAmb: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\n");
  EXPECT_EQ(sandbox->info()->engine, "bubblewrap");
}

TEST_F(BubblewrapTest, oneDiskInAllItsPlacesAndNothingElseCanBeWritten) {
  CreateSpec spec;
  spec.limits.diskBytes = 8ULL << 20;
  spec.workdir = "/repo/src";
  const auto sandbox = makeBy(bubblewrap_, spec);
  EXPECT_EQ(shell(*sandbox, "stat -c %d /tmp /home /run /var/tmp /dev/shm /work /workspace /repo | uniq | wc -l").out,
            "1\n");
  EXPECT_EQ(shell(*sandbox, "pwd; echo x > /work/x; cat /workspace/x").out, "/repo/src\nx\n");
  EXPECT_EQ(
      shell(*sandbox, "for d in / /etc /dev /usr /var /mnt /root; do touch $d/x 2>/dev/null && echo $d; done").out, "");
  EXPECT_EQ(sandbox->stats()->diskTotalBytes, 8ULL << 20);
}

TEST_F(BubblewrapTest, whatItCannotDoIsRefusedWithAWayOut) {
  CreateSpec overlay;
  overlay.writableBase = true;
  EXPECT_EQ(refusalOf(overlay).kind, ErrorClass::kUnimplemented);
  EXPECT_THAT(refusalOf(overlay).message, HasSubstr("bubblewrap"));
  EXPECT_THAT(refusalOf(overlay).fix, HasSubstr("writable=overlay"));
  const std::string root = scratch_.path() + "/root";
  std::filesystem::create_directories(root + "/usr/bin");
  std::filesystem::permissions(scratch_.path(), std::filesystem::perms(0755));
  CreateSpec from;
  from.templateSource = root;
  EXPECT_EQ(refusalOf(from).kind, ErrorClass::kUnimplemented);
  EXPECT_THAT(refusalOf(from).fix, HasSubstr("writable=none"));
  const auto sandbox = makeBy(bubblewrap_);
  const auto snapshot = sandbox->snapshot("", {});
  ASSERT_FALSE(snapshot.ok());
  EXPECT_EQ(snapshot.error().kind, ErrorClass::kUnimplemented);
  EXPECT_THAT(snapshot.error().message, HasSubstr("bubblewrap"));
  EXPECT_FALSE(snapshot.error().fix.empty());
}

TEST_F(BubblewrapTest, withoutItThePackageIsNamed) {
  EngineOptions without = byBubblewrap();
  without.bubblewrap = "/nonexistent/bwrap";
  Engine engine(without);
  const auto made = engine.create({});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind, ErrorClass::kUnavailable);
  EXPECT_THAT(made.error().fix, HasSubstr("install bubblewrap"));
}

TEST_F(BubblewrapTest, aProgramThatOthersCanChangeIsNotStarted) {
  const std::string copy = scratch_.path() + "/bwrap";
  std::filesystem::copy_file(*findBubblewrap(), copy);
  chmod(copy.c_str(), 0757);
  EXPECT_EQ(findBubblewrap(copy).error().kind, ErrorClass::kUnavailable);
  chmod(copy.c_str(), 0755);
  EXPECT_EQ(findBubblewrap(copy).ok(), geteuid() == 0) << "it is this user's own";
}

// Ends with a word of its own before there is a sandbox.
TEST_F(BubblewrapTest, itsLastWordsAreQuoted) {
  if (geteuid() != 0) GTEST_SKIP() << "takes a program of root's";
  const std::string program = scratch_.path() + "/bwrap";
  std::filesystem::permissions(scratch_.path(), std::filesystem::perms(0755));
  std::ofstream(program) << "#!/bin/sh\necho 'bwrap: Unknown option --size' >&2\nexit 1\n";
  chmod(program.c_str(), 0755);
  EngineOptions old = byBubblewrap();
  old.bubblewrap = program;
  Engine engine(old);
  const auto made = engine.create({});
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().kind, ErrorClass::kUnavailable);
  EXPECT_THAT(made.error().why, HasSubstr("Unknown option --size"));
  EXPECT_THAT(made.error().fix, HasSubstr("0.7"));
  EXPECT_TRUE(engine.list()->empty());
}

// A machine that gives namespaces to bubblewrap alone. What tells the two apart is what they ask for: bubblewrap makes
// all in one call, the launcher leaves host names to its sandboxes.
bool onlyBubblewrapMayMakeNamespaces() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWNS, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUTS, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog whole{sizeof program / sizeof *program, program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0;
}

// In a child, since such a filter stays.
template <typename Body>
int inChild(const Body& body) {
  const pid_t pid = computesdk::testing::plainFork();
  if (pid == 0) {
    const bool spoilt = onlyBubblewrapMayMakeNamespaces();
    if (spoilt) body();
    _exit(!spoilt ? 2 : ::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(BubblewrapTest, isChosenWhereNothingElseWorks) {
  EXPECT_EQ(inChild([&] {
              EngineOptions any = options();
              any.engine.reset();
              Engine engine(any);
              for (int i = 0; i < 3; ++i) {
                const auto sandbox = makeBy(engine);
                EXPECT_EQ(sandbox->info()->engine, "bubblewrap");
                EXPECT_EQ(shell(*sandbox, "id -un; hostname").out, "sandbox\nsandbox\n");
                EXPECT_TRUE(sandbox->destroy().ok());
              }
              EXPECT_TRUE(engine.probe().available);
            }),
            0);
}

TEST_F(BubblewrapTest, whereItIsMissingTooEachEnginesReasonIsSaid) {
  EXPECT_EQ(inChild([&] {
              EngineOptions any = options();
              any.engine.reset();
              any.bubblewrap = "/nonexistent/bwrap";
              Engine engine(any);
              const auto made = engine.create({});
              ASSERT_FALSE(made.ok());
              EXPECT_EQ(made.error().kind, ErrorClass::kUnavailable);
              EXPECT_THAT(made.error().why, HasSubstr("By bubblewrap: "));
              EXPECT_THAT(made.error().why, HasSubstr("not installed"));
              if (geteuid() == 0) {
                EXPECT_THAT(made.error().why, HasSubstr("As root "));
              }
            }),
            0);
}

}  // namespace
}  // namespace computesdk::local::testing
