#include "server_fixture.hpp"

#include <set>
#include <thread>

namespace serving_test {

/// Clients that are malformed, slow, greedy or gone.
class LimitsTest : public ServerTest {
 protected:
  LimitsTest() {
    options.bodyLimit = 1000;
    router.on("GET", "/health", [](const Request&) { return Response::json(200, "{}"); });
    router.on("POST", "/echo", [](const Request& r) { return Response::text(200, r.body); });
    router.on("POST", "/big", [](const Request& r) { return Response::text(200, std::to_string(r.body.size())); })
        .bodyLimit(1u << 20);
  }
  static std::string post(const std::string& fields, const std::string& body, const std::string& path = "/echo") {
    return "POST " + path + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + body;
  }
};

TEST_F(LimitsTest, RequestsThatTwoServersCouldReadDifferentlyAreRefused) {
  start();
  const std::string hidden = get("/health");
  for (const std::string& request : {
           post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden),
           post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" + hidden),
           post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello" + hidden),
           post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello" + hidden),
           post("Content-Length: 5, 5\r\n", "hello" + hidden),
           post("Content-Length: +5\r\n", "hello" + hidden),
           post("Content-Length: -1\r\n", hidden),
           post("Content-Length: 99999999999999999999999\r\n", hidden),
           post("Content-Length : 5\r\n", "hello" + hidden),
           post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n" + hidden),
           post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n" + hidden),
           post("Transfer-Encoding: identity\r\n", "0\r\n\r\n" + hidden),
           post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden),
           post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n" + hidden),
           post("Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n" + hidden),
           post("Transfer-Encoding: chunked\r\n", "3\r\nabcX\r\n0\r\n\r\n" + hidden),
           post("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n" + hidden),
           post("X: a\r\n b\r\nContent-Length: 0\r\n", hidden),
           std::string("POST /echo HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") + hidden,
           std::string("GET /health HTTP/1.1\r\n\r\n") + hidden,
           std::string("GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n") + hidden,
           std::string("GET /health HTTP/2.0\r\nHost: x\r\n\r\n") + hidden,
           std::string("GET /health\r\nHost: x\r\n\r\n") + hidden,
           std::string("GET  /health HTTP/1.1\r\nHost: x\r\n\r\n") + hidden,
           std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + hidden,
           std::string("GET /health HTTP/1.1\nHost: x\n\n\r\n\r\n") + hidden,
       }) {
    RawClient client = connect();
    client.send(request);
    const std::string all = client.rest();
    EXPECT_EQ(statusOf(all), 400) << request << "\n->\n" << all;
    EXPECT_EQ(all.find("HTTP/1.1", 8), std::string::npos) << "more than one answer to " << request;
  }
}

TEST_F(LimitsTest, BodiesOverTheLimitAre413) {
  start();
  for (const std::string& request :
       {post("Content-Length: 1001\r\n", std::string(1001, 'x')), post("Content-Length: 999999999999\r\n", "x"),
        post("Transfer-Encoding: chunked\r\n", "3e9\r\n" + std::string(1001, 'x') + "\r\n0\r\n\r\n"),
        post("Content-Length: 2000000\r\nExpect: 100-continue\r\n", "", "/big")}) {
    RawClient client = connect();
    client.send(request);
    const std::string answer = client.answer();
    EXPECT_EQ(statusOf(answer), 413);
    EXPECT_NE(bodyOf(answer).find("body_too_large"), std::string::npos);
    EXPECT_TRUE(client.closed());
  }
  EXPECT_EQ(bodyOf(ask(post("Content-Length: 1000\r\n", std::string(1000, 'x')))).size(), 1000U);
  EXPECT_EQ(bodyOf(ask(post("Content-Length: 5000\r\n", std::string(5000, 'x'), "/big"))), "5000");
}

TEST_F(LimitsTest, TheAnswerTo413ReachesAClientThatKeepsSending) {
  start();
  RawClient client = connect();
  client.send(post("Content-Length: 3000000\r\n", std::string(3000000, 'x')));
  EXPECT_EQ(statusOf(client.answer()), 413);
}

