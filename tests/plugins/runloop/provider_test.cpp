// What the provider sends, and what becomes of what it is told. What every provider has to do is tested elsewhere, by
// the suite that all of them share.
#include "fixture.hpp"

namespace computesdk::runloop::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RunloopProvider : public RunloopTest {};

TEST_F(RunloopProvider, CreateSendsWhatTheVendorsClientSends) {
  const Sandbox sandbox = create({.timeout = 119500ms, .metadata = {{"user", "u1"}}, .envs = {{"FOO", "bar"}}});
  const auto sent = requests("POST", "/v1/devboxes");
  ASSERT_GE(sent.size(), 2U);
  EXPECT_EQ(sent[0].target, "/v1/devboxes");
  EXPECT_EQ(header(sent[0], "authorization"), "Bearer " + std::string(kKey));
  EXPECT_EQ(header(sent[0], "content-type"), "application/json");
  EXPECT_THAT(header(sent[0], "user-agent"), HasSubstr("computesdk"));
  EXPECT_THAT(header(sent[0], "x-request-id"), Not(IsEmpty()));
  EXPECT_THAT(sent[0].body, HasSubstr(R"("environment_variables":{"FOO":"bar"})"));
  EXPECT_THAT(sent[0].body, HasSubstr(R"("launch_parameters":{"keep_alive_time_seconds":120})"));
  EXPECT_THAT(sent[0].body, HasSubstr(R"("user":"u1")"));
  // As the recorded client waits.
  EXPECT_THAT(sent[1].target, testing::EndsWith("/wait_for_status"));
  EXPECT_EQ(sent[1].body, R"({"statuses":["running","failure","shutdown"]})");
  EXPECT_EQ(requestCount(), 2U) << "as many as the vendor's client";
}

TEST_F(RunloopProvider, WhereItIsMadeFromGoesByItsName) {
  for (const auto& [given, member] :
       std::vector<std::pair<std::string, std::string>>{{"bpt_nope", R"("blueprint_id":"bpt_nope")"},
                                                        {"snp_nope", R"("snapshot_id":"snp_nope")"},
                                                        {"nope", R"("blueprint_name":"nope")"}}) {
    forgetRequests();
    EXPECT_EQ(createError({.templateId = given}).code, ErrorCode::notFound) << given;
    EXPECT_THAT(requests("POST", "/v1/devboxes").at(0).body, HasSubstr(member));
  }
}

TEST_F(RunloopProvider, VendorOptionsAreHandedOn) {
  const Sandbox sandbox = create({.options = {{"launch_parameters.resource_size_request", std::string("SMALL")},
                                              {"tunnel.auth_mode", std::string("open")}}});
  const auto sent = requests("POST", "/v1/devboxes");
  EXPECT_THAT(sent.at(0).body, HasSubstr(R"("keep_alive_time_seconds":1800,"resource_size_request":"SMALL")"));
  EXPECT_THAT(sent[0].body, HasSubstr(R"("tunnel":{"auth_mode":"open"})"));
  EXPECT_EQ(createError({.options = {{"metadata", std::string("x")}}}).code, ErrorCode::invalidArgument);
}

TEST_F(RunloopProvider, SizesAreMetExactlyOrRefused) {
  constexpr std::int64_t kGiB = std::int64_t{1} << 30;
  const Sandbox sandbox = create({.memoryBytes = 8 * kGiB, .diskBytes = 16 * kGiB});
  EXPECT_THAT(requests("POST", "/v1/devboxes").at(0).body,
              HasSubstr(R"("resource_size_request":"CUSTOM_SIZE","custom_cpu_cores":2,"custom_gb_memory":8,)"
                        R"("custom_disk_size":16)"));
  forgetRequests();
  EXPECT_EQ(createError({.memoryBytes = 3 * kGiB}).code, ErrorCode::limit);
  EXPECT_EQ(createError({.memoryBytes = kGiB + 1}).code, ErrorCode::limit);
  EXPECT_EQ(createError({.diskBytes = 128 * kGiB}).code, ErrorCode::limit);
  EXPECT_EQ(createError({.processLimit = 10}).code, ErrorCode::limit);
  EXPECT_EQ(createError({.image = "debian"}).code, ErrorCode::unsupported);
  EXPECT_EQ(createError({.timeout = 0ms}).code, ErrorCode::unsupported);
  EXPECT_EQ(createError({.templateId = "a", .snapshotId = "b"}).code, ErrorCode::invalidArgument);
  EXPECT_EQ(requestCount(), 0U);
}

