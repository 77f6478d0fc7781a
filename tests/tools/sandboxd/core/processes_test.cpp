// Processes and everything that they leave behind.
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <mutex>
#include <sstream>

#include <computesdk/serving/loop.hpp>
#include "core/client.hpp"
#include "core/process_tree.hpp"
#include "core/spawn.hpp"

namespace computesdk::sandboxd {
namespace {

using testing::eventually;

/// What a process said and how it ended.
struct Seen {
  std::mutex mutex;
  std::string out, err;
  std::promise<ExitStatus> exit;
  std::promise<void> gone;

  std::string outText() {
    const std::lock_guard lock(mutex);
    return out;
  }
};

class ProcessesTest : public ::testing::Test {
 protected:
  ProcessesTest() { loop_.start(); }
  ~ProcessesTest() override {
    processes_.stop(10);
    loop_.stop();
  }

  static std::shared_ptr<Seen> watch(SpawnOptions& options) {
    auto seen = std::make_shared<Seen>();
    options.onStdout = [seen](std::string_view bytes) {
      const std::lock_guard lock(seen->mutex);
      seen->out += bytes;
    };
    options.onStderr = [seen](std::string_view bytes) {
      const std::lock_guard lock(seen->mutex);
      seen->err += bytes;
    };
    options.onExit = [seen](const ExitStatus& status) { seen->exit.set_value(status); };
    options.onGone = [seen] { seen->gone.set_value(); };
    return seen;
  }
  static SpawnOptions shell(const std::string& script) {
    SpawnOptions options;
    options.argv = {"/bin/sh", "-c", script};
    options.env = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
    options.cwd = "/";
    return options;
  }
  static ExitStatus exitOf(const std::shared_ptr<Seen>& seen) {
    auto future = seen->exit.get_future();
    EXPECT_EQ(future.wait_for(testing::kPatience), std::future_status::ready);
    return future.get();
  }
  static bool goneComes(const std::shared_ptr<Seen>& seen) {
    return seen->gone.get_future().wait_for(testing::kPatience) == std::future_status::ready;
  }

