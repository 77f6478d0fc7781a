// What the provider sends, compared with what Daytona's own client was recorded to send, and what becomes of what it is
// told. What every provider has to do is tested elsewhere, by the suite that all of them share.
#include "fixture.hpp"
#include "harness/json.hpp"

#include <fstream>
#include <iterator>

namespace computesdk::daytona::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// The request of a recorded exchange.
rapidjson::Document recorded(const std::string& name) {
  std::ifstream file(std::string(DAYTONA_RECORDED) + "/" + name + ".json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  rapidjson::Document exchange, request;
  EXPECT_TRUE(simulators::parseJson(text, exchange)) << name;
  simulators::parseJson(simulators::jsonOf(simulators::member(&exchange, "request")), request);
  return request;
}

class DaytonaProvider : public DaytonaTest {
 protected:
  /// Method and path are those of a recorded request to the sandbox, and so are the headers that matter.
  void expectAsRecorded(const simulators::RequestRecord& sent, const std::string& name, const std::string& id) {
    const rapidjson::Document request = recorded(name);
    std::string path = simulators::textOf(simulators::member(&request, "path"));
    const std::string then = "894047a8-e4d1-4ef8-9db9-7cbdb6aa773b";
    if (const std::size_t at = path.find(then); at != std::string::npos) path.replace(at, then.size(), id);
    EXPECT_EQ(sent.method, simulators::textOf(simulators::member(&request, "method"))) << name;
    EXPECT_EQ(sent.target, path) << name;
    const auto headers = simulators::textMapOf(simulators::member(&request, "headers"));
    EXPECT_EQ(header(sent, "authorization"), headers.at("authorization")) << name;
    EXPECT_NE(header(sent, "x-daytona-source"), "") << name;
  }
};

TEST_F(DaytonaProvider, CreateSendsWhatTheVendorsClientSends) {
  Sandbox sandbox =
      create({.timeout = 1190s, .metadata = {{"user", "u1"}}, .envs = {{"FOO", "bar"}}, .name = "box-one"});
  const auto sent = requests("POST", "/api/sandbox");
  ASSERT_EQ(sent.size(), 1U);
  expectAsRecorded(sent[0], "create", sandbox.sandboxId());
  EXPECT_EQ(header(sent[0], "content-type"), "application/json");
  rapidjson::Document body;
  ASSERT_TRUE(simulators::parseJson(sent[0].body, body));
  const rapidjson::Document then = recorded("create");
  for (const auto& each : simulators::member(&then, "body")->GetObject()) {
    const std::string name = simulators::textOf(&each.name);
    if (name == "labels") continue;
    EXPECT_EQ(simulators::jsonOf(simulators::member(&body, name.c_str())), simulators::jsonOf(&each.value)) << name;
  }
  auto labels = simulators::textMapOf(simulators::member(&body, "labels"));
  EXPECT_NE(labels["computesdk-create"], "");
  for (const char* const own : {"computesdk-create", "name", "namespace"}) labels.erase(own);
  EXPECT_EQ(labels, simulators::textMapOf(simulators::member(simulators::member(&then, "body"), "labels")));
  EXPECT_EQ(simulators::numberOf(simulators::member(&body, "ttlMinutes")), 20);
  // What is ours or Daytona's own is not shown.
  EXPECT_EQ(sandbox.getInfo().metadata, (StringMap{{"name", "box-one"}, {"namespace", "default"}, {"user", "u1"}}));
}

TEST_F(DaytonaProvider, AnImageBecomesADockerfileAndTakesResources) {
  const Sandbox sandbox = create({.image = "debian:12",
                                  .cpuMilli = 1500,
                                  .memoryBytes = std::int64_t{4} << 30,
                                  .diskBytes = std::int64_t{8} << 30});
  const auto sent = requests("POST", "/api/sandbox");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_THAT(sent[0].body,
              HasSubstr(R"("buildInfo":{"dockerfileContent":"FROM debian:12\n"},"cpu":2,"memory":4,"disk":8)"));
}

TEST_F(DaytonaProvider, WhatItCannotDoIsRefusedBeforeAnythingIsSent) {
  EXPECT_EQ(createError({.memoryBytes = 1 << 30}).code, ErrorCode::limit);
  EXPECT_EQ(createError({.image = "debian\nRUN curl evil"}).code, ErrorCode::invalidArgument);
  EXPECT_EQ(createError({.templateId = "a", .snapshotId = "b"}).code, ErrorCode::invalidArgument);
  EXPECT_EQ(requestCount(), 0U);
}

TEST_F(DaytonaProvider, VendorOptionsAreHandedOn) {
  const Sandbox sandbox = create({.options = {{"public", true}, {"autoDeleteInterval", std::int64_t{0}}}});
  EXPECT_THAT(requests("POST", "/api/sandbox")[0].body, HasSubstr(R"("public":true)"));
  EXPECT_THAT(requests("POST", "/api/sandbox")[0].body, HasSubstr(R"("autoDeleteInterval":0)"));
  EXPECT_EQ(createError({.options = {{"snapshot", std::string("x")}, {"env", std::string("y")}}}).code,
            ErrorCode::invalidArgument);
}

TEST_F(DaytonaProvider, ATokenOfAUserComesWithItsOrganization) {
  ComputeConfig by = config();
  by.options = {{"jwtToken", std::string(simulators::kDaytonaDefaultToken)},
                {"organizationId", std::string(simulators::kDaytonaOrganization)},
                {"apiUrl", server().url() + "/api"}};
  compute_.setConfig(by);
  Sandbox sandbox = create();
  EXPECT_EQ(sandbox.runCommand("echo hi").stdout_, "hi\n");
  for (const auto& request : requests("", "")) EXPECT_NE(header(request, "x-daytona-organization-id"), "");
  by.options.erase("organizationId");
  try {
    compute_.setConfig(by);
    FAIL() << "a token alone is not enough";
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr("DAYTONA_ORGANIZATION_ID"));
  }
}

