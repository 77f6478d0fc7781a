// What goes wrong between here and the vendor: the right code, what to do, no secret, and no sandbox left behind.
#include "fixture.hpp"

#include <thread>

namespace computesdk::vercel::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kCreate = "/api/v3/sandboxes";

class VercelFailures : public VercelTest {
 protected:
  static std::string errorBody(const std::string& code, const std::string& message) {
    return R"({"error":{"code":")" + code + R"(","message":")" + message + R"("}})";
  }
};

TEST_F(VercelFailures, AWrongToken) {
  compute_.setConfig(config("vcp_wrong"));
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::authRejected) << "a 403 of Vercel's is about the token";
  EXPECT_THAT(error.fix, HasSubstr("VERCEL_TOKEN"));
  EXPECT_FALSE(error.maybeApplied);
  EXPECT_EQ(requestCount(), 1U);
}

TEST_F(VercelFailures, TooManyRequests) {
  fail({.path = kCreate, .method = "POST", .status = 429, .retryAfter = "0"});
  Sandbox sandbox = create();  // the vendor said when, so it is asked again
  EXPECT_EQ(requests("POST", kCreate).size(), 2U);
  fail({.path = kCreate, .method = "POST", .times = -1, .status = 429, .retryAfter = "7200"});
  const ErrorInfo error = createError({.createTimeout = 20s});
  EXPECT_EQ(error.code, ErrorCode::rateLimited);
  EXPECT_EQ(error.retryAfter, 7200s);
  EXPECT_TRUE(error.retryable);
  EXPECT_FALSE(error.maybeApplied);
  EXPECT_EQ(alive().size(), 1U);
}

TEST_F(VercelFailures, WhatThePlanDoesNotHave) {
  fail(
      {.path = kCreate, .method = "POST", .status = 402, .body = errorBody("payment_required", "8 vcpus need a plan")});
  const ErrorInfo error = createError();
  EXPECT_THAT(error.fix, HasSubstr("https://vercel.com/pricing"));
  EXPECT_THAT(error.what + error.why + error.vendorText, HasSubstr("8 vcpus need a plan"));
  EXPECT_FALSE(error.maybeApplied);
  fail({.path = kCreate,
        .method = "POST",
        .status = 429,
        .body = errorBody("rate_limited", "the limit of concurrent sandboxes is reached")});
  EXPECT_EQ(createError().code, ErrorCode::quota);
}

TEST_F(VercelFailures, AnUnclearCreateLeavesNothingBehind) {
  using simulators::Fault;
  const std::vector<std::pair<std::string, Fault>> faults = {
      {"reset in place of the answer", {.path = "", .appliedThenReset = true}},
      {"reset inside the answer", {.path = "", .resetAfter = 20}},
      {"end inside the answer", {.path = "", .cutAfter = 20}},
      {"half a JSON", {.path = "", .truncate = 40}},
      {"an empty body", {.path = "", .truncate = 0}},
  };
  for (const auto& [name, fault] : faults) {
    Fault one = fault;
    one.path = kCreate;
    one.method = "POST";
    fail(one);
    const ErrorInfo error = createError();
    EXPECT_TRUE(error.code == ErrorCode::network || error.code == ErrorCode::protocol)
        << name << ": " << error.what << error.why;
    EXPECT_TRUE(error.maybeApplied) << name;
    EXPECT_TRUE(error.orphanGone) << name;
    EXPECT_THAT(alive(), IsEmpty()) << name;
  }
  EXPECT_THAT(requests("GET", "/api/v2/sandboxes?").at(0).target, HasSubstr("tags=computesdk-create%3A"));
}

TEST_F(VercelFailures, AnOrphanThatCannotBeLookedForIsTold) {
  fail({.path = kCreate, .method = "POST", .appliedThenReset = true});
  fail({.path = "/api/v2/sandboxes", .method = "GET", .times = -1, .status = 401});
  const ErrorInfo error = createError();
  EXPECT_TRUE(error.maybeApplied);
  EXPECT_FALSE(error.orphanGone);
  EXPECT_EQ(alive().size(), 1U);
}

TEST_F(VercelFailures, CancellationDestroysWhatCreateHadBegun) {
  fail({.path = kCreate, .method = "POST", .slowBytes = 4, .slowMs = 30});
  std::stop_source stop;
  std::jthread canceller([&](const std::stop_token& ended) {
    while (alive().empty() && !ended.stop_requested()) std::this_thread::yield();
    stop.request_stop();
  });
  const ErrorInfo error = createError({.stop = stop.get_token()});
  EXPECT_EQ(error.code, ErrorCode::cancelled);
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(VercelFailures, ReadingIsRepeated) {
  Sandbox sandbox = create();
  fail({.path = "/api/v2/sandboxes/", .method = "GET", .reset = true});
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::running);
  fail({.path = "/api/v2/sandboxes/", .method = "GET", .times = 2, .status = 503});
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::running);
  sandbox.filesystem().writeFile("f", "x");
  fail({.path = std::string(kSessions) + "*/fs/read", .reset = true});
  EXPECT_EQ(sandbox.filesystem().readFile("f"), "x");
}

TEST_F(VercelFailures, HostileAnswersAreProtocolErrors) {
  Sandbox sandbox = create();
  for (const std::string& body :
       {std::string(), std::string("<html>"), std::string("[]"), std::string("{}"), std::string("null"),
        std::string(R"({"sandbox":5})"), std::string(R"({"sandbox":{"name":"somebody-elses"}})"),
        std::string(200000, '['), R"({"sandbox":{"name":")" + sandbox.sandboxId() + R"("},"session":7,"routes":[]})",
        R"({"sandbox":{"name":")" + sandbox.sandboxId() + R"("},"session":{"id":"sbx_1"},"routes":[{"port":"x"}]})"}) {
    fail({.path = "/api/v2/sandboxes/", .method = "GET", .status = 200, .body = body});
    auto info = sandbox.getInfo(nothrow);
    ASSERT_FALSE(info) << body.substr(0, 40);
    EXPECT_EQ(info.error().code, ErrorCode::protocol) << body.substr(0, 40);
    expectNoSecret(info.error());
  }
}