TEST_F(LimitsTest, BodiesOfAllConnectionsShareOneBudget) {
  constexpr std::size_t kBody = 400'000;
  options.bodyBudget = 1'000'000;
  start();
  const std::string head = post("Content-Length: 400000\r\n", "", "/big");
  const auto held = [this](const std::string& bytes) {
    return server->metrics().text().find("computesdk_body_bytes " + bytes + "\n") != std::string::npos;
  };
  const auto heldIs = [&](const std::string& bytes) {
    const auto end = std::chrono::steady_clock::now() + 15s;
    while (!held(bytes) && std::chrono::steady_clock::now() < end) onLoop([] {});
    return held(bytes);
  };
  RawClient first = connect(), second = connect(), third = connect();
  for (RawClient* client : {&first, &second}) client->send(head + std::string(kBody - 1, 'x'));
  ASSERT_TRUE(heldIs("799998"));
  third.send(head + std::string(kBody, 'x'));
  const std::string refused = third.answer();
  EXPECT_EQ(statusOf(refused), 503);
  EXPECT_EQ(fieldOf(refused, "Retry-After"), "1");
  EXPECT_NE(bodyOf(refused).find("overloaded"), std::string::npos);
  EXPECT_TRUE(heldIs("799998")) << "what was refused is let go";
  first.close();
  EXPECT_TRUE(heldIs("399999")) << "as is what a client leaves behind";
  third.send(head + std::string(kBody, 'x'));
  EXPECT_EQ(bodyOf(third.answer()), "400000") << "on the same connection";
  second.send("x");
  EXPECT_EQ(bodyOf(second.answer()), "400000");
  EXPECT_TRUE(heldIs("0"));
}

TEST_F(LimitsTest, ABodyLongerThanTheBudgetIs413) {
  options.bodyBudget = 5'000;
  start();
  EXPECT_EQ(statusOf(ask(post("Content-Length: 5001\r\n", std::string(5001, 'x'), "/big"))), 413);
  EXPECT_EQ(bodyOf(ask(post("Content-Length: 5000\r\n", std::string(5000, 'x'), "/big"))), "5000");
}

