#include "server_fixture.hpp"

#include <unistd.h>

#include <thread>

namespace serving_test {

class HttpTest : public ServerTest {
 protected:
  HttpTest() {
    router.on("GET", "/health", [](const Request&) { return Response::json(200, "{\"ok\":true}"); });
    router.on("POST", "/echo", [](const Request& r) { return Response::text(200, r.body); }).bodyLimit(100u << 20);
    router.on("GET", "/files/**", [](const Request& r) { return Response::text(200, r.capture("**")); });
    router.on("GET", "/item/:id", [](const Request& r) { return Response::text(200, r.capture("id")); });
    router.on("GET", "/throws", [](const Request&) -> Response { throw std::runtime_error("secret"); });
    router.onAsync("GET", "/never", [](const Request&, const Reply&) {});
  }
};

TEST_F(HttpTest, AnswersWithLengthDateAndServerFields) {
  start();
  const std::string answer = ask(get("/health"));
  EXPECT_EQ(answer.substr(0, 17), "HTTP/1.1 200 OK\r\n");
  EXPECT_EQ(bodyOf(answer), "{\"ok\":true}");
  EXPECT_EQ(fieldOf(answer, "Content-Length"), "11");
  EXPECT_EQ(fieldOf(answer, "Content-Type"), "application/json");
  EXPECT_EQ(fieldOf(answer, "X-Content-Type-Options"), "nosniff");
  EXPECT_FALSE(fieldOf(answer, "Date").empty());
  EXPECT_FALSE(fieldOf(answer, "X-Request-Id").empty());
}

TEST_F(HttpTest, KeepsTheConnectionAndAnswersPipelinedRequestsInOrder) {
  router.onBlocking("GET", "/slow", [](const Request&) { return Response::text(200, "slow"); });
  start();
  RawClient client = connect();
  std::string many;
  for (int i = 0; i < 100; ++i) many += get("/item/" + std::to_string(i)) + get("/slow");
  client.send(many);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(bodyOf(client.answer()), std::to_string(i));
    EXPECT_EQ(bodyOf(client.answer()), "slow");
  }
}

TEST_F(HttpTest, PathsKeepTheirSlashesAndEscapes) {
  start();
  EXPECT_EQ(bodyOf(ask(get("/files//tmp/a%20b"))), "/tmp/a%20b");
  EXPECT_EQ(bodyOf(ask(get("/files/%2Ftmp%2Fa"))), "%2Ftmp%2Fa");
  EXPECT_EQ(bodyOf(ask(get("/item/a%2Fb%25"))), "a/b%");
  EXPECT_EQ(statusOf(ask(get("/item/a%zz"))), 400);
  EXPECT_EQ(statusOf(ask(get("/item/"))), 404);
  EXPECT_EQ(statusOf(ask(get("/files/../health"))), 200);
}

TEST_F(HttpTest, LeadingSlashesCollapseWhenAsked) {
  options.collapseLeadingSlashes = true;
  start();
  EXPECT_EQ(statusOf(ask(get("//health"))), 200);
  EXPECT_EQ(bodyOf(ask(get("//files//x"))), "/x");
}

TEST_F(HttpTest, UnknownPathsAndMethodsAreJson) {
  start();
  const std::string missing = ask(get("/nothing"));
  EXPECT_EQ(statusOf(missing), 404);
  EXPECT_NE(bodyOf(missing).find("\"code\":\"not_found\""), std::string::npos);
  const std::string wrong = ask("DELETE /health HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(statusOf(wrong), 405);
  EXPECT_EQ(fieldOf(wrong, "Allow"), "GET, HEAD");
}

TEST_F(HttpTest, HeadHasTheLengthButNoBody) {
  start();
  RawClient client = connect();
  client.send("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n" + get("/health"));
  EXPECT_EQ(fieldOf(client.until("\r\n\r\n"), "Content-Length"), "11");
  EXPECT_EQ(bodyOf(client.answer()), "{\"ok\":true}");
}

TEST_F(HttpTest, BodiesByLengthAndInChunks) {
  start();
  RawClient client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(bodyOf(client.answer()), "hello");
  for (const char c : std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n")) {
    client.send(std::string_view(&c, 1));
  }
  EXPECT_EQ(bodyOf(client.answer()), "abcde");
  const std::string big(20u << 20, 'b');
  std::thread sender([&] {
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(big.size()) + "\r\n\r\n" + big);
  });
  EXPECT_EQ(bodyOf(client.answer()), big);
  sender.join();
}

