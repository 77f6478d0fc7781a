// Commands: event streams that break off, input through a text channel, processes that go on.
#include "fixture.hpp"

#include <thread>

namespace computesdk::runloop::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class RunloopCommands : public RunloopTest {};

TEST_F(RunloopCommands, ACommandIsFourRequests) {
  Sandbox sandbox = create();
  forgetRequests();
  const CommandResult result = sandbox.runCommand("pwd; echo $FOO", {.cwd = "/tmp", .env = {{"FOO", "b r"}}});
  EXPECT_EQ(result.stdout_, "/tmp\nb r\n");
  const std::string base = "/v1/devboxes/" + sandbox.sandboxId();
  const auto started = requests("POST", base + "/execute_async");
  ASSERT_EQ(started.size(), 1U);
  EXPECT_THAT(started[0].body, HasSubstr(R"(cd -- '/tmp' && export FOO='b r' && )"));
  const auto streams = requests("GET", base + "/executions/");
  ASSERT_EQ(streams.size(), 2U);
  for (const auto& stream : streams) {
    EXPECT_EQ(header(stream, "accept"), "text/event-stream");
    EXPECT_THAT(stream.target, testing::MatchesRegex(".*/stream_std(out|err)_updates\\?offset=0"));
  }
  const auto waits = requests("POST", base + "/executions/");
  ASSERT_EQ(waits.size(), 1U);
  EXPECT_EQ(waits[0].body, R"({"statuses":["completed"]})");
  EXPECT_EQ(requestCount(), 4U) << "as many as the vendor's client with callbacks";
}

TEST_F(RunloopCommands, LongPollsAndIdleStreamsAreTakenUpAgain) {
  Sandbox sandbox = create();
  EXPECT_EQ(sandbox.runCommand("echo one; sleep 3; echo two; echo three >&2").stdout_, "one\ntwo\n");
  const std::string base = "/v1/devboxes/" + sandbox.sandboxId() + "/executions/";
  EXPECT_GT(requests("GET", base).size(), 2U);
  EXPECT_GT(requests("POST", base).size(), 1U);
}

TEST_F(RunloopCommands, AStreamThatBreaksOffLosesAndRepeatsNothing) {
  Sandbox sandbox = create();
  const std::string line = "i=0; while [ $i -lt 40 ]; do echo line $i \xc3\xa4; i=$((i + 1)); sleep 0.01; done";
  std::string whole;
  for (int i = 0; i < 40; ++i) whole += "line " + std::to_string(i) + " \xc3\xa4\n";
  for (const std::int64_t at : {0, 10, 60, 200, 900}) {
    fail({.path = "/v1/devboxes/*/executions/*/stream_stdout_updates", .resetAfter = at});
    EXPECT_EQ(sandbox.runCommand(line).stdout_, whole) << at;
    fail({.path = "/v1/devboxes/*/executions/*/stream_stdout_updates", .cutAfter = at});
    EXPECT_EQ(sandbox.runCommand(line).stdout_, whole) << at;
  }
  // One that ends in order, but too early.
  fail({.path = "/v1/devboxes/*/executions/*/stream_stdout_updates",
        .status = 200,
        .body = "data: {\"output\":\"li\",\"offset\":0}\n\n",
        .contentType = "text/event-stream"});
  EXPECT_EQ(sandbox.runCommand(line).stdout_, whole);
  fail({.path = "/v1/devboxes/*/executions/*/stream_stdout_updates", .slowBytes = 3, .slowMs = 1});
  EXPECT_EQ(sandbox.runCommand("echo slow").stdout_, "slow\n");
}

TEST_F(RunloopCommands, AStreamThatFailsForGoodIsAFailure) {
  Sandbox sandbox = create();
  fail({.path = "/v1/devboxes/*/executions/*/stream_stdout_updates",
        .times = -1,
        .status = 200,
        .body = "event: error\ndata: {\"code\":500,\"message\":\"the log is gone\"}\n\n",
        .contentType = "text/event-stream"});
  auto result = sandbox.runCommand(nothrow, "echo x");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::unavailable);
  EXPECT_THAT(result.error().what + result.error().why, HasSubstr("the log is gone"));
  server().clearFaults();
  for (const char* const body : {"data: {\n\n", "data: 5\n\n", "data: {\"output\":5}\n\n"}) {
    fail({.path = "/v1/devboxes/*/executions/*/stream_stdout_updates",
          .status = 200,
          .body = body,
          .contentType = "text/event-stream"});
    result = sandbox.runCommand(nothrow, "echo x");
    ASSERT_FALSE(result) << body;
    EXPECT_EQ(result.error().code, ErrorCode::protocol) << body;
  }
}

