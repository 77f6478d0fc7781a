// What goes wrong between here and the vendor: the right code, what to do, no secret, and no sandbox left behind.
#include "fixture.hpp"

#include <thread>

namespace computesdk::e2b::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

class E2bFailures : public E2bTest {};

TEST_F(E2bFailures, AWrongKey) {
  compute_.setConfig(config("e2b_wrong"));
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::authRejected);
  EXPECT_THAT(error.fix, HasSubstr("E2B_API_KEY"));
  EXPECT_FALSE(error.maybeApplied);
  compute_.setConfig(config("sk_other"));
  EXPECT_EQ(createError().code, ErrorCode::authFormat);
  EXPECT_EQ(requestCount(), 1U);
}

TEST_F(E2bFailures, TooManyRequests) {
  fail({.path = "/v2/sandboxes", .method = "POST", .status = 429, .retryAfter = "0"});
  Sandbox sandbox = create();  // the vendor said when, so it is asked again
  EXPECT_EQ(requests("POST", "/v2/sandboxes").size(), 2U);
  fail({.path = "/v2/sandboxes", .method = "POST", .times = -1, .status = 429, .retryAfter = "7200"});
  const ErrorInfo error = createError({.createTimeout = 20s});
  EXPECT_EQ(error.code, ErrorCode::rateLimited);
  EXPECT_EQ(error.retryAfter, 7200s);
  EXPECT_TRUE(error.retryable);
  EXPECT_FALSE(error.maybeApplied);
  EXPECT_EQ(alive().size(), 1U);
}

TEST_F(E2bFailures, ALimitOfTheAccount) {
  fail({.path = "/v2/sandboxes",
        .method = "POST",
        .status = 429,
        .body = R"({"code":429,"message":"you have reached the maximum number of concurrent E2B sandboxes"})"});
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::quota);
  EXPECT_THAT(error.fix, HasSubstr("destroy"));
}

TEST_F(E2bFailures, NoCapacityChangesNothing) {
  fail({.path = "/v2/sandboxes", .method = "POST", .status = 503});
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_FALSE(error.maybeApplied);
  EXPECT_THAT(requests("GET", "/v2/sandboxes"), IsEmpty()) << "there is nothing to look for";
}

TEST_F(E2bFailures, AnUnclearCreateLeavesNothingBehind) {
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
    one.path = "/v2/sandboxes";
    one.method = "POST";
    fail(one);
    const ErrorInfo error = createError();
    EXPECT_TRUE(error.code == ErrorCode::network || error.code == ErrorCode::protocol)
        << name << ": " << error.what << error.why;
    EXPECT_TRUE(error.maybeApplied) << name;
    EXPECT_TRUE(error.orphanGone) << name;
    EXPECT_THAT(alive(), IsEmpty()) << name;
  }
}

TEST_F(E2bFailures, A500IsLookedInto) {
  fail({.path = "/v2/sandboxes", .method = "POST", .status = 500});
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_TRUE(error.orphanGone) << "the vendor answered, and nothing is there";
  EXPECT_FALSE(requests("GET", "/v2/sandboxes?metadata=computesdk-create").empty());
}

TEST_F(E2bFailures, AnOrphanThatCannotBeLookedForIsTold) {
  fail({.path = "/v2/sandboxes", .method = "POST", .appliedThenReset = true});
  fail({.path = "/v2/sandboxes", .method = "GET", .times = -1, .status = 401});
  const ErrorInfo error = createError();
  EXPECT_TRUE(error.maybeApplied);
  EXPECT_FALSE(error.orphanGone);
  EXPECT_EQ(alive().size(), 1U);
}