TEST_F(DaytonaProvider, VariablesOfItsOwnClientDoWhatTheyDoThere) {
  compute_.setConfig(configOf("daytona", {},
                              {{"DAYTONA_API_KEY", std::string(kKey)},
                               {"DAYTONA_SERVER_URL", url() + "/api/"},
                               {"DAYTONA_USE_DEPRECATED_POLLING", "true"},
                               {"DAYTONA_TARGET", "eu"}}));
  create();
  const auto sent = requests("POST", "/api/sandbox");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_THAT(sent[0].body, HasSubstr(R"("target":"eu")"));
}

TEST_F(DaytonaProvider, AnAddressThatIsNoneIsRefused) {
  ComputeConfig wrong = config();
  wrong.options["apiUrl"] = std::string("app.daytona.io/api");
  compute_.setConfig(wrong);
  EXPECT_THAT(createError().why, HasSubstr("DAYTONA_API_URL"));
}

TEST_F(DaytonaProvider, AShortCommandIsOneRequest) {
  Sandbox sandbox = create();
  forgetRequests();
  const auto result = sandbox.runCommand("pwd; echo $FOO; echo no >&2", {.cwd = "/tmp", .env = {{"FOO", "b r"}}});
  EXPECT_EQ(result.stdout_, "/tmp\nb r\n");
  EXPECT_EQ(result.stderr_, "no\n");
  const auto posts = requests("POST", "/toolbox/" + sandbox.sandboxId() + "/process/execute");
  ASSERT_EQ(posts.size(), 1U);
  EXPECT_EQ(header(posts[0], "authorization"), "Bearer " + std::string(kKey));
  EXPECT_EQ(requestCount(), 1U);
  forgetRequests();
  EXPECT_EQ(sandbox.runCommand("wc -c", {.stdin_ = std::string(10000, 'x')}).stdout_, "10000\n");
  EXPECT_EQ(requestCount(), 1U);
}

