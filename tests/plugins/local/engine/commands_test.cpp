// Commands in the foreground: what goes in, what comes out, how they end.
#include <thread>

#include "fixture.hpp"

namespace computesdk::local::testing {
namespace {

using CommandsTest = SandboxTest;

TEST_F(CommandsTest, outputAndExitCode) {
  auto sandbox = make();
  const Output output = shell(*sandbox, "echo out; echo err >&2; exit 7");
  EXPECT_EQ(output.out, "out\n");
  EXPECT_EQ(output.err, "err\n");
  EXPECT_EQ(output.status.kind, ExitKind::kCode);
  EXPECT_EQ(output.status.value, 7);
}

TEST_F(CommandsTest, argvIsNotInterpreted) {
  auto sandbox = make();
  const Output output = run(*sandbox, {"/usr/bin/printf", "%s|", "a b", "$HOME", "*", "", "\"'\n"});
  EXPECT_EQ(output.out, "a b|$HOME|*||\"'\n|");
}

TEST_F(CommandsTest, absentIs127AndNotExecutableIs126) {
  auto sandbox = make();
  EXPECT_EQ(run(*sandbox, {"no-such-command"}).status.value, 127);
  EXPECT_EQ(run(*sandbox, {"/no/such"}).status.value, 127);
  EXPECT_EQ(run(*sandbox, {"/etc/passwd"}).status.value, 126);
  EXPECT_EQ(run(*sandbox, {"/tmp"}).status.value, 126);
}

TEST_F(CommandsTest, signalIsReported) {
  auto sandbox = make();
  const Output output = shell(*sandbox, "kill -SEGV $$");
  EXPECT_EQ(output.status.kind, ExitKind::kSignal);
  EXPECT_EQ(output.status.value, 11);
  EXPECT_EQ(output.status.shellCode(), 139);
}

TEST_F(CommandsTest, environmentIsBuiltFromZero) {
  setenv("COMPUTESDK_TEST_SECRET", "s3cret", 1);
  CreateSpec spec;
  spec.envs = {{"A", "sandbox"}, {"B", "sandbox"}};
  auto sandbox = make(spec);
  ExecSpec exec;
  exec.argv = {"env"};
  exec.env = {{"B", "command"}};
  const Output output = runSpec(*sandbox, exec);
  EXPECT_NE(output.out.find("A=sandbox\n"), std::string::npos);
  EXPECT_NE(output.out.find("B=command\n"), std::string::npos);
  EXPECT_EQ(output.out.find("s3cret"), std::string::npos);
  unsetenv("COMPUTESDK_TEST_SECRET");
}

TEST_F(CommandsTest, workingFolder) {
  CreateSpec spec;
  spec.workdir = "/workspace/deep/er";
  auto sandbox = make(spec);
  EXPECT_EQ(shell(*sandbox, "pwd").out, "/workspace/deep/er\n");
  ExecSpec exec;
  exec.argv = {"pwd"};
  exec.cwd = "/tmp";
  EXPECT_EQ(runSpec(*sandbox, exec).out, "/tmp\n");
  exec.cwd = "..";
  EXPECT_EQ(runSpec(*sandbox, exec).out, "/workspace/deep\n");
  exec.cwd = "/nowhere";
  const Output absent = runSpec(*sandbox, exec);
  ASSERT_TRUE(absent.failed);
  EXPECT_EQ(absent.error.kind, ErrorClass::kNotFound);
  EXPECT_NE(absent.error.message.find("/nowhere"), std::string::npos);
}

class TextSource : public InputSource {
 public:
  explicit TextSource(std::string text, bool pause = false) : text_(std::move(text)), pause_(pause) {}
  ~TextSource() override {
    if (waker_.joinable()) waker_.join();
  }
  Read read(std::span<std::byte> into) override {
    if (pause_) {
      pause_ = false;
      return {State::kAgain, 0};
    }
    const std::size_t count = std::min({into.size(), text_.size() - at_, std::size_t{50000}});
    if (count == 0) return {State::kEnd, 0};
    memcpy(into.data(), text_.data() + at_, count);
    at_ += count;
    return {State::kBytes, count};
  }
  void whenReadable(std::function<void()> wake) override { waker_ = std::thread(std::move(wake)); }