TEST_F(VercelFailures, AListThatNeverEndsEnds) {
  for (const char* body : {R"({"sandboxes":[],"pagination":{"count":0,"next":"again"}})", "{}", "[]"}) {
    fail({.path = "/api/v2/sandboxes", .method = "GET", .times = 3, .status = 200, .body = body});
    auto list = compute_.sandbox().list(nothrow);
    ASSERT_FALSE(list) << body;
    EXPECT_EQ(list.error().code, ErrorCode::protocol) << body;
    server().clearFaults();
  }
}

TEST_F(VercelFailures, AStreamThatBreaksIsNoSuccess) {
  Sandbox sandbox = create();
  const std::string commands = std::string(kSessions) + "*/cmd";
  for (const std::int64_t at : {0, 3, 200, 300}) {
    fail({.path = commands, .resetAfter = at});
    auto result = sandbox.runCommand(nothrow, "echo one; echo two; sleep 0.1; echo three");
    ASSERT_FALSE(result) << at;
    EXPECT_TRUE(result.error().code == ErrorCode::network || result.error().code == ErrorCode::protocol)
        << at << result.error().why;
    EXPECT_TRUE(result.error().maybeApplied) << at;
    fail({.path = commands, .cutAfter = at});
    result = sandbox.runCommand(nothrow, "echo one; echo two; sleep 0.1; echo three");
    ASSERT_FALSE(result) << at;
    EXPECT_TRUE(result.error().code == ErrorCode::network || result.error().code == ErrorCode::protocol)
        << at << result.error().why;
    expectNoSecret(result.error());
  }
  const std::string begun = R"({"command":{"id":"cmd_1","exitCode":null}})";
  for (const std::string& lines : {std::string("not json\n"), begun + "\n" + begun + "\n", begun + "\n[]\n",
                                   begun + "\n", begun + "\n{\"stream\":\"stdout\",\"data\":5}\n"}) {
    fail({.path = commands, .status = 200, .body = lines, .contentType = "application/x-ndjson"});
    auto result = sandbox.runCommand(nothrow, "true");
    ASSERT_FALSE(result) << lines;
    EXPECT_TRUE(result.error().code == ErrorCode::network || result.error().code == ErrorCode::protocol) << lines;
  }
  fail({.path = commands, .status = 200, .body = "{}"});
  auto other = sandbox.runCommand(nothrow, "true");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::protocol) << "no stream of lines";
  fail({.path = commands, .slowBytes = 1, .slowMs = 1});
  EXPECT_EQ(sandbox.runCommand("echo slow").stdout_, "slow\n");
}

TEST_F(VercelFailures, LinesMayBeUnknownOrWithoutAnEnd) {
  Sandbox sandbox = create();
  fail({.path = std::string(kSessions) + "*/cmd",
        .status = 200,
        .body = "{\"command\":{\"id\":\"cmd_1\",\"exitCode\":null}}\r\n\n{\"stream\":\"trace\",\"data\":\"x\"}\n{"
                "\"later\":1}\n"
                "{\"stream\":\"stdout\",\"data\":\"a\\u0000\\ud83d\\ude00\"}\n{\"command\":{\"id\":\"cmd_1\","
                "\"exitCode\":3}}\n",
        .contentType = "application/x-ndjson"});
  const CommandResult result = sandbox.runCommand("true");
  EXPECT_EQ(result.exitCode, 3);
  EXPECT_EQ(result.stdout_, std::string("a\0\xf0\x9f\x98\x80", 6));
}

TEST_F(VercelFailures, ASandboxThatStopsUnderACommandDoesNotRunItAgain) {
  Sandbox sandbox = create();
  fail({.path = std::string(kSessions) + "*/cmd",
        .status = 200,
        .body = "{\"command\":{\"id\":\"cmd_1\",\"exitCode\":null}}\n"
                "{\"stream\":\"error\",\"data\":{\"code\":\"sandbox_stopped\",\"message\":\"Sandbox stopped\"}}\n",
        .contentType = "application/x-ndjson"});
  sandbox.pause();
  forgetRequests();
  auto result = sandbox.runCommand(nothrow, "true");
  ASSERT_FALSE(result);
  EXPECT_TRUE(result.error().maybeApplied);
  EXPECT_EQ(requests("POST", kSessions, "/cmd").size(), 1U);
  EXPECT_EQ(sandbox.runCommand("echo back").stdout_, "back\n");
}

TEST_F(VercelFailures, ASandboxThatEndedIsGone) {
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

TEST_F(VercelFailures, ABrokenUploadLeavesTheOldFile) {
  Sandbox sandbox = create();
  Filesystem files = sandbox.filesystem();
  files.writeFile("f", "old");
  fail({.path = std::string(kSessions) + "*/fs/write",
        .status = 507,
        .body = errorBody("no_space", "not enough disk space")});
  const std::string big(3 << 20, 'n');
  auto written = files.writeFile(nothrow, "f", std::as_bytes(std::span(big)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::diskFull);
  EXPECT_EQ(files.readFile("f"), "old");
  EXPECT_EQ(files.readdir(".").size(), 1U);
}

}  // namespace
}  // namespace computesdk::vercel::test
