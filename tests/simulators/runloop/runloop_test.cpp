// The answers of the simulator against exchanges recorded from Runloop's own client, and what they do not show.
#include "runloop.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "harness/client.hpp"
#include "harness/recorded.hpp"
#include "output.hpp"

namespace computesdk::simulators {
namespace {

using rapidjson::Value;

// What differs from one run to the next: only its type is compared.
const std::set<std::string> kVolatile = {"id",           "create_time_ms", "end_time_ms", "transition_time_ms",
                                         "execution_id", "tunnel_key",     "snapshot_id", "source_devbox_id"};

bool isVolatile(const Value& /*object*/, const std::string& name, const Value& /*value*/) {
  return kVolatile.contains(name);
}

// What a stream of events says, its pieces together.
std::string eventText(const std::string& stream) {
  std::string all;
  for (std::size_t at = 0; (at = stream.find("data: ", at)) != std::string::npos;) {
    const std::size_t end = stream.find('\n', at);
    rapidjson::Document data;
    if (!parseJson(std::string_view(stream).substr(at + 6, end - at - 6), data)) return "no JSON: " + stream;
    all += textOf(member(&data, "output"));
    at = end;
  }
  return all;
}

class RunloopTest : public ::testing::Test {
 protected:
  RunloopTest() : running_(std::make_unique<RunloopSimulator>()), client_(running_.server().port()) {}

  static Headers key() {
    return {{"authorization", std::string("Bearer ") + kRunloopDefaultKey}, {"content-type", "application/json"}};
  }
  Answer post(const std::string& path, const std::string& body = "{}") {
    return client_.ask("POST", "/v1/" + path, key(), body);
  }
  Answer get(const std::string& path) { return client_.ask("GET", "/v1/" + path, key()); }
  static std::string text(const Answer& answer, const char* name) {
    rapidjson::Document body;
    return parseJson(answer.body, body) ? textOf(member(&body, name)) : "no JSON: " + answer.body;
  }
  // A devbox that runs; the path that leads to it.
  std::string make(const std::string& body = "{}") {
    const std::string path = "devboxes/" + text(post("devboxes", body), "id");
    Answer answer;
    do {
      answer = post(path + "/wait_for_status", R"({"statuses":["running"]})");
    } while (answer.status == 408);
    EXPECT_EQ(text(answer, "status"), "running");
    return path;
  }
  std::string output(const std::string& path, const std::string& line) {
    return text(post(path + "/execute", JsonObject().add("command", line).text()), "stdout");
  }

  void replay(const std::string& name);

