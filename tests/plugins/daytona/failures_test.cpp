// What goes wrong between here and the vendor: the right code, what to do, no secret, and no sandbox left behind.
#include "fixture.hpp"

#include <thread>

namespace computesdk::daytona::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kCreate = "/api/sandbox";

class DaytonaFailures : public DaytonaTest {
 protected:
  void failCreate(simulators::Fault fault) {
    fault.path = kCreate;
    fault.method = "POST";
    fail(std::move(fault));
  }
};

TEST_F(DaytonaFailures, AWrongKey) {
  compute_.setConfig(config("dtn_wrong"));
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::authRejected);
  EXPECT_THAT(error.fix, HasSubstr("DAYTONA_API_KEY"));
  EXPECT_FALSE(error.maybeApplied);
  EXPECT_EQ(requestCount(), 1U);
}

TEST_F(DaytonaFailures, TooManyRequests) {
  failCreate({.path = "", .status = 429, .retryAfter = "0"});
  Sandbox sandbox = create();  // the vendor said when, so it is asked again
  EXPECT_EQ(requests("POST", kCreate).size(), 2U);
  failCreate({.path = "", .times = -1, .status = 429, .retryAfter = "7200"});
  const ErrorInfo error = createError({.createTimeout = 20s});
  EXPECT_EQ(error.code, ErrorCode::rateLimited);
  EXPECT_EQ(error.retryAfter, 7200s);
  EXPECT_TRUE(error.retryable);
  EXPECT_EQ(alive().size(), 1U);
}

TEST_F(DaytonaFailures, ALimitOfTheAccount) {
  for (const int status : {400, 403}) {
    failCreate({.path = "",
                .status = status,
                .body = R"({"statusCode":400,"message":"Total CPU limit exceeded. Maximum allowed: 10."})"});
    const ErrorInfo error = createError();
    EXPECT_EQ(error.code, ErrorCode::quota) << status;
    EXPECT_THAT(error.fix, HasSubstr("destroy")) << status;
    EXPECT_FALSE(error.maybeApplied) << status;
  }
}

TEST_F(DaytonaFailures, ANameThatIsTaken) {
  const Sandbox sandbox = create({.name = "taken"});
  EXPECT_EQ(createError({.name = "taken"}).code, ErrorCode::alreadyExists);
  EXPECT_EQ(alive().size(), 1U);
}

