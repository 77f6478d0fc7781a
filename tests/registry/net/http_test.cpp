#include "client.hpp"
#include "harness/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

// Requests over real sockets: what comes back, what is sent, what failures look like.
namespace computesdk::registry::net {
namespace {

using simulators::Exchange;
using simulators::Server;
using testing::HasSubstr;
using testing::StartsWith;

class HttpTest : public testing::Test {
 protected:
  void SetUp() override { forgetConnections(); }
  Server server;
};

TEST_F(HttpTest, GivesHeadBodyAndEnd) {
  server.route("GET", "/hello", [](Exchange& exchange) {
    exchange.respond(200, "{\"a\":1}", "application/json", {{"X-Next-Token", "t2"}});
  });
  Client client(server.url());
  const Answer answer = client.fetch({.url = server.url() + "/hello?x=1"});
  EXPECT_TRUE(answer.ended);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{\"a\":1}");
  EXPECT_EQ(answer.header("x-next-token"), "t2");  // names in lower case
  EXPECT_EQ(answer.attempts, 1U);
  EXPECT_EQ(client.next().answer, CSDK_EOF);
}

TEST_F(HttpTest, SendsWhatWasAskedAndSecretsByReference) {
  std::string head;
  server.route("POST", "/v1/sandboxes", [&](Exchange& exchange) {
    for (const auto& [name, value] : exchange.request.headers) head += name + "=" + value + "\n";
    exchange.respond(201, exchange.request.method + exchange.request.target + exchange.request.body);
  });
  Client client(server.url());
  const Answer answer = client.fetch({.method = "POST",
                                      .url = server.url() + "/v1/sandboxes?teamId=a%20b#part",
                                      .headers = {{"Content-Type", "application/json"}, {"X-Team", "t"}},
                                      .secretHeaders = {{"Authorization", "Bearer ${api_key}"}},
                                      .body = "{}"});
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "POST/v1/sandboxes?teamId=a%20b{}");
  EXPECT_THAT(head, HasSubstr("authorization=Bearer key-0123456789\n"));
  EXPECT_THAT(head, HasSubstr("content-length=2\n"));
  EXPECT_THAT(head, HasSubstr("user-agent=computesdk/"));
  EXPECT_THAT(head, HasSubstr("host=127.0.0.1:"));
}

TEST_F(HttpTest, HandsOnChunksAsTheyCome) {
  std::mutex mutex;
  std::condition_variable read;
  int seen = 0;
  server.route("GET", "/stream", [&](Exchange& exchange) {
    exchange.begin(200, "application/x-ndjson");
    for (int i = 1; i <= 3; ++i) {
      exchange.chunk("line " + std::to_string(i) + "\n");
      // The next piece is sent only when the one before was read: nothing is held back.
      std::unique_lock lock(mutex);
      read.wait(lock, [&] { return seen == i; });
    }
    exchange.end();
  });
  Client client(server.url());
  const std::uint64_t request = client.start({.url = server.url() + "/stream"});
  EXPECT_EQ(client.next().kind, CSDK_HTTP_HEAD);
  for (int i = 1; i <= 3; ++i) {
    const Event event = client.next();
    EXPECT_EQ(event.kind, CSDK_HTTP_DATA);
    EXPECT_EQ(event.data, "line " + std::to_string(i) + "\n");
    EXPECT_EQ(event.request, request);
    const std::lock_guard lock(mutex);
    seen = i;
    read.notify_one();
  }
  EXPECT_EQ(client.next().kind, CSDK_HTTP_END);
}

TEST_F(HttpTest, StopsReadingWithoutCredit) {
  std::atomic<std::size_t> sent{0};
  const std::string piece(64 * 1024, 'x');
  constexpr std::size_t kPieces = 512;  // 32 MiB, more than all socket buffers between
  server.route("GET", "/much", [&](Exchange& exchange) {
    exchange.begin(200, "application/octet-stream");
    for (std::size_t i = 0; i < kPieces && exchange.chunk(piece); ++i) sent += piece.size();
    exchange.end();
  });
  Client client(server.url());
  const std::uint64_t request = client.start({.url = server.url() + "/much"});
  std::size_t got = 0;
  while (got < CSDK_HTTP_CREDIT) {
    const Event event = client.next();
    ASSERT_EQ(event.answer, CSDK_OK);
    got += event.data.size();
  }
  // At most one read beyond the credit is under way; then nothing comes.
  std::size_t beyond = 0;
  for (Event event = client.next(200); event.answer == CSDK_OK; event = client.next(200)) beyond += event.data.size();
  EXPECT_LE(got + beyond, CSDK_HTTP_CREDIT + 2 * 65536);
  EXPECT_LT(sent.load(), kPieces * piece.size());
  client.call->ack(request, got + beyond);
  const Answer rest = client.finish(request);
  EXPECT_TRUE(rest.ended);
  EXPECT_EQ(got + beyond + rest.body.size(), kPieces * piece.size());
}

TEST_F(HttpTest, StreamsABodyInWithBackPressure) {
  std::size_t received = 0;
  std::mutex mutex;
  std::condition_variable go;
  bool reading = false;
  server.route(
      "PUT", "/upload",
      [&](Exchange& exchange) {
        std::unique_lock lock(mutex);
        go.wait(lock, [&] { return reading; });
        while (auto part = exchange.bodyPiece()) received += part->size();
        exchange.respond(200, "{}");
      },
      true);
  Client client(server.url());
  const std::uint64_t request =
      client.start({.method = "PUT", .url = server.url() + "/upload", .flags = CSDK_HTTP_BODY_STREAM});
  const std::string part(128 * 1024, 'y');
  std::size_t written = 0;
  while (client.write(request, part, 0) == CSDK_OK) written += part.size();  // until the buffers are full
  written += part.size();
  {
    const std::lock_guard lock(mutex);
    reading = true;
    go.notify_one();
  }
  EXPECT_EQ(client.next().kind, CSDK_HTTP_WRITABLE);
  EXPECT_EQ(client.write(request, "end", CSDK_HTTP_FINAL), CSDK_OK);
  const Answer answer = client.finish(request);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(received, written + 3);
}

TEST_F(HttpTest, UsesConnectionsAgainAndHeadAndEmptyAnswersKeepThem) {
  server.route("GET", "/a", [](Exchange& exchange) { exchange.respond(200, "abc"); });
  server.route("HEAD", "/a", [](Exchange& exchange) { exchange.respond(200, "abc"); });
  server.route("DELETE", "/a", [](Exchange& exchange) { exchange.respond(204); });
  for (int i = 0; i < 20; ++i) {
    Client client(server.url());  // each a call of its own
    for (const char* method : {"GET", "HEAD", "DELETE"}) {
      EXPECT_TRUE(client.fetch({.method = method, .url = server.url() + "/a"}).ended);
    }
  }
  EXPECT_EQ(server.requests(), 60U);
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(HttpTest, KeepsTheConnectionOfAnAnswerThatIsClosedShortlyBeforeItsEnd) {
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    int closed = 0;
    int answered = 0;
  };
  const auto state = std::make_shared<State>();  // the last answer may end after this test
  server.route("GET", "/stream", [state](Exchange& exchange) {
    std::unique_lock lock(state->mutex);
    const int mine = ++state->answered;
    exchange.begin(200, "application/x-ndjson");
    exchange.chunk("the last line\n");
    state->changed.wait(lock, [&] { return state->closed == mine; });
    exchange.end();
  });
  constexpr int kCount = 20;
  Client client(server.url());
  for (int i = 1; i <= kCount; ++i) {
    const std::uint64_t request = client.start({.url = server.url() + "/stream"});
    EXPECT_EQ(client.next().kind, CSDK_HTTP_HEAD);
    EXPECT_EQ(client.next().kind, CSDK_HTTP_DATA);
    EXPECT_EQ(client.call->close(request, 0, {}), CSDK_OK);
    const std::lock_guard lock(state->mutex);
    state->closed = i;
    state->changed.notify_all();
  }
  // How many wait for their end at the same time depends on the machine; it was one for each request.
  EXPECT_LT(server.connections(), static_cast<std::size_t>(kCount));
}

TEST_F(HttpTest, RepeatsOnAConnectionThatThePeerClosedOnlyWhatIsHarmless) {
  server.route("GET", "/a", [](Exchange& exchange) { exchange.respond(200, "abc"); });
  Client client(server.url());
  EXPECT_EQ(client.fetch({.url = server.url() + "/a"}).status, 200);
  // The server takes the next request on the open connection and closes without an answer.
  server.fault({.path = "/a", .reset = true});
  const Answer again = client.fetch({.url = server.url() + "/a"});
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(server.connections(), 2U);
  EXPECT_EQ(again.attempts, 1U);  // finding a fresh connection is no attempt of the policy

  server.route("POST", "/a", [](Exchange& exchange) { exchange.respond(200, "abc"); });
  server.fault({.path = "/a", .reset = true});
  const Answer post = client.fetch({.method = "POST", .url = server.url() + "/a"});
  EXPECT_EQ(post.failure.kind, CSDK_HTTP_FAILED);
  EXPECT_EQ(post.failure.errorClass, CSDK_ERROR_NETWORK);
  EXPECT_NE(post.failure.flags & CSDK_HTTP_MAYBE_APPLIED, 0U);
}

TEST_F(HttpTest, ServesManyCallsAtOnceOnOneThread) {
  server.route("GET", "/n/*", [](Exchange& exchange) { exchange.respond(200, exchange.request.parts[0]); });
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        Client client(server.url());
        const std::string name = std::to_string(t) + "-" + std::to_string(i);
        if (client.fetch({.url = server.url() + "/n/" + name}).body == name) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 800);
  EXPECT_LE(server.connections(), 40U);
}

