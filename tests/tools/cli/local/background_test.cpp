#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "program.hpp"

// shell, ps, logs, attach, kill, stats; snapshots and mounts.
namespace computesdk::cli::test {
namespace {

std::string line(const Ended& ended) {
  EXPECT_EQ(ended.code, 0) << ended.err;
  return ended.out.substr(0, ended.out.find('\n'));
}

class Background : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string reason;
    if (!localWorks(world, reason)) GTEST_SKIP() << reason;
    id = line(world.run({"create", "--ttl", "10m"}));
  }
  void TearDown() override { world.run({"rm", "--all"}); }
  std::string start(const std::string& script) { return line(world.run({"exec", "-d", id, "--", "sh", "-c", script})); }
  World world{false};
  std::string id;
};

TEST_F(Background, LogsGiveWhatIsKeptAndFollowOnWish) {
  std::string command =
      start("echo first; echo wrong >&2; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo last; exit 3");
  Running following([&] { return world.setup({"logs", "-f", id, command}); }());
  ASSERT_TRUE(following.waitForOutput("first\n"));
  Ended kept = world.run({"logs", id, command});
  EXPECT_EQ(kept.out, "first\n");
  EXPECT_EQ(kept.code, 0);
  EXPECT_NE(world.run({"ps", id}).out.find("running"), std::string::npos);
  EXPECT_EQ(world.run({"ps", id, "-q"}).out, command + "\n");
  ASSERT_EQ(world.run({"fs", "write", id, "/tmp/go"}, "x").code, 0);
  Ended followed = following.wait();
  EXPECT_EQ(followed.code, 0) << followed.err;
  EXPECT_EQ(followed.out, "first\nlast\n");
  EXPECT_EQ(followed.err, "wrong\n");
  EXPECT_NE(world.run({"ps", id}).out.find("exited 3"), std::string::npos);
  rapidjson::Document all;
  all.Parse<rapidjson::kParseIterativeFlag>(world.run({"ps", id, "--json"}).out.c_str());
  ASSERT_TRUE(all.IsArray());
  EXPECT_EQ(all[0]["exit_code"].GetInt(), 3);
  EXPECT_EQ(world.run({"logs", id, "99999"}).code, 4);
}

TEST_F(Background, AttachGivesItsExitCode) {
  std::string command = start("while [ ! -e /tmp/go ]; do sleep 0.05; done; echo went; exit 7");
  Running joined(world.setup({"attach", id, command}));
  ASSERT_EQ(world.run({"fs", "write", id, "/tmp/go"}, "x").code, 0);
  Ended ended = joined.wait();
  EXPECT_EQ(ended.code, 7) << ended.err;
  EXPECT_EQ(ended.out, "went\n");
  EXPECT_EQ(world.run({"attach", id, "99999"}).code, 125);
}

TEST_F(Background, LeavingAnAttachedCommandLeavesItRunning) {
  std::string command = start("echo here; sleep 300");
  Running joined(world.setup({"attach", id, command}));
  ASSERT_TRUE(joined.waitForOutput("here\n"));
  joined.signal(SIGINT);
  EXPECT_EQ(joined.wait().code, 130);
  EXPECT_NE(world.run({"ps", id}).out.find("running"), std::string::npos);
}

TEST_F(Background, KillReachesWhatItStarted) {
  std::string command = start("setsid sleep 300 & echo here; wait");
  Running joined(world.setup({"attach", id, command}));
  ASSERT_TRUE(joined.waitForOutput("here\n"));
  EXPECT_EQ(world.run({"kill", id, command, "-s", "9"}).code, 0);
  EXPECT_EQ(joined.wait().code, 137);
  EXPECT_EQ(world.run({"exec", id, "--", "sh", "-c", "cat /proc/[0-9]*/comm | grep -c sleep"}).out, "0\n");
  EXPECT_EQ(world.run({"kill", id, "99999"}).code, 4);
  EXPECT_EQ(world.run({"kill", id, command, "-s", "65"}).code, 2);
}

TEST_F(Background, AShellTakesCommandsFromStdin) {
  Ended ended = world.run({"shell", id, "-w", "/tmp"}, "pwd\nexit 5\n");
  EXPECT_EQ(ended.code, 5) << ended.err;
  EXPECT_EQ(ended.out, "/tmp\n");
}

