// What the provider sends, and what becomes of what it is told. What every provider has to do is tested elsewhere, by
// the suite that all of them share.
#include "fixture.hpp"

#include <thread>

namespace computesdk::e2b::test {
namespace {

using namespace std::chrono_literals;
using simulators::Fault;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class E2bProvider : public E2bTest {};

TEST_F(E2bProvider, CreateSendsWhatTheVendorsClientSends) {
  const Sandbox sandbox =
      create({.timeout = 119500ms, .templateId = "base", .metadata = {{"user", "u1"}}, .envs = {{"FOO", "bar"}}});
  const auto sent = requests("POST", "/v2/sandboxes");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(header(sent[0], "x-api-key"), kKey);
  EXPECT_EQ(header(sent[0], "content-type"), "application/json");
  EXPECT_THAT(header(sent[0], "user-agent"), HasSubstr("computesdk"));
  EXPECT_THAT(sent[0].body, HasSubstr(R"("templateID":"base")"));
  EXPECT_THAT(sent[0].body, HasSubstr(R"("envVars":{"FOO":"bar"})"));
  EXPECT_THAT(sent[0].body, HasSubstr(R"("timeout":120)"));
  EXPECT_THAT(sent[0].body, HasSubstr(R"("user":"u1")"));
  EXPECT_EQ(requestCount(), 1U) << "one round trip makes a sandbox";
}

TEST_F(E2bProvider, VariablesOfItsOwnClientDoWhatTheyDoThere) {
  StringMap variables = {{"E2B_API_KEY", std::string(kKey)},
                         {"E2B_API_URL", url() + "/"},
                         {"E2B_SANDBOX_URL", url()},
                         {"E2B_USER_AGENT_SOURCE", "my-tool_1.0"}};
  compute_.setConfig(configOf("e2b", {}, variables));
  EXPECT_EQ(create().runCommand("echo in").stdout_, "in\n");
  EXPECT_THAT(header(requests("POST", "/v2/sandboxes").at(0), "user-agent"), testing::EndsWith(" source/my-tool_1.0"));
  variables["E2B_USER_AGENT_SOURCE"] = "a b";
  compute_.setConfig(configOf("e2b", {}, variables));
  EXPECT_EQ(createError().code, ErrorCode::config);
  // One sandbox that runs already, which is neither made nor destroyed.
  variables["E2B_USER_AGENT_SOURCE"] = "";
  variables["E2B_DEBUG"] = "true";
  compute_.setConfig(configOf("e2b", {}, variables));
  forgetRequests();
  Sandbox sandbox = create();
  sandbox.destroy();
  EXPECT_EQ(requestCount(), 0U);
  variables.erase("E2B_SANDBOX_URL");
  compute_.setConfig(configOf("e2b", {}, variables));
  EXPECT_THAT(createError().fix, HasSubstr("E2B_SANDBOX_URL"));
  EXPECT_THAT(hostsAsked("e2b", {{"E2B_API_KEY", std::string(kKey)}, {"E2B_DOMAIN", "e2b.example"}}),
              ElementsAre("api.e2b.example:443"));
}

TEST_F(E2bProvider, VendorOptionsAreHandedOn) {
  const Sandbox sandbox = create({.options = {{"autoPause", true}, {"network.allowPublicTraffic", false}}});
  const auto sent = requests("POST", "/v2/sandboxes");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_THAT(sent[0].body, HasSubstr(R"("autoPause":true,"network":{"allowPublicTraffic":false})"));
  EXPECT_EQ(createError({.options = {{"timeout", std::int64_t{5}}, {"templateID", std::string("x")}}}).code,
            ErrorCode::invalidArgument);
}

TEST_F(E2bProvider, WhatItCannotDoIsRefusedBeforeAnythingIsSent) {
  EXPECT_EQ(createError({.memoryBytes = 1 << 30}).code, ErrorCode::limit);
  EXPECT_EQ(createError({.image = "debian"}).code, ErrorCode::unsupported);
  EXPECT_EQ(createError({.timeout = 0ms}).code, ErrorCode::unsupported);
  EXPECT_EQ(createError({.templateId = "a", .snapshotId = "b"}).code, ErrorCode::invalidArgument);
  EXPECT_EQ(requestCount(), 0U);
}

TEST_F(E2bProvider, ACommandIsOneRequestWithTheSandboxsToken) {
  Sandbox sandbox = create();
  forgetRequests();
  const CommandResult result =
      sandbox.runCommand("pwd; echo $FOO", {.cwd = "/tmp", .env = {{"FOO", "b r"}}, .timeout = 30s});
  EXPECT_EQ(result.stdout_, "/tmp\nb r\n");
  const auto sent = requests("POST", "/process.Process/Start");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(header(sent[0], "x-api-key"), "");
  EXPECT_THAT(header(sent[0], "x-access-token"), HasSubstr("ea_"));
  EXPECT_EQ(header(sent[0], "e2b-sandbox-port"), "49983");
  EXPECT_EQ(header(sent[0], "connect-protocol-version"), "1");
  EXPECT_EQ(header(sent[0], "content-type"), "application/connect+json");
  EXPECT_THAT(sent[0].body, HasSubstr(R"("cmd":"/bin/bash","args":["-l","-c","pwd; echo $FOO"])"));
  EXPECT_THAT(sent[0].body, HasSubstr(R"("cwd":"/tmp")"));
  EXPECT_EQ(requestCount(), 1U);
}

TEST_F(E2bProvider, InspectNeitherWakesNorExtends) {
  Sandbox sandbox = create({.timeout = 200s});
  sandbox.pause();
  forgetRequests();
  const SandboxInfo info = sandbox.getInfo();
  EXPECT_EQ(info.status, SandboxStatus::paused);
  EXPECT_THAT(requests("POST", "/"), IsEmpty());
  EXPECT_THAT(sandbox.native(), HasSubstr("\"sandboxID\""));
  EXPECT_THAT(sandbox.native(), Not(HasSubstr("ea_")));
  // The next command wakes it, once.
  EXPECT_EQ(sandbox.runCommand("echo awake").stdout_, "awake\n");
  EXPECT_EQ(requests("POST", "/v2/sandboxes/" + sandbox.sandboxId() + "/connect").size(), 1U);
}

TEST_F(E2bProvider, AnotherProgramFindsItByIdAlone) {
  Sandbox made = create({.metadata = {{"name", "n1"}, {"k", "v"}}});
  Compute other(config());
  auto found = other.sandbox().getById(made.sandboxId());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->runCommand("echo there").stdout_, "there\n");
  EXPECT_EQ(found->getInfo().metadata.at("k"), "v");
  EXPECT_FALSE(found->getInfo().metadata.contains("computesdk-create"));
  for (const char* id : {"i000000000000000000", "..", ".", "a/b", "?x=1", "%2e%2e", "a b\xc3\xa9"}) {
    EXPECT_FALSE(other.sandbox().getById(id)) << id;
  }
}

TEST_F(E2bProvider, ListGoesThroughAllPagesAndFilters) {
  std::vector<Sandbox> made;
  for (int i = 0; i < 3; ++i) made.push_back(create({.metadata = {{"group", i == 1 ? "a b&c=d" : "other"}}}));
  const auto found = compute_.sandbox().list({.metadata = {{"group", "a b&c=d"}}});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].id, made[1].sandboxId());
  EXPECT_EQ(compute_.sandbox().list().size(), 3U);
  const auto sent = requests("GET", "/v2/sandboxes?");
  EXPECT_THAT(sent[0].target, HasSubstr("metadata=group%3Da%2520b%2526c%253Dd&"));
}

