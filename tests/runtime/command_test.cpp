#include "fakes.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace computesdk::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// A sandbox whose commands are processes of this machine.
class CommandTest : public ::testing::Test {
 protected:
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  FakeProvider& provider = world["one"];
};

TEST_F(CommandTest, RunsAShellLineAndAnArgv) {
  auto line = sandbox.runCommand("echo out; echo err >&2; exit 3");
  EXPECT_EQ(line.stdout_, "out\n");
  EXPECT_EQ(line.stderr_, "err\n");
  EXPECT_EQ(line.exitCode, 3);
  EXPECT_EQ(line.commandId, "cmd_1");
  auto argv = sandbox.runCommand({"printf", "%s|", "a b", "$HOME", "'"});
  EXPECT_EQ(argv.stdout_, "a b|$HOME|'|");
  EXPECT_EQ(sandbox.runCommand("cat; pwd; echo $A", {.cwd = "/usr", .env = {{"A", "b c"}}, .stdin_ = "in\n"}).stdout_,
            "in\n/usr\nb c\n");
  EXPECT_EQ(sandbox.runCommand({"/no/such/program"}).exitCode, 127) << "a result, no error";
}

TEST_F(CommandTest, StreamsAndKeepsUpToALimit) {
  std::string seen;
  auto all = sandbox.runCommand("printf 123456789",
                                {.onStdout = [&](std::string_view text) { seen += text; }, .maxOutput = 4});
  EXPECT_EQ(seen, "123456789");
  EXPECT_EQ(all.stdout_, "1234");
  EXPECT_TRUE(all.truncated);
  auto none = sandbox.runCommand("printf 123", {.maxOutput = 0});
  EXPECT_EQ(none.stdout_, "");
  EXPECT_FALSE(none.truncated);
}

TEST_F(CommandTest, WhatACallbackThrowsComesOut) {
  auto throws = [](std::string_view) { throw std::logic_error("mine"); };
  provider.onExec = [](const auto&, const auto&, const auto& output, const auto&) {
    output(OutputStream::standardOutput, std::as_bytes(std::span("x", 1)));
    return Result<ExitStatus>(ExitStatus{});
  };
  EXPECT_THROW(sandbox.runCommand("x", {.onStdout = throws}), std::logic_error);
}

TEST_F(CommandTest, TakesLongInputAndDescriptors) {
  const std::string big(3 << 20, 'x');
  EXPECT_EQ(sandbox.runCommand("wc -c", {.stdin_ = big}).stdout_, std::to_string(big.size()) + "\n");
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::jthread writer([&] {
    for (int i = 0; i < 100; ++i) ASSERT_EQ(::write(ends[1], big.data(), 10000), 10000);
    ::close(ends[1]);
  });
  EXPECT_EQ(sandbox.runCommand("wc -c", {.stdinFd = ends[0]}).stdout_, "1000000\n");
  EXPECT_EQ(::fcntl(ends[0], F_GETFD), FD_CLOEXEC) << "it stays open";
  ::close(ends[0]);
}

TEST_F(CommandTest, HandsOnTimeoutAndDeadline) {
  std::chrono::milliseconds timeout{-1};
  bool deadline = true;
  provider.onExec = [&](const auto&, const registry::ExecRequest& request, const auto&,
                        const registry::CallContext& context) {
    timeout = request.timeout;
    deadline = context.deadline.has_value();
    ExitStatus status;
    status.kind = ExitStatus::Kind::timeout;
    return Result<ExitStatus>(status);
  };
  sandbox.runCommand("x");
  EXPECT_EQ(timeout, 0ms);
  EXPECT_FALSE(deadline) << "a command without a timeout has no hidden one";
  auto timedOut = sandbox.runCommand("x", {.timeout = 1s});
  EXPECT_EQ(timeout, 1s);
  EXPECT_TRUE(deadline);
  EXPECT_TRUE(timedOut.timedOut);
  EXPECT_EQ(timedOut.exitCode, 124);
}

