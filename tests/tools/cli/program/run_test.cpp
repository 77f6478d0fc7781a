#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "program.hpp"

// run, exec and code: whose bytes come out, and with which exit code.
namespace computesdk::cli::test {
namespace {

TEST(Run, PassesOutputAndTheCodeThrough) {
  World world;
  Ended ended = world.run({"run", "--", "sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(ended.code, 3);
  EXPECT_EQ(ended.out, "out\n");
  EXPECT_EQ(ended.err, "err\n");
  EXPECT_EQ(world.count(), 0U) << "the sandbox is destroyed at the end";
}

struct Case {
  const char* name;
  std::vector<std::string> words;
  int code;
};

TEST(Run, ExitCodes) {
  World world;
  const std::vector<Case> cases = {
      {"success", {"run", "--", "true"}, 0},
      {"own code", {"run", "--", "sh", "-c", "exit 3"}, 3},
      {"timeout", {"run", "--timeout", "200ms", "--", "sleep", "60"}, 124},
      {"usage", {"run", "--net", "maybe", "--", "true"}, 125},
      {"no provider", {"run", "--provider", "nosuch", "--", "true"}, 125},
      {"a demand that cannot be met", {"run", "--net", "none", "--", "true"}, 125},
      {"cannot be run", {"run", "--", "/etc/passwd"}, 126},
      {"not found", {"run", "--", "/no/such/program"}, 127},
      {"killed", {"run", "--", "sh", "-c", "kill -9 $$"}, 137},
      {"terminated", {"run", "--", "sh", "-c", "kill -15 $$"}, 143},
  };
  for (const Case& c : cases) {
    Ended ended = world.run(c.words);
    EXPECT_EQ(ended.code, c.code) << c.name << "\n" << ended.err;
    EXPECT_EQ(world.count(), 0U) << c.name;
  }
}

TEST(Run, ACommandThatIsNotThereIsNamed) {
  World world;
  Ended ended = world.run({"run", "--", "/no/such/program"});
  EXPECT_NE(ended.err.find("/no/such/program"), std::string::npos) << ended.err;
  EXPECT_EQ(ended.out, "");
}

TEST(Run, OutputIsExact) {
  World world;
  std::string bytes;
  for (int round = 0; round < 4096; ++round) {
    for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  }
  Ended ended = world.run({"run", "--", "cat"}, bytes);
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(ended.out == bytes) << ended.out.size();
  EXPECT_EQ(ended.err, "");
}

TEST(Run, ArgumentsAreNotTouchedByAShell) {
  World world;
  Ended ended = world.run({"run", "--", "printf", "[%s]", "a b", "$HOME", "*", "", "--", "-n", "'\"\\"});
  EXPECT_EQ(ended.out, "[a b][$HOME][*][][--][-n]['\"\\]");
}

TEST(Run, VariablesAndFolderReachTheCommand) {
  World world;
  world.env["SECRET_FROM_HERE"] = "s3cret";
  Ended ended =
      world.run({"run", "-e", "A=1 2", "-e", "SECRET_FROM_HERE", "--", "sh", "-c", "echo \"$A $SECRET_FROM_HERE\""});
  EXPECT_EQ(ended.out, "1 2 s3cret\n") << ended.err;
}

TEST(Run, KeepLeavesTheSandboxAndTellsItsId) {
  World world;
  Ended ended = world.run({"run", "--keep", "--", "sh", "-c", "echo x >file"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  ASSERT_TRUE(ended.err.starts_with("sandbox sh-")) << ended.err;
  std::string id = ended.err.substr(8, ended.err.find('\n') - 8);
  EXPECT_EQ(world.run({"exec", id, "--", "cat", "file"}).out, "x\n");
  EXPECT_EQ(world.run({"rm", id}).out, id + "\n");
  EXPECT_EQ(world.count(), 0U);
}

TEST(Run, NobodyReadsAnyMore) {
  World world;
  Running running(world.setup({"run", "--", "yes"}));
  ASSERT_TRUE(running.waitForOutput("y\n"));
  running.closeOutput();
  EXPECT_EQ(running.wait().code, 128 + SIGPIPE);
  EXPECT_EQ(world.count(), 0U);
}

TEST(Output, AFullDiskIsAnErrorWithItsFiveParts) {
  World world;
  auto toFull = [&](const std::vector<std::string>& words) {
    Running::Setup setup = world.setup(words);
    setup.argv.insert(setup.argv.begin(), {"/bin/sh", "-c", "exec \"$@\" >/dev/full", "sh"});
    Running running(setup);
    return running.wait();
  };
  const Ended ran = toFull({"run", "--json", "--", "true"});
  EXPECT_EQ(ran.code, 125) << "1 may be the command's own";
  EXPECT_NE(ran.err.find("error: cannot write to stdout: No space left on device"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("code: E_DISK_FULL"), std::string::npos) << ran.err;
  EXPECT_EQ(toFull({"version"}).code, 7);
  EXPECT_EQ(toFull({"create"}).code, 7);
  EXPECT_EQ(world.count(), 0U) << "nobody knows its id";
}

TEST(Run, ACommandThatIgnoresItsInputDoesNotHang) {
  World world;
  Running running(world.setup({"run", "--", "echo", "done"}));
  // The input stays open.
  EXPECT_TRUE(running.waitForOutput("done\n"));
  EXPECT_EQ(running.wait().code, 0);
}

TEST(Run, InputIsReadToItsEnd) {
  World world;
  EXPECT_EQ(world.run({"run", "--", "wc", "-c"}, std::string(300'000, 'x')).out, "300000\n");
  EXPECT_EQ(world.run({"run", "--", "wc", "-c"}).out, "0\n");
}

TEST(Run, NamedSandboxIsFoundWhileItLives) {
  World world;
  Ended ended = world.run({"run", "--name", "ci/build", "--keep", "--", "true"});
  ASSERT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(world.run({"find", "ci/build"}).code, 0);
  EXPECT_EQ(world.run({"exec", "ci/build", "--", "echo", "hi"}).out, "hi\n");
  EXPECT_EQ(world.run({"rm", "ci/build"}).code, 0);
  Ended gone = world.run({"find", "ci/build"});
  EXPECT_EQ(gone.code, 1);
  EXPECT_EQ(gone.out + gone.err, "");
}

TEST(Exec, RunsInTheSandbox) {
  World world;
  std::string id = world.create();
  EXPECT_EQ(world.run({"exec", id, "--", "sh", "-c", "echo 1 >a; exit 4"}).code, 4);
  EXPECT_EQ(world.run({"exec", id, "--", "cat", "a"}).out, "1\n");
  Ended missing = world.run({"exec", "nosuch", "--", "true"});
  EXPECT_EQ(missing.code, 125);
  EXPECT_NE(missing.err.find("E_NOT_FOUND"), std::string::npos) << missing.err;
  EXPECT_EQ(world.count(), 1U);
}

TEST(Ensure, GivesTheSameSandboxAgain) {
  World world;
  Ended first = world.run({"ensure", "ci/build"});
  ASSERT_EQ(first.code, 0) << first.err;
  Ended second = world.run({"ensure", "ci/build"});
  EXPECT_EQ(first.out, second.out);
  EXPECT_EQ(world.count(), 1U);
  // "default" may be left out.
  Ended bare = world.run({"ensure", "build"});
  EXPECT_EQ(world.run({"find", "default/build"}).out, bare.out);
}

TEST(Code, RunsAFileAndStdin) {
  World world;
  std::string id = world.create();
  std::ofstream(world.path("work/script.sh")) << "echo from $0 | tr -d '\\n' | head -c 4; exit 5\n";
  Ended file = world.run({"code", id, "script.sh"});
  EXPECT_EQ(file.code, 5) << file.err;
  EXPECT_EQ(file.out, "from");
  Ended fresh = world.run({"code", "--provider", "shell", "--language", "sh", "-"}, "echo fresh");
  EXPECT_EQ(fresh.code, 0) << fresh.err;
  EXPECT_EQ(fresh.out, "fresh\n");
  EXPECT_EQ(world.run({"code", id, "missing.py"}).code, 125);
  EXPECT_EQ(world.run({"code", "--timeout", "200ms", id, "--language", "sh", "-"}, "sleep 60").code, 124);
  EXPECT_EQ(world.count(), 1U);
}

}  // namespace
}  // namespace computesdk::cli::test
