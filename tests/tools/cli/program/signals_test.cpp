#include <gtest/gtest.h>

#include <csignal>

#include "program.hpp"

// Ctrl-C and its kin: what was made is destroyed, and the exit code tells the signal.
namespace computesdk::cli::test {
namespace {

TEST(Signals, EndTheCommandAndTheSandbox) {
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    World world;
    Running running(world.setup({"run", "--", "sh", "-c", "echo ready; sleep 300"}));
    ASSERT_TRUE(running.waitForOutput("ready\n"));
    running.signal(number);
    Ended ended = running.wait();
    EXPECT_EQ(ended.code, 128 + number);
    EXPECT_EQ(ended.err, "") << "a stop that was asked for is no failure";
    EXPECT_EQ(world.count(), 0U);
  }
}

TEST(Signals, LeaveAnExistingSandbox) {
  World world;
  std::string id = world.create();
  Running running(world.setup({"exec", id, "--", "sh", "-c", "echo ready; sleep 300"}));
  ASSERT_TRUE(running.waitForOutput("ready\n"));
  running.signal(SIGINT);
  EXPECT_EQ(running.wait().code, 130);
  EXPECT_EQ(world.run({"exec", id, "--", "echo", "alive"}).out, "alive\n");
}

TEST(Signals, ReachAProgramThatHangsInWriting) {
  World world;
  Running running(world.setup({"run", "--", "sh", "-c", "echo ready; yes"}));
  ASSERT_TRUE(running.waitForOutput("ready\n"));
  // Nobody reads from here on, and the pipe is full before long; whether it is yet makes no difference to the answer.
  running.signal(SIGTERM);
  EXPECT_EQ(running.wait().code, 143);
  EXPECT_EQ(world.count(), 0U);
}

TEST(Signals, AnIgnoredOneStaysIgnored) {
  World world;
  Running::Setup setup = world.setup({"run", "--", "sh", "-c", "echo ready; head -c 1 >/dev/null; exit 7"});
  setup.argv.insert(setup.argv.begin(), {"/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh"});
  Running running(setup);
  ASSERT_TRUE(running.waitForOutput("ready\n"));
  running.signal(SIGINT);
  running.write("x");
  EXPECT_EQ(running.wait().code, 7);
}

}  // namespace
}  // namespace computesdk::cli::test
