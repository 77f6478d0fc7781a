#include "server_fixture.hpp"

#include <computesdk/serving/proxy.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace serving_test {

/// A server in front, which passes everything on to a second one, or to a socket that the test plays.
class ProxyTest : public ServerTest {
 protected:
  ProxyTest() {
    router
        .onAsync("*", "/s/**",
                 [this](Request request, const Reply& reply) {
                   dialTcp(loop, "127.0.0.1", upstreamPort, 5s,
                           [this, request = std::move(request), reply](Result<StreamPtr> stream) {
                             if (!stream) {
                               reply.send(Response::error(502, "bad_gateway", stream.error().firstLine()));
                               return;
                             }
                             ProxyOptions passing = proxyOptions;
                             passing.target =
                                 "/" + request.capture("**") + (request.query.empty() ? "" : "?" + request.query);
                             proxy(request, reply, std::move(*stream), passing);
                           });
                 })
        .streamBody()
        .raw();
  }
  ~ProxyTest() override {
    server.reset();
    back.reset();
    loop.stop();
  }

  /// The second server.
  void startBoth() {
    start();
    ServerOptions backOptions;
    backOptions.endpoints = options.endpoints;
    backOptions.bodyLimit = 256u << 20;
    back = std::make_unique<Server>(loop, backRouter, backOptions);
    ASSERT_TRUE(back->start());
    upstreamPort = back->ports()[0];
  }
  /// A listening socket; accept() takes the next connection from it.
  void playUpstream() {
    start();
    listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(listening, 16), 0);
    ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
    upstreamPort = ntohs(address.sin_port);
  }
  RawClient accept() const { return RawClient::adopt(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC)); }
  void TearDown() override {
    if (listening >= 0) ::close(listening);
  }

  ProxyOptions proxyOptions;
  Router backRouter;
  std::unique_ptr<Server> back;
  std::uint16_t upstreamPort = 0;
  int listening = -1;
};