TEST_F(HttpTest, WaitsForSeveralRequestsAtOnce) {
  // As an exec that follows two streams and polls for the end beside them.
  std::mutex mutex;
  std::condition_variable changed;
  bool polled = false;
  for (const char* name : {"/stdout", "/stderr"}) {
    server.route("GET", name, [&, name](Exchange& exchange) {
      exchange.begin(200, "text/event-stream");
      exchange.chunk(std::string("data: ") + name + "\n\n");
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return polled; });
      lock.unlock();
      exchange.end();
    });
  }
  server.route("POST", "/wait", [&](Exchange& exchange) {
    const std::lock_guard lock(mutex);
    polled = true;
    changed.notify_all();
    exchange.respond(408, "{}");
  });
  Client client(server.url());
  const auto out = client.start({.url = server.url() + "/stdout"});
  const auto err = client.start({.url = server.url() + "/stderr"});
  std::map<std::uint64_t, std::string> texts;
  while (texts.size() < 2) {
    const Event event = client.next();
    ASSERT_EQ(event.answer, CSDK_OK);
    if (event.kind == CSDK_HTTP_DATA) texts[event.request] = event.data;
  }
  client.start({.method = "POST", .url = server.url() + "/wait"});
  int ends = 0;
  for (Event event = client.next(); event.answer == CSDK_OK; event = client.next()) ends += event.kind == CSDK_HTTP_END;
  EXPECT_EQ(ends, 3);
  EXPECT_EQ(texts[out], "data: /stdout\n\n");
  EXPECT_EQ(texts[err], "data: /stderr\n\n");
}

