// What the provider sends, and what becomes of what it is told. What every provider has to do is tested elsewhere, by
// the suite that all of them share.
#include "fixture.hpp"

#include <fstream>
#include <iterator>
#include <set>

#include "harness/json.hpp"

namespace computesdk::vercel::test {
namespace {

using namespace std::chrono_literals;
using simulators::jsonOf;
using simulators::member;
using simulators::parseJson;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class VercelProvider : public VercelTest {
 protected:
  /// The body of a recorded request of Vercel's own client, with members in the order of their names.
  static std::string recorded(const std::string& name) {
    std::ifstream file(std::string(VERCEL_RECORDED) + "/" + name + ".json");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    rapidjson::Document document;
    EXPECT_TRUE(parseJson(text, document)) << name;
    return sorted(*member(member(&document, "request"), "body"));
  }
  static std::string sorted(const std::string& text) {
    rapidjson::Document document;
    EXPECT_TRUE(parseJson(text, document)) << text;
    return sorted(document);
  }
  static std::string sorted(const rapidjson::Value& value) {
    if (!value.IsObject()) return jsonOf(&value);
    std::map<std::string, std::string> members;
    for (const auto& each : value.GetObject()) {
      // What this provider adds to what the vendor's client sends.
      const std::string key = simulators::textOf(&each.name);
      static const std::set<std::string> kOurs = {"COMPUTESDK_COMMAND", "computesdk-create", "namespace",
                                                  "parent_sandbox_id"};
      if (kOurs.count(key) == 0) members[key] = sorted(each.value);
    }
    std::string out;
    for (const auto& [key, text] : members) out += key + "=" + text + ";";
    return "{" + out + "}";
  }
};

TEST_F(VercelProvider, ANameIsTheVendorsAndNoStoreOfOurs) {
  SandboxManager sandboxes = compute_.sandbox();
  EXPECT_FALSE(sandboxes.find({.name = "Some name!"}));
  Sandbox first = sandboxes.findOrCreate({.name = "Some name!"});
  EXPECT_EQ(sandboxes.findOrCreate({.name = "Some name!"}).sandboxId(), first.sandboxId());
  EXPECT_EQ(sandboxes.find({.name = "Some name!"})->sandboxId(), first.sandboxId());
  EXPECT_NE(sandboxes.findOrCreate({.name = "Some name!", .namespace_ = "other"}).sandboxId(), first.sandboxId());
}

TEST_F(VercelProvider, CreateSendsWhatTheVendorsClientSends) {
  const Sandbox sandbox = create(
      {.timeout = 120s, .metadata = {{"user", "u1"}}, .envs = {{"FOO", "bar"}}, .name = "box-one", .ports = {3000}});
  const auto sent = requests("POST", "/api/v3/sandboxes");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].target, "/api/v3/sandboxes?teamId=team_sim0123456789");
  EXPECT_EQ(header(sent[0], "authorization"), "Bearer " + std::string(kToken));
  EXPECT_EQ(header(sent[0], "content-type"), "application/json");
  std::string body = sorted(sent[0].body);
  if (const std::size_t at = body.find(R"(tags={name="box-one";)"); at != std::string::npos) body.erase(at + 6, 15);
  EXPECT_EQ(body, recorded("create"));
  EXPECT_EQ(sandbox.sandboxId(), "box-one");
  EXPECT_EQ(requestCount(), 1U) << "one round trip makes a sandbox";
}

TEST_F(VercelProvider, ARuntimeHasAPathOfItsOwn) {
  const Sandbox sandbox =
      create({.templateId = "node", .memoryBytes = std::int64_t{8} << 30, .options = {{"persistent", false}}});
  const auto sent = requests("POST", "/api/v2/sandboxes?");
  ASSERT_EQ(sent.size(), 1U);
  std::string body = sorted(sent[0].body);
  if (const std::size_t at = body.find("tags={};"); at != std::string::npos) body.erase(at, 8);
  EXPECT_EQ(body, recorded("create_runtime"));
  const Sandbox python = create({.templateId = "python3.13"});
  EXPECT_THAT(requests("POST", "/api/v2/sandboxes?").at(1).body, HasSubstr(R"("runtime":"python3.13")"));
}

TEST_F(VercelProvider, VendorOptionsAreHandedOn) {
  Sandbox sandbox =
      create({.options = {{"region", std::string("iad1")}, {"networkPolicy.mode", std::string("deny-all")}}});
  EXPECT_THAT(requests("POST", "/api/v3/").at(0).body, HasSubstr(R"("region":"iad1")"));
  EXPECT_THAT(requests("POST", "/api/v3/").at(0).body, HasSubstr(R"("networkPolicy":{"mode":"deny-all"})"));
  EXPECT_EQ(sandbox.native().find(kToken), std::string::npos);
  EXPECT_EQ(createError({.options = {{"projectId", std::string("prj_other")}}}).code, ErrorCode::invalidArgument);
}