TEST_F(LimitsTest, LongHeadsAre431) {
  start();
  EXPECT_EQ(statusOf(ask(get("/health", "X: " + std::string(70'000, 'x') + "\r\n"))), 431);
  EXPECT_EQ(statusOf(ask(get("/" + std::string(70'000, 'x')))), 431);
  std::string many;
  for (int i = 0; i < 9000; ++i) many += "X" + std::to_string(i) + ": y\r\n";
  EXPECT_EQ(statusOf(ask(get("/health", many))), 431);
  EXPECT_EQ(statusOf(ask(get("/health", "X: " + std::string(60'000, 'x') + "\r\n"))), 200);
}

TEST_F(LimitsTest, SlowHeadsAndBodiesAre408) {
  options.headTimeout = 100ms;
  options.bodyTimeout = 100ms;
  start();
  RawClient head = connect();
  head.send("GET /health HTTP/1.1\r\nHo");
  EXPECT_EQ(statusOf(head.answer()), 408);
  EXPECT_TRUE(head.closed());
  RawClient body = connect();
  body.send(post("Content-Length: 5\r\n", "he"));
  EXPECT_EQ(statusOf(body.answer()), 408);
  EXPECT_TRUE(body.closed());
}

TEST_F(LimitsTest, DribblingAHeadDoesNotKeepTheConnection) {
  options.headTimeout = 150ms;
  start();
  RawClient client = connect();
  client.send("GET /health HTTP/1.1\r\n");
  const auto until = std::chrono::steady_clock::now() + 10s;
  // Each line would be in time if the clock began anew with it.
  while (!client.readable(20ms) && std::chrono::steady_clock::now() < until) client.trySend("X: y\r\n");
  const std::string answer = client.answer();
  EXPECT_EQ(statusOf(answer), 408);
}

TEST_F(LimitsTest, IdleConnectionsAreClosed) {
  options.headTimeout = 100ms;
  options.idleTimeout = 100ms;
  start();
  RawClient silent = connect();
  EXPECT_TRUE(silent.closed());
  RawClient once = connect();
  once.send(get("/health"));
  EXPECT_EQ(statusOf(once.answer()), 200);
  EXPECT_TRUE(once.closed());
}

TEST_F(LimitsTest, AClientThatTakesNothingIsCutOff) {
  options.writeTimeout = 200ms;
  Event gone;
  router.onAsync("GET", "/endless", [&](const Request&, const Reply& reply) {
    reply.begin(Response::text(200, ""));
    const auto more = std::make_shared<std::function<void(bool)>>();
    *more = [&gone, reply, weak = std::weak_ptr(more)](bool open) {
      if (!open) return gone.set();
      if (const auto self = weak.lock()) reply.write(std::string(1u << 20, 'x'), [self](bool on) { (*self)(on); });
    };
    (*more)(true);
  });
  start();
  RawClient client = connect();
  client.shrinkReceiveBuffer();
  client.send(get("/endless"));
  EXPECT_TRUE(gone.wait());
}

TEST_F(LimitsTest, AClientThatAsksAheadAndDoesNotReadWaits) {
  constexpr int kAhead = 200;  // requests that come in one piece
  std::atomic<int> served = 0;
  const std::string filling(256u << 10, 'x');
  router.on("GET", "/large", [&](const Request&) { return Response::text(200, std::to_string(++served) + filling); });
  start();
  RawClient deaf = connect();
  std::string requests;
  for (int i = 0; i < kAhead; ++i) requests += get("/large");
  deaf.send(requests);
  // Others are served meanwhile. What the kernel takes of the answers is some of their 50 MB.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(statusOf(ask(get("/health"))), 200);
  EXPECT_LT(served, kAhead / 2);
  // Once it reads, it gets all of them in their order.
  for (int i = 1; i <= kAhead; ++i) {
    const std::string answer = deaf.answer();
    ASSERT_EQ(statusOf(answer), 200);
    ASSERT_EQ(bodyOf(answer), std::to_string(i) + filling);
  }
}

TEST_F(LimitsTest, MoreConnectionsThanAllowedWait) {
  options.maxConnections = 2;
  start();
  RawClient first = connect();
  RawClient second = connect();
  first.send(get("/health"));
  second.send(get("/health"));
  EXPECT_EQ(statusOf(first.answer()), 200);
  EXPECT_EQ(statusOf(second.answer()), 200);
  RawClient third = connect();
  third.send(get("/health"));
  EXPECT_EQ(server->connections(), 2U);
  first.close();
  EXPECT_EQ(statusOf(third.answer()), 200);
}

TEST_F(LimitsTest, AFullWorkerQueueIs503) {
  options.workers = 1;
  options.workerQueue = 1;
  Event go;
  std::atomic<int> running{0};
  router.onBlocking("GET", "/wait", [&](const Request&) {
    ++running;
    EXPECT_TRUE(go.wait());
    return Response::noContent();
  });
  start();
  RawClient clients[4] = {connect(), connect(), connect(), connect()};
  clients[0].send(get("/wait"));
  while (running == 0) std::this_thread::yield();
  for (int i = 1; i < 4; ++i) clients[i].send(get("/wait"));
  std::string refused;
  // The queue has room for one of the others.
  const auto outcome = [&](RawClient& client) { return statusOf(client.answer()); };
  std::vector<std::future<int>> all;
  for (RawClient& client : clients) all.push_back(std::async(std::launch::async, outcome, std::ref(client)));
  const auto full = [&] { return server->metrics().text().find("status=\"503\"} 2") != std::string::npos; };
  const auto until = std::chrono::steady_clock::now() + 15s;
  while (!full() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  go.set();
  std::multiset<int> statuses;
  for (auto& one : all) statuses.insert(one.get());
  EXPECT_EQ(statuses, (std::multiset<int>{204, 204, 503, 503}));
  EXPECT_EQ(statusOf(ask(get("/health"))), 200);
}

TEST_F(LimitsTest, AThousandConnectionsAtOnce) {
  options.maxConnections = 2000;
  start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 1000; ++i) clients.push_back(connect());
  for (const RawClient& client : clients) client.send(get("/health"));
  int good = 0;
  for (RawClient& client : clients) good += statusOf(client.answer()) == 200 ? 1 : 0;
  EXPECT_EQ(good, 1000);
  EXPECT_EQ(server->connections(), 1000U);
}

TEST_F(LimitsTest, ConnectionsThatAreResetLeaveNothing) {
  start();
  for (int i = 0; i < 50; ++i) {
    RawClient client = connect();
    client.send(i % 2 == 0 ? get("/health") : post("Content-Length: 500\r\n", "half"));
    client.reset();
  }
  const auto until = std::chrono::steady_clock::now() + 15s;
  while (server->connections() > 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_EQ(server->connections(), 0U);
}

}  // namespace serving_test