TEST_F(HttpTest, WakesAndCancelsTheWaiter) {
  server.route("GET", "/slow", [](Exchange& exchange) { exchange.stream.pause(60'000); });
  Client client(server.url());
  const std::uint64_t request = client.start({.url = server.url() + "/slow"});
  EXPECT_EQ(client.next(20).answer, CSDK_DEADLINE_EXCEEDED);
  std::thread waker([&] { client.call->wake(); });
  EXPECT_EQ(client.next().answer, CSDK_AGAIN);
  waker.join();
  std::thread canceller([&] { client.call->cancelled(); });
  EXPECT_EQ(client.next().answer, CSDK_CANCELLED);
  canceller.join();
  // Said once: what has to be cleaned up can be, with requests.
  server.route("DELETE", "/box", [](Exchange& exchange) { exchange.respond(204); });
  EXPECT_EQ(client.call->close(request, 0, {}), CSDK_OK);
  EXPECT_EQ(client.fetch({.method = "DELETE", .url = server.url() + "/box"}).status, 204);
  EXPECT_EQ(client.call->close(request, 0, {}), CSDK_NOT_FOUND);
  EXPECT_EQ(client.next().answer, CSDK_EOF);
}

TEST_F(HttpTest, EndsTheRequestsOfACallThatIsOver) {
  std::mutex mutex;
  std::condition_variable changed;
  bool gone = false;
  server.route("GET", "/forever", [&](Exchange& exchange) {
    exchange.begin(200, "text/plain");
    while (exchange.stream.pause(10)) {
    }
    const std::lock_guard lock(mutex);
    gone = exchange.stream.peerGone();
    changed.notify_all();
  });
  {
    Client client(server.url());
    client.start({.url = server.url() + "/forever"});
    EXPECT_EQ(client.next().kind, CSDK_HTTP_HEAD);
  }
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return gone; }));
}