TEST_F(VercelProvider, WhatItCannotDoIsRefusedBeforeAnythingIsSent) {
  EXPECT_EQ(createError({.memoryBytes = 1 << 30}).code, ErrorCode::limit);
  EXPECT_EQ(createError({.cpuMilli = 1500}).code, ErrorCode::limit);
  EXPECT_EQ(createError({.diskBytes = std::int64_t{8} << 30}).code, ErrorCode::limit);
  EXPECT_EQ(createError({.timeout = 0ms}).code, ErrorCode::unsupported);
  EXPECT_EQ(createError({.templateId = "a", .snapshotId = "b"}).code, ErrorCode::invalidArgument);
  EXPECT_EQ(createError({.templateId = "node24", .image = "debian"}).code, ErrorCode::invalidArgument);
  EXPECT_EQ(requestCount(), 0U);
}

TEST_F(VercelProvider, ACommandIsOneRequest) {
  Sandbox sandbox = create({.envs = {{"FOO", "bar"}}});
  forgetRequests();
  const CommandResult result = sandbox.runCommand("pwd; echo $FOO-$BAZ", {.cwd = "/tmp", .env = {{"BAZ", "q x"}}});
  EXPECT_EQ(result.stdout_, "/tmp\nbar-q x\n");
  const auto sent = requests("POST", kSessions, "/cmd");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sorted(sent[0].body), recorded("run_command_cwd_env"));
  EXPECT_THAT(sent[0].target, HasSubstr("/cmd?teamId=team_sim0123456789"));
  EXPECT_EQ(requestCount(), 1U);
  EXPECT_EQ(sandbox.runCommand({"cat"}, {.stdin_ = "small input"}).stdout_, "small input");
  EXPECT_EQ(requestCount(), 2U) << "small input goes along";
}

TEST_F(VercelProvider, ReadingAFileSendsWhatTheVendorsClientSends) {
  Sandbox sandbox = create();
  Filesystem files = sandbox.filesystem();
  files.writeFile("/vercel/sandbox/a b.txt", "h\u00e9llo");
  forgetRequests();
  EXPECT_EQ(files.readFile("a b.txt"), "h\u00e9llo");
  const auto sent = requests("POST", kSessions, "/fs/read");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sorted(sent[0].body), recorded("file_read"));
  EXPECT_EQ(requestCount(), 1U);
}

TEST_F(VercelProvider, AWrittenFileReplacesTheOldOneAtOnce) {
  Sandbox sandbox = create();
  Filesystem files = sandbox.filesystem();
  files.writeFile("deep/f", "old");
  std::string big(9 << 20, 'x');
  big[12345] = '\0';
  forgetRequests();
  files.writeFile("deep/f", std::as_bytes(std::span(big)), {.mode = 0640});
  EXPECT_EQ(files.readFile("deep/f"), big);
  EXPECT_EQ(files.readdir("deep").size(), 1U) << "nothing stays beside it";
  EXPECT_EQ(files.stat("deep/f").mode, 0640U);
  const auto sent = requests("POST", kSessions, "/fs/write");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(header(sent[0], "content-type"), "application/gzip");
  EXPECT_EQ(header(sent[0], "x-cwd"), "/");
}

TEST_F(VercelProvider, InspectNeitherWakesNorExtends) {
  Sandbox sandbox = create({.timeout = 200s});
  sandbox.pause();
  forgetRequests();
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::stopped);
  EXPECT_THAT(requests("POST", "/"), IsEmpty());
  EXPECT_THAT(requests("GET", "/api/v2/sandboxes/").at(0).target, Not(HasSubstr("resume")));
  // The next command wakes it, once.
  EXPECT_EQ(sandbox.runCommand("echo awake").stdout_, "awake\n");
  EXPECT_EQ(sandbox.runCommand("echo again").stdout_, "again\n");
  int woken = 0;
  for (const auto& request : requests("GET", "/api/v2/sandboxes/"))
    woken += request.target.find("resume=true") != std::string::npos;
  EXPECT_EQ(woken, 1);
}

TEST_F(VercelProvider, PausingWhatWouldNotComeBackIsRefused) {
  Sandbox sandbox = create({.options = {{"persistent", false}}});
  auto paused = sandbox.pause(nothrow);
  ASSERT_FALSE(paused);
  EXPECT_EQ(paused.error().code, ErrorCode::precondition);
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::running);
}

TEST_F(VercelProvider, AnotherProgramFindsItByNameAlone) {
  Sandbox made = create({.metadata = {{"k", "v"}}, .name = "the name"});
  Compute other(config());
  auto found = other.sandbox().getById("the name");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->runCommand("echo there").stdout_, "there\n");
  EXPECT_EQ(found->getInfo().metadata.at("k"), "v");
  EXPECT_FALSE(found->getInfo().metadata.contains("computesdk-create"));
  for (const char* id : {"nobody", "..", ".", "a/b", "?x=1", "%2e%2e", "a b\xc3\xa9"}) {
    EXPECT_FALSE(other.sandbox().getById(id)) << id;
  }
  compute_.clearConfig();
  ComputeConfig elsewhere = config();
  elsewhere.namedSandboxes = false;  // somebody who does not know of the first one
  compute_.setConfig(elsewhere);
  const ErrorInfo error = createError({.name = "the name"});
  EXPECT_EQ(error.code, ErrorCode::alreadyExists) << error.what;
  EXPECT_THAT(alive(), ElementsAre("the name")) << "somebody else's sandbox is left alone";
}

