// What the simulator answers, compared with exchanges of the official client (@blaxel/core 0.3.21).
#include "blaxel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/client.hpp"

namespace computesdk::simulators {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Blaxel : public testing::Test {
 protected:
  Answer ask(const std::string& method, const std::string& target, std::string_view body = {}, Headers more = {}) {
    std::string bearer = "Bearer ";
    bearer += kBlaxelDefaultKey;
    Headers headers = {{"X-Blaxel-Authorization", bearer},
                       {"X-Blaxel-Workspace", kBlaxelDefaultWorkspace},
                       {"Blaxel-Version", "2026-04-28"}};
    headers.insert(headers.end(), more.begin(), more.end());
    return client_.ask(method, target, headers, body);
  }
  void create(const std::string& name, const std::string& runtime = "{}") {
    const Answer made =
        ask("POST", "/v0/sandboxes", R"({"metadata":{"name":")" + name + R"("},"spec":{"runtime":)" + runtime + "}}");
    ASSERT_EQ(made.status, 200) << made.body;
  }
  static std::string at(const Answer& answer, std::initializer_list<const char*> path) {
    rapidjson::Document document;
    if (!parseJson(answer.body, document)) return "no JSON: " + answer.body;
    const rapidjson::Value* value = &document;
    for (const char* name : path) value = member(value, name);
    return value != nullptr && value->IsString() ? textOf(value) : jsonOf(value);
  }