TEST_F(HttpTest, TimersAreEvents) {
  Client client(server.url());
  const std::uint64_t timer = client.call->startTimer(inMs(5));
  const Event event = client.next();
  EXPECT_EQ(event.kind, CSDK_HTTP_TIMER);
  EXPECT_EQ(event.request, timer);
  EXPECT_EQ(client.next().answer, CSDK_EOF);
}

TEST_F(HttpTest, TellsAsynchronousPluginsThatEventsAreThere) {
  server.route("GET", "/a", [](Exchange& exchange) { exchange.respond(200, "abc"); });
  struct Waiter {
    std::mutex mutex;
    std::condition_variable changed;
    int notified = 0;
  } waiter;
  Client client(server.url());
  client.start({.url = server.url() + "/a",
                .onEvent =
                    [](void* ctx) {
                      auto& self = *static_cast<Waiter*>(ctx);
                      const std::lock_guard lock(self.mutex);
                      ++self.notified;
                      self.changed.notify_one();
                    },
                .onEventCtx = &waiter});
  std::unique_lock lock(waiter.mutex);
  EXPECT_TRUE(waiter.changed.wait_for(lock, std::chrono::seconds(10), [&] { return waiter.notified == 3; }));
  lock.unlock();
  EXPECT_EQ(client.next(0).kind, CSDK_HTTP_HEAD);
  EXPECT_EQ(client.next(0).kind, CSDK_HTTP_DATA);
  EXPECT_EQ(client.next(0).kind, CSDK_HTTP_END);
}

// ------------------------------------------------------------------------------------------------ hostile peers

struct Hostile {
  const char* name;
  std::string bytes;
  std::uint32_t errorClass;
  bool afterHead;
};

class HostilePeer : public testing::TestWithParam<Hostile> {};

TEST_P(HostilePeer, IsAFailureAndNothingElse) {
  Server server;
  server.route("GET", "/", [](Exchange& exchange) { exchange.raw(GetParam().bytes); });
  Client client(server.url());
  const Answer answer = client.fetch({.url = server.url() + "/"});
  EXPECT_FALSE(answer.ended);
  EXPECT_EQ(answer.failure.kind, CSDK_HTTP_FAILED);
  EXPECT_EQ(answer.failure.errorClass, GetParam().errorClass) << answer.failure.message;
  EXPECT_EQ(answer.status != 0, GetParam().afterHead);
  EXPECT_THAT(answer.failure.message, HasSubstr("127.0.0.1:"));
}