TEST_F(E2bFailures, CancellationDestroysWhatCreateHadBegun) {
  fail({.path = "/v2/sandboxes", .method = "POST", .slowBytes = 4, .slowMs = 30});
  std::stop_source stop;
  std::jthread canceller([&](const std::stop_token& ended) {
    while (alive().empty() && !ended.stop_requested()) std::this_thread::yield();
    stop.request_stop();
  });
  const ErrorInfo error = createError({.stop = stop.get_token()});
  EXPECT_EQ(error.code, ErrorCode::cancelled);
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(E2bFailures, ReadingIsRepeated) {
  Sandbox sandbox = create();
  fail({.path = "/sandboxes/", .method = "GET", .reset = true});
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::running);
  fail({.path = "/sandboxes/", .method = "GET", .times = 2, .status = 503});
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::running);
  fail({.path = "/files", .method = "GET", .reset = true});
  sandbox.filesystem().writeFile("/home/user/f", "x");
  EXPECT_EQ(sandbox.filesystem().readFile("/home/user/f"), "x");
}

TEST_F(E2bFailures, HostileAnswersAreProtocolErrors) {
  Sandbox sandbox = create();
  for (const std::string& body :
       {std::string(), std::string("<html>"), std::string("[]"), std::string("{}"), std::string("null"),
        std::string(R"({"sandboxID":5})"), std::string(R"({"sandboxID":"somebody-elses"})"), std::string(200000, '['),
        R"({"sandboxID":")" + sandbox.sandboxId() + R"(","metadata":7})"}) {
    fail({.path = "/sandboxes/", .method = "GET", .status = 200, .body = body});
    auto info = sandbox.getInfo(nothrow);
    ASSERT_FALSE(info) << body.substr(0, 40);
    EXPECT_EQ(info.error().code, ErrorCode::protocol) << body.substr(0, 40);
    expectNoSecret(info.error());
  }
  fail({.path = "/sandboxes/", .method = "GET", .garbage = true});
  auto info = sandbox.getInfo(nothrow);
  EXPECT_TRUE(info || info.error().code == ErrorCode::protocol);
}

TEST_F(E2bFailures, AListThatNeverEndsEnds) {
  fail({.path = "/v2/sandboxes",
        .method = "GET",
        .times = -1,
        .status = 200,
        .body = "[]",
        .headers = {{"x-next-token", "t"}}});
  auto list = compute_.sandbox().list(nothrow);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, ErrorCode::protocol);
}

TEST_F(E2bFailures, AStreamThatBreaksIsNoSuccess) {
  Sandbox sandbox = create();
  for (const std::int64_t at : {0, 3, 60, 90}) {
    fail({.path = "/process.Process/Start", .resetAfter = at});
    auto result = sandbox.runCommand(nothrow, "echo one; echo two; sleep 0.1; echo three");
    ASSERT_FALSE(result) << at;
    EXPECT_TRUE(result.error().code == ErrorCode::network || result.error().code == ErrorCode::protocol)
        << at << result.error().why;
    fail({.path = "/process.Process/Start", .cutAfter = at});
    result = sandbox.runCommand(nothrow, "echo one; echo two; sleep 0.1; echo three");
    ASSERT_FALSE(result) << at;
    EXPECT_TRUE(result.error().code == ErrorCode::network || result.error().code == ErrorCode::protocol)
        << at << result.error().why;
    expectNoSecret(result.error());
  }
  fail({.path = "/process.Process/Start", .status = 415, .body = ""});
  EXPECT_FALSE(sandbox.runCommand(nothrow, "true"));
  fail({.path = "/process.Process/Start", .slowBytes = 1, .slowMs = 1});
  EXPECT_EQ(sandbox.runCommand("echo slow").stdout_, "slow\n");
}

TEST_F(E2bFailures, ASandboxThatEndedIsGone) {
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

TEST_F(E2bFailures, ABrokenUploadLeavesTheOldFile) {
  Sandbox sandbox = create();
  Filesystem files = sandbox.filesystem();
  files.writeFile("/home/user/f", "old");
  fail(
      {.path = "/files", .method = "POST", .status = 507, .body = R"({"code":507,"message":"not enough disk space"})"});
  const std::string big(3 << 20, 'n');
  auto written = files.writeFile(nothrow, "/home/user/f", std::as_bytes(std::span(big)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::diskFull);
  EXPECT_EQ(files.readFile("/home/user/f"), "old");
  EXPECT_EQ(files.readdir("/home/user").size(), 1U);
}

}  // namespace
}  // namespace computesdk::e2b::test
