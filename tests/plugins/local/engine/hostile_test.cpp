// Commands that try to get out of a sandbox, or to use up the machine.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "fixture.hpp"

namespace computesdk::local::testing {
namespace {

using HostileTest = SandboxTest;

TEST_F(HostileTest, everythingForbiddenIsRefused) {
  auto sandbox = makeHostile();
  for (const char* attack :
       {"mount",        "umount",      "remount",     "unshare-user", "unshare-net",    "setns",       "clone-user",
        "clone3",       "setuid",      "setgroups",   "chroot",       "mknod",          "keyctl",      "add-key",
        "bpf",          "perf",        "userfaultfd", "io-uring",     "open-by-handle", "ptrace-init", "init-memory",
        "init-environ", "init-exe",    "init-root",   "init-fd",      "process-vm",     "sysctl",      "sysrq",
        "kcore",        "reboot",      "personality", "write-usr",    "write-root",     "tiocsti",     "tiocsti-high",
        "raw",          "raise-limit", "descriptors", "newer"}) {
    const Output output = run(*sandbox, {"/tmp/hostile", attack});
    EXPECT_EQ(output.status.kind, ExitKind::kCode) << attack;
    EXPECT_EQ(output.status.value, 0) << attack << ": " << output.out << output.err;
  }
}

TEST_F(HostileTest, foreignMachineLanguagesAreKilled) {
  auto sandbox = makeHostile();
  for (const char* attack : {"32-bit", "x32"}) {
    const Output output = run(*sandbox, {"/tmp/hostile", attack});
    EXPECT_EQ(output.status.kind, ExitKind::kSignal) << attack << output.out;
  }
}

TEST_F(HostileTest, onlyFourSocketFamilies) {
  auto sandbox = makeHostile();
  for (int family = 0; family < 46; ++family) {
    const bool allowed = family == 1 || family == 2 || family == 10;
    const Output output = run(*sandbox, {"/tmp/hostile", "family", std::to_string(family)});
    if (allowed) {
      EXPECT_EQ(output.out, "done\n") << family;
    } else {
      EXPECT_EQ(output.status.value, 0) << family << output.out;
    }
  }
  EXPECT_EQ(run(*sandbox, {"/tmp/hostile", "netlink", "0"}).out, "done\n");
  for (const char* protocol : {"2", "9", "12", "15", "16"}) {
    EXPECT_EQ(run(*sandbox, {"/tmp/hostile", "netlink", protocol}).status.value, 0) << protocol;
  }
}

TEST_F(HostileTest, hostIsOutOfSight) {
  setenv("COMPUTESDK_TEST_SECRET", "s3cret-in-host", 1);
  auto sandbox = make();
  const Output processes = shell(*sandbox, "ls /proc | grep -c '^[0-9]'");
  EXPECT_LE(std::stoi(processes.out), 5);
  EXPECT_EQ(shell(*sandbox, "cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep s3cret").out, "");
  EXPECT_EQ(shell(*sandbox, "ls /root /home /mnt /opt /sys /boot /srv 2>/dev/null | grep -v : | grep -v '^$'").out,
            "sandbox\n");
  EXPECT_EQ(shell(*sandbox, "id -un; id -Gn; hostname").out, "sandbox\nsandbox\nsandbox\n");
  const int uid = std::stoi(shell(*sandbox, "id -u").out);
  EXPECT_TRUE(rootEngine() ? uid >= 0x70000000 : uid == 1000) << uid;
  EXPECT_EQ(shell(*sandbox, "ls /sys/class/net 2>/dev/null; grep -c : /proc/net/dev").out, "1\n");
  EXPECT_EQ(shell(*sandbox, "grep -c '^root' /etc/shadow 2>/dev/null").out, "");
  unsetenv("COMPUTESDK_TEST_SECRET");
}

TEST_F(HostileTest, abstractSocketsOfTheHost) {
  const std::string name = "computesdk-test-" + std::to_string(getpid());
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path + 1, name.data(), name.size());
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())),
            0);
  ASSERT_EQ(listen(listener, 1), 0);
  auto sandbox = makeHostile();
  EXPECT_EQ(run(*sandbox, {"/tmp/hostile", "abstract", name}).status.value, 0);
  close(listener);
}

TEST_F(HostileTest, killingEverybodyKillsOnlyInside) {
  auto sandbox = makeHostile();
  auto other = make();
  run(*sandbox, {"/tmp/hostile", "kill-all"});
  run(*sandbox, {"/tmp/hostile", "kill-init"});
  EXPECT_EQ(run(*sandbox, {"echo", "alive"}).out, "alive\n");
  EXPECT_EQ(run(*other, {"echo", "alive"}).out, "alive\n");
}

