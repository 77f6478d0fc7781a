#include "client.hpp"
#include "harness/certificates.hpp"
#include "harness/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace computesdk::registry::net {
namespace {

using simulators::Exchange;
using simulators::Server;
using testing::HasSubstr;

constexpr std::uint32_t kText = CSDK_HTTP_TEXT | CSDK_HTTP_FINAL;

void echo(Exchange& exchange) {
  const auto socket = exchange.upgrade(exchange.request.header("sec-websocket-protocol").empty() ? "" : "two");
  while (auto message = socket->receive()) socket->send(message->data, message->text);
}

TEST(WebSocket, CarriesMessagesBothWays) {
  Server server;
  std::string offered;
  server.route("GET", "/ws", [&](Exchange& exchange) {
    offered = exchange.request.header("sec-websocket-protocol") + "|" + exchange.request.header("authorization");
    echo(exchange);
  });
  Client client(server.url());
  const std::string url = "ws" + server.url().substr(4) + "/ws";
  const auto request = client.start({.url = url,
                                     .secretHeaders = {{"Authorization", "Bearer ${api_key}"}},
                                     .subprotocols = {"one", "two"},
                                     .flags = CSDK_HTTP_WEBSOCKET});
  const Event head = client.next();
  EXPECT_EQ(head.kind, CSDK_HTTP_HEAD) << head.message;
  EXPECT_EQ(head.status, 101);
  EXPECT_THAT(head.headers, testing::Contains(std::pair<std::string, std::string>("sec-websocket-protocol", "two")));
  EXPECT_EQ(client.write(request, "text", kText), CSDK_OK);
  Event message = client.next();
  EXPECT_EQ(message.data, "text");
  EXPECT_EQ(message.flags, kText);
  // A message in parts is one message.
  const std::string binary(100'000, '\x01');
  client.write(request, binary, 0);
  client.write(request, binary, CSDK_HTTP_FINAL);
  std::string got;
  do {
    message = client.next();
    ASSERT_EQ(message.kind, CSDK_HTTP_DATA);
    client.call->ack(request, message.data.size());
    got += message.data;
  } while ((message.flags & CSDK_HTTP_FINAL) == 0);
  EXPECT_EQ(got, binary + binary);
  EXPECT_EQ(offered, "one, two|Bearer key-0123456789");
  EXPECT_EQ(client.call->close(request, 1000, {}), CSDK_OK);
  EXPECT_EQ(client.next().answer, CSDK_EOF);
}

TEST(WebSocket, TellsHowItWasClosed) {
  Server server;
  server.route("GET", "/polite", [](Exchange& exchange) {
    const auto socket = exchange.upgrade();
    socket->ping("are you there");
    socket->send("out", false);
    socket->close(1000, "{\"exitCode\":3}");
    socket->receive();
  });
  server.route("GET", "/rude", [](Exchange& exchange) {
    const auto socket = exchange.upgrade();
    socket->send("out", false);
    exchange.cut();
  });
  server.route("GET", "/hostile", [](Exchange& exchange) {
    const auto socket = exchange.upgrade();
    exchange.stream.write(std::string(32, '\xff'));
    exchange.stream.pause(1000);
  });
  Client client(server.url());
  const std::string base = "ws" + server.url().substr(4);
  client.start({.url = base + "/polite", .flags = CSDK_HTTP_WEBSOCKET});
  EXPECT_EQ(client.next().status, 101);
  EXPECT_EQ(client.next().data, "out");
  const Event end = client.next();
  EXPECT_EQ(end.kind, CSDK_HTTP_END);
  EXPECT_EQ(end.status, 1000);
  EXPECT_EQ(end.message, "{\"exitCode\":3}");

  client.start({.url = base + "/rude", .flags = CSDK_HTTP_WEBSOCKET});
  EXPECT_EQ(client.next().status, 101);
  EXPECT_EQ(client.next().data, "out");
  const Event cut = client.next();
  EXPECT_EQ(cut.kind, CSDK_HTTP_FAILED);
  EXPECT_EQ(cut.errorClass, CSDK_ERROR_NETWORK);

  client.start({.url = base + "/hostile", .flags = CSDK_HTTP_WEBSOCKET});
  EXPECT_EQ(client.next().status, 101);
  const Event broken = client.next();
  EXPECT_EQ(broken.kind, CSDK_HTTP_FAILED);
  EXPECT_EQ(broken.errorClass, CSDK_ERROR_PROTOCOL) << broken.message;
}

TEST(WebSocket, AnUpgradeThatIsDeclinedKeepsStatusAndBody) {
  Server server;
  server.route("GET", "/ws", [](Exchange& exchange) { exchange.respond(404, "{\"message\":\"no such command\"}"); });
  server.route("GET", "/other", [](Exchange& exchange) { exchange.upgrade("never-offered"); });
  Client client(server.url());
  const Answer answer = client.fetch({.url = server.url() + "/ws", .flags = CSDK_HTTP_WEBSOCKET});
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.body, "{\"message\":\"no such command\"}");
  EXPECT_TRUE(answer.ended);
  const Answer other = client.fetch({.url = server.url() + "/other", .flags = CSDK_HTTP_WEBSOCKET});
  EXPECT_EQ(other.failure.errorClass, CSDK_ERROR_PROTOCOL);
}

TEST(WebSocket, ClosesWithCodeAndReason) {
  Server server;
  int code = 0;
  std::string reason;
  std::vector<std::string> messages;
  std::atomic<bool> done{false};
  server.route("GET", "/ws", [&](Exchange& exchange) {
    const auto socket = exchange.upgrade();
    while (auto message = socket->receive()) messages.push_back(message->data);
    code = socket->closeCode;
    reason = socket->closeReason;
    done = true;
    done.notify_one();
  });
  Client client(server.url());
  const auto request = client.start({.url = server.url() + "/ws", .flags = CSDK_HTTP_WEBSOCKET});
  EXPECT_EQ(client.next().status, 101);
  client.write(request, "last words", kText);
  client.call->close(request, 3001, {"bye", 3});
  done.wait(false);
  EXPECT_EQ(code, 3001);
  EXPECT_EQ(reason, "bye");
  EXPECT_THAT(messages, testing::ElementsAre("last words"));
}

TEST(WebSocket, ReadsAndWritesAtOnceOverTls) {
  simulators::Certificates certificates;
  const auto pair = certificates.make("localhost");
  Server server({.certificateFile = pair.certificateFile, .keyFile = pair.keyFile});
  server.route("GET", "/ws", echo);
  NetworkSettings settings;
  settings.extraCaFile = certificates.authorityFile();
  Client client(server.url(), {}, settings);
  const auto request = client.start({.url = server.url() + "/ws", .flags = CSDK_HTTP_WEBSOCKET});
  ASSERT_EQ(client.next().status, 101);
  constexpr int kMessages = 200;
  const std::string piece(8192, 'm');
  std::thread writer([&] {
    for (int i = 0; i < kMessages; ++i) client.write(request, piece, CSDK_HTTP_FINAL);
  });
  std::size_t got = 0;
  while (got < kMessages * piece.size()) {
    const Event event = client.next();
    if (event.answer == CSDK_OK && event.kind == CSDK_HTTP_WRITABLE) continue;
    ASSERT_EQ(event.kind, CSDK_HTTP_DATA) << event.message;
    client.call->ack(request, event.data.size());
    got += event.data.size();
  }
  writer.join();
  EXPECT_EQ(got, kMessages * piece.size());
}

}  // namespace
}  // namespace computesdk::registry::net