  RunningSimulator running_;
  Client client_;
  Recordings recordings_{RUNLOOP_RECORDED, isVolatile};
};

// Sends a recorded request again and compares the answers.
void RunloopTest::replay(const std::string& name) {
  SCOPED_TRACE(name);
  const Replayed replayed = recordings_.replay(client_, name);
  EXPECT_EQ(replayed.problem, "");
  const std::string type = replayed.now.header("content-type");
  if (type == "text/event-stream") {
    EXPECT_EQ(eventText(replayed.now.body), eventText(replayed.bytesThen()));
    EXPECT_TRUE(replayed.now.body.starts_with("data: {\"output\":")) << replayed.now.body;
    return;
  }
  if (type != "application/json") {
    EXPECT_EQ(replayed.now.body, replayed.bytesThen());
    return;
  }
  rapidjson::Document now;
  ASSERT_TRUE(parseJson(replayed.now.body, now)) << replayed.now.body;
  EXPECT_EQ(recordings_.difference(replayed.then, now), "");
  // What was made takes the place of what was made when it was recorded.
  for (const char* const id : {"id", "execution_id"}) {
    recordings_.learn(textOf(member(&replayed.then, id)), textOf(member(&now, id)));
  }
}

TEST_F(RunloopTest, RecordedExchanges) {
  for (const char* const name : {"create",
                                 "create.2",
                                 "get",
                                 "get_missing",
                                 "list",
                                 "unauthorized",
                                 "run_command",
                                 "run_command_cwd_env",
                                 "run_command_long",
                                 "run_command_long.2",
                                 "run_command_long.3",
                                 "run_command_stream",
                                 "run_command_stream.2",
                                 "run_command_stream.3",
                                 "run_command_stream.4",
                                 "run_async_kill",
                                 "run_async_kill.2",
                                 "run_async_kill.3",
                                 "shell",
                                 "file_write",
                                 "file_read",
                                 "file_read_missing",
                                 "file_upload_download",
                                 "file_upload_download.2",
                                 "extend_timeout",
                                 "templates"}) {
    replay(name);
  }
}

TEST_F(RunloopTest, RecordedExchangesOfALife) {
  for (const char* const name :
       {"create", "create.2", "file_write", "snapshot", "snapshot.2", "snapshot.3", "snapshot.4", "get_url",
        "get_url.2", "suspend_resume", "suspend_resume.2", "suspend_resume.3", "suspend_resume.4"}) {
    replay(name);
  }
  running_.server().fault(
      {.path = "/v1/devboxes/", .status = 429, .body = R"({"code":429,"message":"injected 429"})", .retryAfter = "1"});
  for (const char* const name : {"rate_limited", "rate_limited.2", "destroy", "destroy.2", "destroy.3", "create_plain",
                                 "create_plain.2", "create_plain.3"}) {
    replay(name);
  }
}

TEST_F(RunloopTest, WhatIsWrongIsSaid) {
  const std::string box = make();
  EXPECT_EQ(client_.ask("GET", "/v1/devboxes").status, 401);
  EXPECT_EQ(post("devboxes", "{").status, 400);
  EXPECT_EQ(post("devboxes", R"({"blueprint_id":"bpt_nope"})").status, 404);
  EXPECT_EQ(post("devboxes", R"({"snapshot_id":"snp_nope"})").status, 404);
  EXPECT_EQ(post("devboxes", R"({"snapshot_id":"snp_nope","blueprint_name":"base"})").status, 400);
  EXPECT_EQ(post("devboxes", R"({"launch_parameters":{"keep_alive_time_seconds":0}})").status, 400);
  EXPECT_EQ(post(box + "/execute", "{}").status, 400);
  EXPECT_EQ(post(box + "/resume").status, 400);
  EXPECT_EQ(get(box + "/executions/exec_nope").status, 404);
  EXPECT_EQ(post(box + "/download_file", R"({"path":"/tmp"})").status, 400);
  EXPECT_EQ(post(box + "/upload_file", "{}").status, 400);
}

TEST_F(RunloopTest, TimeShutsADevboxDown) {
  const std::string box = make(R"({"launch_parameters":{"keep_alive_time_seconds":1}})");
  for (int i = 0; i < 5 && text(get(box), "status") != "shutdown"; ++i) {
    post(box + "/wait_for_status", R"({"statuses":["shutdown"]})");
  }
  EXPECT_EQ(text(get(box), "shutdown_reason"), "keep_alive_timeout");
  EXPECT_EQ(post(box + "/keep_alive").status, 400);
}

TEST_F(RunloopTest, ListsHavePages) {
  std::vector<std::string> made;
  for (int i = 0; i < 3; ++i) made.push_back(text(post("devboxes"), "id"));
  post("devboxes/" + made[1] + "/shutdown");
  const auto page = [&](const std::string& query) {
    const Answer answer = get("devboxes" + query);
    rapidjson::Document body;
    std::string ids;
    if (!parseJson(answer.body, body)) return answer.body;
    for (const auto& each : body["devboxes"].GetArray()) {
      for (std::size_t i = 0; i < made.size(); ++i) {
        if (textOf(member(&each, "id")) == made[i]) ids += std::to_string(i);
      }
    }
    return ids + (truthOf(member(&body, "has_more")) ? "+" : "");
  };
  EXPECT_EQ(page(""), "210");
  EXPECT_EQ(page("?limit=2"), "21+");
  EXPECT_EQ(page("?limit=2&starting_after=" + made[1]), "0");
  EXPECT_EQ(page("?status=shutdown"), "1");
  EXPECT_EQ(get("devboxes?limit=x").status, 400);
}

TEST_F(RunloopTest, CommandsAreRunOncePerCommandId) {
  const std::string box = make();
  const std::string body = R"({"command":"echo x >> /tmp/n; wc -l < /tmp/n","command_id":"one"})";
  EXPECT_EQ(text(post(box + "/execute", body), "stdout"), "1\n");
  EXPECT_EQ(text(post(box + "/execute", body), "stdout"), "1\n");
}

TEST_F(RunloopTest, NamedShellsRemember) {
  const std::string box = make();
  post(box + "/execute", R"({"command":"cd /tmp; export V='a b'; W=x; exit 3","shell_name":"s"})");
  EXPECT_EQ(text(post(box + "/execute", R"({"command":"pwd; echo $V$W","shell_name":"s"})"), "stdout"), "/tmp\na b\n");
  EXPECT_EQ(output(box, "pwd"), "/home/user\n");
}

TEST_F(RunloopTest, LongOutputIsCutInViewsAndWholeInStreams) {
  const std::string box = make();
  const Answer view = post(box + "/execute", R"({"command":"seq 1 200"})");
  EXPECT_TRUE(text(view, "stdout").starts_with("101\n")) << view.body;
  EXPECT_NE(view.body.find("\"stdout_truncated\":true"), std::string::npos);
  const std::string streams = box + "/executions/" + text(view, "execution_id") + "/stream_stdout_updates";
  EXPECT_TRUE(eventText(get(streams).body).starts_with("1\n2\n"));
  EXPECT_TRUE(eventText(get(streams + "?offset=2").body).starts_with("2\n3\n"));
}

TEST_F(RunloopTest, InputIsHandedOverAndEnds) {
  const std::string box = make();
  const std::string cat =
      text(post(box + "/execute_async", R"({"command":"cat","attach_stdin":true})"), "execution_id");
  const std::string path = box + "/executions/" + cat;
  EXPECT_EQ(post(path + "/send_std_in", R"({"text":"ping\n"})").status, 200);
  EXPECT_EQ(post(path + "/send_std_in", R"({"signal":"EOF"})").status, 200);
  const Answer end = post(path + "/wait_for_status", R"({"statuses":["completed"]})");
  EXPECT_EQ(text(end, "stdout"), "ping\n");
  const std::string deaf = text(post(box + "/execute_async", R"({"command":"true"})"), "execution_id");
  EXPECT_EQ(post(box + "/executions/" + deaf + "/send_std_in", R"({"text":"x"})").status, 400);
}

TEST_F(RunloopTest, TunnelsLeadToPorts) {
  const std::string box = make(R"({"tunnel":{"auth_mode":"authenticated"}})");
  rapidjson::Document view;
  ASSERT_TRUE(parseJson(get(box).body, view));
  const Value* const tunnel = member(&view, "tunnel");
  const std::string host = "8123-" + textOf(member(tunnel, "tunnel_key")) + ".tunnel.runloop.ai";
  const std::string token = "Bearer " + textOf(member(tunnel, "auth_token"));
  const auto ask = [&](const Headers& headers) { return Client(running_.server().port()).ask("GET", "/f", headers); };
  EXPECT_EQ(ask({{"host", host}}).status, 401);
  EXPECT_EQ(ask({{"host", host}, {"authorization", token}}).status, 502);
  const std::string server = text(
      post(box + "/execute_async", R"({"command":"cd /tmp; echo served > f; exec python3 -u -m http.server 8123"})"),
      "execution_id");
  Client follower(running_.server().port());
  follower.send("GET", "/v1/" + box + "/executions/" + server + "/stream_stdout_updates", key());
  Answer stream = follower.readHead();
  ASSERT_TRUE(follower.readPiece(stream));
  EXPECT_EQ(ask({{"host", host}, {"authorization", token}}).body, "served\n");
}

TEST_F(RunloopTest, BlueprintsAndMountsHaveEffects) {
  const std::string id =
      text(post("blueprints", R"({"name":"mine","file_mounts":{"a":"A"},"system_setup_commands":["echo B > /tmp/b"]})"),
           "id");
  EXPECT_EQ(post("devboxes", R"({"blueprint_name":"mine"})").status, 400);  // not built yet
  while (text(get("blueprints/" + id), "status") != "build_complete") {
  }
  const std::string box =
      make(R"({"blueprint_name":"mine","file_mounts":{"/tmp/c":"C"},"environment_variables":{"D":"d"}})");
  EXPECT_EQ(output(box, "cat a /tmp/b /tmp/c; echo $D"), "AB\nCd\n");
  EXPECT_EQ(post("blueprints/" + id + "/delete").status, 200);
  EXPECT_EQ(post("blueprints/" + id + "/delete").status, 404);
}

TEST_F(RunloopTest, SnapshotsAreListedAndRemoved) {
  const std::string box = make();
  const std::string id = text(post(box + "/snapshot_disk_async", R"({"name":"n"})"), "id");
  while (text(get("devboxes/disk_snapshots/" + id + "/status"), "status") != "complete") {
  }
  EXPECT_NE(get("devboxes/disk_snapshots?devbox_id=" + box.substr(9)).body.find(id), std::string::npos);
  EXPECT_EQ(get("devboxes/disk_snapshots?devbox_id=other").body.find(id), std::string::npos);
  EXPECT_EQ(post("devboxes/disk_snapshots/" + id + "/delete").body, "{}");
  EXPECT_EQ(post("devboxes", R"({"snapshot_id":")" + id + "\"}").status, 404);
}

TEST(RunloopOutput, IsTextWhateverItIs) {
  EXPECT_EQ(utf8Of("a\xff\xc3\xa4\xe2\x82"), "a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd");
  std::string rest;
  EXPECT_EQ(utf8Of("a\xe2\x82", &rest), "a");
  EXPECT_EQ(rest, "\xe2\x82");
  EXPECT_EQ(utf8Of(rest + "\xac", &rest), "\xe2\x82\xac");
  EXPECT_EQ(rest, "");
  EXPECT_EQ(utf8Of("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

}  // namespace
}  // namespace computesdk::simulators