TEST_F(DaytonaProvider, MuchOutputComesInOrderAndInParts) {
  Sandbox sandbox = create();
  const auto result = sandbox.runCommand("seq 1 600000; seq 600000 >&2");
  EXPECT_EQ(result.stdout_.size(), 4088895U);
  EXPECT_EQ(result.stdout_, result.stderr_);
  EXPECT_EQ(sandbox.runCommand("ls -d /tmp/.computesdk-run-* | wc -l").stdout_, "1\n") << "its own";
}

TEST_F(DaytonaProvider, ACommandWhoseInputStreamsHasASessionOfItsOwn) {
  Sandbox sandbox = create();
  forgetRequests();
  const std::string input(100000, 'x');
  EXPECT_EQ(sandbox.runCommand("wc -c", {.stdin_ = input}).stdout_, "100000\n");
  const std::string toolbox = "/toolbox/" + sandbox.sandboxId() + "/process/session";
  const auto posts = requests("POST", toolbox);
  ASSERT_GE(posts.size(), 2U);
  EXPECT_EQ(posts[0].status, 201);
  EXPECT_THAT(posts[0].body, HasSubstr(R"({"sessionId":"computesdk-exec-)"));
  EXPECT_EQ(posts[1].status, 202);
  EXPECT_THAT(posts[1].body, HasSubstr(R"("runAsync":true,"suppressInputEcho":true)"));
  const auto follows = requests("GET", toolbox);
  ASSERT_EQ(follows.size(), 1U);
  EXPECT_THAT(follows[0].target, HasSubstr("/logs?follow=true"));
  EXPECT_EQ(requests("DELETE", toolbox).size(), 1U);
}

TEST_F(DaytonaProvider, ANameIsTheVendorsAndNoStoreOfOurs) {
  forgetRequests();
  SandboxManager sandboxes = compute_.sandbox();
  EXPECT_FALSE(sandboxes.find({.name = "box"}));
  Sandbox first = sandboxes.findOrCreate({.name = "box"});
  Sandbox second = sandboxes.findOrCreate({.name = "box"});
  EXPECT_EQ(first.sandboxId(), second.sandboxId());
  EXPECT_EQ(sandboxes.find({.name = "box"})->sandboxId(), first.sandboxId());
  EXPECT_EQ(requests("POST", "/api/sandbox").size(), 1U);
  // One that a create has given is the same name.
  Sandbox given = sandboxes.create({.name = "given"});
  EXPECT_EQ(sandboxes.findOrCreate({.name = "given"}).sandboxId(), given.sandboxId());
  EXPECT_EQ(sandboxes.find({.name = "given"})->sandboxId(), given.sandboxId());
  // Another program, which shares no store with this one, finds it too.
  Compute other(config());
  EXPECT_EQ(other.sandbox().findOrCreate({.name = "box"}).sandboxId(), first.sandboxId());
}

TEST_F(DaytonaProvider, FilesGoAsTheVendorsClientSendsThem) {
  Sandbox sandbox = create();
  Filesystem files = sandbox.filesystem();
  files.writeFile("/home/daytona/a b.txt", "h\u00e9llo");
  forgetRequests();
  files.readdir("/home/daytona");
  files.mkdir("/home/daytona/d1/d2");
  files.exists("/zzz");
  files.remove("/home/daytona/d1");
  const std::string toolbox = "/toolbox/" + sandbox.sandboxId() + "/files";
  expectAsRecorded(requests("GET", toolbox + "?path=").front(), "readdir", sandbox.sandboxId());
  expectAsRecorded(requests("POST", toolbox + "/folder").front(), "mkdir", sandbox.sandboxId());
  expectAsRecorded(requests("GET", toolbox + "/info").back(), "exists.2", sandbox.sandboxId());
  expectAsRecorded(requests("DELETE", toolbox).front(), "remove.2", sandbox.sandboxId());
}

TEST_F(DaytonaProvider, InspectNeitherWakesNorExtends) {
  Sandbox sandbox = create({.envs = {{"PASSWORD", "hunter2hunter2"}}});
  sandbox.pause();
  forgetRequests();
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::paused);
  EXPECT_THAT(requests("POST", "/"), IsEmpty());
  EXPECT_THAT(sandbox.native(), HasSubstr("\"toolboxProxyUrl\""));
  EXPECT_THAT(sandbox.native(), Not(HasSubstr("hunter2")));
}