TEST_F(CommandTest, RefusesNonsense) {
  using namespace std::string_literals;
  const std::vector<std::string> none;
  auto code = [](const auto& result) { return result ? ErrorCode::internal : result.error().code; };
  EXPECT_EQ(code(sandbox.runCommand(nothrow, "")), ErrorCode::invalidArgument);
  EXPECT_EQ(code(sandbox.runCommand(nothrow, none)), ErrorCode::invalidArgument);
  EXPECT_EQ(code(sandbox.runCommand(nothrow, {"a", "b\0c"s})), ErrorCode::invalidArgument);
  EXPECT_EQ(code(sandbox.runCommand(nothrow, "a", {.cwd = "relative"})), ErrorCode::invalidArgument);
  EXPECT_EQ(code(sandbox.runCommand(nothrow, "a", {.env = {{"A=B", ""}}})), ErrorCode::invalidArgument);
  EXPECT_EQ(code(sandbox.runCommand(nothrow, "a", {.timeout = -1ms})), ErrorCode::invalidArgument);
  EXPECT_EQ(code(sandbox.runCommand(nothrow, "a", {.stdin_ = "x", .stdinFd = 0})), ErrorCode::invalidArgument);
  EXPECT_EQ(provider.count("exec"), 0u);
}

TEST_F(CommandTest, BackgroundWithoutProcessesGoesThroughTheShell) {
  TempFolder folder;
  const std::string file = (folder.path() / "fifo").string();
  ASSERT_EQ(sandbox.runCommand({"mkfifo", file}).exitCode, 0);
  auto started =
      sandbox.runCommand({"sh", "-c", "echo \"$1\" > \"$2\"", "sh", "it's here", file}, {.background = true});
  EXPECT_GT(std::stol(started.commandId), 0);
  EXPECT_EQ(sandbox.runCommand({"cat", file}).stdout_, "it's here\n");
  EXPECT_EQ(sandbox.runCommand(nothrow, "x", {.timeout = 1s, .background = true}).error().code, ErrorCode::unsupported);
  EXPECT_EQ(sandbox.processes().list(nothrow).error().code, ErrorCode::unsupported);
}

TEST_F(CommandTest, BackgroundAsAProcess) {
  provider.has.process = true;
  EXPECT_EQ(sandbox.runCommand("x", {.background = true}).commandId, "p2");
  EXPECT_EQ(sandbox.processes().list().size(), 1u);
}

TEST_F(CommandTest, ProcessesWriteSignalAndAttach) {
  provider.has.process = true;
  provider.has.pty = true;
  Process process = sandbox.processes().start("cat", {.pty = true});
  process.write("hello ");
  process.write(std::string(600 * 1024, 'x'));
  EXPECT_EQ(provider.count("processWrite"), 4u) << "long input goes in pieces";
  process.resize(100, 40);
  EXPECT_FALSE(process.resize(nothrow, 0, 1));
  EXPECT_FALSE(process.signal(nothrow, 0));
  process.signal(SIGINT);
  std::string text;
  const ExitStatus status = sandbox.processes().get(process.id()).attach({.onOutput = [&](auto, auto bytes) {
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }});
  EXPECT_EQ(status.kind, ExitStatus::Kind::signal);
  EXPECT_EQ(text.size(), 6u + 600 * 1024);
  EXPECT_EQ(sandbox.processes().get("p99").wait(nothrow).error().code, ErrorCode::notFound);
}

class AsyncTest : public CommandTest, public ::testing::WithParamInterface<bool> {
 protected:
  AsyncTest() { provider.has.process = GetParam(); }
};

TEST_P(AsyncTest, WritesAndWaits) {
  std::string seen;
  Command command = sandbox.runCommandAsync({"cat"}, {.onStdout = [&](std::string_view text) { seen += text; }});
  EXPECT_FALSE(command.id().empty());
  EXPECT_TRUE(command.running());
  EXPECT_FALSE(command.wait(1ms));
  command.write("one ");
  command.write("two");
  command.closeInput();
  command.closeInput();
  const CommandResult result = command.wait();
  EXPECT_EQ(result.stdout_, "one two");
  EXPECT_EQ(seen, "one two");
  EXPECT_EQ(result.exitCode, 0);
  EXPECT_EQ(command.wait(0ms)->stdout_, "one two") << "the answer stays";
  EXPECT_FALSE(command.running());
  EXPECT_EQ(command.write(nothrow, std::as_bytes(std::span("x"))).error().code, ErrorCode::precondition);
  command.kill();
}

