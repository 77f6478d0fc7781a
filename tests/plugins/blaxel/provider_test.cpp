// What is Blaxel's own: settings, requests as its client sends them, failures.
#include <computesdk/computesdk.hpp>

#include <cstdlib>
#include <filesystem>
#include <span>
#include <thread>
#include <vendor/vendor_test.hpp>

#include "blaxel/blaxel.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace computesdk::blaxel::test {
namespace {

using namespace std::chrono_literals;
using simulators::Fault;
using testing::HasSubstr;
using testing::IsEmpty;

class BlaxelProvider : public vendor::test::VendorTest {
 protected:
  BlaxelProvider()
      : VendorTest(std::make_unique<simulators::BlaxelSimulator>(), {std::string(simulators::kBlaxelDefaultKey)}) {
    compute_.setConfig(config({{"apiKey", std::string(simulators::kBlaxelDefaultKey)}}));
  }

  [[nodiscard]] ComputeConfig config(StringMap options) const {
    options.insert({{"workspace", std::string(simulators::kBlaxelDefaultWorkspace)}, {"apiUrl", url() + "/v0"}});
    return configOf("blaxel", options);
  }
};

TEST_F(BlaxelProvider, SendsWhatItsOwnClientSends) {
  Sandbox box = compute_.sandbox().create(
      {.timeout = 299500ms, .metadata = {{"user", "u1"}}, .envs = {{"FOO", "bar"}}, .ports = {3000}});
  EXPECT_EQ(box.runCommand("echo $FOO").stdout_, "bar\n");
  const auto made = requests("POST", "/v0/sandboxes");
  ASSERT_EQ(made.size(), 1U);
  EXPECT_THAT(made[0].body,
              HasSubstr(R"("spec":{"runtime":{"image":"blaxel/base-image:latest","ports":[{"target":3000,)"
                        R"("protocol":"HTTP"}],"envs":[{"name":"FOO","value":"bar"}],"generation":"mk3",)"
                        R"("ttl":"300s"}})"));
  EXPECT_THAT(made[0].body, HasSubstr(R"("labels":{"user":"u1",)"));
  const std::map<std::string, std::string> sent(made[0].headers.begin(), made[0].headers.end());
  EXPECT_EQ(sent.at("x-blaxel-authorization"), std::string("Bearer ") + simulators::kBlaxelDefaultKey);
  EXPECT_EQ(sent.at("x-blaxel-workspace"), simulators::kBlaxelDefaultWorkspace);
  EXPECT_EQ(sent.at("blaxel-version"), "2026-04-28");
  const auto ran = requests("POST", "/sbx/" + box.sandboxId() + "/process");
  ASSERT_EQ(ran.size(), 1U) << "a command is one request";
  const std::map<std::string, std::string> with(ran[0].headers.begin(), ran[0].headers.end());
  EXPECT_EQ(with.at("accept"), "text/event-stream");
  EXPECT_THAT(ran[0].body, HasSubstr(R"("waitForCompletion":true)"));
}

TEST_F(BlaxelProvider, ClientCredentialsAreExchangedOnce) {
  Compute compute(config({{"clientCredentials", simulators::kBlaxelDefaultClient}}));
  Sandbox box = compute.sandbox().create();
  EXPECT_EQ(box.runCommand("echo in").stdout_, "in\n");
  EXPECT_EQ(requests("POST", "/v0/oauth/token").size(), 1U);
}

TEST_F(BlaxelProvider, VariablesOfItsOwnClientDoWhatTheyDoThere) {
  StringMap variables = {{"BL_CLIENT_CREDENTIALS", simulators::kBlaxelDefaultClient},
                         {"BL_WORKSPACE", simulators::kBlaxelDefaultWorkspace},
                         {"BL_API_URL", url() + "/v0"},
                         {"BL_RUN_URL", url() + "/run"},
                         {"BL_REGION", "us-was-1"},
                         {"BL_API_VERSION", "2027-01-02"}};
  compute_.setConfig(configOf("blaxel", {}, variables));
  create();
  const auto made = requests("POST", "/v0/sandboxes");
  ASSERT_EQ(made.size(), 1U);
  EXPECT_THAT(made[0].body, HasSubstr(R"("region":"us-was-1")"));
  EXPECT_EQ(header(made[0], "blaxel-version"), "2027-01-02");
  EXPECT_EQ(requests("POST", "/v0/oauth/token").size(), 1U);
  // One that names no address of its own.
  fail({.path = "/v0/sandboxes",
        .method = "POST",
        .status = 200,
        .body = R"({"metadata":{"name":"box"},"spec":{"runtime":{}},"status":"DEPLOYED"})"});
  Sandbox box = create({.options = {{"name", "box"}}});
  EXPECT_FALSE(box.runCommand(nothrow, "true"));
  EXPECT_EQ(requests("POST", "/run/sim-workspace/sandboxes/box/process").size(), 1U);
  variables["BL_REGION"] = "us was";
  compute_.setConfig(configOf("blaxel", {}, variables));
  EXPECT_EQ(createError().code, ErrorCode::config);
  EXPECT_THAT(hostsAsked("blaxel", {{"BL_API_KEY", simulators::kBlaxelDefaultKey},
                                    {"BL_WORKSPACE", simulators::kBlaxelDefaultWorkspace},
                                    {"BL_ENV", "dev"}}),
              testing::ElementsAre("api.blaxel.dev:443"));
}

TEST_F(BlaxelProvider, CancellationDestroysWhatCreateHadBegun) {
  fail({.path = "/v0/sandboxes", .method = "POST", .slowBytes = 4, .slowMs = 30});
  std::stop_source stop;
  std::jthread canceller([&](const std::stop_token& ended) {
    while (alive().empty() && !ended.stop_requested()) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_EQ(createError({.stop = stop.get_token()}).code, ErrorCode::cancelled);
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(BlaxelProvider, ListsThatNeverEndEnd) {
  Sandbox box = create();
  for (const char* const path : {"/v0/sandboxes", "/v0/snapshots"}) {
    fail({.path = path,
          .method = "GET",
          .times = -1,
          .status = 200,
          .body = R"({"data":[],"meta":{"hasMore":true,"nextCursor":"again"}})"});
  }
  auto list = compute_.sandbox().list(nothrow);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, ErrorCode::protocol);
  auto snapshots = compute_.provider("blaxel").snapshots(nothrow, box.sandboxId());
  ASSERT_FALSE(snapshots);
  EXPECT_EQ(snapshots.error().code, ErrorCode::protocol);
  server().clearFaults();
}

TEST_F(BlaxelProvider, ATokenThatWasExchangedIsShownToNobody) {
  compute_.setConfig(config({{"clientCredentials", simulators::kBlaxelDefaultClient}}));
  Sandbox box = create();
  const std::string bearer = header(requests("POST", "/v0/sandboxes").at(0), "x-blaxel-authorization").substr(7);
  ASSERT_GT(bearer.size(), 8U);
  fail({.path = "/sbx/", .status = 400, .body = R"({"error":"no good: )" + bearer + R"("})"});
  auto result = box.runCommand(nothrow, "true");
  ASSERT_FALSE(result);
  EXPECT_EQ(formatError(result.error()).find(bearer), std::string::npos) << formatError(result.error());
  EXPECT_EQ(box.native().find(bearer), std::string::npos);
}

TEST_F(BlaxelProvider, ARefusedKeySaysWhatToCheck) {
  compute_.setConfig(config({{"apiKey", "bl_wrong_0123456789"}}));
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::authRejected);
  EXPECT_THAT(error.fix, HasSubstr("BL_API_KEY"));
}

TEST_F(BlaxelProvider, AnUnclearCreateIsLookedUpByItsName) {
  for (Fault fault : {Fault{.path = "", .appliedThenReset = true}, Fault{.path = "", .cutAfter = 20},
                      Fault{.path = "", .truncate = 30}}) {
    fault.path = "/v0/sandboxes";
    fault.method = "POST";
    fail(fault);
    const ErrorInfo error = createError();
    EXPECT_TRUE(error.maybeApplied);
    EXPECT_TRUE(error.orphanGone);
    EXPECT_THAT(alive(), IsEmpty());
  }
  EXPECT_THAT(requests("GET", "/v0/sandboxes?"), IsEmpty()) << "nobody's list is gone through";
}

TEST_F(BlaxelProvider, AnotherSandboxOfThatNameIsLeftAlone) {
  Sandbox first = compute_.sandbox().create({.options = {{"name", "taken"}}});
  EXPECT_EQ(first.sandboxId(), "taken");
  auto second = compute_.sandbox().create(nothrow, {.options = {{"name", "taken"}}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::alreadyExists);
  fail({.path = "/v0/sandboxes", .method = "POST", .status = 500});
  EXPECT_FALSE(compute_.sandbox().create(nothrow, {.options = {{"name", "taken"}}}));
  EXPECT_EQ(alive().size(), 1U);
}

TEST_F(BlaxelProvider, TheEdgeMayGiveUpBeforeASandboxIsMade) {
  fail({.path = "/v0/sandboxes", .method = "POST", .status = 504});
  const ErrorInfo error = createError();
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_TRUE(error.orphanGone);
}

TEST_F(BlaxelProvider, ASandboxOfASnapshotIsItsForkWithWhatWasAskedFor) {
  Sandbox box = compute_.sandbox().create({.envs = {{"FOO", "bar"}}});
  box.filesystem().writeFile("/blaxel/kept", "then");
  const SnapshotInfo snapshot = box.snapshot({.name = "s"});
  box.filesystem().writeFile("/blaxel/kept", "now");
  Sandbox copy = compute_.sandbox().create(
      {.timeout = 100s, .metadata = {{"user", "u2"}}, .envs = {{"MORE", "1"}}, .snapshotId = snapshot.id});
  EXPECT_EQ(copy.filesystem().readFile("/blaxel/kept"), "then");
  EXPECT_EQ(copy.runCommand("echo $FOO$MORE").stdout_, "bar1\n");
  EXPECT_EQ(copy.getInfo().metadata.at("user"), "u2");
  EXPECT_TRUE(copy.getInfo().expiresAt.has_value());
  EXPECT_EQ(requests("POST", "/v0/snapshots/" + snapshot.id + "/fork").size(), 1U);
  auto more = compute_.sandbox().create(nothrow, {.snapshotId = snapshot.id, .memoryBytes = std::int64_t{4} << 30});
  ASSERT_FALSE(more);
  EXPECT_EQ(alive().size(), 2U);
}

TEST_F(BlaxelProvider, AForkOfWhichNothingIsKnownIsLookedUpByItsName) {
  Sandbox box = compute_.sandbox().create();
  const SnapshotInfo snapshot = box.snapshot();
  fail({.path = "/v0/snapshots/*/fork", .method = "POST", .appliedThenReset = true});
  auto copy = compute_.sandbox().create(nothrow, {.snapshotId = snapshot.id});
  ASSERT_FALSE(copy);
  EXPECT_TRUE(copy.error().orphanGone);
  EXPECT_EQ(alive().size(), 1U);
}

TEST_F(BlaxelProvider, ANameIsTheVendorsAndNoStoreOfOurs) {
  SandboxManager sandboxes = compute_.sandbox();
  EXPECT_FALSE(sandboxes.find({.name = "Some name!"}));
  Sandbox first = sandboxes.findOrCreate({.name = "Some name!"});
  EXPECT_EQ(sandboxes.findOrCreate({.name = "Some name!"}).sandboxId(), first.sandboxId());
  EXPECT_NE(sandboxes.findOrCreate({.name = "Some name!", .namespace_ = "other"}).sandboxId(), first.sandboxId());
  EXPECT_EQ(requests("POST", "/v0/sandboxes").size(), 2U);
  EXPECT_EQ(sandboxes.find({.name = "Some name!"})->sandboxId(), first.sandboxId());
}

TEST_F(BlaxelProvider, OutputThatIsNoTextIsSaidNotToBeExact) {
  Sandbox box = compute_.sandbox().create();
  EXPECT_TRUE(box.runCommand("printf '\\377'").status.lossy);
  EXPECT_FALSE(box.runCommand("printf '\\303\\244'").status.lossy);
}

TEST_F(BlaxelProvider, LargeFilesGoInParts) {
  Sandbox box = compute_.sandbox().create();
  std::string big((std::size_t{5} << 20) * 2, 'x');
  big[5] = '\0';
  for (const std::size_t size : {big.size(), big.size() - 1, big.size() / 2, big.size() / 2 - 1}) {
    const std::string content = big.substr(0, size);
    box.filesystem().writeFile("/tmp/big", std::as_bytes(std::span(content)));
    EXPECT_EQ(box.filesystem().readFile("/tmp/big"), content);
  }
  EXPECT_EQ(box.filesystem().readdir("/tmp").size(), 1U) << "nothing stays beside it";
}

}  // namespace
}  // namespace computesdk::blaxel::test
