// The answers of the simulator against exchanges that were recorded from E2B's own client, and what they do not show.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connect.hpp"
#include "e2b.hpp"
#include "harness/client.hpp"
#include "harness/json.hpp"
#include "harness/recorded.hpp"

namespace computesdk::simulators {
namespace {

using rapidjson::Value;

// What differs from one run to the next: only its type is compared.
const std::set<std::string> kVolatile = {"sandboxID", "envdAccessToken", "startedAt",    "endAt",     "pid",
                                         "timestamp", "snapshotID",      "modifiedTime", "templateID"};

bool isVolatile(const Value& /*object*/, const std::string& name, const Value& /*value*/) {
  return kVolatile.contains(name);
}

// Every envelope as {flags, json}. Output comes in any number of pieces, of two pipes in any order: of each there is
// one piece here, the whole of it.
std::vector<std::string> envelopes(std::string bytes) {
  std::vector<std::string> all;
  std::map<std::string, std::string> output;
  while (bytes.size() >= 5) {
    const int flags = static_cast<unsigned char>(bytes[0]);
    bytes[0] = 0;
    std::string json, piece;
    rapidjson::Document document;
    if (!takeEnvelope(bytes, json) || !parseJson(json, document)) return {};
    const auto data = textMapOf(member(member(&document, "event"), "data"));
    for (const auto& [channel, text] : data) output[channel] += unbase64(text, piece) ? piece : "?";
    if (data.empty()) all.push_back(JsonObject().add("flags", flags).raw("json", json).text());
  }
  for (const auto& [channel, text] : output) all.insert(all.begin() + 1, JsonObject().add(channel, text).text());
  return all;
}

class E2bTest : public ::testing::Test {
 protected:
  E2bTest() : running_(std::make_unique<E2bSimulator>()), client_(running_.server().port()) {}

  struct Made {
    std::string id, token;
  };
  Headers key() const { return {{"x-api-key", kE2bDefaultKey}, {"content-type", "application/json"}}; }
  Made make(const std::string& body = R"({"templateID":"base"})") {
    const Answer answer = client_.ask("POST", "/v2/sandboxes", key(), body);
    EXPECT_EQ(answer.status, 201) << answer.body;
    rapidjson::Document made;
    parseJson(answer.body, made);
    return {textOf(member(&made, "sandboxID")), textOf(member(&made, "envdAccessToken"))};
  }
  static Headers envd(const Made& made, const std::string& type = "application/json") {
    return {{"e2b-sandbox-id", made.id},
            {"e2b-sandbox-port", "49983"},
            {"x-access-token", made.token},
            {"content-type", type}};
  }
  Answer rpc(const Made& made, const std::string& method, const std::string& body) {
    return client_.ask("POST", method, envd(made), body);
  }
  // The events of a program that runs to its end.
  std::vector<std::string> run(const Made& made, const std::string& body, Headers more = {}) {
    Headers headers = envd(made, "application/connect+json");
    headers.insert(headers.end(), more.begin(), more.end());
    const Answer answer = client_.ask("POST", "/process.Process/Start", headers, envelope(0, body));
    EXPECT_EQ(answer.status, 200);
    return envelopes(answer.body);
  }
  static std::string shell(const std::string& line) {
    return R"({"process":{"cmd":"/bin/bash","args":["-l","-c",)" + jsonText(line) + R"(]},"stdin":false})";
  }

  void replay(const std::string& name);