TEST_F(HttpTest, ContinueIsSaidBeforeTheBody) {
  start();
  RawClient client = connect();
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("ok");
  EXPECT_EQ(bodyOf(client.answer()), "ok");
  client.send("POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(statusOf(client.answer()), 404);
  EXPECT_TRUE(client.closed());
  EXPECT_EQ(statusOf(ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: tea\r\n\r\n")), 417);
}

TEST_F(HttpTest, OldClientsAndThoseWhoAskForItAreClosed) {
  start();
  RawClient old = connect();
  old.send("GET /health HTTP/1.0\r\n\r\n");
  EXPECT_EQ(bodyOf(old.answer()), "{\"ok\":true}");
  EXPECT_TRUE(old.closed());
  RawClient kept = connect();
  kept.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /health HTTP/1.0\r\n\r\n");
  EXPECT_EQ(fieldOf(kept.answer(), "Connection"), "keep-alive");
  EXPECT_EQ(fieldOf(kept.answer(), "Connection"), "close");
  RawClient polite = connect();
  polite.send(get("/health", "Connection: close\r\n"));
  EXPECT_EQ(fieldOf(polite.answer(), "Connection"), "close");
  EXPECT_TRUE(polite.closed());
}

TEST_F(HttpTest, HalfClosedClientsHaveTheirAnswer) {
  router.onBlocking("GET", "/slow", [](const Request&) { return Response::text(200, "slow"); });
  start();
  for (const char* path : {"/health", "/slow"}) {
    RawClient client = connect();
    client.send(get(path));
    client.halfClose();
    EXPECT_EQ(statusOf(client.answer()), 200);
    EXPECT_TRUE(client.closed());
  }
  RawClient within = connect();
  within.send("GET /health HT");
  within.halfClose();
  EXPECT_EQ(statusOf(within.answer()), 400);
}

TEST_F(HttpTest, AbsoluteTargetsAndEmptyLinesAreTaken) {
  start();
  EXPECT_EQ(statusOf(ask("\r\n\r\n" + get("http://other/health"))), 200);
  EXPECT_EQ(statusOf(ask("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n")), 400);
  EXPECT_EQ(statusOf(ask("GET health HTTP/1.1\r\nHost: x\r\n\r\n")), 400);
}

TEST_F(HttpTest, FailuresOfHandlersTellNothing) {
  start();
  const std::string thrown = ask(get("/throws"));
  EXPECT_EQ(statusOf(thrown), 500);
  EXPECT_EQ(thrown.find("secret"), std::string::npos);
  EXPECT_EQ(statusOf(ask(get("/never"))), 500);
}

TEST_F(HttpTest, HeaderValuesCannotEndTheirLine) {
  router.on("GET", "/redirect", [](const Request& r) { return Response::redirect(r.queryValue("to").value_or("")); });
  start();
  const std::string answer = ask(get("/redirect?to=/a%0d%0aSet-Cookie:%20x=1"));
  EXPECT_EQ(fieldOf(answer, "Set-Cookie"), "");
  EXPECT_EQ(fieldOf(answer, "Location"), "/a  Set-Cookie: x=1");
}

TEST_F(HttpTest, AnUnixSocketServesToo) {
  const std::string path = testing::TempDir() + "serving_test_" + std::to_string(::getpid()) + ".sock";
  options.endpoints.push_back({.address = {}, .port = 0, .unixPath = path, .handshake = {}});
  start();
  EXPECT_EQ(server->ports().at(1), 0);
  RawClient client(path);
  client.send(get("/health"));
  EXPECT_EQ(statusOf(client.answer()), 200);
  server.reset();
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_F(HttpTest, WhatCannotBeListenedOnIsSaid) {
  start();
  for (const auto& [endpoint, code] :
       {std::pair{Endpoint{.address = "127.0.0.1", .port = server->ports()[0], .unixPath = {}, .handshake = {}},
                  computesdk::ErrorCode::network},
        std::pair{Endpoint{.address = "localhost", .port = 0, .unixPath = {}, .handshake = {}},
                  computesdk::ErrorCode::invalidArgument}}) {
    ServerOptions other;
    other.endpoints = {endpoint};
    Server second(loop, router, other);
    const auto started = second.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, code);
    EXPECT_FALSE(started.error().fix.empty());
  }
}

}  // namespace serving_test