TEST_F(HostileTest, forkBombStaysInItsNumber) {
  CreateSpec spec;
  spec.limits.processes = 40;
  auto sandbox = makeHostile(spec);
  auto other = make(spec);
  ExecSpec bomb;
  bomb.argv = {"/tmp/hostile", "fork-bomb"};
  const Output output = runSpec(*sandbox, bomb);
  const int children = std::stoi(output.out.c_str() + strlen("children "));
  EXPECT_GT(children, 20);
  EXPECT_LE(children, 40);
  EXPECT_LE(sandbox->stats()->processes, 42U);
  // The full sandbox can still be looked into, its neighbour notices nothing, and it ends at once.
  EXPECT_EQ(run(*sandbox, {"echo", "still here"}).out, "still here\n");
  EXPECT_EQ(shell(*other, "echo fine | cat").out, "fine\n");
  EXPECT_TRUE(sandbox->destroy().ok());
}

TEST_F(HostileTest, replicatingForkBomb) {
  CreateSpec spec;
  spec.limits.processes = 60;
  auto sandbox = make(spec);
  ExecSpec bomb;
  bomb.shell = "b() { b | b & }; b; sleep 1000";
  bomb.timeout = Milliseconds(1000);
  EXPECT_EQ(runSpec(*sandbox, bomb).status.kind, ExitKind::kTimeout);
  EXPECT_LE(sandbox->stats()->processes, 62U);
  EXPECT_TRUE(sandbox->destroy().ok());
}

TEST_F(HostileTest, memoryFloods) {
  CreateSpec spec;
  spec.limits.memoryBytes = 96ULL << 20;
  auto sandbox = makeHostile(spec);
  for (const char* how : {"private", "shared", "memfd", "sysv", "forks"}) {
    ExecSpec flood;
    flood.argv = {"/tmp/hostile", "memory", how, "600"};
    flood.timeout = Milliseconds(20000);
    const Output output = runSpec(*sandbox, flood);
    EXPECT_EQ(output.out.find("touched 600"), std::string::npos) << how;
    EXPECT_EQ(output.out.find("wrote 600"), std::string::npos) << how;
    EXPECT_NE(output.status.kind, ExitKind::kTimeout) << how << ": " << output.out;
    run(*sandbox, {"sh", "-c", "kill -9 -1"});
    EXPECT_TRUE(eventually([&] { return sandbox->stats()->processes == 0; })) << how;
    EXPECT_EQ(run(*sandbox, {"echo", "usable"}).out, "usable\n") << how;
  }
}

TEST_F(HostileTest, memoryIsThere) {
  CreateSpec spec;
  spec.limits.memoryBytes = 256ULL << 20;
  auto sandbox = makeHostile(spec);
  EXPECT_EQ(run(*sandbox, {"/tmp/hostile", "memory", "private", "150"}).out, "touched 150\n");
  EXPECT_EQ(run(*sandbox, {"/tmp/hostile", "memory", "shared", "150"}).out, "touched 150\n");
}

TEST_F(HostileTest, diskAndInodeFloods) {
  CreateSpec spec;
  spec.limits.diskBytes = 8ULL << 20;
  auto sandbox = make(spec);
  const Output full = shell(*sandbox, "dd if=/dev/zero of=/tmp/x bs=1M count=100 2>&1; stat -c %s /tmp/x");
  EXPECT_NE(full.out.find("No space left"), std::string::npos) << full.out;
  EXPECT_LE(sandbox->stats()->diskUsedBytes, 8ULL << 20);
  const Status refused = sandbox->writeFile("/tmp/more", std::string(1 << 20, 'x'));
  EXPECT_EQ(refused.error().kind, ErrorClass::kResourceExhausted);
  EXPECT_FALSE(*sandbox->exists("/tmp/more"));
  for (const char* place : {"/home/sandbox", "/run", "/var/tmp", "/dev/shm", "/workspace"}) {
    const std::string path = std::string(place) + "/y";
    EXPECT_FALSE(sandbox->writeFile(path, std::string(1 << 20, 'x')).ok()) << "one budget: " << place;
  }
  shell(*sandbox, "rm /tmp/x");
  const Output inodes = shell(*sandbox, "cd /tmp; i=0; while : > f$i; do i=$((i+1)); done 2>/dev/null; echo $i");
  if (bubblewrapEngine()) {  // a tmpfs without a limit of files: a flood is ended after 25 ms
    EXPECT_EQ(inodes.status.kind, ExitKind::kSignal);
    EXPECT_FALSE(inodes.status.outOfMemory);
    EXPECT_EQ(shell(*sandbox, "find /tmp -name 'f*' -delete; echo $?").out, "0\n");
  }
  EXPECT_LE(sandbox->stats()->filesUsed, 4096U);
  EXPECT_EQ(run(*sandbox, {"echo", "usable"}).out, "usable\n") << inodes.out;
}

