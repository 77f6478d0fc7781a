// The program as the first process of a PID namespace, as in a container.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "core/client.hpp"
#include "core/process_tree.hpp"
#include "support/plain_fork.hpp"

namespace computesdk::sandboxd::testing {
namespace {

constexpr int kNoNamespace = 77;
constexpr int kOrphans = 20;

bool put(const char* path, const std::string& text) {
  const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

/// A new PID namespace for the children of this process, with a user namespace where there may be one.
bool enterNamespace() {
  const auto user = std::to_string(::geteuid()), group = std::to_string(::getegid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) == 0) {
    put("/proc/self/setgroups", "deny");
    return put("/proc/self/uid_map", "0 " + user + " 1") && put("/proc/self/gid_map", "0 " + group + " 1");
  }
  return ::unshare(CLONE_NEWPID | CLONE_NEWNS) == 0;
}

/// Life of the first process until it becomes the daemon: leaves itself orphans that end when `gate` does.
[[noreturn]] void becomeDaemon(int gate, int out, const std::string& folder) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("proc", "/proc", "proc", 0, nullptr) != 0) {
    ::_exit(kNoNamespace);
  }
  for (int i = 0; i < kOrphans; ++i) {
    const pid_t parent = computesdk::testing::plainFork();
    if (parent == 0) {
      if (computesdk::testing::plainFork() == 0) {
        char byte = 0;
        while (::read(gate, &byte, 1) < 0 && errno == EINTR) {
        }
      }
      ::_exit(0);
    }
    ::waitpid(parent, nullptr, 0);
  }
  ::dup2(out, 1);
  const char* argv[] = {SANDBOXD, "start", "--port", "0", "--cwd", folder.c_str(), nullptr};
  const char* env[] = {"COMPUTESDK_ACCESS_TOKEN=access", "PATH=/usr/bin:/bin", nullptr};
  ::execve(SANDBOXD, const_cast<char**>(argv), const_cast<char**>(env));
  ::_exit(127);
}

class FirstProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int gate[2], out[2], pid[2];
    ASSERT_EQ(::pipe2(gate, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(pid, O_CLOEXEC), 0);
    gate_.reset(gate[1]);
    out_.reset(out[0]);
    const UniqueFd itsGate(gate[0]), itsOut(out[1]), pidIn(pid[0]);
    UniqueFd pidOut(pid[1]);
    starter_ = computesdk::testing::plainFork();
    if (starter_ == 0) {
      // Whoever holds the gate open would wait for itself.
      gate_.reset();
      if (!enterNamespace()) ::_exit(kNoNamespace);
      const pid_t first = computesdk::testing::plainFork();
      if (first == 0) becomeDaemon(itsGate.get(), itsOut.get(), folder_.path());
      if (first < 0 || ::write(pidOut.get(), &first, sizeof first) != sizeof first) ::_exit(kNoNamespace);
      int status = 0;
      while (::waitpid(first, &status, 0) < 0 && errno == EINTR) {
      }
      ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    pidOut.reset();
    if (::read(pidIn.get(), &first_, sizeof first_) != sizeof first_) first_ = -1;
  }
  void TearDown() override {
    if (first_ > 0) ::kill(first_, SIGKILL);
    if (starter_ > 0) end();
  }

  /// False: there are no namespaces here, and the test is skipped.
  bool listens() {
    if (first_ > 0) {
      std::string line;
      for (char c = 0; ::read(out_.get(), &c, 1) == 1 && c != '\n';) line += c;
      port_ = static_cast<std::uint16_t>(std::strtol(line.c_str() + line.rfind(':') + 1, nullptr, 10));
    }
    if (port_ != 0) return true;
    const int code = end();
    EXPECT_EQ(code, kNoNamespace) << "the daemon did not start";
    return false;
  }
  /// Exit code of the first process, once it has ended by itself.
  int end() {
    int status = 0;
    while (::waitpid(std::exchange(starter_, -1), &status, 0) < 0 && errno == EINTR) {
    }
    first_ = -1;
    return WEXITSTATUS(status);
  }
  [[nodiscard]] Answer run(const std::string& command) const {
    return ask(port_, "POST", "/run/command", R"({"command":")" + command + R"("})");
  }
  /// What the first process has for children, as the namespace sees it.
  [[nodiscard]] std::vector<ProcessEntry> childrenOfFirst() const {
    std::vector<ProcessEntry> all;
    std::istringstream lines(run("cat /proc/[0-9]*/stat").text("stdout"));
    for (std::string line; std::getline(lines, line);) {
      const auto entry = parseStat(line);
      if (entry && entry->parent == 1) all.push_back(*entry);
    }
    return all;
  }

  Folder folder_;
  UniqueFd gate_, out_;
  pid_t starter_ = -1, first_ = -1;
  std::uint16_t port_ = 0;
};

TEST_F(FirstProcessTest, ReapsEveryOrphanAndEndsOnSigterm) {
  if (!listens()) GTEST_SKIP() << "no PID namespace with a /proc of its own is to be had here";
  EXPECT_EQ(childrenOfFirst().size(), kOrphans + 1U) << "the orphans and the daemon";
  gate_.reset();
  EXPECT_TRUE(eventually([this] { return childrenOfFirst().size() == 1; })) << "an orphan is left";
  // The daemon adopts what its commands leave behind, and its stop ends it.
  EXPECT_EQ(run("(setsid env -i /bin/sleep 1000 >/dev/null 2>&1 &) ; echo on").text("stdout"), "on\n");
  ::kill(first_, SIGTERM);
  EXPECT_EQ(end(), 0);
}

TEST_F(FirstProcessTest, EndsOnASigtermFromInside) {
  if (!listens()) GTEST_SKIP() << "no PID namespace with a /proc of its own is to be had here";
  gate_.reset();
  EXPECT_EQ(ask(port_, "POST", "/run/command", R"({"command":"kill -TERM 1","background":true})").status, 200);
  EXPECT_EQ(end(), 0);
}

TEST_F(FirstProcessTest, EndsWithTheDaemonThatWasKilled) {
  if (!listens()) GTEST_SKIP() << "no PID namespace with a /proc of its own is to be had here";
  gate_.reset();
  ASSERT_TRUE(eventually([this] { return childrenOfFirst().size() == 1; }));
  const auto daemon = std::to_string(childrenOfFirst().front().pid);
  (void)ask(port_, "POST", "/run/command", R"({"command":"kill -KILL )" + daemon + R"(","background":true})");
  EXPECT_EQ(end(), 128 + SIGKILL);
}

}  // namespace
}  // namespace computesdk::sandboxd::testing