TEST_F(RunloopCommands, WhatIsNoTextIsSaidToBeLossy) {
  Sandbox sandbox = create();
  const CommandResult result = sandbox.runCommand("printf 'a\\377b'");
  EXPECT_EQ(result.stdout_,
            "a\xef\xbf\xbd"
            "b");
  EXPECT_TRUE(result.status.lossy);
  EXPECT_FALSE(sandbox.runCommand("echo \xc3\xa4").status.lossy);
}

TEST_F(RunloopCommands, NamedShellsRemember) {
  Sandbox sandbox = create();
  const RunOptions inShell{.options = {{"shell_name", std::string("s")}}};
  sandbox.runCommand("cd /tmp; export V=9", inShell);
  EXPECT_EQ(sandbox.runCommand("pwd; echo $V", inShell).stdout_, "/tmp\n9\n");
  EXPECT_EQ(sandbox.runCommand(CommandLine({"echo", "a b"}), inShell).stdout_, "a b\n");
  EXPECT_EQ(sandbox.runCommand("pwd").stdout_, "/home/user\n");
}

TEST_F(RunloopCommands, StopsACommandWithAllThatItStarted) {
  Sandbox sandbox = create();
  const CommandResult result =
      sandbox.runCommand("(sleep 871; true) & (trap '' TERM; sleep 872; true) & sleep 873", {.timeout = 500ms});
  EXPECT_TRUE(result.timedOut);
  EXPECT_EQ(result.exitCode, 124);
  EXPECT_EQ(sandbox.runCommand("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 87[123]'").stdout_, "0\n");
  // One whose start is cancelled has no id yet.
  fail({.path = "/v1/devboxes/*/execute_async", .slowBytes = 4, .slowMs = 50});
  std::stop_source stop;
  const std::string running = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 87[4]'";
  std::jthread canceller([&](const std::stop_token& ended) {
    for (bool seen = false; !seen && !ended.stop_requested();) {
      const auto count = sandbox.runCommand(nothrow, running);
      seen = count && count->stdout_ == "1\n";
    }
    stop.request_stop();
  });
  auto cancelled = sandbox.runCommand(nothrow, "sleep 874", {.stop = stop.get_token()});
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::cancelled);
  EXPECT_EQ(sandbox.runCommand(running).stdout_, "0\n");
}

TEST_F(RunloopCommands, ADevboxThatEndsUnderACommandIsGone) {
  Sandbox sandbox = create();
  std::string seen;
  auto result =
      sandbox.runCommand(nothrow, "echo begun; sleep 100",
                         {.onStdout = [&](std::string_view) { compute_.sandbox().destroy(sandbox.sandboxId()); }});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::sandboxGone) << result.error().what;
}

TEST_F(RunloopCommands, ABackgroundCommandsOutputWaitsForItsReader) {
  Sandbox sandbox = create();
  Process process =
      sandbox.processes().start("echo early; echo wrong >&2; read x; echo got $x; exit 5", {.keepStdin = true});
  std::string out, err;
  const auto take = [&](OutputStream stream, std::span<const std::byte> bytes) {
    (stream == OutputStream::standardError ? err : out)
        .append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  process.attach({.follow = false, .onOutput = take});
  EXPECT_EQ(out, "early\n") << "and it runs on";
  out.clear(), err.clear();
  process.write("word\n");
  EXPECT_EQ(process.attach({.onOutput = take}).exitCode(), 5);
  EXPECT_EQ(out, "early\ngot word\n");
  EXPECT_EQ(err, "wrong\n");
  out.clear(), err.clear();
  EXPECT_EQ(process.attach({.offset = 6, .follow = false, .onOutput = take}).exitCode(), 5);
  EXPECT_EQ(out, "got word\n");
  EXPECT_EQ(err, "wrong\n");
  out.clear(), err.clear();
  EXPECT_EQ(process.attach({.offset = 18, .onOutput = take}).exitCode(), 5);
  EXPECT_EQ(out + err, "ng\n");
}

}  // namespace
}  // namespace computesdk::runloop::test
