// What goes wrong between here and the vendor: the right code, what to do, no secret, and no devbox left behind.
#include "fixture.hpp"

#include <thread>

namespace computesdk::runloop::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

class RunloopFailures : public RunloopTest {};

TEST_F(RunloopFailures, AWrongKey) {
  compute_.setConfig(config("ak_wrong"));
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::authRejected);
  EXPECT_THAT(error.fix, HasSubstr("RUNLOOP_API_KEY"));
  EXPECT_FALSE(error.maybeApplied);
  EXPECT_EQ(requestCount(), 1U);
}

TEST_F(RunloopFailures, AWrongAddress) {
  ComputeConfig wrong = config();
  wrong.options["baseUrl"] = "api.runloop.ai";
  compute_.setConfig(wrong);
  EXPECT_EQ(createError().code, ErrorCode::config);
}

TEST_F(RunloopFailures, TooManyRequests) {
  fail({.path = "/v1/devboxes", .method = "POST", .status = 429, .retryAfter = "0"});
  Sandbox sandbox = create();  // the vendor said when, so it is asked again
  fail({.path = "/v1/devboxes", .method = "POST", .times = -1, .status = 429, .retryAfter = "7200"});
  const ErrorInfo error = createError({.createTimeout = 20s});
  EXPECT_EQ(error.code, ErrorCode::rateLimited);
  EXPECT_EQ(error.retryAfter, 7200s);
  EXPECT_TRUE(error.retryable);
  EXPECT_FALSE(error.maybeApplied);
  EXPECT_EQ(alive().size(), 1U);
  server().clearFaults();
}

TEST_F(RunloopFailures, ALimitOfTheAccount) {
  fail({.path = "/v1/devboxes",
        .method = "POST",
        .status = 403,
        .body = R"({"code":403,"message":"you have reached your limit of devboxes"})"});
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::quota);
  EXPECT_THAT(error.fix, HasSubstr("destroy"));
}

TEST_F(RunloopFailures, AnUnclearCreateLeavesNothingBehind) {
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
    one.path = "/v1/devboxes";
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

TEST_F(RunloopFailures, ADevboxThatDoesNotStartDoesNotStay) {
  fail({.path = "/v1/devboxes/*/wait_for_status",
        .status = 200,
        .body = R"({"id":"dbx_x","status":"failure","failure_reason":"out_of_disk"})"});
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_THAT(error.what + error.why, HasSubstr("out_of_disk"));
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(RunloopFailures, AnOrphanThatCannotBeLookedForIsTold) {
  fail({.path = "/v1/devboxes", .method = "POST", .appliedThenReset = true});
  fail({.path = "/v1/devboxes", .method = "GET", .times = -1, .status = 401});
  const ErrorInfo error = createError();
  EXPECT_TRUE(error.maybeApplied);
  EXPECT_FALSE(error.orphanGone);
  EXPECT_EQ(alive().size(), 1U);
}

TEST_F(RunloopFailures, CancellationDestroysWhatCreateHadBegun) {
  fail({.path = "/v1/devboxes", .method = "POST", .slowBytes = 4, .slowMs = 30});
  std::stop_source stop;
  std::jthread canceller([&](const std::stop_token& ended) {
    while (alive().empty() && !ended.stop_requested()) std::this_thread::yield();
    stop.request_stop();
  });
  const ErrorInfo error = createError({.stop = stop.get_token()});
  EXPECT_EQ(error.code, ErrorCode::cancelled);
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(RunloopFailures, ReadingIsRepeated) {
  Sandbox sandbox = create();
  fail({.path = "/v1/devboxes/", .method = "GET", .reset = true});
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::running);
  fail({.path = "/v1/devboxes/", .method = "GET", .times = 2, .status = 503});
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::running);
  sandbox.filesystem().writeFile("/home/user/f", "x");
  fail({.path = "/v1/devboxes/*/download_file", .reset = true});
  EXPECT_EQ(sandbox.filesystem().readFile("/home/user/f"), "x");
  // A script is known by its id, so that it may be sent again.
  fail({.path = "/v1/devboxes/*/execute", .appliedThenReset = true});
  EXPECT_TRUE(sandbox.filesystem().exists("/home/user/f"));
}

TEST_F(RunloopFailures, HostileAnswersAreProtocolErrors) {
  Sandbox sandbox = create();
  for (const std::string& body :
       {std::string(), std::string("<html>"), std::string("[]"), std::string("{}"), std::string("null"),
        std::string(R"({"id":5,"status":"running"})"), std::string(R"({"id":"somebody-elses","status":"running"})"),
        std::string(200000, '['), R"({"status":"running","id":")" + sandbox.sandboxId() + R"(","metadata":7})"}) {
    fail({.path = "/v1/devboxes/", .method = "GET", .status = 200, .body = body});
    auto info = sandbox.getInfo(nothrow);
    ASSERT_FALSE(info) << body.substr(0, 40);
    EXPECT_EQ(info.error().code, ErrorCode::protocol) << body.substr(0, 40);
    expectNoSecret(info.error());
  }
}

TEST_F(RunloopFailures, AListThatNeverEndsEnds) {
  fail({.path = "/v1/devboxes",
        .method = "GET",
        .times = -1,
        .status = 200,
        .body = R"({"devboxes":[{"id":"dbx_x","status":"shutdown"}],"has_more":true})"});
  auto list = compute_.sandbox().list(nothrow);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, ErrorCode::protocol);
}

TEST_F(RunloopFailures, ADevboxThatEndedIsGone) {
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

TEST_F(RunloopFailures, ABrokenUploadLeavesTheOldFile) {
  Sandbox sandbox = create();
  Filesystem files = sandbox.filesystem();
  files.writeFile("/home/user/f", "old");
  fail({.path = "/v1/devboxes/*/upload_file", .status = 507, .body = R"({"message":"not enough disk space"})"});
  const std::string big(3 << 20, 'n');
  auto written = files.writeFile(nothrow, "/home/user/f", std::as_bytes(std::span(big)));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::diskFull);
  EXPECT_EQ(files.readFile("/home/user/f"), "old");
  EXPECT_EQ(files.readdir("/home/user").size(), 1U);
}

}  // namespace
}  // namespace computesdk::runloop::test
