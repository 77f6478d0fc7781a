#include <gtest/gtest.h>

#include <string>

#include "tools/sandboxd/servers/daemon_fixture.hpp"

namespace computesdk::sandboxd {
namespace {

using SignalRoutes = DaemonTest;

TEST_F(SignalRoutes, StartsStopsAndTells) {
  start({}, "https://gw.example/s/abc");
  for (const auto& [method, path, status] :
       {std::tuple("GET", "/signals/status", "stopped"), std::tuple("POST", "/signals/start", "active"),
        std::tuple("POST", "/signals/start", "active"), std::tuple("GET", "/signals/status", "active"),
        std::tuple("POST", "/signals/stop", "stopped")}) {
    const Answer answer = ask(method, path);
    EXPECT_EQ(answer.status, 200);
    EXPECT_STREQ(answer.data()["status"].GetString(), status) << path;
    EXPECT_STREQ(answer.data()["channel"].GetString(), "signals");
    EXPECT_STREQ(answer.data()["ws_url"].GetString(), "wss://gw.example/s/abc/ws");
  }
}

TEST_F(SignalRoutes, ProgramsReport) {
  start({}, "https://box.example.org");
  Socket socket(port(), "/ws", "access");
  socket.subscribe("signals");
  EXPECT_EQ(ask("POST", "/signals/error", R"({"message":"while stopped"})").status, 200);
  ask("POST", "/signals/start");
  // Frames and requests come over different connections: the subscription has been heard when something arrives.
  ASSERT_TRUE(eventually([&] { return ask("POST", "/signals/error", R"({"message":"first"})").status == 200; }));
  const auto first = socket.next("signal");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->channel, "signals");
  EXPECT_STREQ(first->data()["signal"].GetString(), "error");
  EXPECT_STREQ(first->data()["message"].GetString(), "first") << "nothing of the time before";

  const Answer port = ask("POST", "/signals/port", R"({"port":3000,"type":"open","url":"http://there"})");
  EXPECT_EQ(port.status, 200);
  EXPECT_EQ(port.data()["port"].GetInt(), 3000);
  EXPECT_STREQ(port.data()["url"].GetString(), "http://there");
  const auto open = socket.next("signal");
  ASSERT_TRUE(open);
  EXPECT_STREQ(open->data()["signal"].GetString(), "port");
  EXPECT_STREQ(open->data()["type"].GetString(), "open");
  EXPECT_EQ(open->data()["port"].GetInt(), 3000);

  const Answer byPath = ask("POST", "/signals/port/8080/close");
  EXPECT_STREQ(byPath.data()["type"].GetString(), "close");
  EXPECT_STREQ(byPath.data()["url"].GetString(), "https://box-8080.example.org");
  const auto close = socket.next("signal");
  ASSERT_TRUE(close);
  EXPECT_STREQ(close->data()["url"].GetString(), "https://box-8080.example.org");

  const Answer ready = ask("POST", "/signals/server-ready", R"({"port":80,"url":"http://here"})");
  EXPECT_STREQ(ready.data()["type"].GetString(), "open");
  const auto told = socket.next("signal");
  ASSERT_TRUE(told);
  EXPECT_STREQ(told->data()["signal"].GetString(), "server-ready");
  EXPECT_STREQ(told->data()["url"].GetString(), "http://here");
}

TEST_F(SignalRoutes, RefusesWhatMakesNoSense) {
  start();
  for (const char* body : {R"({"port":0,"type":"open","url":"u"})", R"({"port":65536,"type":"open","url":"u"})",
                           R"({"port":"80","type":"open","url":"u"})", R"({"port":80,"type":"ajar","url":"u"})",
                           R"({"port":80,"url":"u"})", R"({"port":80,"type":"open","url":7})", "{}"}) {
    EXPECT_EQ(ask("POST", "/signals/port", body).status, 400) << body;
  }
  for (const char* path : {"/signals/port/0/open", "/signals/port/70000/open", "/signals/port/x/open",
                           "/signals/port/80/ajar", "/signals/port/-1/open", "/signals/port/80x/open"}) {
    EXPECT_EQ(ask("POST", path).status, 400) << path;
  }
  EXPECT_EQ(ask("POST", "/signals/server-ready", R"({"url":"u"})").status, 400);
  EXPECT_EQ(ask("POST", "/signals/error", "{}").status, 400);
}

TEST_F(SignalRoutes, PortsOpenAndClose) {
  start();
  Socket socket(port(), "/ws", "access");
  socket.subscribe("signals");
  ask("POST", "/signals/start");
  ASSERT_EQ(ask("POST", "/servers", std::string(R"({"slug":"web","start":")") + LISTENER + "\"}").status, 200);
  int number = 0;
  ASSERT_TRUE(eventually([&] {
    const Answer server = ask("GET", "/servers/web");
    if (server.server().HasMember("url")) number = server.server()["port"].GetInt();
    return number != 0;
  }));
  const auto hears = [&](const std::string& type) {
    while (const auto signal = socket.next("signal")) {
      // Other programs of the machine may be told of too.
      if (signal->data()["port"].GetInt() != number) continue;
      EXPECT_STREQ(signal->data()["signal"].GetString(), "port");
      EXPECT_EQ(signal->data()["url"].GetString(), "http://127.0.0.1:" + std::to_string(number));
      return signal->data()["type"].GetString() == type;
    }
    return false;
  };
  EXPECT_TRUE(hears("open"));
  ASSERT_EQ(ask("POST", "/servers/web/stop").status, 200);
  EXPECT_TRUE(hears("close"));
}

}  // namespace
}  // namespace computesdk::sandboxd