TEST_F(DaytonaFailures, ASandboxThatCannotStartIsDestroyedAndSaysWhy) {
  fail({.path = "/api/sandbox/",
        .method = "GET",
        .status = 200,
        .body = R"({"id":"x","name":"x","state":"build_failed","errorReason":"no such image"})"});
  // The answer is about another sandbox, so it is not believed.
  EXPECT_EQ(createError().code, ErrorCode::protocol);
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(DaytonaFailures, AnUnclearCreateLeavesNothingBehind) {
  const std::vector<std::pair<std::string, simulators::Fault>> faults = {
      {"reset in place of the answer", {.path = "", .appliedThenReset = true}},
      {"reset inside the answer", {.path = "", .resetAfter = 20}},
      {"end inside the answer", {.path = "", .cutAfter = 20}},
      {"half a JSON", {.path = "", .truncate = 40}},
      {"an empty body", {.path = "", .truncate = 0}},
  };
  for (const auto& [name, fault] : faults) {
    failCreate(fault);
    const ErrorInfo error = createError();
    EXPECT_TRUE(error.code == ErrorCode::network || error.code == ErrorCode::protocol)
        << name << ": " << error.what << error.why;
    EXPECT_TRUE(error.maybeApplied) << name;
    EXPECT_TRUE(error.orphanGone) << name;
    EXPECT_THAT(alive(), IsEmpty()) << name;
  }
  EXPECT_THAT(requests("GET", "/api/sandbox?limit=100&labels=%7B%22computesdk-create%22"), testing::Not(IsEmpty()));
}

TEST_F(DaytonaFailures, CancellationWhileItStartsDestroysIt) {
  fail({.path = "/api/sandbox/", .method = "GET", .times = -1, .delayMs = 200});
  std::stop_source stop;
  std::jthread canceller([&](const std::stop_token& ended) {
    while (alive().empty() && !ended.stop_requested()) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_EQ(createError({.stop = stop.get_token()}).code, ErrorCode::cancelled);
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(DaytonaFailures, ASandboxThatIsChangingIsDestroyedAMomentLater) {
  Sandbox sandbox = create();
  fail({.path = "/api/sandbox/",
        .method = "DELETE",
        .status = 409,
        .body = R"({"statusCode":409,"message":"Sandbox state change in progress"})"});
  fail({.path = "/api/sandbox/",
        .method = "GET",
        .status = 200,
        .body = R"({"id":")" + sandbox.sandboxId() + R"(","state":"starting"})"});
  sandbox.destroy();
  EXPECT_THAT(alive(), IsEmpty());
  EXPECT_EQ(requests("DELETE", "/api/sandbox/").size(), 2U);
}

TEST_F(DaytonaFailures, HostileAnswersAreProtocolErrors) {
  Sandbox sandbox = create();
  for (const std::string& body :
       {std::string(), std::string("<html>"), std::string("[]"), std::string("{}"), std::string(R"({"id":5})"),
        std::string(R"({"id":"somebody-elses","state":"started"})"), std::string(200000, '['),
        R"({"id":")" + sandbox.sandboxId() + R"(","labels":7})"}) {
    fail({.path = "/api/sandbox/", .method = "GET", .status = 200, .body = body});
    auto info = sandbox.getInfo(nothrow);
    ASSERT_FALSE(info) << body.substr(0, 40);
    EXPECT_EQ(info.error().code, ErrorCode::protocol) << body.substr(0, 40);
    expectNoSecret(info.error());
  }
}

TEST_F(DaytonaFailures, AListThatNeverEndsEnds) {
  fail({.path = "/api/sandbox?",
        .method = "GET",
        .times = -1,
        .status = 200,
        .body = R"({"items":[],"nextCursor":"c"})"});
  fail({.path = "/api/*", .method = "GET", .times = -1, .status = 200, .body = R"({"items":[],"nextCursor":"c"})"});
  auto list = compute_.sandbox().list(nothrow);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, ErrorCode::protocol);
}

// A command whose input streams in has a session of the daemon, and its output comes over a WebSocket.
TEST_F(DaytonaFailures, OutputThatBreaksOffIsNoSuccess) {
  Sandbox sandbox = create();
  const std::string input(100000, '\n');
  const auto run = [&] {
    return sandbox.runCommand(nothrow, "echo one; echo two; sleep 0.1; echo three", {.stdin_ = input});
  };
  for (const std::string path : {"/toolbox/*/process/session/*/command/*/logs", "/toolbox/*/process/execute"}) {
    for (const std::int64_t at : {2, 20, 40}) {
      for (const bool reset : {true, false}) {
        simulators::Fault fault{.path = path};
        (reset ? fault.resetAfter : fault.cutAfter) = at;
        fail(fault);
        auto result = path.ends_with("logs") ? run() : sandbox.runCommand(nothrow, "echo one; echo two");
        ASSERT_FALSE(result) << path << at << reset;
        EXPECT_TRUE(result.error().code == ErrorCode::network || result.error().code == ErrorCode::protocol)
            << path << at << reset << result.error().why;
        EXPECT_TRUE(result.error().maybeApplied);
        expectNoSecret(result.error());
      }
    }
    fail({.path = path, .status = 500});
    EXPECT_FALSE(path.ends_with("logs") ? run() : sandbox.runCommand(nothrow, "true"));
    fail({.path = path, .slowBytes = 1, .slowMs = 1});
    EXPECT_EQ(sandbox.runCommand("echo slow").stdout_, "slow\n");
  }
}

TEST_F(DaytonaFailures, OutputIsAskedForAgainWhereAnAnswerWasLost) {
  Sandbox sandbox = create();
  const std::string command = "for i in 1 2 3; do echo $i; sleep 0.3; done";
  fail({.path = "/toolbox/*/process/execute", .skip = 1, .appliedThenReset = true});
  EXPECT_EQ(sandbox.runCommand(command).stdout_, "1\n2\n3\n");
  fail({.path = "/toolbox/*/process/execute", .skip = 1, .status = 503});
  EXPECT_EQ(sandbox.runCommand(command).stdout_, "1\n2\n3\n");
}

TEST_F(DaytonaFailures, WhatTheDaemonSaysOfACommandMustMakeSense) {
  Sandbox sandbox = create();
  for (const std::string result : {"", "1 4\\n\\n", "x 4\\n\\nabcd.\\n", "1 -4\\n\\n", ". \\n\\n.\\n",
                                   "1 99999999999999999999\\n\\n", "1 4\\n\\n!!!!.\\n"}) {
    fail({.path = "/toolbox/*/process/execute",
          .status = 200,
          .body = R"({"exitCode":0,"result":")" + result + R"("})"});
    auto said = sandbox.runCommand(nothrow, "true");
    ASSERT_FALSE(said) << result;
    EXPECT_EQ(said.error().code, ErrorCode::protocol) << result;
    EXPECT_TRUE(said.error().maybeApplied) << result;
  }
}

TEST_F(DaytonaFailures, ACommandThatIsGivenUpEndsAndLeavesNothing) {
  Sandbox sandbox = create();
  EXPECT_TRUE(sandbox.runCommand("env -u A sleep 4242 & sleep 4242", {.timeout = 500ms}).timedOut);
  EXPECT_EQ(sandbox.runCommand("pgrep -c -f 'sleep 424[2]'").stdout_, "0\n");
  const std::string input(100000, '\n');
  EXPECT_TRUE(sandbox.runCommand("env -u A sleep 4242 & sleep 4242", {.timeout = 500ms, .stdin_ = input}).timedOut);
  EXPECT_EQ(sandbox.runCommand("pgrep -c -f 'sleep 424[2]'").stdout_, "0\n");
  EXPECT_FALSE(requests("DELETE", "/toolbox/" + sandbox.sandboxId() + "/process/session/").empty());
  EXPECT_EQ(sandbox.runCommand("ls -d /tmp/.computesdk-run-* | wc -l").stdout_, "1\n") << "its own";
}

TEST_F(DaytonaFailures, ASandboxThatEndedIsGone) {
  Sandbox sandbox = create();
  compute_.sandbox().destroy(sandbox.sandboxId());
  auto result = sandbox.runCommand(nothrow, "true");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::sandboxGone);
  auto read = sandbox.filesystem().readFile(nothrow, "/etc/passwd");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::sandboxGone);
  sandbox.destroy();
}

TEST_F(DaytonaFailures, ABrokenUploadLeavesTheOldFile) {
  Sandbox sandbox = create();
  Filesystem files = sandbox.filesystem();
  files.writeFile("/home/daytona/f", "old");
  fail({.path = "/toolbox/*/files/upload",
        .method = "POST",
        .status = 500,
        .body = R"({"statusCode":500,"source":"DAYTONA_DAEMON","message":"write: no space left on device"})"});
  const std::string big(3 << 20, 'n');
  auto written = files.writeFile(nothrow, "/home/daytona/f", std::as_bytes(std::span(big)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::diskFull);
  EXPECT_EQ(files.readFile("/home/daytona/f"), "old");
  EXPECT_EQ(files.readdir("/home/daytona").size(), 1U);
}

}  // namespace
}  // namespace computesdk::daytona::test