std::string manyHeaders() {
  std::string head = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 400; ++i) head += "X-" + std::to_string(i) + ": y\r\n";
  return head + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Answers, HostilePeer,
    testing::Values(
        Hostile{"NotHttp", "220 mail.example ESMTP\r\n\r\n", CSDK_ERROR_PROTOCOL, false},
        Hostile{"Binary", std::string("\x16\x03\x01\x00\x00", 5) + "\r\n\r\n", CSDK_ERROR_PROTOCOL, false},
        Hostile{"TooManyHeaders", manyHeaders(), CSDK_ERROR_PROTOCOL, false},
        Hostile{"EndlessHeader", "HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'a'), CSDK_ERROR_PROTOCOL, false},
        Hostile{"EndlessStatusLine", "HTTP/1.1 200 " + std::string(200'000, 'a'), CSDK_ERROR_PROTOCOL, false},
        Hostile{"ChunkOverflow", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n",
                CSDK_ERROR_PROTOCOL, true},
        Hostile{"BadChunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n", CSDK_ERROR_PROTOCOL,
                true},
        Hostile{"EndlessChunkLine",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;" + std::string(100'000, 'a'),
                CSDK_ERROR_PROTOCOL, true},
        Hostile{"ShortBody", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", CSDK_ERROR_PROTOCOL, true},
        Hostile{"UnfinishedChunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                CSDK_ERROR_PROTOCOL, true},
        Hostile{"TwoLengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                CSDK_ERROR_PROTOCOL, false},
        Hostile{"HalfHead", "HTTP/1.1 200 OK\r\nContent-Le", CSDK_ERROR_PROTOCOL, false},
        Hostile{"Nothing", "", CSDK_ERROR_NETWORK, false}),
    [](const auto& info) { return info.param.name; });

TEST_F(HttpTest, InformationalAnswersAreSkipped) {
  server.route("GET", "/", [](Exchange& exchange) {
    exchange.raw("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Client client(server.url());
  const Answer answer = client.fetch({.url = server.url() + "/"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ok");
}

TEST_F(HttpTest, ResetInTheMiddleOfABody) {
  server.route("GET", "/", [](Exchange& exchange) {
    exchange.begin(200, "text/plain");
    exchange.chunk("part");
    exchange.reset();
  });
  Client client(server.url());
  const Answer answer = client.fetch({.url = server.url() + "/", .retryMode = CSDK_HTTP_RETRY_IDEMPOTENT});
  EXPECT_FALSE(answer.ended);
  EXPECT_EQ(answer.failure.kind, CSDK_HTTP_FAILED);
  EXPECT_EQ(answer.attempts, 1U);  // part of it was handed on already
}

TEST_F(HttpTest, TimesOutOnPeersThatTrickleOrStall) {
  server.route("GET", "/trickle", [](Exchange& exchange) {
    for (const char c : std::string("HTTP/1.1 200 OK\r\nX-Y: zzzzzzzzzzzzzzzzzzzzzzzzzz")) {
      if (!exchange.stream.pause(20) || !exchange.stream.write({&c, 1})) break;
    }
    exchange.close = true;
  });
  server.route("GET", "/stall", [](Exchange& exchange) {
    exchange.begin(200, "text/plain");
    exchange.chunk("part");
    exchange.stream.pause(60'000);
    exchange.close = true;
  });
  Client client(server.url());
  const Answer slow = client.fetch({.url = server.url() + "/trickle", .headMs = 150});
  EXPECT_THAT(slow.failure.message, HasSubstr("within 150 ms"));
  EXPECT_EQ(slow.failure.errorClass, CSDK_ERROR_NETWORK);
  const Answer stalled = client.fetch({.url = server.url() + "/stall", .idleMs = 100});
  EXPECT_EQ(stalled.body, "part");
  EXPECT_THAT(stalled.failure.message, HasSubstr("sent nothing for 100 ms"));
}

// ------------------------------------------------------------------------------------------------ retries

TEST_F(HttpTest, RetriesByThePolicyAlone) {
  server.route("POST", "/a", [](Exchange& exchange) { exchange.respond(200, "ok"); });
  Client client(server.url());
  const std::string url = server.url() + "/a";
  server.fault({.path = "/a", .status = 500});
  EXPECT_EQ(client.fetch({.method = "POST", .url = url}).status, 500);

  server.fault({.path = "/a", .times = 2, .status = 502});
  const Answer repeated =
      client.fetch({.method = "POST", .url = url, .retryMode = CSDK_HTTP_RETRY_IDEMPOTENT, .statuses = {502}});
  EXPECT_EQ(repeated.status, 200);
  EXPECT_EQ(repeated.attempts, 3U);

  server.fault({.path = "/a", .times = 3, .status = 502});
  const Answer given = client.fetch(
      {.method = "POST", .url = url, .retryMode = CSDK_HTTP_RETRY_IDEMPOTENT, .maxAttempts = 2, .statuses = {502}});
  EXPECT_EQ(given.status, 502);  // the last answer is handed on
  EXPECT_EQ(given.attempts, 2U);
  EXPECT_EQ(client.fetch({.method = "POST", .url = url}).status, 502);

  server.fault({.path = "/a", .reset = true});
  const Answer reset = client.fetch({.method = "POST", .url = url, .retryMode = CSDK_HTTP_RETRY_IF_NOT_SENT});
  EXPECT_EQ(reset.failure.kind, CSDK_HTTP_FAILED);  // it was sent
  server.fault({.path = "/a", .reset = true});
  EXPECT_EQ(client.fetch({.method = "POST", .url = url, .retryMode = CSDK_HTTP_RETRY_IDEMPOTENT}).status, 200);
}

TEST_F(HttpTest, RefusalsWithRetryAfterCountAsNotApplied) {
  server.route("POST", "/a", [](Exchange& exchange) { exchange.respond(200, "ok"); });
  Client client(server.url());
  const std::string url = server.url() + "/a";
  server.fault({.path = "/a", .status = 429, .retryAfter = "0"});
  EXPECT_EQ(client.fetch({.method = "POST", .url = url, .retryMode = CSDK_HTTP_RETRY_IF_NOT_SENT}).status, 200);
  server.fault({.path = "/a", .status = 429});
  EXPECT_EQ(client.fetch({.method = "POST", .url = url, .retryMode = CSDK_HTTP_RETRY_IF_NOT_SENT}).status, 429);
  // Longer than there is time: handed on at once, for the caller to decide.
  server.fault({.path = "/a", .status = 429, .retryAfter = "100"});
  const Answer late =
      client.fetch({.method = "POST", .url = url, .retryMode = CSDK_HTTP_RETRY_IF_NOT_SENT, .totalMs = 5000});
  EXPECT_EQ(late.status, 429);
  EXPECT_EQ(late.header("retry-after"), "100");
}

TEST_F(HttpTest, NobodyListening) {
  std::string url;
  {
    Server gone;
    url = gone.url();
  }
  Client client(url);
  const Answer answer =
      client.fetch({.method = "POST", .url = url + "/", .retryMode = CSDK_HTTP_RETRY_IF_NOT_SENT, .maxAttempts = 2});
  EXPECT_EQ(answer.failure.errorClass, CSDK_ERROR_NETWORK);
  EXPECT_EQ(answer.failure.flags & CSDK_HTTP_MAYBE_APPLIED, 0U);
  EXPECT_EQ(answer.failure.status, CSDK_UNAVAILABLE);
  EXPECT_EQ(answer.attempts, 2U);
  EXPECT_THAT(answer.failure.message, HasSubstr("Connection refused"));
}

TEST_F(HttpTest, RedirectsAreHandedOn) {
  server.route("GET", "/old", [](Exchange& exchange) { exchange.respond(302, "", "", {{"Location", "/new"}}); });
  Client client(server.url());
  const Answer answer = client.fetch({.url = server.url() + "/old"});
  EXPECT_EQ(answer.status, 302);
  EXPECT_EQ(answer.header("location"), "/new");
  EXPECT_EQ(server.requests(), 1U);
}

// ------------------------------------------------------------------------------------------------ policy

TEST_F(HttpTest, RefusesWhatThePolicyForbids) {
  Client client(server.url());
  const Answer elsewhere = client.fetch({.url = "https://evil.example/"});
  EXPECT_EQ(elsewhere.failure.status, CSDK_PERMISSION_DENIED);
  EXPECT_THAT(elsewhere.failure.message, HasSubstr("egress list"));
  EXPECT_EQ(client.fetch({.url = "http://api.vendor.example/"}).failure.status, CSDK_PERMISSION_DENIED);
  EXPECT_EQ(client.fetch({.url = server.url() + "/a b"}).failure.status, CSDK_INVALID_ARGUMENT);
  EXPECT_EQ(client.fetch({.url = server.url(), .headers = {{"X", "a\r\nY: b"}}}).failure.status, CSDK_INVALID_ARGUMENT);
  EXPECT_EQ(client.fetch({.url = server.url(), .headers = {{"Host", "x"}}}).failure.status, CSDK_INVALID_ARGUMENT);
  const Answer unknown = client.fetch({.url = server.url(), .secretHeaders = {{"X", "${other}"}}});
  EXPECT_EQ(unknown.failure.status, CSDK_INVALID_ARGUMENT);
  EXPECT_EQ(server.requests(), 0U);
}

}  // namespace
}  // namespace computesdk::registry::net