TEST_F(VercelProvider, ListGoesThroughAllPagesAndFilters) {
  std::vector<Sandbox> made;
  for (int i = 0; i < 3; ++i) made.push_back(create({.metadata = {{"group", i == 1 ? "a b&c=d:e" : "other"}}}));
  const auto found = compute_.sandbox().list({.metadata = {{"group", "a b&c=d:e"}}});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].id, made[1].sandboxId());
  EXPECT_EQ(compute_.sandbox().list().size(), 3U);
  const auto sent = requests("GET", "/api/v2/sandboxes?");
  EXPECT_THAT(sent[0].target, HasSubstr("tags=group%3Aa%20b%26c%3Dd%3Ae&project=prj_sim0123456789&"));
}

TEST_F(VercelProvider, ExtendingAddsWhatIsMissing) {
  Sandbox sandbox = create({.timeout = 600s});
  const auto before = sandbox.getInfo().expiresAt;
  sandbox.extendTimeout(10s);
  EXPECT_EQ(sandbox.getInfo().expiresAt, before);
  EXPECT_THAT(requests("POST", kSessions, "/extend-timeout"), IsEmpty());
  sandbox.extendTimeout(1200s);
  EXPECT_NEAR(static_cast<double>((*sandbox.getInfo().expiresAt - *before) / 1s), 600.0, 20.0);
  auto tooLong = sandbox.extendTimeout(nothrow, 24h);
  ASSERT_FALSE(tooLong);
  EXPECT_THAT(tooLong.error().fix, HasSubstr("ask for less"));
}

TEST_F(VercelProvider, APortThatWasNotNamedIsAddedOnce) {
  Sandbox sandbox = create({.ports = {3000}});
  forgetRequests();
  const std::string url = sandbox.getUrl({.port = 3000});
  EXPECT_THAT(url, testing::MatchesRegex("https://sb-[a-z0-9]+\\.vercel\\.run"));
  EXPECT_EQ(requestCount(), 0U) << "it was told at create";
  const std::string added = sandbox.getUrl({.port = 4000});
  EXPECT_NE(added, url);
  EXPECT_THAT(requests("PATCH", "/api/v2/sandboxes/").at(0).body, HasSubstr(R"({"ports":[3000,4000]})"));
  forgetRequests();
  EXPECT_EQ(sandbox.getUrl({.port = 4000}), added);
  EXPECT_EQ(sandbox.getUrl({.port = 3000, .protocol = "wss"}), "wss" + url.substr(5));
  EXPECT_EQ(requestCount(), 0U);
}

TEST_F(VercelProvider, StopsACommandWithAllThatItStarted) {
  Sandbox sandbox = create();
  const CommandResult result = sandbox.runCommand(
      "(sleep 871; true) & (trap '' TERM; sleep 872; true) & setsid sleep 876 & sleep 873", {.timeout = 500ms});
  EXPECT_TRUE(result.timedOut);
  EXPECT_EQ(result.exitCode, 124);
  constexpr const char* kLeft = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 87[0-9]'";
  EXPECT_EQ(sandbox.runCommand(kLeft).stdout_, "0\n");
  std::stop_source stop;
  auto cancelled =
      sandbox.runCommand(nothrow, "sleep 874 & echo begun; sleep 875",
                         {.onStdout = [&](std::string_view) { stop.request_stop(); }, .stop = stop.get_token()});
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::cancelled);
  EXPECT_EQ(sandbox.runCommand(kLeft).stdout_, "0\n");
}

TEST_F(VercelProvider, TextThatCannotBeToldIsMarked) {
  Sandbox sandbox = create();
  EXPECT_EQ(sandbox.runCommand("printf 'a\\377b'").stdout_, "a\ufffdb");
}

TEST_F(VercelProvider, ABackgroundCommandsOutputWaitsForItsReader) {
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
  auto terminal = sandbox.processes().start(nothrow, "sh", {.pty = true});
  ASSERT_FALSE(terminal);
  EXPECT_EQ(terminal.error().code, ErrorCode::unsupported);
}

TEST_F(VercelProvider, SnapshotsStopTheSandboxWhichComesBack) {
  Sandbox sandbox = create();
  sandbox.filesystem().writeFile("kept", "k");
  const SnapshotInfo snapshot = sandbox.snapshot({.name = "keep"});
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::stopped);
  EXPECT_EQ(sandbox.filesystem().readFile("kept"), "k");
  Sandbox restored = create({.snapshotId = snapshot.id});
  EXPECT_EQ(restored.filesystem().readFile("kept"), "k");
  ProviderHandle provider = compute_.provider("vercel");
  EXPECT_EQ(provider.snapshots(sandbox.sandboxId()).size(), 1U);
  provider.removeSnapshot(snapshot.id);
  provider.removeSnapshot(snapshot.id);
  EXPECT_EQ(createError({.snapshotId = snapshot.id}).code, ErrorCode::notFound);
}

}  // namespace
}  // namespace computesdk::vercel::test
