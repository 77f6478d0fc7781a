#include "server_fixture.hpp"

#include <unistd.h>

#include <thread>

namespace serving_test {

class ServerLifeTest : public ServerTest {
 protected:
  ServerLifeTest() {
    router.on("GET", "/health", [](const Request&) { return Response::json(200, "{}"); });
    router.on("GET", "/item/:id", [](const Request&) { return Response::noContent(); });
  }
};

TEST_F(ServerLifeTest, StoppingLetsAnswersFinishAndClosesTheRest) {
  Event asked;
  Event go;
  router.onBlocking("GET", "/slow", [&](const Request&) {
    asked.set();
    EXPECT_TRUE(go.wait());
    return Response::text(200, "done");
  });
  start();
  RawClient idle = connect();
  idle.send(get("/health"));
  idle.answer();
  RawClient busy = connect();
  busy.send(get("/slow") + get("/health"));
  ASSERT_TRUE(asked.wait());
  Event stopped;
  server->stop(10s, [&] { stopped.set(); });
  EXPECT_TRUE(idle.closed());
  EXPECT_FALSE(stopped.wait(0ms));
  go.set();
  const std::string answer = busy.answer();
  EXPECT_EQ(bodyOf(answer), "done");
  EXPECT_EQ(fieldOf(answer, "Connection"), "close");
  EXPECT_TRUE(busy.closed());
  EXPECT_TRUE(stopped.wait());
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(ServerLifeTest, TheDeadlineCutsOff) {
  Event asked;
  Reply kept;
  router.onAsync("GET", "/never", [&](const Request&, const Reply& reply) {
    kept = reply;
    asked.set();
  });
  start();
  RawClient client = connect();
  client.send(get("/never"));
  ASSERT_TRUE(asked.wait());
  server->stop(100ms);
  EXPECT_TRUE(client.closed());
  server->stop(100ms);
  kept = {};
}

TEST_F(ServerLifeTest, HooksAnswerFirstAndHandOverWhatTheyKnow) {
  router.before([](Request& request) -> std::optional<Response> {
    if (request.bearer() != "t") return Response::error(401, "unauthorized", "A token is needed.");
    request.context = std::string("alice");
    return std::nullopt;
  });
  router.beforeBlocking([](Request& request) -> std::optional<Response> {
    if (request.queryValue("limited")) return Response::error(429, "rate_limited", "Too fast.");
    return std::nullopt;
  });
  router.on("GET", "/open", [](const Request&) { return Response::noContent(); }).open();
  router.onBlocking("POST", "/who", [](const Request& r) {
    return Response::text(200, std::any_cast<std::string>(r.context) + " " + r.body);
  });
  start();
  EXPECT_EQ(statusOf(ask(get("/open"))), 204);
  EXPECT_EQ(statusOf(ask(get("/health"))), 401);
  EXPECT_EQ(statusOf(ask(get("/health", "Authorization: bearer t\r\n"))), 200);
  RawClient client = connect();
  // An early answer to a request with a body keeps the connection.
  client.send("POST /who HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(statusOf(client.answer()), 401);
  client.send("POST /who HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(bodyOf(client.answer()), "alice hi");
  client.send("POST /who?limited HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(statusOf(client.answer()), 429);
}

TEST_F(ServerLifeTest, TheHostChoosesTheRouterAndThePathCanBeRewritten) {
  Router other;
  other.on("GET", "/health", [](const Request&) { return Response::text(200, "other"); });
  configure = [&](Server& s) {
    s.select([&](Request& request) -> Router& {
      if (request.path.starts_with("/child")) request.path.erase(0, 6);
      return request.host() == "other.test" ? other : router;
    });
  };
  start();
  EXPECT_EQ(bodyOf(ask("GET /health HTTP/1.1\r\nHost: OTHER.test:81\r\n\r\n")), "other");
  EXPECT_EQ(bodyOf(ask(get("/child/health"))), "{}");
  server.reset();
}

TEST_F(ServerLifeTest, CorsAnswersPreflightsAndEchoesTheOrigin) {
  options.cors = true;
  router.on("*", "/raw/**", [](const Request& r) { return Response::text(200, r.method); }).raw();
  start();
  const std::string preflight =
      ask("OPTIONS /health HTTP/1.1\r\nHost: x\r\nOrigin: https://app\r\n"
          "Access-Control-Request-Method: POST\r\n\r\n");
  EXPECT_EQ(statusOf(preflight), 204);
  EXPECT_EQ(fieldOf(preflight, "Access-Control-Allow-Origin"), "https://app");
  EXPECT_EQ(fieldOf(preflight, "Access-Control-Allow-Headers"), "Authorization, Content-Type, X-Request-Timeout");
  EXPECT_EQ(fieldOf(preflight, "Content-Length"), "");
  EXPECT_EQ(fieldOf(ask(get("/nothing", "Origin: null\r\n")), "Access-Control-Allow-Origin"), "null");
  EXPECT_EQ(fieldOf(ask(get("/health")), "Access-Control-Allow-Origin"), "");
  const std::string raw = ask("OPTIONS /raw/x HTTP/1.1\r\nHost: x\r\nOrigin: https://app\r\n\r\n");
  EXPECT_EQ(bodyOf(raw), "OPTIONS");
  EXPECT_EQ(fieldOf(raw, "Access-Control-Allow-Origin"), "");
}

TEST_F(ServerLifeTest, TheAccessLogHoldsNoSecret) {
  std::mutex mutex;
  std::vector<AccessRecord> records;
  options.accessLog = [&](const AccessRecord& record) {
    const std::lock_guard lock(mutex);
    records.push_back(record);
  };
  start();
  ask(get("/item/7?token=hunter2&x=1", "X-Request-Id: mine\r\nAuthorization: Bearer hunter2\r\n"));
  ask("nonsense\r\n\r\n");
  server->stop(5s);
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].target, "/item/7?token=***&x=1");
  EXPECT_EQ(records[0].route, "/item/:id");
  EXPECT_EQ(records[0].status, 204);
  EXPECT_EQ(records[0].id, "mine");
  EXPECT_EQ(records[0].peer, "127.0.0.1");
  EXPECT_EQ(formatAccess(records[0]).find("hunter2"), std::string::npos);
  EXPECT_EQ(records[1].status, 400);
}

TEST_F(ServerLifeTest, CountsByRouteAndStatus) {
  configure = [this](Server& s) { router.on("GET", "/metrics", metricsHandler(s.metrics())); };
  start();
  for (int i = 0; i < 3; ++i) ask(get("/item/" + std::to_string(i)));
  ask(get("/nothing"));
  const std::string text = bodyOf(ask(get("/metrics")));
  EXPECT_NE(text.find("computesdk_http_requests_total{route=\"/item/:id\",status=\"204\"} 3\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("computesdk_http_requests_total{route=\"none\",status=\"404\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("computesdk_http_request_duration_seconds_count{route=\"/item/:id\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("# TYPE computesdk_http_request_duration_seconds histogram\n"), std::string::npos);
}

TEST_F(ServerLifeTest, LoopTimersAndWatches) {
  loop.start();
  Event once;
  std::atomic<int> ticks{0};
  Event ticked;
  Timer never = loop.after(50ms, [] { ADD_FAILURE() << "cancelled"; });
  never.cancel();
  Timer single = loop.after(1ms, [&] { once.set(); });
  Timer often = loop.every(1ms, [&] {
    if (++ticks == 5) ticked.set();
  });
  EXPECT_TRUE(once.wait());
  EXPECT_TRUE(ticked.wait());
  often.cancel();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Event readable;
  Watch watch;
  onLoop([&] {
    watch = loop.watch(ends[0]);
    watch.readable([&] { readable.set(); });
  });
  EXPECT_FALSE(readable.wait(10ms));
  EXPECT_EQ(::write(ends[1], "x", 1), 1);
  EXPECT_TRUE(readable.wait());
  onLoop([&] { watch.stop(); });
  EXPECT_EQ(::close(ends[0]), 0);
  EXPECT_EQ(::close(ends[1]), 0);
}

}  // namespace serving_test