TEST_F(RunloopProvider, HeadersOfTheUserAreSent) {
  compute_.setConfig(configOf("runloop", {},
                              {{"RUNLOOP_API_KEY", std::string(kKey)},
                               {"RUNLOOP_BASE_URL", url()},
                               {"RUNLOOP_CUSTOM_HEADERS", "X-Team: blue\nno header\n X-Two :  2 "}}));
  const Sandbox sandbox = create();
  const auto sent = requests("POST", "/v1/devboxes").at(0);
  EXPECT_EQ(header(sent, "x-team"), "blue");
  EXPECT_EQ(header(sent, "x-two"), "2");
  ComputeConfig with = config();
  for (const char* const wrong : {"Authorization: Bearer other", "a b: c"}) {
    with.options["customHeaders"] = wrong;
    compute_.setConfig(with);
    EXPECT_EQ(createError().code, ErrorCode::config) << wrong;
  }
}

TEST_F(RunloopProvider, InspectNeitherWakesNorExtends) {
  Sandbox sandbox = create({.timeout = 200s});
  sandbox.pause();
  forgetRequests();
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::stopped);
  EXPECT_THAT(requests("POST", "/"), IsEmpty());
  EXPECT_THAT(sandbox.native(), HasSubstr("\"state_transitions\""));
  // The next command wakes it, once.
  EXPECT_EQ(sandbox.runCommand("echo awake").stdout_, "awake\n");
  EXPECT_EQ(requests("POST", "/v1/devboxes/" + sandbox.sandboxId() + "/resume").size(), 1U);
}

TEST_F(RunloopProvider, AShutDownDevboxIsAbsent) {
  Sandbox made = create({.metadata = {{"k", "v"}}});
  Compute other(config());
  auto found = other.sandbox().getById(made.sandboxId());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->getInfo().metadata.at("k"), "v");
  EXPECT_FALSE(found->getInfo().metadata.contains("computesdk-create"));
  made.destroy();
  EXPECT_FALSE(other.sandbox().getById(made.sandboxId())) << "the vendor still knows it";
  for (const char* id : {"dbx_nope", "..", ".", "a/b", "?x=1", "%2e%2e", "a b\xc3\xa9"}) {
    EXPECT_FALSE(other.sandbox().getById(id)) << id;
  }
}

TEST_F(RunloopProvider, ListLeavesOutWhatIsOver) {
  std::vector<Sandbox> made;
  for (int i = 0; i < 3; ++i) made.push_back(create({.metadata = {{"group", i == 1 ? "a" : "other"}}}));
  made[2].destroy();
  EXPECT_EQ(compute_.sandbox().list().size(), 2U);
  EXPECT_EQ(requests("GET", "/v1/devboxes?").size(), 1U);
  EXPECT_EQ(compute_.sandbox().list({.metadata = {{"group", "a"}}}).size(), 1U);
  // An account with a long history is asked for what is alive, state by state.
  forgetRequests();
  fail({.path = "/v1/devboxes",
        .method = "GET",
        .status = 200,
        .body = R"({"devboxes":[{"id":"dbx_old","status":"shutdown"}],"has_more":true})"});
  EXPECT_EQ(compute_.sandbox().list().size(), 2U);
  EXPECT_EQ(requests("GET", "/v1/devboxes?limit=100&status=running").size(), 1U);
}

TEST_F(RunloopProvider, TimeStartsAgainButGrowsNoLonger) {
  Sandbox sandbox = create({.timeout = 600s});
  sandbox.extendTimeout(60s);
  EXPECT_EQ(requests("POST", "/v1/devboxes/" + sandbox.sandboxId() + "/keep_alive").size(), 1U);
  const auto longer = sandbox.extendTimeout(nothrow, 1200s);
  ASSERT_FALSE(longer);
  EXPECT_THAT(longer.error().what + longer.error().why, HasSubstr("600 s"));
}

TEST_F(RunloopProvider, ATunnelIsMadeOnce) {
  Sandbox sandbox = create();
  forgetRequests();
  const std::string url = sandbox.getUrl({.port = 3000});
  EXPECT_THAT(url, testing::MatchesRegex("https://3000-[a-z0-9]+\\.tunnel\\.127\\.0\\.0\\.1"));
  EXPECT_EQ(sandbox.getUrl({.port = 3000, .protocol = "wss"}), "wss" + url.substr(5));
  EXPECT_EQ(requestCount(), 1U);
}

TEST_F(RunloopProvider, SnapshotsAndBlueprints) {
  Sandbox sandbox = create();
  sandbox.filesystem().writeFile("/home/user/kept", "k");
  const SnapshotInfo snapshot = sandbox.snapshot({.name = "keep"});
  Sandbox restored = create({.snapshotId = snapshot.id});
  EXPECT_EQ(restored.filesystem().readFile("/home/user/kept"), "k");
  ProviderHandle provider = compute_.provider("runloop");
  ASSERT_EQ(provider.templates().size(), 1U);
  EXPECT_EQ(provider.templates()[0].name, "base");
  EXPECT_EQ(provider.snapshots(sandbox.sandboxId()).size(), 1U);
  provider.removeSnapshot(snapshot.id);
  provider.removeSnapshot(snapshot.id);
}

}  // namespace
}  // namespace computesdk::runloop::test
