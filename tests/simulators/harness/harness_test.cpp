// Faults and control routes: each does what the table in README.md says, and nothing else.
#include <gtest/gtest.h>

#include "harness/client.hpp"
#include "harness/control.hpp"
#include "harness/json.hpp"

namespace computesdk::simulators {
namespace {

class HarnessTest : public ::testing::Test {
 protected:
  HarnessTest() {
    addControl(server_, {.sandboxes = [] { return std::vector<std::string>{"a"}; }, .reset = [this] { ++resets_; }});
    server_.route("POST", "/do", [this](Exchange& exchange) {
      ++done_;
      exchange.respond(200, R"({"text":"0123456789"})");
    });
    server_.route("GET", "/pieces", [](Exchange& exchange) {
      exchange.begin(200, "text/plain");
      for (int i = 0; i < 3; ++i) exchange.chunk("0123456789");
      exchange.end();
    });
    server_.route("GET", "/bad", [](Exchange&) { throw std::runtime_error("a bug"); });
  }
  Answer ask(const std::string& method, const std::string& path, std::string_view body = {}) {
    return Client(server_.port()).ask(method, path, {{"x-test", "1"}}, body);
  }
  void fault(const char* json) { ASSERT_EQ(ask("POST", "/_sim/faults", json).status, 204) << json; }

  std::atomic<int> done_{0}, resets_{0};
  Server server_;  // last: ends before what its handlers use
};

TEST_F(HarnessTest, FaultsInPlaceOfTheAnswer) {
  fault(R"([{"path":"/do","status":503,"body":{"code":1},"retry_after":"7","headers":{"X-A":"b"}},
            {"path":"/do","reset":true},{"path":"/do","cut":true},{"path":"/do","garbage":true}])");
  const Answer busy = ask("POST", "/do");
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.body, R"({"code":1})");
  EXPECT_EQ(busy.header("retry-after"), "7");
  EXPECT_EQ(busy.header("x-a"), "b");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("POST", "/do").status, 0);
  EXPECT_EQ(done_, 0);
  EXPECT_EQ(ask("POST", "/do").status, 200);
  EXPECT_EQ(done_, 1);
}

TEST_F(HarnessTest, FaultsOfTheAnswerLetTheRequestTakeEffect) {
  fault(R"({"path":"/do","applied_then_reset":true})");
  EXPECT_EQ(ask("POST", "/do").status, 0);
  fault(R"({"path":"/do","reset_after":5})");
  const Answer broken = ask("POST", "/do");
  EXPECT_EQ(broken.status, 200);
  EXPECT_EQ(broken.body, R"({"tex)");
  EXPECT_FALSE(broken.whole);
  fault(R"({"path":"/do","truncate":5})");
  const Answer cut = ask("POST", "/do");
  EXPECT_EQ(cut.body, R"({"tex)");
  EXPECT_TRUE(cut.whole);
  fault(R"({"path":"/do","slow_bytes":10,"slow_ms":1})");
  EXPECT_EQ(ask("POST", "/do").body, R"({"text":"0123456789"})");
  EXPECT_EQ(done_, 4);
}

TEST_F(HarnessTest, FaultsOfAnswersInPieces) {
  fault(
      R"([{"path":"/pieces","cut_after":20},{"path":"/pieces","reset_after":1000},{"path":"/pieces","truncate":12}])");
  const Answer early = ask("GET", "/pieces");
  EXPECT_EQ(early.body, "012345678901") << "a chunk, and what is left of 20 bytes for the next one";
  EXPECT_FALSE(early.whole);
  const Answer atTheEnd = ask("GET", "/pieces");
  EXPECT_EQ(atTheEnd.body.size(), 30U);
  EXPECT_FALSE(atTheEnd.whole);
  EXPECT_EQ(ask("GET", "/pieces").body, "012345678901");
  EXPECT_TRUE(ask("GET", "/pieces").whole);
}