TEST_F(E2bProvider, ExtendingNeverShortens) {
  Sandbox sandbox = create({.timeout = 600s});
  const auto before = sandbox.getInfo().expiresAt;
  sandbox.extendTimeout(10s);
  EXPECT_EQ(sandbox.getInfo().expiresAt, before);
  EXPECT_THAT(requests("POST", "/sandboxes/" + sandbox.sandboxId() + "/timeout"), IsEmpty());
  sandbox.extendTimeout(1200s);
  EXPECT_GT(sandbox.getInfo().expiresAt, before);
}

TEST_F(E2bProvider, APortsUrlIsAskedOfNobody) {
  Sandbox sandbox = create();
  forgetRequests();
  EXPECT_EQ(sandbox.getUrl({.port = 3000}), "https://3000-" + sandbox.sandboxId() + ".e2b.app");
  EXPECT_EQ(sandbox.getUrl({.port = 3000, .protocol = "wss"}), "wss://3000-" + sandbox.sandboxId() + ".e2b.app");
  EXPECT_EQ(requestCount(), 0U);
}

TEST_F(E2bProvider, AWrittenFileReplacesTheOldOneAtOnce) {
  Sandbox sandbox = create();
  Filesystem files = sandbox.filesystem();
  files.writeFile("/home/user/deep/f", "old");
  std::string big(3 << 20, 'x');
  big[12345] = '\0';
  files.writeFile("/home/user/deep/f", std::as_bytes(std::span(big)));
  EXPECT_EQ(files.readFile("/home/user/deep/f"), big);
  EXPECT_EQ(files.readdir("/home/user/deep").size(), 1U) << "nothing stays beside it";
  const auto sent = requests("POST", "/files?");
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_THAT(sent[1].target, Not(HasSubstr("deep%2Ff&")));
}