TEST_F(ProxyTest, PassesAnyMethodAndTheUndecodedPathOn) {
  backRouter.on("*", "/**", [](const Request& r) {
    return Response::text(201, r.method + " " + r.target + " " + r.body).with("X-Back", "1");
  });
  startBoth();
  RawClient client = connect();
  client.send("PURGE /s//a%2Fb?q=%20 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  const std::string answer = client.answer();
  EXPECT_EQ(statusOf(answer), 201);
  EXPECT_EQ(bodyOf(answer), "PURGE //a%2Fb?q=%20 hi");
  EXPECT_EQ(fieldOf(answer, "X-Back"), "1");
  client.send("POST /s/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
  EXPECT_EQ(bodyOf(client.answer()), "POST /x hello");
  client.send("HEAD /s/x HTTP/1.1\r\nHost: x\r\n\r\nGET /s/y HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(fieldOf(client.until("\r\n\r\n"), "Content-Length"), "8");
  EXPECT_EQ(bodyOf(client.answer()), "GET /y ");
}

TEST_F(ProxyTest, HeadersOfOneConnectionDoNotPass) {
  proxyOptions.set = {{"Authorization", "Bearer inner"}};
  proxyOptions.remove = {"X-ComputeSDK-API-Key"};
  proxyOptions.host = "sandbox";
  playUpstream();
  RawClient client = connect();
  client.send(get("/s/p",
                  "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nX-ComputeSDK-API-Key: k\r\n"
                  "Authorization: Bearer outer\r\nX-Keep: yes\r\nProxy-Authorization: x\r\n"));
  RawClient upstream = accept();
  const std::string head = upstream.until("\r\n\r\n");
  EXPECT_EQ(head,
            "GET /p HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer inner\r\nX-Keep: yes\r\n"
            "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\n\r\n");
  upstream.send(
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nConnection: X-Gone\r\nX-Gone: 1\r\n"
      "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok");
  const std::string answer = client.answer();
  EXPECT_EQ(statusOf(answer), 200);
  EXPECT_EQ(fieldOf(answer, "X-Gone"), "");
  EXPECT_NE(answer.find("Set-Cookie: a=1\r\nSet-Cookie: b=2"), std::string::npos);
  EXPECT_EQ(fieldOf(answer, "X-Frame-Options"), "");
  EXPECT_EQ(bodyOf(answer), "ok");
}

TEST_F(ProxyTest, StreamsBothWaysAtOnce) {
  playUpstream();
  RawClient client = connect();
  client.send("POST /s/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
  RawClient upstream = accept();
  upstream.until("3\r\none\r\n");
  upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
  client.until("2\r\nhi\r\n");
  client.send("3\r\ntwo\r\n");
  upstream.until("3\r\ntwo\r\n");
  client.send("0\r\n\r\n");
  upstream.until("0\r\n\r\n");
  upstream.send("0\r\n\r\n");
  EXPECT_EQ(client.until("0\r\n\r\n"), "0\r\n\r\n");
}

TEST_F(ProxyTest, BigBodiesMoveInConstantMemory) {
  backRouter
      .onAsync("POST", "/sink",
               [](const Request&, const Reply& reply) {
                 struct Sink : std::enable_shared_from_this<Sink> {
                   void next() {
                     answer.readBody([self = shared_from_this()](std::error_code error, std::string_view bytes) {
                       self->total += bytes.size();
                       if (!error && !bytes.empty()) return self->next();
                       self->answer.send(Response::text(200, std::to_string(self->total)));
                     });
                   }
                   Reply answer;
                   std::size_t total = 0;
                 };
                 const auto sink = std::make_shared<Sink>();
                 sink->answer = reply;
                 sink->next();
               })
      .streamBody();
  startBoth();
  RawClient client = connect();
  constexpr std::size_t kSize = 128u << 20;
  client.send("POST /s/sink HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n");
  const std::string piece(1u << 20, 'x');
  for (std::size_t sent = 0; sent < kSize; sent += piece.size()) client.send(piece);
  EXPECT_EQ(bodyOf(client.answer()), std::to_string(kSize));
}

TEST_F(ProxyTest, AnAnswerThatEndsWithItsConnection) {
  playUpstream();
  RawClient client = connect();
  client.send(get("/s/p"));
  {
    RawClient upstream = accept();
    upstream.until("\r\n\r\n");
    upstream.send("HTTP/1.0 200 OK\r\n\r\nall of it");
  }
  EXPECT_EQ(bodyOf(client.answer()), "all of it");
}

TEST_F(ProxyTest, AnUpstreamThatFailsIs502OrCutsTheAnswer) {
  playUpstream();
  for (const char* nonsense :
       {"", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"}) {
    RawClient client = connect();
    client.send(get("/s/p"));
    RawClient upstream = accept();
    upstream.until("\r\n\r\n");
    upstream.send(nonsense);
    upstream.close();
    EXPECT_EQ(statusOf(client.answer()), 502) << nonsense;
  }
  RawClient client = connect();
  client.send(get("/s/p"));
  RawClient upstream = accept();
  upstream.until("\r\n\r\n");
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
  upstream.close();
  const std::string all = client.rest();
  EXPECT_EQ(bodyOf(all), "part");
}

TEST_F(ProxyTest, AnUpstreamThatSaysNothingIs504) {
  proxyOptions.headTimeout = 100ms;
  playUpstream();
  RawClient client = connect();
  client.send(get("/s/p"));
  EXPECT_EQ(statusOf(client.answer()), 504);
}

TEST_F(ProxyTest, AClientThatGoesAwayEndsTheUpstream) {
  playUpstream();
  RawClient client = connect();
  client.send(get("/s/p"));
  RawClient upstream = accept();
  upstream.until("\r\n\r\n");
  client.close();
  EXPECT_TRUE(upstream.closed());
}

TEST_F(ProxyTest, AConnectionCanBeUsedAgainAndAStaleOneIsReplaced) {
  StreamPtr idle;
  Event returned;
  std::atomic<int> replaced{0};
  proxyOptions.onReusable = [&](StreamPtr stream) {
    idle = std::move(stream);
    returned.set();
  };
  router.onAsync("GET", "/again", [&](Request request, const Reply& reply) {
    ProxyOptions passing;
    passing.onStale = [&](const Request&, const Reply& answer) {
      ++replaced;
      return answer.send(Response::text(200, "by another"));
    };
    proxy(std::move(request), reply, std::exchange(idle, nullptr), passing);
  });
  playUpstream();
  RawClient client = connect();
  client.send(get("/s/p"));
  RawClient upstream = accept();
  upstream.until("\r\n\r\n");
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  client.answer();
  ASSERT_TRUE(returned.wait());
  upstream.close();
  client.send(get("/again"));
  EXPECT_EQ(bodyOf(client.answer()), "by another");
  EXPECT_EQ(replaced, 1);
}

TEST_F(ProxyTest, AKeptConnectionThatEndedOrSpeaksIsNotQuiet) {
  start();
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  StreamPtr stream;
  const auto quiet = [&] {
    Event asked;
    bool answer = false;
    loop.post([&] {
      if (!stream) stream = *adoptSocket(loop, ends[0]);
      answer = stream->quiet();
      asked.set();
    });
    EXPECT_TRUE(asked.wait());
    return answer;
  };
  EXPECT_TRUE(quiet());
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  EXPECT_FALSE(quiet()) << "bytes that nobody asked for";
  Event read;
  loop.post([&] { stream->asyncRead(1, [&](std::error_code, std::string_view) { read.set(); }); });
  ASSERT_TRUE(read.wait());
  EXPECT_TRUE(quiet()) << "they were read";
  ::close(ends[1]);
  EXPECT_FALSE(quiet()) << "its end";
  Event closed;
  loop.post([&] {
    stream->close();
    EXPECT_FALSE(stream->quiet());
    stream.reset();
    closed.set();
  });
  ASSERT_TRUE(closed.wait());
}

TEST_F(ProxyTest, AnAcceptedUpgradeIsATunnel) {
  playUpstream();
  RawClient client = connect();
  client.send(get("/s/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n") + "early");
  RawClient upstream = accept();
  const std::string head = upstream.until("\r\n\r\n");
  EXPECT_EQ(fieldOf(head, "Connection"), "Upgrade");
  EXPECT_EQ(fieldOf(head, "Upgrade"), "websocket");
  EXPECT_EQ(fieldOf(head, "Sec-WebSocket-Key"), "k");
  upstream.send(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
      "a\r\n\r\nfirst");
  const std::string answer = client.until("\r\n\r\n");
  EXPECT_EQ(statusOf(answer), 101);
  EXPECT_EQ(fieldOf(answer, "Sec-WebSocket-Accept"), "a");
  EXPECT_EQ(client.exactly(5), "first");
  EXPECT_EQ(upstream.exactly(5), "early");
  const std::string big(5u << 20, 'b');
  std::thread sender([&] { client.send(big); });
  EXPECT_EQ(upstream.exactly(big.size()), big);
  sender.join();
  upstream.send("back");
  EXPECT_EQ(client.exactly(4), "back");
  client.halfClose();
  EXPECT_TRUE(upstream.closed());
  upstream.send("after");
  EXPECT_EQ(client.exactly(5), "after");
  upstream.close();
  EXPECT_TRUE(client.closed());
}

TEST_F(ProxyTest, ARefusedUpgradeIsAnAnswer) {
  playUpstream();
  RawClient client = connect();
  client.send(get("/s/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  RawClient upstream = accept();
  upstream.until("\r\n\r\n");
  upstream.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
  const std::string answer = client.answer();
  EXPECT_EQ(statusOf(answer), 401);
  EXPECT_EQ(bodyOf(answer), "no");
}

}  // namespace serving_test