TEST_F(Background, AShellOnATerminalHasItsSizeAndItsKeys) {
  Running::Setup setup = world.setup({"shell", id});
  setup.env["TERM"] = "xterm";
  setup.terminal = true;
  Running shell(setup);
  shell.write("stty size; echo at$((40+2))\n");
  EXPECT_TRUE(shell.waitForOutput("24 80"));
  EXPECT_TRUE(shell.waitForOutput("at42"));
  shell.write("PS1='ended:$?:'\n");  // each prompt says how the last command ended
  EXPECT_TRUE(shell.waitForOutput("ended:0:"));
  shell.write("sh -c \"echo sl''eeps; exec sleep 300\"\n");
  EXPECT_TRUE(shell.waitForOutput("sleeps"));
  shell.write("\x03");  // Ctrl-C is for what runs inside
  EXPECT_TRUE(shell.waitForOutput("ended:130:"));
  shell.write("echo after''wards; exit 9\n");
  EXPECT_TRUE(shell.waitForOutput("afterwards"));
  EXPECT_EQ(shell.wait().code, 9);
}

TEST_F(Background, StatsShowUseBesideLimits) {
  Ended text = world.run({"stats", id});
  EXPECT_NE(text.out.find("memory"), std::string::npos) << text.err;
  EXPECT_NE(text.out.find(" of 512M"), std::string::npos) << text.out;
  rapidjson::Document stats;
  stats.Parse<rapidjson::kParseIterativeFlag>(world.run({"stats", id, "--json"}).out.c_str());
  ASSERT_TRUE(stats.IsObject());
  EXPECT_GT(stats["disk_total_bytes"].GetInt64(), 0);
}

TEST_F(Background, SnapshotsAreTakenListedStartedFromAndRemoved) {
  ASSERT_EQ(world.run({"fs", "write", id, "/work/state"}, "kept").code, 0);
  std::string snapshot = line(world.run({"snapshot", "create", id, "--name", "ready", "--metadata", "job=42"}));
  ASSERT_TRUE(snapshot.starts_with("snap-")) << snapshot;
  EXPECT_EQ(world.run({"run", "--snapshot", snapshot, "--", "cat", "/work/state"}).out, "kept");
  rapidjson::Document all;
  all.Parse<rapidjson::kParseIterativeFlag>(world.run({"snapshot", "list", "--of", id, "--json"}).out.c_str());
  ASSERT_TRUE(all.IsArray());
  ASSERT_EQ(all.Size(), 1U);
  EXPECT_STREQ(all[0]["id"].GetString(), snapshot.c_str());
  EXPECT_STREQ(all[0]["sandbox_id"].GetString(), id.c_str());
  EXPECT_STREQ(all[0]["metadata"]["job"].GetString(), "42");
  std::string user = line(world.run({"create", "--snapshot", snapshot}));
  Ended used = world.run({"snapshot", "rm", snapshot});
  EXPECT_NE(used.code, 0);
  EXPECT_NE(used.err.find("a living sandbox was made from"), std::string::npos) << used.err;
  EXPECT_EQ(world.run({"rm", user}).code, 0);
  // Its launcher ends with its last sandbox; until then the snapshot is in use.
  Ended removed;
  for (int i = 0; i < 200 && removed.code != 0; ++i) removed = world.run({"snapshot", "rm", snapshot});
  EXPECT_EQ(removed.out, snapshot + "\n") << removed.err;
  EXPECT_EQ(world.run({"snapshot", "list", "-q"}).out, "");
  EXPECT_EQ(world.run({"run", "--snapshot", snapshot, "--", "true"}).code, 125);
}

TEST_F(Background, FoldersOfThisMachineAreShownOnWish) {
  std::filesystem::create_directories(world.path("work/data"));
  std::ofstream(world.path("work/data/file")) << "outside\n";
  EXPECT_EQ(world.run({"run", "--mount", "./data:/data", "--", "cat", "/data/file"}).out, "outside\n");
  EXPECT_NE(world.run({"run", "-v", "./data:/data", "--", "touch", "/data/new"}).code, 0);
  std::string option = "mounts=" + world.path("work/data").string() + ":/opted";
  EXPECT_EQ(world.run({"run", "-o", option, "-v", "./data:/data", "--", "cat", "/data/file", "/opted/file"}).out,
            "outside\noutside\n");
  Ended wrong = world.run({"run", "--mount", "data", "--", "true"});
  EXPECT_EQ(wrong.code, 125);
  EXPECT_NE(wrong.err.find("is not SRC:DST"), std::string::npos) << wrong.err;
}

}  // namespace
}  // namespace computesdk::cli::test
