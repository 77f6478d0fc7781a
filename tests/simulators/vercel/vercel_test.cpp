// The answers of the simulator against exchanges that were recorded from Vercel's own client, and what they do not
// show.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "harness/client.hpp"
#include "harness/json.hpp"
#include "harness/recorded.hpp"
#include "vercel.hpp"

namespace computesdk::simulators {
namespace {

using rapidjson::Value;

// What differs from one run to the next: only its type is compared. Names are chosen when none is given.
const std::set<std::string> kVolatile = {"id",        "createdAt",         "updatedAt",        "startedAt",
                                         "stoppedAt", "requestedAt",       "requestedStopAt",  "statusUpdatedAt",
                                         "duration",  "durationMs",        "currentSessionId", "sessionId",
                                         "subdomain", "currentSnapshotId", "sourceSessionId",  "url"};

bool isVolatile(const Value& /*object*/, const std::string& name, const Value& value) {
  return kVolatile.contains(name) || textOf(&value).starts_with("sandbox-");
}

// Lines as one array. Output comes in any number of pieces, of two pipes in any order: of each there is one piece here,
// the whole of it.
std::string linesAsArray(std::string_view text) {
  std::vector<std::string> all;
  std::map<std::string, std::string> output;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    rapidjson::Document line;
    if (!parseJson(text.substr(0, end), line)) return "\"" + std::string("not JSON") + "\"";
    const std::string stream = textOf(member(&line, "stream"));
    if (stream.empty() || stream == "error") {
      all.emplace_back(text.substr(0, end));
    } else {
      output[stream] += textOf(member(&line, "data"));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  all.push_back(JsonObject().add("output", output).text());
  return jsonArray(all);
}

class VercelTest : public ::testing::Test {
 protected:
  VercelTest() : running_(std::make_unique<VercelSimulator>()), client_(running_.server().port()) {}

  struct Made {
    std::string name, session;
    rapidjson::Document answer;
  };
  static Headers bearer() {
    return {{"authorization", std::string("Bearer ") + kVercelDefaultToken}, {"content-type", "application/json"}};
  }
  static std::string target(const std::string& path, const std::string& query = {}) {
    return "/api" + path + "?teamId=" + kVercelDefaultTeam + (query.empty() ? "" : "&" + query);
  }
  static std::string ofProject(const std::string& path, const std::string& query = {}) {
    return target(path, std::string("projectId=") + kVercelDefaultProject + query);
  }
  Made make(const std::string& members = {}, const std::string& path = "/v3/sandboxes") {
    const Answer answer =
        client_.ask("POST", target(path), bearer(), R"({"projectId":"prj_sim0123456789","ports":[])" + members + "}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    Made made;
    parseJson(answer.body, made.answer);
    made.name = textOf(member(member(&made.answer, "sandbox"), "name"));
    made.session = textOf(member(member(&made.answer, "session"), "id"));
    return made;
  }
  Answer ask(const std::string& method, const std::string& whole, const std::string& body = {}) {
    return client_.ask(method, whole, bearer(), body);
  }
  Answer inSession(const Made& made, const std::string& path, const std::string& body = {}) {
    return ask("POST", target("/v2/sandboxes/sessions/" + made.session + path), body);
  }
  Answer shell(const Made& made, const std::string& line, const std::string& more = {}) {
    return inSession(made, "/cmd",
                     R"({"command":"sh","args":["-c",)" + jsonText(line) + R"(],"wait":true,"logs":true)" + more + "}");
  }

  void replay(const std::string& name);

  RunningSimulator running_;
  Client client_;
  Recordings recordings_{VERCEL_RECORDED, isVolatile};
};

// Sends a recorded request again and compares the answers.
void VercelTest::replay(const std::string& name) {
  SCOPED_TRACE(name);
  const Replayed replayed = recordings_.replay(client_, name);
  EXPECT_EQ(replayed.problem, "");
  const std::string type = replayed.now.header("content-type");
  if (type == "application/octet-stream") {
    EXPECT_EQ(replayed.now.body, textOf(&replayed.then));
    return;
  }
  const bool lines = type == "application/x-ndjson";
  rapidjson::Document then, now;
  ASSERT_TRUE(parseJson(lines ? linesAsArray(textOf(&replayed.then)) : jsonOf(&replayed.then), then));
  ASSERT_TRUE(parseJson(lines ? linesAsArray(replayed.now.body) : replayed.now.body, now)) << replayed.now.body;
  EXPECT_EQ(recordings_.difference(then, now), "");
  // What was made takes the place of what was recorded.
  for (const char* const what : {"session", "snapshot", "command", "sandbox"}) {
    for (const char* const id : {"id", "name"}) {
      recordings_.learn(textOf(member(member(&then, what), id)), textOf(member(member(&now, what), id)));
    }
  }
}

TEST_F(VercelTest, RecordedExchangesOfOneSandbox) {
  for (const char* const name :
       {"create", "get", "get.2", "get_missing", "list", "run_command", "run_command_cwd_env", "run_command_timeout",
        "run_detached", "run_detached.3", "run_detached.2", "run_detached.4", "file_write", "file_read",
        "file_read_missing", "mkdir", "mkdir.2", "extend_timeout", "update"}) {
    replay(name);
  }
  running_.server().fault({.path = "/api/v2/sandboxes/box-one",
                           .status = 429,
                           .body = R"({"error":{"code":"rate_limited","message":"injected 429"}})",
                           .retryAfter = "1"});
  for (const char* const name : {"rate_limited", "rate_limited.2", "destroy", "destroy.2"}) replay(name);
}

TEST_F(VercelTest, RecordedExchangesOfOtherSandboxes) {
  for (const char* const name : {"create_runtime", "create_runtime.2", "unauthorized", "unauthorized.2", "snapshot",
                                 "snapshot.2", "snapshot.3"}) {
    replay(name);
  }
  const std::string snapshot = recordings_.learned().back().second;
  const Made copy = make(R"(,"source":{"type":"snapshot","snapshotId":")" + snapshot + "\"}");
  EXPECT_EQ(inSession(copy, "/fs/read", R"({"path":"/tmp/k"})").body, "kept");
  for (const char* const name : {"stop", "stop.2", "stop.3", "stop.4"}) replay(name);
}

TEST_F(VercelTest, TokensOfAProjectAreBelievedUntilTheyExpire) {
  const auto token = [](std::int64_t expires) {
    std::string payload = base64(R"({"owner_id":"team_sim0123456789","project_id":"prj_sim0123456789","exp":)" +
                                 std::to_string(expires) + "}");
    while (payload.ends_with('=')) payload.pop_back();
    return "Bearer eyJhbGciOiJub25lIn0." + payload + ".c2ln";
  };
  const std::string where = target("/v2/sandboxes", "project=prj_sim0123456789");
  const std::int64_t now = epochMs() / 1000;
  EXPECT_EQ(client_.ask("GET", where, {{"authorization", token(now + 3600)}}).status, 200);
  EXPECT_EQ(client_.ask("GET", where, {{"authorization", token(now - 1)}}).status, 403);
  EXPECT_EQ(
      client_.ask("GET", "/api/v2/sandboxes?project=prj_sim0123456789", {{"authorization", token(now + 9)}}).status,
      403);
}

TEST_F(VercelTest, WrongRequestsAreRefused) {
  const auto create = [&](const std::string& path, const std::string& members) {
    return ask("POST", target(path), R"({"projectId":"prj_sim0123456789")" + members + "}").status;
  };
  EXPECT_EQ(create("/v2/sandboxes", ""), 400);
  EXPECT_EQ(create("/v3/sandboxes", R"(,"runtime":"node24")"), 400);
  EXPECT_EQ(create("/v2/sandboxes", R"(,"runtime":"cobol")"), 400);
  EXPECT_EQ(create("/v3/sandboxes", R"(,"ports":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16])"), 400);
  EXPECT_EQ(create("/v3/sandboxes", R"(,"timeout":5)"), 400);
  EXPECT_EQ(create("/v3/sandboxes", R"(,"source":{"type":"snapshot","snapshotId":"snap_no"})"), 410);
  EXPECT_EQ(ask("POST", target("/v3/sandboxes"), "{").status, 400);
  EXPECT_EQ(ask("POST", target("/v3/sandboxes"), "{}").status, 400);
  EXPECT_EQ(ask("GET", target("/v2/sandboxes")).status, 400);
  const Made made = make(R"(,"name":"taken")");
  EXPECT_EQ(create("/v3/sandboxes", R"(,"name":"taken")"), 409);
  EXPECT_EQ(inSession(made, "/cmd", "{}").status, 400);
  EXPECT_EQ(inSession(made, "/cmd", R"({"command":"/no/such/program"})").status, 400);
  EXPECT_EQ(inSession(made, "/cmd", R"({"command":"true","cwd":"/no/such"})").status, 400);
  EXPECT_EQ(inSession(made, "/fs/write", "{}").status, 400);
  Headers packed = bearer();
  packed[1].second = "application/gzip";
  Client other(running_.server().port());  // the connection may end with the answer
  EXPECT_EQ(other.ask("POST", target("/v2/sandboxes/sessions/" + made.session + "/fs/write"), packed, "no gzip").status,
            400);
  Client third(running_.server().port());
  EXPECT_EQ(third.ask("GET", target("/v2/sandboxes/sessions/" + made.session + "/cmd/cmd_no"), bearer()).status, 404);
}

TEST_F(VercelTest, TagsAndPagesNarrowAList) {
  make(R"(,"name":"one","tags":{"user":"u:1"})");
  make(R"(,"name":"two","tags":{"user":"u2"})");
  const std::string project = "project=prj_sim0123456789";
  EXPECT_NE(ask("GET", target("/v2/sandboxes", project + "&tags=user:u%3A1")).body.find(R"("name":"one")"),
            std::string::npos);
  EXPECT_EQ(ask("GET", target("/v2/sandboxes", project + "&tags=user:u%3A1")).body.find(R"("name":"two")"),
            std::string::npos);
  rapidjson::Document page;
  parseJson(ask("GET", target("/v2/sandboxes", project + "&limit=1&sortBy=name&sortOrder=asc")).body, page);
  const std::string next = textOf(member(member(&page, "pagination"), "next"));
  ASSERT_FALSE(next.empty());
  const Answer last =
      ask("GET", target("/v2/sandboxes", project + "&limit=1&sortBy=name&sortOrder=asc&cursor=" + next));
  EXPECT_NE(last.body.find(R"("name":"two")"), std::string::npos);
  EXPECT_NE(last.body.find(R"("next":null)"), std::string::npos);
  EXPECT_EQ(ask("GET", target("/v2/sandboxes", project + "&limit=0")).status, 400);
}

TEST_F(VercelTest, OutputIsTextWhoseCharactersAreWhole) {
  const Made made = make();
  const std::string split = shell(made, R"(printf '\342'; sleep 0.1; printf '\202\254')").body;
  EXPECT_NE(split.find("\"data\":\"\u20ac\""), std::string::npos) << split;
  const std::string bytes = shell(made, R"(printf 'a\377b')").body;
  EXPECT_NE(bytes.find("\"data\":\"a\ufffdb\""), std::string::npos) << bytes;
}

TEST_F(VercelTest, StoppedSandboxesComeBackWithTheirFilesOnly) {
  const Made made = make();
  Client other(running_.server().port());
  other.send("POST", target("/v2/sandboxes/sessions/" + made.session + "/cmd"), bearer(),
             R"({"command":"sh","args":["-c","echo kept > f; echo; exec sleep 1000"],"wait":true,"logs":true})");
  Answer stream = other.readHead();
  for (std::string all; all.find("stdout") == std::string::npos;) {
    const auto piece = other.readPiece(stream);
    ASSERT_TRUE(piece);
    all += *piece;
  }
  EXPECT_EQ(inSession(made, "/stop").status, 200);
  std::string rest;
  while (const auto piece = other.readPiece(stream)) rest += *piece;
  EXPECT_NE(rest.find(R"({"stream":"error","data":{"code":"sandbox_stopped")"), std::string::npos) << rest;
  EXPECT_EQ(inSession(made, "/fs/read", R"({"path":"/vercel/sandbox/f"})").status, 410);
  EXPECT_NE(ask("GET", ofProject("/v2/sandboxes/" + made.name)).body.find(R"("status":"stopped")"), std::string::npos);
  rapidjson::Document resumed;
  parseJson(ask("GET", ofProject("/v2/sandboxes/" + made.name, "&resume=true")).body, resumed);
  EXPECT_TRUE(truthOf(member(&resumed, "resumed")));
  Made again;
  again.session = textOf(member(member(&resumed, "session"), "id"));
  EXPECT_NE(again.session, made.session);
  EXPECT_EQ(inSession(again, "/fs/read", R"({"path":"f"})").body, "kept\n");
}

TEST_F(VercelTest, TimeStopsASandbox) {
  const Made kept = make(R"(,"timeout":1000)"), gone = make(R"(,"timeout":1000,"persistent":false)");
  const auto status = [&](const Made& made) {
    rapidjson::Document answer;
    parseJson(ask("GET", ofProject("/v2/sandboxes/" + made.name)).body, answer);
    return textOf(member(member(&answer, "sandbox"), "status"));
  };
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while ((status(kept) != "stopped" || status(gone) != "stopped") && Clock::now() < deadline)
    shell(make(), "sleep 0.1");
  EXPECT_EQ(shell(kept, "true").status, 410);
  EXPECT_EQ(ask("GET", ofProject("/v2/sandboxes/" + kept.name, "&resume=true")).status, 200);
  EXPECT_EQ(ask("GET", ofProject("/v2/sandboxes/" + gone.name, "&resume=true")).status, 410);
}

TEST_F(VercelTest, PortsAnswerByHostAndCanBeAdded) {
  const Made made = make();
  const Answer updated = ask("PATCH", ofProject("/v2/sandboxes/" + made.name), R"({"ports":[8123]})");
  rapidjson::Document answer;
  ASSERT_TRUE(parseJson(updated.body, answer));
  const Value* const routes = member(&answer, "routes");
  ASSERT_TRUE(routes != nullptr && routes->Size() == 1) << updated.body;
  const std::string host = textOf(member(&(*routes)[0], "subdomain")) + ".vercel.run";
  const auto fetch = [&] { return Client(running_.server().port()).ask("GET", "/f", {{"host", host}}); };
  EXPECT_EQ(fetch().status, 502);
  EXPECT_EQ(
      inSession(made, "/cmd", R"({"command":"sh","args":["-c","echo served > f; exec python3 -m http.server 8123"]})")
          .status,
      200);
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (fetch().status != 200 && Clock::now() < deadline) shell(made, "sleep 0.1");
  EXPECT_EQ(fetch().body, "served\n");
}

TEST_F(VercelTest, ForksAreSandboxesOfTheirOwn) {
  const Made made = make(R"(,"env":{"FOO":"bar"})");
  shell(made, "echo then > f");
  const Answer answer = ask("POST", ofProject("/v2/sandboxes/" + made.name + "/fork"), R"({"name":"copy"})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  rapidjson::Document copied;
  parseJson(answer.body, copied);
  Made copy;
  copy.session = textOf(member(member(&copied, "session"), "id"));
  shell(made, "echo later > f");
  const std::string seen = shell(copy, "cat f; echo $FOO").body;
  EXPECT_NE(linesAsArray(seen).find(R"("stdout":"then\u000abar\u000a")"), std::string::npos) << seen;
}

}  // namespace
}  // namespace computesdk::simulators