  RunningSimulator running_{std::make_unique<BlaxelSimulator>()};
  Client client_{running_.server().port()};
};

TEST_F(Blaxel, ASandboxsLife) {
  const Answer made = ask(
      "POST", "/v0/sandboxes",
      R"({"metadata":{"name":"box-one","labels":{"user":"u1"}},"spec":{"runtime":{"image":"blaxel/base-image:latest",)"
      R"("memory":2048,"ports":[{"target":3000,"protocol":"HTTP"}],"envs":[{"name":"FOO","value":"bar"}],)"
      R"("generation":"mk3","ttl":"300s"}}})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(at(made, {"metadata", "url"}), running_.url() + "/sbx/box-one");
  EXPECT_EQ(at(made, {"metadata", "labels", "user"}), "u1");
  EXPECT_EQ(at(made, {"spec", "runtime", "ttl"}), "300s");
  EXPECT_EQ(at(made, {"status"}), "DEPLOYED");
  EXPECT_EQ(at(made, {"expiresIn"}), "300");

  const Answer again = ask("POST", "/v0/sandboxes", R"({"metadata":{"name":"box-one"}})");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.body, R"({"code":"SANDBOX_ALREADY_EXISTS","error":"Sandbox box-one already exists",)"
                        R"("message":"Sandbox box-one already exists"})");
  EXPECT_EQ(ask("POST", "/v0/sandboxes?createIfNotExist=true", R"({"metadata":{"name":"box-one"}})").status, 200);

  std::string changed = made.body;
  changed.replace(changed.find("300s"), 4, "900s");
  EXPECT_EQ(at(ask("PUT", "/v0/sandboxes/box-one", changed), {"expiresIn"}), "900");
  EXPECT_EQ(at(ask("DELETE", "/v0/sandboxes/box-one"), {"status"}), "DELETING");
  EXPECT_EQ(ask("GET", "/v0/sandboxes/box-one").body,
            R"({"code":404,"error":"Sandbox box-one not found","message":"Sandbox box-one not found"})");
}

TEST_F(Blaxel, ListsInPagesForThoseWhoKnowThem) {
  for (const char* name : {"a", "b", "c"}) create(name);
  const Answer first = ask("GET", "/v0/sandboxes?limit=2");
  EXPECT_EQ(at(first, {"meta", "hasMore"}), "true");
  const Answer rest = ask("GET", "/v0/sandboxes?limit=2&cursor=" + at(first, {"meta", "nextCursor"}));
  EXPECT_EQ(at(rest, {"meta", "hasMore"}), "false");
  EXPECT_THAT(rest.body, HasSubstr("\"name\":\"c\""));
  const Answer old = client_.ask(
      "GET", "/v0/sandboxes",
      {{"Authorization", std::string("Bearer ") + kBlaxelDefaultKey}, {"X-Blaxel-Workspace", kBlaxelDefaultWorkspace}});
  EXPECT_THAT(old.body, StartsWith("[{"));
}

TEST_F(Blaxel, AsksForAKeyOrAToken) {
  EXPECT_EQ(client_.ask("GET", "/v0/sandboxes/x", {{"X-Blaxel-Authorization", "Bearer bad"}}).body,
            R"({"code":401,"error":"Unauthorized: invalid API key","message":"Unauthorized: invalid API key"})");
  const Answer token =
      client_.ask("POST", "/v0/oauth/token", {{"Authorization", std::string("Basic ") + kBlaxelDefaultClient}},
                  R"({"grant_type":"client_credentials"})");
  const Answer known = client_.ask("GET", "/v0/sandboxes/x",
                                   {{"X-Blaxel-Authorization", "Bearer " + at(token, {"access_token"})},
                                    {"X-Blaxel-Workspace", kBlaxelDefaultWorkspace}});
  EXPECT_EQ(known.status, 404);
}

TEST_F(Blaxel, CommandsAreWaitedForOrStreamed) {
  create("box", R"({"envs":[{"name":"FOO","value":"bar"}]})");
  const Answer plain = ask(
      "POST", "/sbx/box/process",
      R"({"command":"pwd; echo $FOO-$BAZ; exit 3","workingDir":"/tmp","env":{"BAZ":"q x"},"waitForCompletion":true})");
  EXPECT_EQ(at(plain, {"stdout"}), "/tmp\nbar-q x\n");
  EXPECT_EQ(at(plain, {"status"}), "failed");
  EXPECT_EQ(at(plain, {"exitCode"}), "3");
  const Answer killed =
      ask("POST", "/sbx/box/process", R"({"command":"sleep 5","timeout":1,"waitForCompletion":true})");
  EXPECT_EQ(at(killed, {"status"}), "killed");
  EXPECT_EQ(at(killed, {"exitCode"}), "137");
  const Answer stream =
      ask("POST", "/sbx/box/process", R"({"command":"echo a; sleep 0.4; echo b","waitForCompletion":true})",
          {{"Accept", "text/event-stream"}});
  EXPECT_EQ(stream.header("content-type"), "application/x-ndjson");
  EXPECT_THAT(stream.body, StartsWith(R"({"type":"stdout","data":"a\u000a"})"
                                      "\n"
                                      R"({"type":"stdout","data":"b\u000a"})"
                                      "\n"
                                      R"({"type":"result","data":"{\"pid\":)"));
}

TEST_F(Blaxel, ProcessesGoOnAndAreFed) {
  create("box");
  const Answer started = ask("POST", "/sbx/box/process", R"({"command":"cat","name":"bg","stdin":true})");
  EXPECT_EQ(at(started, {"status"}), "running");
  EXPECT_EQ(ask("POST", "/sbx/box/process/bg/stdin", "fed\n").status, 200);
  EXPECT_EQ(ask("DELETE", "/sbx/box/process/" + at(started, {"pid"}) + "/stdin").status, 200);
  EXPECT_EQ(ask("GET", "/sbx/box/process/bg/logs/stream").body, "stdout:fed\n");
  EXPECT_EQ(at(ask("GET", "/sbx/box/process/bg"), {"status"}), "completed");
  EXPECT_EQ(ask("POST", "/sbx/box/process/bg/stdin", "late").status, 409);
  ask("POST", "/sbx/box/process", R"({"command":"sleep 100","name":"long"})");
  EXPECT_EQ(ask("DELETE", "/sbx/box/process/long/kill").body, R"({"message":"Process killed successfully"})");
  EXPECT_EQ(at(ask("GET", "/sbx/box/process/long"), {"status"}), "killed");
}

TEST_F(Blaxel, Files) {
  create("box");
  EXPECT_EQ(ask("PUT", "/sbx/box/filesystem/%2Ftmp%2Fa%20b.txt", R"({"content":"héllo"})").body,
            R"({"message":"File created/updated successfully","path":"/tmp/a b.txt"})");
  const Answer text = ask("GET", "/sbx/box/filesystem/%2Ftmp%2Fa%20b.txt");
  EXPECT_EQ(at(text, {"content"}), "héllo");
  EXPECT_EQ(at(text, {"size"}), "6");
  EXPECT_EQ(at(text, {"permissions"}), "0644");
  EXPECT_EQ(ask("GET", "/sbx/box/filesystem/%2Fnope").body, R"({"error":"open /nope: no such file or directory"})");
  ask("PUT", "/sbx/box/filesystem/%2Ftmp%2Fd1%2Fd2", R"({"isDirectory":true,"permissions":"0755"})");
  EXPECT_EQ(ask("GET", "/sbx/box/filesystem/%2Ftmp%2Fd1").body,
            R"({"name":"d1","path":"/tmp/d1","files":[],"subdirectories":[{"name":"d2","path":"/tmp/d1/d2"}]})");
  EXPECT_EQ(ask("DELETE", "/sbx/box/filesystem/%2Ftmp%2Fd1?recursive=false").status, 422);
  EXPECT_EQ(ask("DELETE", "/sbx/box/filesystem/%2Ftmp%2Fd1?recursive=true").body,
            R"({"message":"Directory deleted successfully","path":"/tmp/d1"})");
  const std::string form =
      "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n\x01\xff\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"permissions\"\r\n\r\n0600\r\n--b--\r\n";
  const Headers type = {{"Content-Type", "multipart/form-data; boundary=b"}};
  EXPECT_EQ(ask("PUT", "/sbx/box/filesystem//tmp/bin", form, type).body,
            R"({"message":"Binary file uploaded successfully","path":"/tmp/bin"})");
  EXPECT_EQ(ask("GET", "/sbx/box/filesystem/%2Ftmp%2Fbin", {}, {{"Accept", "application/octet-stream"}}).body,
            "\x01\xff");
}

TEST_F(Blaxel, LargeFilesComeInParts) {
  create("box");
  const Answer begun = ask("POST", "/sbx/box/filesystem-multipart/initiate/%2Ftmp%2Fbig", "{}");
  const std::string base = "/sbx/box/filesystem-multipart/" + at(begun, {"uploadId"});
  for (const char* number : {"2", "1"}) {
    const std::string form =
        std::string("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n") + "part " + number +
        ";\r\n--b--\r\n";
    const Answer part =
        ask("PUT", base + "/part?partNumber=" + number, form, {{"Content-Type", "multipart/form-data; boundary=b"}});
    EXPECT_EQ(at(part, {"etag"}), std::string("etag-") + number);
  }
  const char* const parts = R"({"parts":[{"partNumber":1,"etag":"etag-1"},{"partNumber":2,"etag":"etag-2"}]})";
  EXPECT_EQ(ask("POST", base + "/complete", parts).status, 200);
  EXPECT_EQ(at(ask("GET", "/sbx/box/filesystem/%2Ftmp%2Fbig"), {"content"}), "part 1;part 2;");
}

TEST_F(Blaxel, SnapshotsOutliveTheirSandboxAndForksAreSandboxesOfTheirOwn) {
  create("box", R"({"envs":[{"name":"FOO","value":"bar"}],"ttl":"300s"})");
  ask("PUT", "/sbx/box/filesystem//blaxel/kept", R"({"content":"then"})");
  const Answer taken = ask("POST", "/v0/snapshots", R"({"name":"s1","source":{"name":"box","kind":"sandbox"}})");
  ASSERT_EQ(taken.status, 200) << taken.body;
  const std::string id = at(taken, {"id"}), path = "/v0/snapshots/" + id;
  EXPECT_EQ(at(taken, {"name"}), "s1");
  EXPECT_EQ(at(taken, {"status"}), "pending") << "it can be used once it is looked at";
  EXPECT_EQ(at(taken, {"source", "deleted"}), "false");
  ask("PUT", "/sbx/box/filesystem//blaxel/kept", R"({"content":"now"})");
  ask("DELETE", "/v0/sandboxes/box");
  const Answer look = ask("GET", path);
  EXPECT_EQ(at(look, {"status"}), "ready");
  EXPECT_EQ(at(look, {"source", "name"}), "box");
  EXPECT_EQ(at(look, {"source", "deleted"}), "true");

  const std::string fork = R"({"targetName":"copy","targetType":"sandbox","envs":[{"name":"MORE","value":"1"}]})";
  const Answer forked = ask("POST", path + "/fork", fork);
  EXPECT_EQ(forked.body, R"({"name":"copy","type":"sandbox","snapshotId":")" + id + R"("})");
  EXPECT_EQ(at(ask("GET", "/v0/sandboxes/copy"), {"spec", "runtime", "ttl"}), "null") << "it is not the first one's";
  EXPECT_EQ(at(ask("GET", "/sbx/copy/filesystem//blaxel/kept"), {"content"}), "then");
  const Answer ran = ask("POST", "/sbx/copy/process", R"({"command":"echo $FOO$MORE","waitForCompletion":true})");
  EXPECT_EQ(at(ran, {"stdout"}), "bar1\n");
  EXPECT_EQ(ask("POST", path + "/fork", fork).status, 409);
  EXPECT_EQ(ask("POST", path + "/fork", "{}").status, 400) << "a fork has a name";
  EXPECT_EQ(ask("POST", path + "/fork", R"({"targetName":"x","targetType":"application"})").status, 400);

  EXPECT_EQ(ask("DELETE", path).status, 204);
  for (const char* const method : {"GET", "DELETE"}) EXPECT_EQ(ask(method, path).status, 404) << method;
  EXPECT_EQ(ask("POST", path + "/fork", R"({"targetName":"late"})").status, 404);
  EXPECT_EQ(at(ask("GET", "/sbx/copy/filesystem//blaxel/kept"), {"content"}), "then") << "what was made of it stays";
}

TEST_F(Blaxel, SnapshotsOfTheWorkspaceAndOfOneSandboxAreListed) {
  for (const char* const name : {"a", "b"}) create(name);
  for (const char* const name : {"a", "a", "b"}) {
    ASSERT_EQ(ask("POST", std::string("/v0/sandboxes/") + name + "/snapshots", R"({"name":"of-it"})").status, 200);
  }
  const Answer first = ask("GET", "/v0/snapshots?limit=2");
  EXPECT_EQ(at(first, {"meta", "hasMore"}), "true");
  const Answer rest = ask("GET", "/v0/snapshots?limit=2&cursor=" + at(first, {"meta", "nextCursor"}));
  EXPECT_EQ(at(rest, {"meta", "hasMore"}), "false");
  EXPECT_THAT(rest.body, HasSubstr(R"("sandboxName":"b")"));
  rapidjson::Document of;
  ASSERT_TRUE(parseJson(ask("GET", "/v0/sandboxes/a/snapshots").body, of));
  ASSERT_TRUE(of.IsArray());
  ASSERT_EQ(of.Size(), 2U);
  const std::string one = "/v0/sandboxes/a/snapshots/" + textOf(member(&of[0], "id"));
  EXPECT_EQ(ask("DELETE", one).status, 204);
  EXPECT_EQ(ask("DELETE", one).status, 404);
  EXPECT_EQ(ask("POST", "/v0/snapshots", R"({"source":{"name":"nobody","kind":"sandbox"}})").status, 404);
  EXPECT_EQ(ask("POST", "/v0/sandboxes/nobody/snapshots", "{}").status, 404);
}

TEST_F(Blaxel, ASandboxGoesBackToItsSnapshotAndIsForkedAsItRuns) {
  create("box");
  create("other");
  ask("PUT", "/sbx/box/filesystem//blaxel/kept", R"({"content":"then"})");
  const std::string id = at(ask("POST", "/v0/sandboxes/box/snapshots", "{}"), {"id"});
  ask("PUT", "/sbx/box/filesystem//blaxel/kept", R"({"content":"now"})");
  EXPECT_EQ(at(ask("POST", "/v0/sandboxes/box/fork", R"({"targetName":"twin"})"), {"name"}), "twin");
  EXPECT_EQ(at(ask("GET", "/sbx/twin/filesystem//blaxel/kept"), {"content"}), "now");
  const std::string older = R"({"targetName":"older","snapshotId":")" + id + R"("})";
  EXPECT_EQ(at(ask("POST", "/v0/sandboxes/box/fork", older), {"snapshotId"}), id);
  EXPECT_EQ(at(ask("GET", "/sbx/older/filesystem//blaxel/kept"), {"content"}), "then");

  const Answer back = ask("POST", "/v0/sandboxes/box/snapshots/" + id + "/restore", "{}");
  EXPECT_EQ(at(back, {"metadata", "name"}), "box") << back.body;
  EXPECT_EQ(at(ask("GET", "/sbx/box/filesystem//blaxel/kept"), {"content"}), "then");
  EXPECT_EQ(ask("POST", "/v0/sandboxes/other/snapshots/" + id + "/restore", "{}").status, 404) << "it is not its";
  EXPECT_EQ(ask("POST", "/v0/sandboxes/box/snapshots/none/restore", "{}").status, 404);
  EXPECT_EQ(ask("POST", "/v0/sandboxes/nobody/fork", R"({"targetName":"x"})").status, 404);
}

TEST_F(Blaxel, PreviewsLeadToPorts) {
  create("box");
  EXPECT_EQ(ask("GET", "/v0/sandboxes/box/previews/p").status, 404);
  const Answer made =
      ask("POST", "/v0/sandboxes/box/previews", R"({"metadata":{"name":"p"},"spec":{"port":3000,"public":false}})");
  const std::string host = at(made, {"spec", "url"}).substr(8);
  EXPECT_EQ(at(ask("GET", "/v0/sandboxes/box/previews/p"), {"spec", "url"}), "https://" + host);
  EXPECT_EQ(Client(running_.server().port()).ask("GET", "/", {{"Host", host}}).status, 401);
  const Answer token = ask("POST", "/v0/sandboxes/box/previews/p/tokens",
                           R"({"metadata":{"name":"t"},"spec":{"expiresAt":"2030-01-01T00:00:00Z"}})");
  const std::string target = "/?bl_preview_token=" + at(token, {"spec", "token"});
  EXPECT_EQ(Client(running_.server().port()).ask("GET", target, {{"Host", host}}).status, 502) << "nobody listens";
}

}  // namespace
}  // namespace computesdk::simulators