TEST_P(AsyncTest, GivenInputIsAllThereIs) {
  Command command = sandbox.runCommandAsync("cat", {.stdin_ = std::string("text")});
  EXPECT_EQ(command.wait().stdout_, "text");
}

TEST_P(AsyncTest, WaitingCanBeStopped) {
  Command command = sandbox.runCommandAsync("cat");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(command.wait(nothrow, stop.get_token()).error().code, ErrorCode::cancelled);
  EXPECT_TRUE(command.running());
  command.closeInput();
  command.wait();
}

TEST_P(AsyncTest, KillsAndReportsTheSignal) {
  provider.onExec = [](const auto&, const auto&, const auto&, const registry::CallContext& context) {
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    stopped.wait(lock, context.stop, [] { return false; });
    return Result<ExitStatus>(failure(ErrorCode::cancelled, "stopped"));
  };
  Command command = sandbox.runCommandAsync("cat");
  EXPECT_FALSE(command.kill(nothrow, 99));
  command.kill(SIGTERM);
  EXPECT_EQ(command.wait().exitCode, 128 + SIGTERM);
  { Command dropped = sandbox.runCommandAsync("cat"); }
  EXPECT_EQ(provider.count("processSignal"), GetParam() ? 2u : 0u);
  std::stop_source stop;
  Command stopped = sandbox.runCommandAsync("cat", {.stop = stop.get_token()});
  stop.request_stop();
  EXPECT_EQ(stopped.wait(nothrow).error().code, ErrorCode::cancelled);
}

TEST_P(AsyncTest, DetachesWhereTheProviderCan) {
  Command command = sandbox.runCommandAsync("cat");
  if (!GetParam()) {
    EXPECT_EQ(command.detach(nothrow).error().code, ErrorCode::unsupported);
    command.closeInput();
    return;
  }
  command.detach();
  { Command gone = std::move(command); }
  EXPECT_EQ(provider.count("processSignal"), 0u);
}

INSTANTIATE_TEST_SUITE_P(Providers, AsyncTest, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "WithProcesses" : "ExecOnly"; });

TEST_F(CommandTest, RunsCodeFromAFileThatGoesAgain) {
  auto before = sandbox.runCommand("ls /tmp | grep -c computesdk-code-").stdout_;
  const std::string code = "import sys\nprint(6*7, sys.stdin.read(), \"it's\", '$HOME', sep='|')\nsys.exit(4)";
  auto result = sandbox.runCode(code, {.stdin_ = "in"});
  EXPECT_EQ(result.language, "python");
  EXPECT_EQ(result.output, "42|in|it's|$HOME\n");
  EXPECT_EQ(result.exitCode, 4);
  EXPECT_EQ(sandbox.runCode("echo $0 >&2; echo out", "sh").output.substr(0, 9), "out\n/tmp/");
  EXPECT_EQ(sandbox.runCommand("ls /tmp | grep -c computesdk-code-").stdout_, before);
  EXPECT_THAT(sandbox.runCode(nothrow, "x", {.language = "cobol"}).error().fix, HasSubstr("python"));
}

TEST_F(CommandTest, TheSandboxesRuntimeIsTheDefaultLanguage) {
  Sandbox shell = compute.sandbox().create({.runtime = "sh"});
  EXPECT_EQ(shell.runCode("echo 'print('").output, "print(\n");
}

TEST_F(CommandTest, RemovesTheFileAlsoWhenStopped) {
  std::stop_source stop;
  provider.has.fsWrite = provider.has.fsRemove = true;
  provider.onExec = [&](const auto&, const auto&, const auto&, const auto&) {
    stop.request_stop();
    return Result<ExitStatus>(failure(ErrorCode::cancelled, "stopped"));
  };
  EXPECT_FALSE(sandbox.runCode(nothrow, "x", {.stop = stop.get_token()}));
  EXPECT_EQ(provider.count("fsRemove /tmp/computesdk-code-"), 1u);
}

}  // namespace
}  // namespace computesdk::test
