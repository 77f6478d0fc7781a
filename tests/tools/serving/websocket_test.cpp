#include "server_fixture.hpp"

#include <thread>

namespace serving_test {
namespace {

const std::string kKey = "dGhlIHNhbXBsZSBub25jZQ==";

std::string upgrade(const std::string& path, const std::string& fields = "", const std::string& version = "13") {
  return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
         "Sec-WebSocket-Version: " + version + "\r\n" + fields + "Sec-WebSocket-Key: " + kKey + "\r\n\r\n";
}

/// A frame of a client, masked.
std::string frame(int opcode, std::string payload, bool fin = true, bool masked = true) {
  std::string out;
  out += static_cast<char>((fin ? 0x80 : 0) | opcode);
  const char mask = masked ? '\x80' : '\0';
  if (payload.size() < 126) {
    out += static_cast<char>(mask | static_cast<char>(payload.size()));
  } else {
    const bool small = payload.size() < 65536;
    out += static_cast<char>(mask | (small ? 126 : 127));
    for (int shift = small ? 8 : 56; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
  }
  if (!masked) return out + payload;
  const char key[] = {1, 2, 3, 4};
  out.append(key, 4);
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(payload[i] ^ key[i % 4]);
  return out + payload;
}

struct Frame {
  int opcode = -1;  ///< -1: the connection has ended
  bool fin = false;
  std::string payload;
  /// Of a close.
  [[nodiscard]] int code() const {
    return payload.size() < 2 ? 1005
                              : static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
  }
};

Frame readFrame(RawClient& client) {
  const std::string head = client.exactly(2);
  if (head.size() < 2) return {};
  Frame out{head[0] & 0x0F, (head[0] & 0x80) != 0, {}};
  std::size_t size = static_cast<unsigned char>(head[1]);
  if (size >= 126) {
    const std::string longer = client.exactly(size == 126 ? 2 : 8);
    size = 0;
    for (const char c : longer) size = size * 256 + static_cast<unsigned char>(c);
  }
  out.payload = client.exactly(size);
  return out;
}

}  // namespace

class WebSocketTest : public ServerTest {
 protected:
  WebSocketTest() {
    router.onAsync("GET", "/ws", [this](const Request&, const Reply& reply) {
      WebSocketHandlers handlers;
      handlers.onMessage = [this](std::string_view bytes, bool binary) {
        const auto session = current();
        binary ? session->sendBinary(std::string(bytes)) : session->sendText(std::string(bytes));
      };
      handlers.onClose = [this](std::uint16_t code, std::string_view) {
        closeCode = code;
        ended.set();
      };
      const std::lock_guard lock(mutex);
      session = reply.acceptWebSocket(settings, handlers);
      if (session) opened.set();
    });
  }
  ~WebSocketTest() override {
    server.reset();
    loop.stop();
  }
  std::shared_ptr<WebSocketSession> current() {
    const std::lock_guard lock(mutex);
    return session;
  }
  RawClient open() {
    RawClient client = connect();
    client.send(upgrade("/ws"));
    EXPECT_EQ(statusOf(client.until("\r\n\r\n")), 101);
    EXPECT_TRUE(opened.wait());
    return client;
  }

