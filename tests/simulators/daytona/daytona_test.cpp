// The answers of the simulator against exchanges that were recorded from Daytona's own client, and what they do not
// show.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "daytona.hpp"
#include "harness/client.hpp"
#include "harness/recorded.hpp"

namespace computesdk::simulators {
namespace {

using rapidjson::Value;

// What differs from one run to the next: only its type is compared.
const std::set<std::string> kVolatile = {"id",    "runnerId", "createdAt", "updatedAt",  "lastActivityAt", "timestamp",
                                         "token", "cmdId",    "modTime",   "modifiedAt", "toolboxProxyUrl"};

bool isVolatile(const Value& object, const std::string& name, const Value& value) {
  const std::string text = textOf(&value);
  const bool chosen = name == "name" && text == textOf(member(&object, "id"));  // by the service
  const bool withToken = name == "url" && text.find(textOf(member(&object, "token"))) != std::string::npos;
  return kVolatile.contains(name) || chosen || withToken;
}

class DaytonaTest : public ::testing::Test {
 protected:
  DaytonaTest()
      : running_(std::make_unique<DaytonaSimulator>(std::chrono::hours(1))), client_(running_.server().port()) {}

  static Headers key() {
    std::string bearer = "Bearer ";
    bearer += kDaytonaDefaultKey;
    return {{"authorization", bearer}, {"content-type", "application/json"}};
  }
  Answer ask(const std::string& method, const std::string& path, const std::string& body = {}) {
    return client_.ask(method, path, key(), body);
  }
  /// A sandbox that runs; its id.
  std::string make(const std::string& body = "{}") {
    const Answer answer = ask("POST", "/api/sandbox", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    const std::string id = field(answer, "id");
    ask("GET", "/api/sandbox/" + id);
    return id;
  }
  static std::string field(const Answer& answer, const char* name) {
    rapidjson::Document body;
    parseJson(answer.body, body);
    return textOf(member(&body, name));
  }
  std::string stateOf(const std::string& id) { return field(ask("GET", "/api/sandbox/" + id), "state"); }

  void replay(const std::string& name);

  RunningSimulator running_;
  Client client_;
  Recordings recordings_{DAYTONA_RECORDED, isVolatile};
};

// Sends a recorded request again and compares the answers.
void DaytonaTest::replay(const std::string& name) {
  SCOPED_TRACE(name);
  const Replayed replayed = recordings_.replay(client_, name);
  EXPECT_EQ(replayed.problem, "");
  if (replayed.then.IsString()) {
    EXPECT_EQ(replayed.now.body, textOf(&replayed.then));
    return;
  }
  rapidjson::Document now;
  ASSERT_TRUE(parseJson(replayed.now.body, now)) << replayed.now.body;
  EXPECT_EQ(recordings_.difference(replayed.then, now), "");
  for (const char* const id : {"id", "cmdId"}) {
    recordings_.learn(textOf(member(&replayed.then, id)), textOf(member(&now, id)));
  }
}

TEST_F(DaytonaTest, RecordedExchangesOfTheControlPlane) {
  for (const char* const name :
       {"create", "create.2", "list", "create_conflict", "get_missing", "get_url", "get_signed_url", "unauthorized",
        "create_image", "extend_timeout", "extend_timeout.2", "extend_timeout.3"}) {
    replay(name);
  }
  running_.server().fault(
      {.path = "/api/sandbox/",
       .status = 429,
       .body = R"({"path":"x","timestamp":"y","statusCode":429,"error":"Too Many Requests","message":"injected 429"})",
       .retryAfter = "1"});
  const Answer limited = ask("GET", "/api/sandbox/box-one");
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(limited.header("retry-after"), "1");
  for (const char* const name : {"stop_start", "stop_start.2", "stop_start.3", "stop_start.4", "destroy"}) replay(name);
}

TEST_F(DaytonaTest, RecordedExchangesOfTheToolbox) {
  for (const char* const name : {"create", "create.2", "run_command", "run_command_cwd_env", "run_code", "file_write",
                                 "file_read", "file_read_missing", "mkdir", "readdir", "exists", "exists.2", "remove",
                                 "remove.2", "remove.3", "session", "session.2", "session_stream"}) {
    replay(name);
  }
  const auto named = [&](const std::string& then) {
    for (const auto& [was, now] : recordings_.learned()) {
      if (was == then) return now;
    }
    return std::string();
  };
  const std::string command = "/toolbox/" + named("894047a8-e4d1-4ef8-9db9-7cbdb6aa773b") +
                              "/process/session/ses1/command/" + named("2a1b0b24-fc9f-4507-bd72-b5727b4ce98c");
  while (ask("GET", command).body.find("exitCode") == std::string::npos) {
  }
  for (const char* const name : {"session_stream.3", "session_stream.4", "extend_timeout", "snapshot", "snapshot.2",
                                 "snapshot.3", "snapshot.4"}) {
    replay(name);
  }
}

TEST_F(DaytonaTest, ATimeToLiveEndsASandboxAndAnIdleOneStops) {
  const std::string id = make(R"({"ttlMinutes":1,"autoStopInterval":2})");
  EXPECT_NE(field(ask("GET", "/api/sandbox/" + id), "autoDestroyAt"), "");
  EXPECT_EQ(ask("POST", "/api/sandbox/" + id + "/ttl/0").status, 200);
  EXPECT_EQ(field(ask("GET", "/api/sandbox/" + id), "autoDestroyAt"), "");
  EXPECT_EQ(ask("POST", "/api/sandbox/" + id + "/ttl/x").status, 400);
  EXPECT_EQ(ask("POST", "/api/sandbox", R"({"ttlMinutes":1.5})").status, 400);
}

TEST_F(DaytonaTest, PausedSandboxesStandStillAndArchivedOnesKeepTheirFiles) {
  const std::string id = make(), box = "/api/sandbox/" + id, toolbox = "/toolbox/" + id;
  EXPECT_EQ(ask("POST", toolbox + "/process/execute", R"({"command":"echo kept > note"})").status, 200);
  EXPECT_EQ(field(ask("POST", box + "/pause"), "state"), "pausing");
  ask("GET", box);
  EXPECT_EQ(stateOf(id), "paused");
  EXPECT_EQ(ask("GET", toolbox + "/work-dir").status, 400);
  EXPECT_EQ(field(ask("POST", box + "/start"), "state"), "resuming");
  EXPECT_EQ(ask("POST", box + "/start").status, 400);
  EXPECT_EQ(ask("POST", box + "/archive").status, 400);
  ask("POST", box + "/stop");
  ask("POST", box + "/archive");
  ask("GET", box);
  EXPECT_EQ(stateOf(id), "archived");
  ask("POST", box + "/start");
  EXPECT_EQ(ask("GET", toolbox + "/files/download?path=note").body, "kept\n");
}

TEST_F(DaytonaTest, ADestroyedSandboxIsSeenOnceMoreAndThenGone) {
  const std::string id = make(R"({"name":"brief"})");
  EXPECT_EQ(field(ask("DELETE", "/api/sandbox/brief"), "state"), "destroying");
  EXPECT_EQ(ask("GET", "/toolbox/" + id + "/work-dir").status, 404);
  EXPECT_EQ(ask("GET", "/_sim/sandboxes").body, "[]");
  EXPECT_EQ(stateOf(id), "destroying");
  EXPECT_EQ(ask("GET", "/api/sandbox/" + id).status, 404);
  EXPECT_EQ(ask("DELETE", "/api/sandbox/" + id).status, 404);
}

TEST_F(DaytonaTest, OlderListsHaveNumberedPages) {
  make(), make(), make();
  const Answer page = ask("GET", "/api/sandbox/paginated?page=2&limit=2");
  rapidjson::Document body;
  ASSERT_TRUE(parseJson(page.body, body)) << page.body;
  EXPECT_EQ(body["items"].Size(), 1U);
  EXPECT_EQ(numberOf(member(&body, "totalPages")), 2);
  EXPECT_EQ(ask("GET", "/api/sandbox?limit=0").status, 400);
  EXPECT_EQ(ask("GET", "/api/sandbox?cursor=nope").status, 400);
}

TEST_F(DaytonaTest, PortsAskForTheTokenUnlessTheyArePublic) {
  const std::string id = make(), box = "/api/sandbox/" + id;
  const std::string token = field(ask("GET", box + "/ports/8123/preview-url"), "token");
  const auto status = [&](const Headers& headers) {
    return Client(running_.server().port()).ask("GET", "/", headers).status;
  };
  const std::string host = "8123-" + id + ".proxy.sim.test";
  EXPECT_EQ(status({{"host", host}}), 401);
  EXPECT_EQ(status({{"host", host}, {"x-daytona-preview-token", token}}), 502);  // nobody listens
  ask("POST", box + "/public/true");
  EXPECT_EQ(status({{"host", host}}), 502);
}

}  // namespace
}  // namespace computesdk::simulators
