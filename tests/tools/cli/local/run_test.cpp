#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "program.hpp"

// run, exec and code in sandboxes of this machine.
namespace computesdk::cli::test {
namespace {

class LocalRun : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    if (!localWorks(world, reason)) GTEST_SKIP() << reason;
  }
  void TearDown() override { world.run({"rm", "--all"}); }
  World world{false};
};

TEST_F(LocalRun, ExitCodes) {
  struct Case {
    std::vector<std::string> words;
    int code;
    const char* err;
  };
  const std::vector<Case> cases = {
      {{"run", "--", "true"}, 0, ""},
      {{"run", "--", "sh", "-c", "echo no >&2; exit 3"}, 3, "no\n"},
      {{"run", "--timeout", "200ms", "--", "sleep", "60"}, 124, ""},
      {{"run", "--image", "x", "--", "true"}, 125, "E_UNSUPPORTED"},
      {{"run", "--memory", "1K", "--", "true"}, 125, "at least"},
      {{"run", "--ttl", "300ms", "--", "sleep", "60"}, 125, "E_SANDBOX_GONE"},
      {{"run", "--", "/etc/passwd"}, 126, "it cannot be run"},
      {{"run", "--", "nosuch"}, 127, "nosuch: not found in the sandbox"},
      {{"run", "--", "sh", "-c", "kill -9 $$"}, 137, ""},
      {{"run", "--", "sh", "-c", "kill -15 $$"}, 143, ""},
      {{"code", "--language", "sh", "missing.sh"}, 125, "missing.sh"},
      {{"code", "--language", "cobol", "-"}, 125, "known here: python"},
  };
  for (const Case& c : cases) {
    Ended ended = world.run(c.words);
    EXPECT_EQ(ended.code, c.code) << c.words[2] << ended.err;
    EXPECT_NE(ended.err.find(c.err), std::string::npos) << c.words[2] << ended.err;
    EXPECT_TRUE(*c.err != '\0' || ended.err.empty()) << ended.err;
    EXPECT_EQ(ended.out, "");
  }
}

TEST_F(LocalRun, BytesPassThroughBothWays) {
  std::string bytes;
  for (int round = 0; round < 4096; ++round) {
    for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  }
  Ended ended = world.run({"run", "--", "cat"}, bytes);
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(ended.out == bytes) << ended.out.size();
  EXPECT_EQ(ended.err, "");
}

TEST_F(LocalRun, TheOptionsReachTheSandbox) {
  const std::string script =
      "echo \"$A\"; pwd; ls /sys/class/net 2>/dev/null || sed 1,2d /proc/net/dev | cut -d: -f1\n"
      "head -c 16m /dev/zero >big 2>/dev/null || echo full";
  Ended ended =
      world.run({"run", "--pids", "20", "-e", "A=1 2", "-w", "/tmp", "--disk", "8M", "--", "sh", "-c", script});
  EXPECT_EQ(ended.out.substr(0, 9), "1 2\n/tmp\n") << ended.err;
  EXPECT_NE(ended.out.find("lo\nfull\n"), std::string::npos) << ended.out;
  EXPECT_EQ(ended.out.find("eth"), std::string::npos) << "no network unless it is asked for";
}

TEST_F(LocalRun, TheMemoryLimitIsNamedAsTheCause) {
  // One that outgrows the limit; where it is only watched each process has the limit to itself, so several do.
  const char* one = "head -c 300m /dev/zero | tail -c 300m; exit $?";
  const char* several =
      "for i in 1 2 3 4; do (head -c 40m /dev/zero; sleep 60) | tail -c 40m & done; wait; echo survived";
  Ended hard = world.run({"run", "--memory", "64M", "--limits", "require-hard", "--", "sh", "-c", one});
  bool watched = hard.err.find("E_LIMIT") != std::string::npos;
  std::vector<std::string> words = {"run", "--memory", "64M", "--", "sh", "-c", watched ? several : one};
  Ended ended = world.run(words);
  EXPECT_EQ(ended.code, 137) << ended.err;
  EXPECT_NE(ended.err.find("killed at the sandbox's memory limit of 64M; a new one gets more with --memory 128M"),
            std::string::npos)
      << ended.err;
  EXPECT_EQ(ended.err.find("warning: the memory limit is soft here") != std::string::npos, watched) << ended.err;
  words.insert(words.begin() + 1, "--json");
  EXPECT_NE(world.run(words).out.find("\"out_of_memory\":true"), std::string::npos);
}

TEST_F(LocalRun, OutputThatIsDroppedIsTold) {
  const std::vector<std::string> words = {"run", "-o", "output_bytes=1000", "--status-fd", "2", "--", "head", "-c"};
  auto with = [&](const char* size) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {size, "/dev/zero"});
    return world.run(all);
  };
  Ended less = with("1000");
  EXPECT_EQ(less.out.size(), 1000U);
  EXPECT_EQ(less.err.find("dropped"), std::string::npos) << less.err;
  EXPECT_NE(less.err.find("\"truncated\":false"), std::string::npos) << less.err;
  Ended more = with("5000");
  EXPECT_EQ(more.code, 0) << "how the command ended is its own affair";
  EXPECT_EQ(more.out.size(), 1000U);
  EXPECT_NE(more.err.find("output beyond the sandbox's limit was dropped"), std::string::npos) << more.err;
  EXPECT_NE(more.err.find("\"truncated\":true"), std::string::npos) << more.err;
}