TEST_F(DaytonaProvider, AContainerIsStoppedWhereItCannotBePaused) {
  Sandbox sandbox = create();
  fail({.path = "/api/sandbox/*/pause",
        .method = "POST",
        .status = 400,
        .body = R"({"statusCode":400,"message":"Sandbox class does not support pausing"})"});
  sandbox.filesystem().writeFile("kept", "yes");
  sandbox.pause();
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::stopped);
  sandbox.resume();
  EXPECT_EQ(sandbox.filesystem().readFile("kept"), "yes");
}

TEST_F(DaytonaProvider, ExtendingMovesBothClocksAndNoneNearer) {
  Sandbox sandbox = create({.timeout = 10min});
  forgetRequests();
  sandbox.extendTimeout(60min);
  const std::string box = "/api/sandbox/" + sandbox.sandboxId();
  EXPECT_EQ(requests("POST", box + "/ttl/60").size(), 1U);
  ASSERT_EQ(requests("POST", box + "/autostop/60").size(), 1U);
  expectAsRecorded(requests("POST", box + "/autostop/60")[0], "extend_timeout", sandbox.sandboxId());
  forgetRequests();
  sandbox.extendTimeout(5min);
  EXPECT_THAT(requests("POST", box + "/ttl"), IsEmpty());
  EXPECT_THAT(requests("POST", box + "/autostop"), IsEmpty());
  EXPECT_EQ(requests("POST", box + "/last-activity").size(), 1U);
}

TEST_F(DaytonaProvider, APortComesWithTheHeaderThatItNeeds) {
  Sandbox sandbox = create();
  const PortUrl port = sandbox.getPortUrl({.port = 3000});
  EXPECT_THAT(port.url, HasSubstr("https://3000-" + sandbox.sandboxId()));
  EXPECT_EQ(port.headers.count("x-daytona-preview-token"), 1U);
}

TEST_F(DaytonaProvider, OlderInstallationsTellWhereTheToolboxIsApart) {
  const Sandbox made = create();
  const std::string without = R"({"id":")" + made.sandboxId() + R"(","state":"started"})";
  fail({.path = "/api/sandbox/", .method = "GET", .status = 200, .body = without});
  fail({.path = "/api/sandbox/", .method = "GET", .status = 200, .body = without});
  auto found = compute_.sandbox().getById(made.sandboxId());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->runCommand("echo hi").stdout_, "hi\n");
}

TEST_F(DaytonaProvider, OlderInstallationsListInNumberedPagesOrAllAtOnce) {
  const auto item = [](const char* id) {
    return R"({"id":")" + std::string(id) + R"(","state":"started","labels":{}})";
  };
  fail({.path = "/api/*",
        .method = "GET",
        .status = 200,
        .body = R"({"items":[)" + item("a") + R"(],"page":1,"totalPages":2})"});
  fail({.path = "/api/*",
        .method = "GET",
        .status = 200,
        .body = R"({"items":[)" + item("b") + R"(],"page":2,"totalPages":2})"});
  EXPECT_EQ(compute_.sandbox().list().size(), 2U);
  EXPECT_THAT(requests("GET", "/api/sandbox?").back().target, HasSubstr("page=2"));
  fail({.path = "/api/*",
        .method = "GET",
        .status = 200,
        .body = "[" + item("c") + "," + item("d") + "," + item("e") + "]"});
  EXPECT_EQ(compute_.sandbox().list().size(), 3U);
}

}  // namespace
}  // namespace computesdk::daytona::test