  serving::Loop loop_;
  Processes processes_{loop_};
};

TEST_F(ProcessesTest, StreamsAreSeparateAndWholeAndTheCodeIsTold) {
  auto options = shell("echo out; echo err >&2; pwd; exit 7");
  const auto seen = watch(options);
  ASSERT_TRUE(processes_.spawn(std::move(options)));
  const auto status = exitOf(seen);
  EXPECT_EQ(status.code, 7);
  EXPECT_FALSE(status.killed);
  EXPECT_EQ(seen->out, "out\n/\n");
  EXPECT_EQ(seen->err, "err\n");
  EXPECT_TRUE(goneComes(seen));
}

TEST_F(ProcessesTest, ASignalIs128AndItsNumber) {
  auto options = shell("kill -TERM $$");
  const auto seen = watch(options);
  ASSERT_TRUE(processes_.spawn(std::move(options)));
  const auto status = exitOf(seen);
  EXPECT_EQ(status.code, 128 + SIGTERM);
  EXPECT_EQ(status.signal, SIGTERM);
  EXPECT_FALSE(status.killed) << "it did that by itself";
}

TEST_F(ProcessesTest, MegabytesOnBothStreamsComeWhole) {
  auto options = shell("head -c 5000000 /dev/zero >&2 & head -c 5000000 /dev/zero; wait");
  const auto seen = watch(options);
  ASSERT_TRUE(processes_.spawn(std::move(options)));
  EXPECT_EQ(exitOf(seen).code, 0);
  EXPECT_EQ(seen->out.size(), 5000000U);
  EXPECT_EQ(seen->err.size(), 5000000U);
}

TEST_F(ProcessesTest, FailuresSayWhatIsMissing) {
  auto options = shell("true");
  options.cwd = "/does/not/exist";
  auto spawned = processes_.spawn(options);
  ASSERT_FALSE(spawned);
  EXPECT_EQ(spawned.error().code, ErrorCode::invalidArgument);
  EXPECT_NE(spawned.error().what.find("/does/not/exist"), std::string::npos);
  options = shell("true");
  options.argv[0] = "no-such-program";
  spawned = processes_.spawn(options);
  ASSERT_FALSE(spawned);
  EXPECT_EQ(spawned.error().code, ErrorCode::notFound);
  options = shell("true");
  options.argv = {"/etc/passwd"};
  EXPECT_FALSE(processes_.spawn(options)) << "not a program";
  options = shell(std::string(300000, 'x'));
  EXPECT_FALSE(processes_.spawn(options)) << "longer than the kernel takes";
  options = shell(std::string("a\0b", 3));
  EXPECT_FALSE(processes_.spawn(options));
}

TEST_F(ProcessesTest, TheEndIsToldThoughADescendantHoldsTheStreams) {
  auto options = shell("sleep 1000 & echo started");
  const auto seen = watch(options);
  const auto process = processes_.spawn(std::move(options));
  ASSERT_TRUE(process);
  EXPECT_EQ(exitOf(seen).code, 0);
  EXPECT_EQ(seen->outText(), "started\n");
  EXPECT_FALSE((*process)->gone());
  EXPECT_EQ((*process)->members().size(), 1U);
  (*process)->kill();
  EXPECT_TRUE(goneComes(seen));
}

TEST_F(ProcessesTest, KillFindsDescendantsInSessionsOfTheirOwnWithACleanEnvironment) {
  // Each of them leaves its parent, its group and its session; two levels deep.
  auto options = shell(
      "(setsid env -i /bin/sh -c '(setsid /bin/sleep 1000 &) ; echo $$; exec /bin/sleep 1000' &) ; "
      "setsid /bin/sleep 1000 & trap '' TERM; echo $$; while :; do /bin/sleep 1000; done");
  const auto seen = watch(options);
  const auto process = processes_.spawn(std::move(options));
  ASSERT_TRUE(process);
  ASSERT_TRUE(eventually([&] { return (*process)->members().size() >= 5; })) << (*process)->members().size();
  const auto members = (*process)->members();
  (*process)->kill();
  EXPECT_TRUE(goneComes(seen));
  for (const auto pid : members) EXPECT_NE(::kill(pid, 0), 0) << pid << " is still there";
  EXPECT_TRUE(exitOf(seen).killed);
}

TEST_F(ProcessesTest, KillEndsWhatForksWithoutEnd) {
  auto options = shell("f() { while :; do (setsid sh -c 'sleep 3' &); done; }; f & f");
  const auto seen = watch(options);
  const auto process = processes_.spawn(std::move(options));
  ASSERT_TRUE(process);
  ASSERT_TRUE(eventually([&] { return (*process)->members().size() > 5; }));
  (*process)->kill();
  EXPECT_TRUE(goneComes(seen));
}

TEST_F(ProcessesTest, ASignalReachesTheGroup) {
  auto options = shell("trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
  const auto seen = watch(options);
  const auto process = processes_.spawn(std::move(options));
  ASSERT_TRUE(process);
  ASSERT_TRUE(eventually([&] { return seen->outText() == "ready\n"; }));
  (*process)->signal(SIGTERM);
  const auto status = exitOf(seen);
  EXPECT_EQ(status.code, 3);
  EXPECT_FALSE(status.killed) << "it took the signal and ended by itself";
  EXPECT_EQ(seen->outText(), "ready\nterm\n");
}

TEST_F(ProcessesTest, ATerminalEchoesAndHasTheSizeThatWasAskedFor) {
  SpawnOptions options = shell("read line; echo \"got $line\"; stty size; tty >/dev/null && echo tty");
  options.streams = SpawnOptions::Streams::terminal;
  const auto seen = watch(options);
  const auto process = processes_.spawn(std::move(options));
  ASSERT_TRUE(process);
  EXPECT_TRUE((*process)->resize(100, 40));
  EXPECT_TRUE((*process)->write("hällo\r"));
  EXPECT_EQ(exitOf(seen).code, 0);
  EXPECT_EQ(seen->outText(), "hällo\r\ngot hällo\r\n40 100\r\ntty\r\n");
  EXPECT_TRUE(goneComes(seen));
  EXPECT_FALSE((*process)->write("x"));
  EXPECT_FALSE((*process)->resize(1, 1));
}

TEST_F(ProcessesTest, InputThatNobodyReadsIsBounded) {
  SpawnOptions options = shell("stty raw -echo; echo ready; sleep 1000");
  options.streams = SpawnOptions::Streams::terminal;
  const auto seen = watch(options);
  const auto process = processes_.spawn(std::move(options));
  ASSERT_TRUE(process);
  ASSERT_TRUE(eventually([&] { return seen->outText().find("ready") != std::string::npos; }));
  bool refused = false;
  for (int i = 0; i < 100 && !refused; ++i) refused = !(*process)->write(std::string(65536, 'x'));
  EXPECT_TRUE(refused);
  (*process)->kill();
  EXPECT_TRUE(goneComes(seen));
}

TEST_F(ProcessesTest, APausedWriterWaits) {
  auto options = shell("head -c 1000000 /dev/zero; echo done >&2");
  const auto seen = watch(options);
  const auto outcome = processes_.spawn(std::move(options));
  ASSERT_TRUE(outcome);
  (*outcome)->pauseOutput(true);
  (*outcome)->pauseOutput(false);
  EXPECT_EQ(exitOf(seen).code, 0);
  EXPECT_EQ(seen->out.size(), 1000000U);
}

TEST_F(ProcessesTest, NoZombieIsLeft) {
  for (int i = 0; i < 50; ++i) {
    auto options = shell("(sleep 0.01 &) ; true");
    const auto seen = watch(options);
    ASSERT_TRUE(processes_.spawn(std::move(options)));
    EXPECT_TRUE(goneComes(seen));
  }
  EXPECT_TRUE(descendantsOf(::getpid()).empty());
}

}  // namespace
}  // namespace computesdk::sandboxd