TEST_F(E2bProvider, StopsACommandWithAllThatItStarted) {
  Sandbox sandbox = create();
  const CommandResult result =
      sandbox.runCommand("(sleep 871; true) & (trap '' TERM; sleep 872; true) & sleep 873", {.timeout = 500ms});
  EXPECT_TRUE(result.timedOut);
  EXPECT_EQ(result.exitCode, 124);
  EXPECT_EQ(sandbox.runCommand("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 87[0-9]'").stdout_, "0\n");
  std::stop_source stop;
  std::string seen;
  auto cancelled =
      sandbox.runCommand(nothrow, "sleep 874 & echo begun; sleep 875",
                         {.onStdout = [&](std::string_view) { stop.request_stop(); }, .stop = stop.get_token()});
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::cancelled);
  EXPECT_EQ(sandbox.runCommand("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 87[0-9]'").stdout_, "0\n");
}

TEST_F(E2bProvider, ABackgroundCommandsOutputWaitsForItsReader) {
  Sandbox sandbox = create();
  Process process =
      sandbox.processes().start("echo early; echo wrong >&2; read x; echo got $x; exit 5", {.keepStdin = true});
  std::string out, err;
  process.write("word\n");
  const auto take = [&](OutputStream stream, std::span<const std::byte> bytes) {
    (stream == OutputStream::standardError ? err : out)
        .append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  EXPECT_EQ(process.attach({.onOutput = take}).exitCode(), 5);
  EXPECT_EQ(out, "early\ngot word\n");
  EXPECT_EQ(err, "wrong\n");
  out.clear();
  EXPECT_EQ(process.attach({.offset = 6, .follow = false, .onOutput = take}).exitCode(), 5);
  EXPECT_EQ(out, "got word\n");
}

TEST_F(E2bProvider, OlderInstallationsHaveOlderPaths) {
  fail({.path = "/v2/", .times = -1, .status = 404, .body = "404 page not found", .contentType = "text/plain"});
  Sandbox sandbox = create();
  EXPECT_EQ(sandbox.runCommand("echo ok").stdout_, "ok\n");
  sandbox.pause();
  sandbox.resume();
  EXPECT_EQ(sandbox.runCommand("echo again").stdout_, "again\n");
  EXPECT_EQ(compute_.sandbox().list().size(), 1U);
}

TEST_F(E2bProvider, SnapshotsAndTemplates) {
  Sandbox sandbox = create();
  sandbox.filesystem().writeFile("/home/user/kept", "k");
  const SnapshotInfo snapshot = sandbox.snapshot({.name = "keep"});
  Sandbox restored = create({.snapshotId = snapshot.id});
  EXPECT_EQ(restored.filesystem().readFile("/home/user/kept"), "k");
  ProviderHandle provider = compute_.provider("e2b");
  EXPECT_FALSE(provider.templates().empty());
  EXPECT_EQ(provider.snapshots(sandbox.sandboxId()).size(), 1U);
  provider.removeSnapshot(snapshot.id);
  provider.removeSnapshot(snapshot.id);
}

}  // namespace
}  // namespace computesdk::e2b::test
