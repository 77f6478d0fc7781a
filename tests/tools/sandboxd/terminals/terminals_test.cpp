// /terminals and what is said of them on sockets.
#include <unistd.h>

#include "core/daemon_fixture.hpp"
#include "core/options.hpp"
#include "core/process_tree.hpp"
#include "core/utf8.hpp"

namespace computesdk::sandboxd::testing {
namespace {

class TerminalsTest : public CoreDaemonTest {
 protected:
  Answer createPty(const std::string& more = {}) {
    return post("/terminals", R"({"pty":true,"shell":"sh")" + more + "}");
  }
  static void type(const Socket& socket, const std::string& id, const std::string& text) {
    socket.sendText(R"({"type":"terminal:input","data":{"terminal_id":")" + id + R"(","input":)" +
                    serving::jsonString(text) + "}}");
  }
};

TEST_F(TerminalsTest, AnExecTerminalRunsCommandsAndRemembersThem) {
  const auto made = post("/terminals", R"({"shell":"sh"})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.text("status"), "ready");
  EXPECT_FALSE(made.data()["pty"].GetBool());
  EXPECT_FALSE(made.data().HasMember("channel"));
  const auto path = "/terminals/" + made.text("id");
  const auto ran = post(path + "/execute", R"({"command":"echo $0; exit 1"})");
  EXPECT_EQ(ran.text("stdout"), "sh\n");
  EXPECT_EQ(ran.text("terminal_id"), made.text("id"));
  const auto all = get(path + "/commands");
  EXPECT_EQ(all.data()["count"].GetInt(), 1);
  EXPECT_EQ(std::string(all.data()["commands"][0]["cmd_id"].GetString()), ran.text("cmd_id"));
  EXPECT_EQ(get(path).text("id"), made.text("id"));
  EXPECT_EQ(get("/terminals").data()["terminals"].Size(), 1U);
  EXPECT_EQ(ask(port(), "DELETE", path).status, 204);
  EXPECT_EQ(ask(port(), "DELETE", path).status, 404);
  EXPECT_EQ(post(path + "/execute", R"({"command":"true"})").status, 404);
}

TEST_F(TerminalsTest, BadInputIsRefused) {
  for (const auto* body : {R"({"pty":true,"shell":"/no/shell"})", R"({"shell":"/no/shell"})", R"({"pty":"yes"})",
                           R"({"pty":true,"encoding":"utf16"})", R"({"shell":7})"}) {
    EXPECT_EQ(post("/terminals", body).status, 400) << body;
  }
  EXPECT_EQ(get("/terminals/none").status, 404);
  EXPECT_EQ(get("/terminals").data()["terminals"].Size(), 0U);
}

TEST_F(TerminalsTest, APtyIsInteractive) {
  const auto made = createPty();
  ASSERT_EQ(made.status, 200) << made.body;
  const auto id = made.text("id");
  EXPECT_EQ(made.text("status"), "running");
  EXPECT_EQ(made.text("channel"), "terminal:" + id);
  Socket socket(port());
  socket.subscribe("terminal:" + id);
  type(socket, id, "stty size; echo $TERM; echo \"end\"ing\n");
  const auto said = socket.collect("terminal:output", "ending\r\n");
  EXPECT_NE(said.find("24 80"), std::string::npos) << said;
  EXPECT_NE(said.find("xterm-256color"), std::string::npos) << said;
  socket.sendText(R"({"type":"terminal:resize","data":{"terminal_id":")" + id + R"(","cols":132,"rows":50}})");
  type(socket, id, "stty size\n");
  EXPECT_NE(socket.collect("terminal:output", "50 132").find("50 132"), std::string::npos);
  EXPECT_EQ(post("/terminals/" + id + "/execute", R"({"command":"true"})").status, 400);
  EXPECT_EQ(get("/terminals/" + id + "/commands").status, 400);
}

TEST_F(TerminalsTest, EveryNewSubscriberHearsWhatWasSaidBefore) {
  const auto id = createPty().text("id");
  {
    Socket first(port());
    first.subscribe("terminal:" + id);
    type(first, id, "echo be\"fo\"re\n");
    first.collect("terminal:output", "before\r\n");
  }
  Socket second(port(), "?token=access&protocol=binary");
  second.sendFrame(2, binaryFrame(1, "terminal:" + id, "subscribe", keyValues({})));
  EXPECT_NE(second.collect("terminal:output", "before\r\n").find("before\r\n"), std::string::npos)
      << "it survived the lost connection, too";
  second.sendFrame(
      2, binaryFrame(3, "", "terminal:input", keyValues({{"terminal_id", id}, {"input", "echo af\"te\"r\n"}})));
  EXPECT_NE(second.collect("terminal:output", "after\r\n").find("after"), std::string::npos);
}

TEST_F(TerminalsTest, CreationIsAnnouncedToEverybodyUntilSomebodySubscribes) {
  Socket socket(port());
  const auto id = createPty().text("id");
  for (int i = 0; i < 3; ++i) {
    const auto message = socket.next("terminal:created");
    ASSERT_TRUE(message);
    EXPECT_EQ(message->text("id"), id);
    EXPECT_EQ(message->channel, "");
    EXPECT_EQ(message->text("status"), "running");
  }
  Socket late(port());
  const auto message = late.next("terminal:created");
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text("id"), id) << "at the connection, for each PTY that lives";
}

TEST_F(TerminalsTest, Base64OutputIsTextInEveryMessage) {
  const auto made = createPty(R"(,"encoding":"base64")");
  EXPECT_EQ(made.text("encoding"), "base64");
  const auto id = made.text("id");
  Socket socket(port());
  socket.subscribe("terminal:" + id);
  type(socket, id, "i=0; while [ $i -lt 2000 ]; do printf 'ä€😀'; i=$((i+1)); done; printf '\\377'; echo \"e\"nd\n");
  std::string all;
  while (all.find("\xEF\xBF\xBD"
                  "end") == std::string::npos) {
    const auto message = socket.next("terminal:output");
    ASSERT_TRUE(message);
    EXPECT_EQ(message->text("encoding"), "base64");
    const auto text = decodeBase64(message->text("output"));
    ASSERT_TRUE(text);
    EXPECT_EQ(validUtf8(*text), *text);
    all += *text;
  }
  const auto count = [&](const std::string& what) {
    std::size_t found = 0;
    for (auto at = all.find(what); at != std::string::npos; at = all.find(what, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("ä€😀"), 2001U) << "2000 times, and once in the echo of what was typed";
}

TEST_F(TerminalsTest, AShellThatEndsTakesItsTerminalWithIt) {
  const auto id = createPty().text("id");
  Socket socket(port());
  socket.subscribe("terminal:" + id);
  type(socket, id, "(setsid sleep 1000 &); exit\n");
  const auto destroyed = socket.next("terminal:destroyed");
  ASSERT_TRUE(destroyed);
  EXPECT_EQ(destroyed->text("id"), id);
  EXPECT_EQ(destroyed->channel, "terminal:" + id);
  EXPECT_EQ(get("/terminals/" + id).status, 404);
  EXPECT_TRUE(eventually([] { return descendantsOf(::getpid()).empty(); }));
}

TEST_F(TerminalsTest, DestroyEndsAllThatRunsInIt) {
  const auto id = createPty().text("id");
  Socket socket(port());
  socket.subscribe("terminal:" + id);
  type(socket, id, "trap '' HUP TERM; setsid sleep 1000 & sleep 1000 & echo up\"up\"\n");
  socket.collect("terminal:output", "upup\r\n");
  EXPECT_EQ(ask(port(), "DELETE", "/terminals/" + id).status, 204);
  EXPECT_TRUE(socket.next("terminal:destroyed"));
  EXPECT_TRUE(descendantsOf(::getpid()).empty());
}

TEST_F(TerminalsTest, NonsenseIsToldOrIgnored) {
  Socket socket(port());
  type(socket, "none", "x");
  const auto error = socket.next("terminal:error");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->channel, "terminal:none");
  const auto id = createPty().text("id");
  socket.sendText(R"({"type":"terminal:resize","data":{"terminal_id":")" + id + R"(","cols":0,"rows":9}})");
  EXPECT_TRUE(socket.next("terminal:error"));
  socket.sendText(R"({"type":"what is this","data":[1,2]})");
  socket.sendText(R"({"type":"terminal:input","data":7})");
  socket.unsubscribe("nothing");
  socket.subscribe("terminal:" + id);
  type(socket, id, "echo st\"il\"l\n");
  EXPECT_NE(socket.collect("terminal:output", "still\r\n").find("still"), std::string::npos);
}

TEST_F(TerminalsTest, SeveralBrokenFramesCloseTheConnection) {
  Socket socket(port());
  for (int i = 0; i < 3; ++i) socket.sendFrame(2, "\x09garbage");
  const auto id = createPty().text("id");
  EXPECT_TRUE(socket.next("terminal:created")) << "some are forgiven";
  socket.sendText("no json");
  while (socket.next()) {
  }
  EXPECT_EQ(socket.closeCode(), 1007);
  EXPECT_EQ(get("/terminals/" + id).status, 200);
}

TEST_F(TerminalsTest, AClientThatDoesNotReadStallsNobodyElse) {
  const auto flooded = createPty().text("id");
  Socket slow(port());
  slow.subscribe("terminal:" + flooded);
  type(slow, flooded, "yes 0123456789012345678901234567890123456789\n");
  // It never reads again. Another client works as if it were not there.
  const auto id = createPty().text("id");
  Socket socket(port());
  socket.subscribe("terminal:" + id);
  for (int i = 0; i < 50; ++i) {
    const auto word = "w" + std::to_string(i) + "w";
    type(socket, id, "echo " + word.substr(0, 1) + "\"" + word.substr(1) + "\"\n");
    ASSERT_NE(socket.collect("terminal:output", word + "\r\n").find(word), std::string::npos);
    const auto answer = run("echo x");
    ASSERT_EQ(answer.text("stdout"), "x\n") << answer.status << answer.body;
  }
}

TEST_F(TerminalsTest, ThereIsALimit) {
  daemon_.reset();
  Limits limits;
  limits.terminals = 2;
  start(limits);
  EXPECT_EQ(post("/terminals", "{}").status, 200);
  EXPECT_EQ(createPty().status, 200);
  EXPECT_EQ(createPty().status, 429);
  EXPECT_EQ(get("/terminals").data()["terminals"].Size(), 2U);
}

TEST_F(TerminalsTest, SocketsNeedAToken) {
  EXPECT_EQ(Socket(port(), "").status(), 401);
  EXPECT_EQ(Socket(port(), "?token=wrong").status(), 401);
  EXPECT_EQ(Socket(port(), "?protocol=json&token=access").status(), 101);
}

}  // namespace
}  // namespace computesdk::sandboxd::testing