TEST_F(HarnessTest, FaultsAreCountedAndChosen) {
  fault(
      R"([{"path":"/d*","method":"POST","status":500,"skip":1,"times":2},
          {"path":"/pieces","method":"POST","status":501}])");
  EXPECT_EQ(ask("GET", "/pieces").status, 200);
  EXPECT_EQ(ask("POST", "/do").status, 200);
  EXPECT_EQ(ask("POST", "/do").status, 500);
  EXPECT_EQ(ask("POST", "/do").status, 500);
  EXPECT_EQ(ask("POST", "/do").status, 200);
  EXPECT_EQ(ask("GET", "/_sim/faults").body, R"([{"path":"/pieces","method":"POST","times":1,"skip":0}])");
  EXPECT_EQ(ask("DELETE", "/_sim/faults").status, 204);
  EXPECT_EQ(ask("GET", "/_sim/faults").body, "[]");
  const Answer wrong = ask("POST", "/_sim/faults", R"([{"path":"/a"},{"stauts":500}])");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_NE(wrong.body.find("stauts"), std::string::npos);
  EXPECT_EQ(ask("GET", "/_sim/faults").body, "[]");
}

TEST_F(HarnessTest, ConnectionsEndUnannounced) {
  fault(R"({"path":"/do","close":true})");
  Client client(server_.port());
  const Answer first = client.ask("POST", "/do");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.header("connection"), "");
  EXPECT_EQ(client.ask("POST", "/do").status, 0);
}

TEST_F(HarnessTest, DroppedConnectionsAreDeadBeforeTheAnswer) {
  for (int i = 0; i < 100; ++i) {
    Client idle(server_.port());
    ASSERT_EQ(idle.ask("POST", "/do").status, 200);
    ASSERT_EQ(ask("POST", "/_sim/drop").status, 204);
    ASSERT_EQ(idle.ask("POST", "/do").status, 0);
    ASSERT_EQ(done_, i + 1);
  }
}

TEST_F(HarnessTest, RequestsAreCountedAndKept) {
  {
    Client client(server_.port());
    client.ask("POST", "/do", {{"X-Api-Key", "k"}}, "body\xff");
    client.ask("GET", "/nowhere?a=b");
  }
  const Answer stats = ask("GET", "/_sim/stats");
  EXPECT_NE(stats.body.find(R"("requests":2,"connections":1,)"), std::string::npos) << stats.body;
  rapidjson::Document requests;
  ASSERT_TRUE(parseJson(ask("GET", "/_sim/requests").body, requests));
  ASSERT_EQ(requests.Size(), 2U);
  EXPECT_EQ(textOf(member(member(&requests[0], "headers"), "x-api-key")), "k");
  EXPECT_EQ(textOf(member(&requests[0], "body")), "body\u00ff");
  EXPECT_EQ(numberOf(member(&requests[1], "status")), 404);
  EXPECT_EQ(textOf(member(&requests[1], "target")), "/nowhere?a=b");
  EXPECT_EQ(ask("GET", "/_sim/sandboxes").body, R"(["a"])");
  EXPECT_EQ(ask("POST", "/_sim/reset").status, 204);
  EXPECT_EQ(resets_, 1);
  EXPECT_EQ(ask("GET", "/_sim/requests").body, "[]");
}

TEST_F(HarnessTest, ABugInAHandlerIsAnAnswer) {
  EXPECT_EQ(ask("GET", "/bad").status, 500);
  EXPECT_EQ(ask("GET", "/pieces").status, 200);
}

TEST(JsonTest, TextAndBase64) {
  EXPECT_EQ(JsonObject().add("a\"\n", "\x01\\").add("b", 1.5).add("c", true).text(),
            "{\"a\\\"\\u000a\":\"\\u0001\\\\\",\"b\":1.5,\"c\":true}");
  std::string bytes;
  for (const std::string text : {"", "a", "ab", "abc", "abcd"}) {
    ASSERT_TRUE(unbase64(base64(text), bytes));
    EXPECT_EQ(bytes, text);
  }
  EXPECT_FALSE(unbase64("a", bytes));
  EXPECT_FALSE(unbase64("a!==", bytes));
}

}  // namespace
}  // namespace computesdk::simulators
