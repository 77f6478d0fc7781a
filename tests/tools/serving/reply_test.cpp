#include "server_fixture.hpp"

#include <thread>

namespace serving_test {

class ReplyTest : public ServerTest {
 protected:
  /// Sends back what comes, until it ends.
  static void echo(const StreamPtr& stream) {
    stream->asyncRead(100, [stream](std::error_code error, std::string_view bytes) {
      if (error || bytes.empty()) return stream->close();
      stream->asyncWrite(bytes, [stream](std::error_code failed) {
        if (!failed) echo(stream);
      });
    });
  }
};

TEST_F(ReplyTest, AnswersLaterFromAnotherThreadOnce) {
  std::thread answering;
  router.onAsync("GET", "/later", [&](const Request& request, const Reply& reply) {
    answering = std::thread([reply, id = request.queryValue("id").value_or("")] {
      EXPECT_FALSE(reply.answered());
      EXPECT_TRUE(reply.send(Response::text(200, id)));
      EXPECT_FALSE(reply.send(Response::text(200, "again")));
      EXPECT_FALSE(reply.begin(Response::text(200, "again")));
    });
  });
  start();
  EXPECT_EQ(bodyOf(ask(get("/later?id=7"))), "7");
  answering.join();
}

TEST_F(ReplyTest, StreamsInChunksOrByLength) {
  router.onAsync("GET", "/chunks", [](const Request&, const Reply& reply) {
    reply.begin(Response::text(200, "first,"));
    reply.write("second,");
    reply.write("");
    reply.write("third");
    reply.end();
  });
  router.onAsync("GET", "/length", [](const Request&, const Reply& reply) {
    reply.begin(Response::text(200, ""), 6);
    reply.write("abc");
    reply.write("defghi");
    reply.end();
  });
  router.onAsync("GET", "/short", [](const Request&, const Reply& reply) {
    reply.begin(Response::text(200, ""), 6);
    reply.write("abc");
    reply.end();
  });
  router.onAsync("GET", "/dropped",
                 [](const Request&, const Reply& reply) { reply.begin(Response::text(200, "abc")); });
  start();
  RawClient client = connect();
  client.send(get("/chunks") + get("/length"));
  EXPECT_EQ(bodyOf(client.answer()), "first,second,third");
  EXPECT_EQ(bodyOf(client.answer()), "abcdef");
  client.send("GET /chunks HTTP/1.0\r\n\r\n");
  EXPECT_EQ(bodyOf(client.rest()), "first,second,third");
  for (const char* path : {"/short", "/dropped"}) {
    RawClient cut = connect();
    cut.send(get(path));
    EXPECT_EQ(cut.rest().find("0\r\n\r\n"), std::string::npos);
  }
}

TEST_F(ReplyTest, ASlowReaderHoldsTheWriterBack) {
  std::atomic<std::size_t> produced{0};
  static constexpr std::size_t kPieces = 1000;
  router.onAsync("GET", "/big", [&](const Request&, const Reply& reply) {
    reply.begin(Response::text(200, ""), kPieces << 16);
    const auto next = std::make_shared<std::function<void(bool)>>();
    *next = [&produced, reply, next](bool open) {
      if (!open || produced == kPieces) {
        reply.end();
        reply.loop().post([next] { *next = nullptr; });
        return;
      }
      ++produced;
      reply.write(std::string(1u << 16, 'x'), *next);
    };
    (*next)(true);
  });
  router.on("GET", "/health", [](const Request&) { return Response::noContent(); });
  start();
  RawClient client = connect();
  client.send(get("/big"));
  client.until("\r\n\r\n");
  // Others are served, and the pieces that were made are those that fit into the sockets.
  for (int i = 0; i < 50; ++i) EXPECT_EQ(statusOf(ask(get("/health"))), 204);
  EXPECT_LT(produced.load(), 500U);
  EXPECT_EQ(client.exactly(kPieces << 16).size(), kPieces << 16);
  server.reset();
}

TEST_F(ReplyTest, ReadsABodyPieceByPiece) {
  Event reading;
  Event go;
  router
      .onAsync("POST", "/upload",
               [&](const Request& request, const Reply& reply) {
                 EXPECT_TRUE(request.body.empty());
                 EXPECT_TRUE(reply.streamsBody());
                 const auto total = std::make_shared<std::size_t>(0);
                 const auto next = std::make_shared<std::function<void()>>();
                 *next = [total, reply, next] {
                   reply.readBody([total, reply, next](std::error_code error, std::string_view bytes) {
                     *total += bytes.size();
                     if (!error && !bytes.empty()) return (*next)();
                     if (!error) reply.send(Response::text(200, std::to_string(*total)));
                     reply.loop().post([next] { *next = nullptr; });
                   });
                 };
                 std::thread([&, next] {
                   reading.set();
                   EXPECT_TRUE(go.wait());
                   loop.post([next] { (*next)(); });
                 }).detach();
               })
      .streamBody();  // nothing is held, so the server's own limit does not count
  start();
  RawClient client = connect();
  client.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n");
  ASSERT_TRUE(reading.wait());
  // Nobody reads: the server takes what is in the socket's buffers and no more.
  const std::string piece(1u << 16, 'x');
  std::size_t sent = 0;
  int refused = 0;
  while (refused < 100 && sent < 33554432) {
    const long count = client.trySend(piece);
    refused = count > 0 ? 0 : refused + 1;
    sent += static_cast<std::size_t>(std::max(count, 0L));
    std::this_thread::yield();
  }
  EXPECT_LT(sent, 33554432U);
  go.set();
  client.send(std::string(33554432 - sent, 'x'));
  EXPECT_EQ(bodyOf(client.answer()), "33554432");
  client.send("POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("3\r\nabc\r\n");
  client.send("2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(bodyOf(client.answer()), "5");
}

TEST_F(ReplyTest, AStreamedBodyOverItsLimitIs413) {
  Event failed;
  router
      .onAsync("POST", "/upload",
               [&](const Request&, const Reply& reply) {
                 const auto next = std::make_shared<std::function<void()>>();
                 *next = [&failed, reply, next] {
                   reply.readBody([&failed, reply, next](std::error_code error, std::string_view bytes) {
                     if (!error && !bytes.empty()) return (*next)();
                     if (error) failed.set();
                     reply.loop().post([next] { *next = nullptr; });
                   });
                 };
                 (*next)();
               })
      .streamBody()
      .bodyLimit(100);
  start();
  RawClient client = connect();
  client.send("POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + std::string(255, 'x'));
  EXPECT_EQ(statusOf(client.answer()), 413);
  EXPECT_TRUE(failed.wait());
}

TEST_F(ReplyTest, TellsThatTheClientIsGone) {
  Event asked;
  Event gone;
  Reply kept;
  router.onAsync("GET", "/wait", [&](const Request&, const Reply& reply) {
    kept = reply;
    reply.onGone([&] { gone.set(); });
    asked.set();
  });
  start();
  RawClient client = connect();
  client.send(get("/wait"));
  ASSERT_TRUE(asked.wait());
  client.close();
  EXPECT_TRUE(gone.wait());
  EXPECT_TRUE(kept.send(Response::noContent()));
  kept = {};
}

TEST_F(ReplyTest, GivesTheStreamAway) {
  router.onAsync("GET", "/raw", [](const Request&, const Reply& reply) {
    Response head{101, {{"Connection", "Upgrade"}, {"Upgrade", "echo"}}, {}};
    EXPECT_TRUE(reply.takeStream(head, [](const StreamPtr& stream) {
      ASSERT_TRUE(stream);
      echo(stream);
    }));
  });
  start();
  RawClient client = connect();
  client.send(get("/raw", "Connection: upgrade\r\nUpgrade: echo\r\n") + "early");
  EXPECT_EQ(client.until("\r\n\r\n"),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
  EXPECT_EQ(client.exactly(5), "early");
  client.send("late");
  EXPECT_EQ(client.exactly(4), "late");
  EXPECT_EQ(server->connections(), 1U);
  client.halfClose();
  EXPECT_TRUE(client.closed());
}

}  // namespace serving_test
