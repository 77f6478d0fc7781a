#include <gtest/gtest.h>

#include <csignal>

#include "program.hpp"

// What is different on a terminal: status lines, colours, and -t.
namespace computesdk::cli::test {
namespace {

Ended onTerminal(World& world, std::vector<std::string> words) {
  Running::Setup setup = world.setup(std::move(words));
  setup.terminal = true;
  Running running(setup);
  return running.wait();
}

TEST(OnATerminal, AStatusLineSaysWhatWasMade) {
  World world;
  world.env["TERM"] = "xterm";
  Ended ended = onTerminal(world, {"run", "--", "echo", "hi"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_NE(ended.out.find("shell  sandbox sh-"), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find("\033[2m"), std::string::npos) << ended.out;
  EXPECT_NE(ended.out.find("hi\r\n"), std::string::npos) << ended.out;
}

TEST(OnATerminal, ColoursCanBeSwitchedOff) {
  World world;
  world.env["TERM"] = "xterm";
  EXPECT_NE(onTerminal(world, {"rum"}).out.find('\033'), std::string::npos);
  EXPECT_EQ(onTerminal(world, {"run", "--color", "never", "--provider", "nosuch", "--", "true"}).out.find('\033'),
            std::string::npos);
  world.env["NO_COLOR"] = "1";
  EXPECT_EQ(onTerminal(world, {"rum"}).out.find('\033'), std::string::npos);
  world.env.erase("NO_COLOR");
  world.env["TERM"] = "dumb";
  EXPECT_EQ(onTerminal(world, {"run", "--", "true"}).out.find('\033'), std::string::npos);
}

TEST(OnATerminal, QuietAndCiSayNothing) {
  World world;
  world.env["TERM"] = "xterm";
  EXPECT_EQ(onTerminal(world, {"run", "-q", "--", "true"}).out, "");
  world.env["CI"] = "true";
  EXPECT_EQ(onTerminal(world, {"run", "--", "true"}).out, "");
}

TEST(OffATerminal, NothingButTheCommandIsHeard) {
  World world;
  world.env["TERM"] = "xterm";
  Ended ended = world.run({"run", "--", "true"});
  EXPECT_EQ(ended.out + ended.err, "");
  EXPECT_EQ(world.run({"rum"}).err.find('\033'), std::string::npos);
  world.env["CLICOLOR_FORCE"] = "1";
  EXPECT_NE(world.run({"rum"}).err.find('\033'), std::string::npos);
}

TEST(Pty, AProviderWithoutOneSaysSo) {
  World world;
  Ended ended = onTerminal(world, {"run", "-t", "--", "true"});
  EXPECT_EQ(ended.code, 125);
  EXPECT_NE(ended.out.find("E_UNSUPPORTED"), std::string::npos) << ended.out;
  EXPECT_EQ(world.count(), 0U);
}

TEST(Pty, LocalGivesTheCommandATerminal) {
  World world;
  std::string reason;
  if (!localWorks(world, reason)) GTEST_SKIP() << reason;
  world.env["TERM"] = "xterm";
  Running::Setup setup = world.setup({"run", "--provider", "local", "-q", "-t", "--", "sh", "-c",
                                      "test -t 0 && test -t 1 && stty size && read x && echo got $x"});
  setup.terminal = true;
  Running running(setup);
  ASSERT_TRUE(running.waitForOutput("24 80")) << running.wait().out;
  running.write("word\r");
  EXPECT_TRUE(running.waitForOutput("got word"));
  EXPECT_EQ(running.wait().code, 0);
}

}  // namespace
}  // namespace computesdk::cli::test