 private:
  std::string text_;
  std::size_t at_ = 0;
  bool pause_;
  std::thread waker_;
};

TEST_F(CommandsTest, standardInputIsStreamed) {
  auto sandbox = make();
  std::string text(3000000, 'x');
  for (std::size_t i = 0; i < text.size(); i += 997) text[i] = static_cast<char>('a' + i % 26);
  TextSource source(text, true);
  ExecSpec spec;
  spec.argv = {"cat"};
  spec.input = &source;
  const Output output = runSpec(*sandbox, spec);
  EXPECT_TRUE(output.out == text) << output.out.size();
}

TEST_F(CommandsTest, commandThatDoesNotReadItsInput) {
  auto sandbox = make();
  TextSource source(std::string(1000000, 'x'));
  ExecSpec spec;
  spec.argv = {"true"};
  spec.input = &source;
  EXPECT_EQ(runSpec(*sandbox, spec).status.value, 0);
}

TEST_F(CommandsTest, withoutInputThereIsAnEnd) {
  auto sandbox = make();
  EXPECT_EQ(run(*sandbox, {"wc", "-c"}).out, "0\n");
}

TEST_F(CommandsTest, timeoutEndsEverythingThatWasStarted) {
  auto sandbox = make();
  ExecSpec spec;
  spec.shell = "sleep 1000 & setsid sleep 1001 & sleep 1002";
  spec.timeout = Milliseconds(300);
  const Output output = runSpec(*sandbox, spec);
  EXPECT_EQ(output.status.kind, ExitKind::kTimeout);
  EXPECT_EQ(output.status.shellCode(), 124);
  EXPECT_TRUE(eventually([&] { return sandbox->stats()->processes == 0; })) << "also the one in a session of its own";
}

TEST_F(CommandsTest, timeoutIsObeyedByOneThatIgnoresTerm) {
  auto sandbox = make();
  ExecSpec spec;
  spec.shell =
      "trap '' TERM; (trap '' TERM; setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done') & "
      "while :; do sleep 1; done";
  spec.timeout = Milliseconds(100);
  const Output output = runSpec(*sandbox, spec);
  EXPECT_EQ(output.status.kind, ExitKind::kTimeout);
  EXPECT_TRUE(eventually([&] { return sandbox->stats()->processes == 0; }));
}

TEST_F(CommandsTest, cancelling) {
  auto sandbox = make();
  Canceller canceller;
  ExecSpec spec;
  spec.shell = "echo started; sleep 1000";
  spec.cancel = &canceller;
  spec.output = [&](Stream, std::span<const std::byte>) {
    canceller.cancel();
    return true;
  };
  const Output output = runSpec(*sandbox, spec);
  ASSERT_TRUE(output.failed);
  EXPECT_EQ(output.error.kind, ErrorClass::kCancelled);
  EXPECT_TRUE(eventually([&] { return sandbox->stats()->processes == 0; }));
}

TEST_F(CommandsTest, outputLimitTruncatesAndDrains) {
  auto sandbox = make();
  ExecSpec spec;
  spec.shell = "head -c 5000000 /dev/zero; echo end >&2";
  spec.outputLimit = 1000;
  const Output output = runSpec(*sandbox, spec);
  EXPECT_EQ(output.out.size(), 1000U);
  EXPECT_EQ(output.err, "end\n");
  EXPECT_TRUE(output.status.truncated);
  EXPECT_EQ(output.status.value, 0);
}

TEST_F(CommandsTest, largeOutputIsWhole) {
  auto sandbox = make();
  const Output output = shell(*sandbox, "seq 1 1000000");
  EXPECT_EQ(output.out.size(), 6888896U);
  EXPECT_TRUE(output.out.ends_with("999999\n1000000\n"));
}

TEST_F(CommandsTest, outputArrivesWhileItRuns) {
  auto sandbox = make();
  ASSERT_EQ(run(*sandbox, {"mkfifo", "/tmp/gate"}).status.value, 0);
  ExecSpec spec;
  spec.shell = "echo first; read line </tmp/gate; echo $line";
  bool opened = false;
  std::thread opener;
  spec.output = [&](Stream, std::span<const std::byte>) {
    if (!opened) opener = std::thread([&] { shell(*sandbox, "echo second >/tmp/gate"); });
    opened = true;
    return true;
  };
  const Output output = runSpec(*sandbox, spec);
  opener.join();
  EXPECT_EQ(output.out, "first\nsecond\n");
}

TEST_F(CommandsTest, grandchildThatKeepsThePipesDoesNotHoldUp) {
  auto sandbox = make();
  const Output output = shell(*sandbox, "sleep 1000 & echo done");
  EXPECT_EQ(output.out, "done\n");
}

TEST_F(CommandsTest, commandLinesLongerThanAMessage) {
  auto sandbox = make();
  std::vector<std::string> argv = {"/bin/sh", "-c", "echo $#; echo ${#1}", "sh"};
  for (int i = 0; i < 12; ++i) argv.emplace_back(100000, 'x');
  const Output output = run(*sandbox, argv);
  EXPECT_EQ(output.out, "12\n100000\n");
}

TEST_F(CommandsTest, badCommandsAreRefused) {
  auto sandbox = make();
  ExecSpec none;
  EXPECT_EQ(sandbox->exec(none).error().kind, ErrorClass::kInvalidArgument);
  ExecSpec both;
  both.argv = {"true"};
  both.shell = "true";
  EXPECT_EQ(sandbox->exec(both).error().kind, ErrorClass::kInvalidArgument);
  ExecSpec nul;
  nul.argv = {"echo", std::string("a\0b", 3)};
  EXPECT_EQ(sandbox->exec(nul).error().kind, ErrorClass::kInvalidArgument);
  ExecSpec env;
  env.argv = {"true"};
  env.env = {{"A=B", "c"}};
  EXPECT_EQ(sandbox->exec(env).error().kind, ErrorClass::kInvalidArgument);
  ExecSpec huge;
  huge.argv = {"true", std::string(5 << 20, 'x')};
  EXPECT_EQ(sandbox->exec(huge).error().kind, ErrorClass::kInvalidArgument);
}

TEST_F(CommandsTest, terminal) {
  auto sandbox = make();
  ExecSpec spec;
  spec.shell = "test -t 0 && test -t 1 && tty && stty size && ps -o tty= -p $$ >/dev/null; echo bye";
  spec.pty = PtySize{101, 42};
  const Output output = runSpec(*sandbox, spec);
  EXPECT_NE(output.out.find("/dev/pts/0"), std::string::npos) << output.out;
  EXPECT_NE(output.out.find("42 101"), std::string::npos) << output.out;
  EXPECT_NE(output.out.find("bye"), std::string::npos);
}

TEST_F(CommandsTest, manyThreadsInOneSandbox) {
  auto sandbox = make();
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 10; ++k) {
        const std::string text = std::to_string(i) + "-" + std::to_string(k);
        if (run(*sandbox, {"echo", text}).out == text + "\n") ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 160);
  EXPECT_TRUE(eventually([&] { return sandbox->stats()->processes == 0; }));
}

TEST_F(CommandsTest, endedSandboxSaysSo) {
  auto sandbox = make();
  ASSERT_TRUE(sandbox->destroy().ok());
  ASSERT_TRUE(sandbox->destroy().ok());
  const Output output = run(*sandbox, {"true"});
  ASSERT_TRUE(output.failed);
  EXPECT_EQ(output.error.kind, ErrorClass::kNotFound);
  EXPECT_FALSE(output.error.fix.empty());
  EXPECT_EQ(sandbox->info().error().kind, ErrorClass::kNotFound);
}

TEST_F(CommandsTest, sandboxThatEndsUnderACommand) {
  auto sandbox = make();
  ExecSpec spec;
  spec.shell = "echo up; sleep 1000";
  spec.output = [&](Stream, std::span<const std::byte>) {
    EXPECT_TRUE(sandbox->destroy().ok());
    return true;
  };
  const Output output = runSpec(*sandbox, spec);
  ASSERT_TRUE(output.failed);
  EXPECT_EQ(output.error.kind, ErrorClass::kNotFound);
}

TEST_F(CommandsTest, withoutIsolationOnlyByName) {
  CreateSpec spec;
  spec.isolation = Isolation::kNone;
  spec.workdir = scratch_.path();
  auto sandbox = make(spec);
  EXPECT_EQ(shell(*sandbox, "pwd").out, scratch_.path() + "\n");
  EXPECT_EQ(sandbox->info()->engine, "none");
  const SandboxInfo info = *sandbox->info();
  for (const LimitReport& limit : info.limits) {
    if (limit.name == "memory") {
      EXPECT_EQ(limit.strength, LimitStrength::kNone);
    }
  }
  ASSERT_TRUE(sandbox->writeFile("x.txt", "content").ok());
  EXPECT_EQ(shell(*sandbox, "cat x.txt").out, "content");
  ExecSpec sleeper;
  sleeper.shell = "setsid sh -c 'echo $$ >pid; exec sleep 1000' & wait";
  sleeper.timeout = Milliseconds(400);
  EXPECT_EQ(runSpec(*sandbox, sleeper).status.kind, ExitKind::kTimeout);
  const int pid = std::stoi(*sandbox->readFile("pid"));
  ASSERT_GT(pid, 1);
  ASSERT_TRUE(sandbox->destroy().ok());
  EXPECT_TRUE(eventually([&] { return kill(pid, 0) != 0; }));
}

}  // namespace
}  // namespace computesdk::local::testing