  RunningSimulator running_;
  Client client_;
  // Ids and tokens as they were recorded, and as they are now.
  // The recorded name of a download is not quoted as envd does it: DownloadsAreNamedSafely.
  Recordings recordings_{E2B_RECORDED, isVolatile, {"last-modified", "content-disposition"}};
};

// Sends a recorded request again and compares the answers.
void E2bTest::replay(const std::string& name) {
  SCOPED_TRACE(name);
  const Replayed replayed = recordings_.replay(client_, name);
  EXPECT_EQ(replayed.problem, "");
  if (replayed.inEnvelopes) {
    rapidjson::Document then, now;
    parseJson(jsonArray(envelopes(replayed.bytesThen())), then);
    parseJson(jsonArray(envelopes(replayed.now.body)), now);
    EXPECT_EQ(recordings_.difference(then, now, "stream"), "");
    return;
  }
  if (replayed.then.IsString() || member(&replayed.then, "base64") != nullptr) {
    EXPECT_EQ(replayed.now.body, replayed.bytesThen());
    return;
  }
  rapidjson::Document now;
  ASSERT_TRUE(parseJson(replayed.now.body, now)) << replayed.now.body;
  EXPECT_EQ(recordings_.difference(replayed.then, now), "");
  // A sandbox that was made takes the place of the recorded one, a snapshot likewise.
  for (const char* const id : {"sandboxID", "envdAccessToken", "snapshotID"}) {
    recordings_.learn(textOf(member(&replayed.then, id)), textOf(member(&now, id)));
  }
}

TEST_F(E2bTest, RecordedExchangesOfTheControlPlane) {
  for (const char* const name :
       {"unauthorized", "create", "get_info", "get_missing", "extend_timeout", "extend_timeout.2", "connect", "list"}) {
    replay(name);
  }
  running_.server().fault(
      {.path = "/sandboxes/", .status = 429, .body = R"({"code":429,"message":"injected 429"})", .retryAfter = "1"});
  for (const char* const name : {"rate_limited", "rate_limited.2", "pause_resume", "pause_resume.2", "pause_resume.3",
                                 "pause_resume.4", "destroy"}) {
    replay(name);
  }
}

TEST_F(E2bTest, RecordedExchangesOfEnvd) {
  replay("create");
  for (const char* const name :
       {"health", "run_command", "run_command_exit0", "run_command_cwd_env", "run_command_bad_cwd", "file_write",
        "file_read", "file_read_missing", "file_write_octet", "file_write_octet.2", "mkdir", "mkdir.2", "exists",
        "exists.2", "readdir"}) {
    replay(name);
  }
  const Made made{recordings_.learned().at(0).second, recordings_.learned().at(1).second};
  run(made, shell("printf x > /tmp/m1"));
  for (const char* const name :
       {"remove", "remove.2", "remove.3", "snapshot", "snapshot.2", "snapshot.3", "snapshot.4"}) {
    replay(name);
  }
}

TEST_F(E2bTest, RecordedExchangesOfTheInterpreter) {
  replay("run_code");
  const Made made{recordings_.learned().at(0).second, recordings_.learned().at(1).second};
  Headers headers = envd(made);
  headers[1].second = "49999";
  const Answer answer = client_.ask("POST", "/execute", headers, R"({"code":"import sys\nprint('hi')\n1/0"})");
  EXPECT_EQ(answer.header("content-type"), "application/x-ndjson");
  EXPECT_NE(answer.body.find(R"({"type":"number_of_executions","execution_count":1})"), std::string::npos);
  EXPECT_NE(answer.body.find(R"({"type":"stdout","text":"hi)"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find(R"("name":"ZeroDivisionError","value":"division by zero")"), std::string::npos);
  EXPECT_TRUE(answer.body.ends_with("{\"type\":\"end_of_execution\"}\n"));
  replay("run_code.3");
}

TEST_F(E2bTest, WhoMayNotIsToldSo) {
  const Made made = make();
  EXPECT_EQ(client_.ask("GET", "/sandboxes/" + made.id).status, 401);
  const std::string query = R"({"path":"/"})";
  EXPECT_EQ(rpc({made.id, "ea_wrong"}, "/filesystem.Filesystem/Stat", query).status, 401);
  EXPECT_EQ(rpc({"inope", made.token}, "/filesystem.Filesystem/Stat", query).status, 502);
  EXPECT_EQ(client_.ask("GET", "/files?path=/etc/passwd", envd({made.id, ""})).status, 401);
  Headers headers = envd(made);
  headers.emplace_back("authorization", "Basic " + base64("nobody-here:"));
  EXPECT_EQ(client_.ask("POST", "/filesystem.Filesystem/Stat", headers, query).status, 401);
  headers.back().second = "Basic " + base64("root:");
  EXPECT_EQ(client_.ask("POST", "/filesystem.Filesystem/Stat", headers, query).status, 200);
  EXPECT_EQ(client_.ask("POST", "/filesystem.Filesystem/Stat", envd(made, "text/plain"), query).status, 415);
  EXPECT_EQ(rpc(made, "/filesystem.Filesystem/Stat", "{").status, 400);
  EXPECT_EQ(client_.ask("POST", "/v2/sandboxes", key(), "{").status, 400);
  EXPECT_EQ(client_.ask("POST", "/v2/sandboxes", key(), "{}").status, 400);
  EXPECT_EQ(client_.ask("POST", "/v2/sandboxes", key(), R"({"templateID":"nope"})").status, 404);
  EXPECT_EQ(client_.ask("POST", "/v2/sandboxes", key(), R"({"templateID":"base","timeout":999999})").status, 400);
}

TEST_F(E2bTest, DeadlinesKillAndSaySo) {
  const Made made = make();
  const auto events = run(made, shell("sleep 1000"), {{"connect-timeout-ms", "200"}});
  ASSERT_EQ(events.size(), 2U);
  EXPECT_NE(events.back().find(R"("error":{"code":"deadline_exceeded")"), std::string::npos);
  for (int i = 0; i < 400 && rpc(made, "/process.Process/List", "{}").body != "{}"; ++i) run(made, shell("true"));
  EXPECT_EQ(rpc(made, "/process.Process/List", "{}").body, "{}");
}

TEST_F(E2bTest, ProgramsOutliveTheirConnection) {
  const Made made = make();
  std::string json;
  {
    Client starter(running_.server().port());
    starter.send("POST", "/process.Process/Start", envd(made, "application/connect+json"),
                 envelope(0, R"({"process":{"cmd":"/bin/cat"},"stdin":true,"tag":"cat"})"));
    Answer answer = starter.readHead();
    std::string piece = starter.readPiece(answer).value_or("");
    ASSERT_TRUE(takeEnvelope(piece, json));
  }
  Client follower(running_.server().port());
  follower.send("POST", "/process.Process/Connect", envd(made, "application/connect+json"),
                envelope(0, R"({"process":{"tag":"cat"}})"));
  Answer answer = follower.readHead();
  std::string piece = follower.readPiece(answer).value_or("");
  std::string again;
  ASSERT_TRUE(takeEnvelope(piece, again));
  EXPECT_EQ(again, json);
  EXPECT_EQ(rpc(made, "/process.Process/SendInput", R"({"process":{"tag":"cat"},"input":{"stdin":"cGluZwo="}})").body,
            "{}");
  piece = follower.readPiece(answer).value_or("");
  ASSERT_TRUE(takeEnvelope(piece, again));
  EXPECT_EQ(again, R"({"event":{"data":{"stdout":"cGluZwo="}}})");
  EXPECT_EQ(rpc(made, "/process.Process/SendSignal", R"({"process":{"tag":"cat"},"signal":"SIGNAL_SIGKILL"})").body,
            "{}");
  piece = follower.readPiece(answer).value_or("");
  ASSERT_TRUE(takeEnvelope(piece, again));
  EXPECT_EQ(again, R"({"event":{"end":{"exitCode":-1,"status":"signal: killed","error":"signal: killed"}}})");
  EXPECT_EQ(rpc(made, "/process.Process/SendSignal", R"({"process":{"tag":"cat"},"signal":9})").status, 404);
}

TEST_F(E2bTest, AStreamBreaksWhenItsSandboxEnds) {
  const Made made = make();
  Client starter(running_.server().port());
  starter.send("POST", "/process.Process/Start", envd(made, "application/connect+json"),
               envelope(0, shell("sleep 1000")));
  Answer answer = starter.readHead();
  ASSERT_TRUE(starter.readPiece(answer));
  EXPECT_EQ(client_.ask("DELETE", "/sandboxes/" + made.id, key()).status, 204);
  EXPECT_FALSE(starter.readPiece(answer));
  EXPECT_FALSE(answer.whole);
  EXPECT_EQ(client_.ask("GET", "/health", envd(made)).status, 502);
}

TEST_F(E2bTest, PortsAnswerByHeaderAndByHost) {
  const Made made = make(R"({"templateID":"base","network":{"allowPublicTraffic":false}})");
  rapidjson::Document answer;
  parseJson(client_.ask("POST", "/v2/sandboxes/" + made.id + "/connect", key(), "{}").body, answer);
  const std::string token = textOf(member(&answer, "trafficAccessToken"));
  const std::string host = "8123-" + made.id + ".e2b.app";
  const Headers byHost = {{"host", host}, {"e2b-traffic-access-token", token}};
  const auto ask = [&](const Headers& headers) { return Client(running_.server().port()).ask("GET", "/f", headers); };
  EXPECT_EQ(ask({{"host", host}}).status, 403);
  EXPECT_EQ(ask(byHost).status, 502);
  Client starter(running_.server().port());
  starter.send("POST", "/process.Process/Start", envd(made, "application/connect+json"),
               envelope(0, shell("cd /tmp; echo served > f; exec python3 -u -m http.server 8123")));
  Answer stream = starter.readHead();
  for (std::string all; all.find("data") == std::string::npos;) {
    const auto piece = starter.readPiece(stream);
    ASSERT_TRUE(piece);
    all += *piece;
  }
  EXPECT_EQ(ask(byHost).body, "served\n");
  EXPECT_EQ(ask({{"e2b-sandbox-id", made.id}, {"e2b-sandbox-port", "8123"}, {"e2b-traffic-access-token", token}}).body,
            "served\n");
}

TEST_F(E2bTest, DownloadsAreNamedSafely) {
  const Made made = make();
  const auto nameOf = [&](const std::string& encoded) {
    const std::string target = "/files?path=/tmp/" + encoded;
    EXPECT_EQ(client_.ask("POST", target, envd(made, "application/octet-stream"), "x").status, 200);
    const Answer answer = client_.ask("GET", target, envd(made));
    EXPECT_EQ(answer.body, "x");
    return answer.header("content-disposition");
  };
  EXPECT_EQ(nameOf("f.txt"), "inline; filename=f.txt");
  EXPECT_EQ(nameOf("a%20b.txt"), "inline; filename=\"a b.txt\"");
  EXPECT_EQ(nameOf("a%0D%0Ab"), "inline; filename*=utf-8''a%0D%0Ab");
}

TEST_F(E2bTest, PartsOfFilesAndBrokenUploads) {
  const Made made = make();
  Headers octets = envd(made, "application/octet-stream");
  EXPECT_EQ(client_.ask("POST", "/files?path=/tmp/f", octets, "0123456789").status, 200);
  Headers range = envd(made);
  range.emplace_back("range", "bytes=2-4");
  const Answer part = client_.ask("GET", "/files?path=/tmp/f", range);
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.header("content-range"), "bytes 2-4/10");
  {
    Client broken(running_.server().port());
    broken.sendBytes("POST /files?path=/tmp/g HTTP/1.1\r\ncontent-length: 100\r\n");
    for (const auto& [name, value] : octets) broken.sendBytes(name + ": " + value + "\r\n");
    broken.sendBytes("\r\n0123");
  }
  EXPECT_EQ(client_.ask("GET", "/files?path=/tmp/g", envd(made)).status, 404);
  EXPECT_EQ(client_.ask("POST", "/files?path=/tmp", octets, "x").status, 400);
}

}  // namespace
}  // namespace computesdk::simulators