TEST_F(HostileTest, descriptorFlood) {
  CreateSpec spec;
  spec.limits.openFiles = 64;
  auto sandbox = make(spec);
  EXPECT_EQ(shell(*sandbox, "ulimit -n; ulimit -Hn").out, "64\n64\n");
  EXPECT_NE(shell(*sandbox, "ulimit -n 1000").status.value, 0);
}

TEST_F(HostileTest, outputFloodIsBounded) {
  CreateSpec spec;
  spec.limits.outputBytes = 100000;
  auto sandbox = make(spec);
  ExecSpec flood;
  flood.argv = {"yes"};
  flood.timeout = Milliseconds(500);
  const Output output = runSpec(*sandbox, flood);
  EXPECT_EQ(output.out.size(), 100000U);
  EXPECT_TRUE(output.status.truncated);
  EXPECT_EQ(output.status.kind, ExitKind::kTimeout);
}

TEST_F(HostileTest, coresAreNotDumped) {
  auto sandbox = make();
  EXPECT_EQ(shell(*sandbox, "ulimit -Hc").out, "0\n");
}

TEST_F(HostileTest, sandboxesDoNotSeeEachOther) {
  auto one = make(), other = make();
  ASSERT_TRUE(one->writeFile("/tmp/mine", "x").ok());
  EXPECT_FALSE(*other->exists("/tmp/mine"));
  ASSERT_TRUE(one->start({{"sleep", "1000"}, "", "", {}, false, {}}).ok());
  EXPECT_EQ(shell(*other, "pgrep -c -x sleep").out, "0\n");
}

TEST_F(HostileTest, descendantsThatLeaveTheirSessionAreFound) {
  auto sandbox = makeHostile();
  ExecSpec spec;
  spec.argv = {"/tmp/hostile", "tree", "5"};
  spec.timeout = Milliseconds(500);
  runSpec(*sandbox, spec);
  auto process = sandbox->start({{"/tmp/hostile", "tree", "7"}, "", "", {}, false, {}});
  ASSERT_TRUE(process.ok()) << process.error().message;
  ASSERT_TRUE(process->waitForChange(0, 0, Milliseconds(20000)).ok());
  EXPECT_TRUE(process->signal(SIGKILL).ok() || process->ended());
  run(*sandbox, {"true"});
}

TEST_F(HostileTest, cpuLimitHolds) {
  CreateSpec spec;
  spec.limits.milliCpus = 500;
  auto sandbox = make(spec);
  const SandboxInfo info = *sandbox->info();
  const auto cpu = std::find_if(info.limits.begin(), info.limits.end(), [](const auto& l) { return l.name == "cpu"; });
  ASSERT_NE(cpu, info.limits.end());
  if (cpu->strength == LimitStrength::kSoft) {
    EXPECT_EQ(shell(*sandbox, "nproc").out, "1\n");
    EXPECT_NE(shell(*sandbox, "taskset -c 0-63 true").status.value, 0);
  } else {
    const Output output = shell(*sandbox, "timeout 1 sh -c 'while :; do :; done'; cat /proc/self/cgroup | grep -c .");
    EXPECT_EQ(output.status.kind, ExitKind::kCode);
    EXPECT_TRUE(eventually([&] { return sandbox->stats()->cpuMicroseconds > 0; }));
    EXPECT_LT(sandbox->stats()->cpuMicroseconds, 900000U);
  }
}

TEST_F(HostileTest, hardLimitsOnRequest) {
  CreateSpec spec;
  spec.limits.requireHard = true;
  auto sandbox = engine_.create(spec);
  if (sandbox.ok()) {
    const SandboxInfo info = *(*sandbox)->info();
    for (const LimitReport& limit : info.limits) {
      EXPECT_TRUE(limit.strength == LimitStrength::kHard || limit.value == 0) << limit.name;
    }
  } else {
    EXPECT_EQ(sandbox.error().kind, ErrorClass::kUnimplemented);
    EXPECT_FALSE(sandbox.error().fix.empty());
  }
}

}  // namespace
}  // namespace computesdk::local::testing