  WebSocketOptions settings;
  std::mutex mutex;
  std::shared_ptr<WebSocketSession> session;
  Event opened;
  Event ended;
  std::atomic<int> closeCode{0};
};

TEST_F(WebSocketTest, ShakesHands) {
  settings.subprotocol = "chat";
  settings.headers.add("X-Extra", "1");
  start();
  RawClient client = connect();
  client.send(
      upgrade("/ws", "Sec-WebSocket-Protocol: chat, other\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"));
  const std::string answer = client.until("\r\n\r\n");
  EXPECT_EQ(statusOf(answer), 101);
  EXPECT_EQ(fieldOf(answer, "Sec-WebSocket-Accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(fieldOf(answer, "Sec-WebSocket-Protocol"), "chat");
  EXPECT_EQ(fieldOf(answer, "Sec-WebSocket-Extensions"), "");
  EXPECT_EQ(fieldOf(answer, "X-Extra"), "1");
  EXPECT_EQ(fieldOf(answer, "Upgrade"), "websocket");
}

TEST_F(WebSocketTest, RefusesWhatIsNotAWebSocket) {
  start();
  EXPECT_EQ(statusOf(ask(get("/ws"))), 426);
  const std::string old = ask(upgrade("/ws", "", "8"));
  EXPECT_EQ(statusOf(old), 426);
  EXPECT_EQ(fieldOf(old, "Sec-WebSocket-Version"), "13");
  EXPECT_EQ(statusOf(ask(upgrade("/ws", "Sec-WebSocket-Key: " + kKey + "\r\n"))), 400);
}

TEST_F(WebSocketTest, EchoesTextBinaryFragmentsAndPings) {
  start();
  RawClient client = open();
  client.send(frame(1, "hello"));
  Frame got = readFrame(client);
  EXPECT_EQ(got.opcode, 1);
  EXPECT_EQ(got.payload, "hello");
  const std::string big(300'000, '\xFE');
  client.send(frame(2, big));
  got = readFrame(client);
  EXPECT_EQ(got.opcode, 2);
  EXPECT_TRUE(got.fin);
  EXPECT_EQ(got.payload, big);
  // Fragments, with a ping between them.
  client.send(frame(1, "one ", false) + frame(9, "p") + frame(0, "two ", false) + frame(0, "three"));
  got = readFrame(client);
  EXPECT_EQ(got.opcode, 10);
  EXPECT_EQ(got.payload, "p");
  EXPECT_EQ(readFrame(client).payload, "one two three");
  client.send(frame(1, ""));
  EXPECT_EQ(readFrame(client).payload, "");
}

TEST_F(WebSocketTest, FramesThatCameWithTheHandshakeCount) {
  start();
  RawClient client = connect();
  client.send(upgrade("/ws") + frame(1, "early"));
  EXPECT_EQ(statusOf(client.until("\r\n\r\n")), 101);
  EXPECT_EQ(readFrame(client).payload, "early");
}

TEST_F(WebSocketTest, AnswersTheClientsClose) {
  start();
  RawClient client = open();
  client.send(frame(8, std::string("\x0F\xA1", 2) + "bye"));
  EXPECT_EQ(readFrame(client).code(), 4001);
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(ended.wait());
  EXPECT_EQ(closeCode, 4001);
  EXPECT_FALSE(current()->open());
  EXPECT_FALSE(current()->sendText("late"));
}

TEST_F(WebSocketTest, ClosesAfterWhatIsQueued) {
  start();
  RawClient client = open();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(current()->sendText(std::to_string(i)));
  current()->close(4002, "done");
  current()->close(4003, "again");
  EXPECT_FALSE(current()->sendText("late"));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(readFrame(client).payload, std::to_string(i));
  const Frame close = readFrame(client);
  EXPECT_EQ(close.opcode, 8);
  EXPECT_EQ(close.code(), 4002);
  EXPECT_EQ(close.payload.substr(2), "done");
  client.send(frame(8, close.payload));
  EXPECT_TRUE(client.closed());
  EXPECT_TRUE(ended.wait());
  EXPECT_EQ(closeCode, 4002);
}

TEST_F(WebSocketTest, BreakingTheRulesHasItsCode) {
  settings.messageLimit = 1000;
  start();
  const std::pair<std::string, int> kBreaches[] = {
      {frame(1, std::string("\xFF\xFE", 2)), 1007},
      {frame(1, std::string(1001, 'x')), 1009},
      {frame(1, std::string(600, 'x'), false) + frame(0, std::string(600, 'x')), 1009},
      {frame(1, "plain", true, false), 1002},
      {frame(3, "what"), 1002},
      {frame(0, "nothing to go on with"), 1002},
      {frame(9, std::string(126, 'x')), 1002},
      {frame(9, "x", false), 1002},
      {frame(8, "x"), 1002},
      {frame(8, std::string("\x03\xED", 2)), 1002},
      {std::string("\xF1\x80\1\2\3\4", 6), 1002},
  };
  for (const auto& [bytes, code] : kBreaches) {
    RawClient client = open();
    client.send(bytes);
    Frame got = readFrame(client);
    EXPECT_EQ(got.opcode, 8) << code;
    EXPECT_EQ(got.code(), code);
    EXPECT_TRUE(client.closed());
  }
}

TEST_F(WebSocketTest, MessagesFromManyThreadsStayWhole) {
  start();
  RawClient client = open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 250; ++i) EXPECT_TRUE(current()->sendText(std::to_string(t) + ":" + std::to_string(i)));
    });
  }
  int next[4] = {};
  for (int i = 0; i < 1000; ++i) {
    const std::string text = readFrame(client).payload;
    const int thread = text.at(0) - '0';
    EXPECT_EQ(text.substr(2), std::to_string(next[thread]++));
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(WebSocketTest, AQueueOverItsBoundDropsTheConnection) {
  settings.queueLimit = 1u << 20;
  settings.closeTimeout = 200ms;
  start();
  RawClient client = open();
  client.shrinkReceiveBuffer();
  const auto bytes = std::make_shared<const std::string>(200'000, 'x');
  int sent = 0;
  while (current()->send(bytes, true) && sent < 10'000) ++sent;
  EXPECT_LT(sent, 10'000);
  EXPECT_FALSE(current()->open());
  EXPECT_TRUE(ended.wait());
}

TEST_F(WebSocketTest, AClientThatCatchesUpReads1013) {
  settings.queueLimit = 1u << 20;
  start();
  RawClient client = open();
  const auto bytes = std::make_shared<const std::string>(200'000, 'x');
  while (current()->send(bytes, true)) {
  }
  Frame got = readFrame(client);
  while (got.opcode == 2) got = readFrame(client);
  EXPECT_EQ(got.opcode, 8);
  EXPECT_EQ(got.code(), 1013);
}

TEST_F(WebSocketTest, AQueueCanRefuseInstead) {
  settings.queueLimit = 1u << 20;
  settings.overflow = Overflow::refuse;
  Event drained;
  router.onAsync("GET", "/refuse", [&](const Request&, const Reply& reply) {
    WebSocketHandlers handlers;
    handlers.onDrained = [&] { drained.set(); };
    const std::lock_guard lock(mutex);
    session = reply.acceptWebSocket(settings, handlers);
    opened.set();
  });
  start();
  RawClient client = connect();
  client.send(upgrade("/refuse"));
  client.until("\r\n\r\n");
  ASSERT_TRUE(opened.wait());
  const auto bytes = std::make_shared<const std::string>(200'000, 'x');
  int sent = 0;
  while (current()->send(bytes, true)) ++sent;
  EXPECT_LE(current()->queued(), settings.queueLimit);
  for (int i = 0; i < sent; ++i) EXPECT_EQ(readFrame(client).payload.size(), 200'000U);
  EXPECT_TRUE(drained.wait());
  EXPECT_TRUE(current()->sendText("on"));
  EXPECT_EQ(readFrame(client).payload, "on");
}

TEST_F(WebSocketTest, PingsFindADeadPeerAndKeepALiveOne) {
  settings.pingInterval = 100ms;
  start();
  RawClient client = open();
  for (int i = 0; i < 5; ++i) {
    const Frame ping = readFrame(client);
    EXPECT_EQ(ping.opcode, 9);
    client.send(frame(10, ping.payload));
  }
  EXPECT_TRUE(current()->open());
  // No more pongs.
  EXPECT_TRUE(ended.wait());
  EXPECT_EQ(closeCode, 1006);
}

TEST_F(WebSocketTest, ABrokenConnectionIs1006) {
  start();
  RawClient client = open();
  client.send(frame(1, "x").substr(0, 3));
  client.reset();
  EXPECT_TRUE(ended.wait());
  EXPECT_EQ(closeCode, 1006);
}

TEST_F(WebSocketTest, StoppingSaysGoodbye) {
  start();
  RawClient client = open();
  std::thread stopping([&] { server->stop(10s); });
  EXPECT_EQ(readFrame(client).code(), 1001);
  client.send(frame(8, std::string("\x03\xE9", 2)));
  EXPECT_TRUE(client.closed());
  stopping.join();
  EXPECT_TRUE(ended.wait());
}

TEST_F(WebSocketTest, AThousandAtOnce) {
  settings.pingInterval = 30s;
  start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(connect());
    clients.back().send(upgrade("/many"));
  }
  for (RawClient& client : clients) EXPECT_EQ(statusOf(client.until("\r\n\r\n")), 404);
  clients.clear();
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(connect());
    clients.back().send(upgrade("/ws"));
  }
  for (RawClient& client : clients) EXPECT_EQ(statusOf(client.until("\r\n\r\n")), 101);
  EXPECT_NE(server->metrics().text().find("computesdk_websockets 1000\n"), std::string::npos);
}

}  // namespace serving_test