TEST_F(LocalRun, WithoutIsolationWarnsEachTime) {
  for (int time = 0; time < 2; ++time) {
    Ended ended = world.run({"run", "--isolation", "none", "--", "pwd"});
    EXPECT_EQ(ended.out, world.path("work").string() + "\n");
    EXPECT_NE(ended.err.find("warning: --isolation none"), std::string::npos) << ended.err;
  }
}

TEST_F(LocalRun, ExecHandsOnFolderVariablesAndInput) {
  std::string id = world.create();
  Ended ended =
      world.run({"exec", id, "-w", "/tmp", "-e", "A=b", "--timeout", "20s", "--", "sh", "-c", "pwd; echo $A; cat"},
                "from outside");
  EXPECT_EQ(ended.out, "/tmp\nb\nfrom outside") << ended.err;
  EXPECT_EQ(world.run({"exec", id, "--timeout", "200ms", "--", "sleep", "60"}).code, 124);
  EXPECT_EQ(world.run({"exec", id, "-w", "/nosuch", "--", "true"}).code, 125);
  EXPECT_EQ(world.run({"exec", id, "--json", "--", "printf", "\\377"}).out.find("{\"command_id\":"), 0U);
}

TEST_F(LocalRun, ADetachedCommandGoesOn) {
  std::string id = world.create();
  ASSERT_EQ(world.run({"exec", id, "--", "mkfifo", "/tmp/gate"}).code, 0);
  Ended started = world.run({"exec", id, "-d", "--", "sh", "-c", "echo went on >/tmp/gate"});
  EXPECT_EQ(started.code, 0) << started.err;
  EXPECT_EQ(started.out.find_first_not_of("0123456789"), started.out.size() - 1) << started.out;
  EXPECT_EQ(world.run({"exec", id, "--", "cat", "/tmp/gate"}).out, "went on\n");
}

TEST_F(LocalRun, ATimeoutHoldsWithoutUsAndOnATerminal) {
  std::string id = world.create();
  Ended started = world.run({"exec", id, "-d", "--timeout", "300ms", "--", "sleep", "60"});
  EXPECT_EQ(started.code, 0) << started.err;
  const std::string sleeps = "for p in /proc/[0-9]*; do read name <$p/comm; test $name != sleep || exit 7; done";
  int code = 7;
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (code == 7 && std::chrono::steady_clock::now() < deadline) {
    code = world.run({"exec", id, "--", "sh", "-c", sleeps}).code;
  }
  EXPECT_EQ(code, 0) << "it goes on";
  Running::Setup setup = world.setup({"exec", id, "-t", "--timeout", "100ms", "--", "sleep", "60"});
  setup.terminal = true;
  EXPECT_EQ(Running(setup).wait().code, 124);
}

TEST_F(LocalRun, InputOfATerminalIsHandedOnWithDashIOnly) {
  world.env["CI"] = "1";
  Running::Setup plain = world.setup({"run", "--", "cat"});
  plain.terminal = true;
  EXPECT_EQ(Running(plain).wait().code, 0) << "the input is empty";
  Running::Setup asked = world.setup({"run", "-i", "--", "sh", "-c", "echo ready; read x; echo got $x"});
  asked.terminal = true;
  Running running(asked);
  ASSERT_TRUE(running.waitForOutput("ready"));
  running.write("word\n");
  EXPECT_TRUE(running.waitForOutput("got word"));
  EXPECT_EQ(running.wait().code, 0);
}

TEST_F(LocalRun, ExecGivesATerminal) {
  world.env["TERM"] = "xterm";
  std::string id = world.create();
  Running::Setup setup =
      world.setup({"exec", id, "-t", "--", "sh", "-c", "test -t 0 && stty size; echo $TERM; read x"});
  setup.terminal = true;
  Running running(setup);
  ASSERT_TRUE(running.waitForOutput("24 80\r\nxterm")) << running.wait().out;
  running.write("\x03");  // to the command, not to us
  EXPECT_EQ(running.wait().code, 130);
}

TEST_F(LocalRun, CodeFindsItsLanguageAndItsInterpreter) {
  std::ofstream(world.path("work/a.sh")) << "echo $((6*7)); exit 4\n";
  std::string id = world.create();
  Ended named = world.run({"code", id, "a.sh"});
  EXPECT_EQ(named.code, 4) << named.err;
  EXPECT_EQ(named.out, "42\n");
  Ended fresh = world.run({"code", "--provider", "local", "--language", "sh", "-"}, "echo $0");
  EXPECT_EQ(fresh.code, 0) << fresh.err;
  EXPECT_NE(world.run({"code", id, "--language", "sh", "--json", "-"}, "exit 9").out.find("\"exit_code\":9"),
            std::string::npos);
  Ended missing = world.run({"code", id, "--language", "lua", "-"}, "print(1)");
  EXPECT_TRUE(missing.code == 0 || missing.err == "computesdk: nothing in the sandbox runs lua\n") << missing.err;
}

}  // namespace
}  // namespace computesdk::cli::test
