// /run/command, /execute, /run/code and streams, over the wire.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "commands/language.hpp"
#include "core/daemon_fixture.hpp"
#include "core/process_tree.hpp"

namespace computesdk::sandboxd::testing {
namespace {

class CommandsTest : public CoreDaemonTest {};

TEST_F(CommandsTest, RunsAndAnswersWithEverything) {
  const auto answer = run("echo out; echo err >&2; exit 3");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.text("stdout"), "out\n");
  EXPECT_EQ(answer.text("stderr"), "err\n");
  EXPECT_EQ(answer.data()["exit_code"].GetInt(), 3);
  EXPECT_EQ(answer.text("status"), "completed");
  EXPECT_EQ(answer.text("command"), "echo out; echo err >&2; exit 3");
  EXPECT_TRUE(answer.data()["duration_ms"].IsInt());
  EXPECT_TRUE(answer.json["message"].IsString());
  EXPECT_FALSE(answer.data().HasMember("channel"));
}

TEST_F(CommandsTest, WorksInTheWorkingDirectoryWithTheEnvironmentsAdded) {
  EXPECT_EQ(run("pwd").text("stdout"), folder_.path() + "\n");
  std::filesystem::create_directory(folder_.path() + "/sub");
  const auto answer =
      post("/run/command", R"({"command":"pwd; echo $FROM_DAEMON $A $B","cwd":"sub","env":{"A":"x y","B":2}})");
  EXPECT_EQ(answer.text("stdout"), folder_.path() + "/sub\nyes x y 2\n");
  EXPECT_EQ(run("cat; echo -n end").text("stdout"), "end") << "stdin is empty";
}

TEST_F(CommandsTest, EndsByAnyCodeAreCompleted) {
  EXPECT_EQ(run("nosuchprogram").data()["exit_code"].GetInt(), 127);
  const auto killed = run("kill -9 $$");
  EXPECT_EQ(killed.data()["exit_code"].GetInt(), 137);
  EXPECT_EQ(killed.text("status"), "completed");
}

TEST_F(CommandsTest, BadInputIsRefusedAndNothingRuns) {
  for (const auto* body : {"{}", "[]", "nonsense", R"({"command":1})", R"({"command":"true","cwd":"none"})",
                           R"({"command":"true","shell":"/no/shell"})", R"({"command":"true","env":[]})",
                           R"({"command":"true","env":{"":"x"}})", R"({"command":"true","background":"yes"})",
                           R"({"command":"a\u0000b"})"}) {
    const auto answer = post("/run/command", body);
    EXPECT_EQ(answer.status, 400) << body;
    ASSERT_TRUE(answer.json.IsObject()) << answer.body;
    EXPECT_TRUE(answer.json["error"].IsString());
    EXPECT_TRUE(answer.json["code"].IsString());
  }
  EXPECT_EQ(ask(port(), "POST", "/run/command", R"({"command":"true"})", "wrong").status, 401);
  EXPECT_EQ(ask(port(), "GET", "/health", "", "").status, 200);
}

TEST_F(CommandsTest, OutputIsValidTextWhateverTheProgramWrites) {
  EXPECT_EQ(run("printf 'a\\377b\\342\\202'").text("stdout"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(run("printf 'a\\000b'").text("stdout"), std::string("a\0b", 3));
}

TEST_F(CommandsTest, MegabytesComeWhole) {
  const auto answer = run("head -c 6000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero | tr '\\0' y >&2");
  EXPECT_EQ(answer.text("stdout").size(), 6000000U);
  EXPECT_EQ(answer.text("stderr").size(), 3000000U);
}

TEST_F(CommandsTest, WhatIsBeyondTheLimitIsCutAndTold) {
  daemon_.reset();
  Limits limits;
  limits.commandOutput = 1000;
  start(limits);
  const auto answer = run("head -c 5000 /dev/zero | tr '\\0' x");
  EXPECT_EQ(answer.text("stdout").size(), 1000U);
  EXPECT_EQ(answer.data()["stdout_dropped"].GetInt(), 4000);
  EXPECT_NE(std::string(answer.json["message"].GetString()).find("4000 bytes"), std::string::npos);
}

TEST_F(CommandsTest, ABackgroundCommandIsWaitedFor) {
  const auto fifo = folder_.path() + "/go";
  const auto started = post("/execute", R"({"command":"mkfifo go; read x < go; echo $x; exit 4","background":true})");
  ASSERT_EQ(started.status, 200) << started.body;
  EXPECT_EQ(started.text("status"), "running");
  EXPECT_EQ(started.text("stdout"), "");
  EXPECT_FALSE(started.data().HasMember("exit_code"));
  const auto path = "/terminals/" + started.text("terminal_id") + "/commands/" + started.text("cmd_id");
  const auto early = get(path + "/wait?timeout=0.05");
  EXPECT_EQ(early.status, 408);
  EXPECT_NE(std::string(early.json["error"].GetString()).find("timed out"), std::string::npos);
  EXPECT_EQ(get(path).text("status"), "running") << "a wait kills nothing";
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(fifo); }));
  std::ofstream(fifo) << "word\n";
  const auto done = get(path + "/wait");
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(done.text("stdout"), "word\n");
  EXPECT_EQ(done.data()["exit_code"].GetInt(), 4);
  EXPECT_NE(done.text("finished_at"), "(no text)");
  EXPECT_EQ(get(path).text("status"), "completed");
  EXPECT_EQ(get(path + "/wait?timeout=x").status, 400);
  EXPECT_EQ(get("/terminals/" + started.text("terminal_id") + "/commands/none").status, 404);
}

TEST_F(CommandsTest, PartialOutputIsSeenWhileItRuns) {
  const auto started = post("/run/command", R"({"command":"echo first; exec sleep 1000","background":true})");
  const auto terminal = "/terminals/" + started.text("terminal_id");
  EXPECT_TRUE(
      eventually([&] { return get(terminal + "/commands/" + started.text("cmd_id")).text("stdout") == "first\n"; }));
  EXPECT_EQ(ask(port(), "DELETE", terminal).status, 204);
  EXPECT_EQ(get(terminal).status, 404);
}

TEST_F(CommandsTest, OneOffTerminalsAreNotListedAndNotKeptForEver) {
  daemon_.reset();
  Limits limits;
  limits.finishedCommands = 3;
  start(limits);
  const auto first = run("true").text("terminal_id");
  EXPECT_EQ(get("/terminals").data()["terminals"].Size(), 0U);
  EXPECT_EQ(get("/terminals/" + first + "/commands").status, 200);
  for (int i = 0; i < 3; ++i) run("true");
  EXPECT_EQ(get("/terminals/" + first + "/commands").status, 404);
}

TEST_F(CommandsTest, AStreamRunsWhenItIsStartedAndEndsWithItsCode) {
  Socket socket(port());
  ASSERT_EQ(socket.status(), 101);
  const auto made =
      post("/run/command", R"({"command":"printf 'a\\303'; printf '\\244'; echo e >&2; exit 5","stream":true})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.text("status"), "running");
  const auto id = made.text("cmd_id");
  EXPECT_EQ(made.text("channel"), "command:" + id);
  socket.subscribe(made.text("channel"));
  socket.sendText(R"({"type":"command:start","data":{"cmd_id":")" + id + R"("}})");
  std::string out, err;
  for (;;) {
    const auto message = socket.next();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->channel, made.text("channel"));
    EXPECT_EQ(message->text("cmd_id"), id);
    if (message->type == "command:stdout") out += message->text("output");
    if (message->type == "command:stderr") err += message->text("output");
    if (message->type != "command:exit") continue;
    EXPECT_EQ(message->data()["exit_code"].GetInt(), 5);
    break;
  }
  EXPECT_EQ(out, "aä");
  EXPECT_EQ(err, "e\n");
  const auto kept = get("/terminals/" + made.text("terminal_id") + "/commands/" + id);
  EXPECT_EQ(kept.text("stdout"), "aä");
}

TEST_F(CommandsTest, AStreamThatNobodyStartsIsDroppedWithoutHavingRun) {
  daemon_.reset();
  Limits limits;
  limits.startWait = std::chrono::milliseconds(50);
  start(limits);
  const auto made = post("/run/command", R"({"command":"touch ran","stream":true})");
  const auto path = "/terminals/" + made.text("terminal_id");
  EXPECT_TRUE(eventually([&] { return get(path).status == 404; }));
  Socket socket(port());
  socket.sendText(R"({"type":"command:start","data":{"cmd_id":")" + made.text("cmd_id") + R"("}})");
  EXPECT_EQ(run("test -e ran").data()["exit_code"].GetInt(), 1);
}

TEST_F(CommandsTest, AStreamInBinaryFramesIsStartedToo) {
  Socket socket(port(), "?token=access&protocol=binary");
  const auto made = post("/run/command", R"({"command":"echo hi","stream":true,"env":{"A":"1"}})");
  socket.sendFrame(2, binaryFrame(1, made.text("channel"), "subscribe", keyValues({})));
  socket.sendFrame(2, binaryFrame(3, "", "command:start", keyValues({{"cmd_id", made.text("cmd_id")}})));
  EXPECT_EQ(socket.collect("command:stdout", "\n"), "hi\n");
  EXPECT_TRUE(socket.next("command:exit"));
}

TEST_F(CommandsTest, AStreamWhoseShellIsMissingEndsWith127) {
  Socket socket(port());
  const auto made = post("/run/command", R"({"command":"true","shell":"/no/shell","stream":true})");
  socket.subscribe(made.text("channel"));
  socket.sendText(R"({"type":"command:start","data":{"cmd_id":")" + made.text("cmd_id") + R"("}})");
  EXPECT_TRUE(socket.next("command:stderr"));
  const auto exit = socket.next("command:exit");
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->data()["exit_code"].GetInt(), 127);
}

TEST_F(CommandsTest, DestroyingTheTerminalEndsAStream) {
  Socket socket(port());
  const auto made =
      post("/run/command", R"({"command":"echo up; (setsid sleep 1000 &); exec sleep 1000","stream":true})");
  socket.subscribe(made.text("channel"));
  socket.sendText(R"({"type":"command:start","data":{"cmd_id":")" + made.text("cmd_id") + R"("}})");
  EXPECT_EQ(socket.collect("command:stdout", "\n"), "up\n");
  EXPECT_EQ(ask(port(), "DELETE", "/terminals/" + made.text("terminal_id")).status, 204);
  const auto exit = socket.next("command:exit");
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->data()["exit_code"].GetInt(), 137);
  EXPECT_TRUE(descendantsOf(::getpid()).empty()) << "204 means that nothing is left";
}

TEST_F(CommandsTest, CodeRunsInItsLanguage) {
  const auto shell = post("/run/code", R"({"code":"pwd; echo e >&2; exit 2","language":"sh"})");
  ASSERT_EQ(shell.status, 200) << shell.body;
  EXPECT_EQ(shell.text("output"), folder_.path() + "\ne\n");
  EXPECT_EQ(shell.data()["exit_code"].GetInt(), 2);
  EXPECT_EQ(shell.text("language"), "sh");
  EXPECT_EQ(post("/run/code", R"({"code":"x","language":"cobol"})").status, 400);
  EXPECT_EQ(post("/run/code", R"({"language":"sh"})").status, 400);
  EXPECT_EQ(run("ls -A").text("stdout"), "") << "the file of the code is removed";
}

TEST(Language, IsDetectedAsTheDocumentsSay) {
  for (const auto* python : {"print('hi')", "import os\nos.getcwd()", "from x import y", "def f(a, b):\n  return a",
                             "if a:\n  pass\nelif b:\n  pass", "x = f'{y}'", "raise ValueError()", "print(f\"{1}\")"}) {
    EXPECT_EQ(detectLanguage(python), "python") << python;
  }
  for (const auto* node :
       {"", "1 + 1", "console.log('print(')", "const x = require('fs')", "let a = 1", "[1].map(x => x)",
        "import fs from 'fs'", "import { a } from 'b';", "function f() {}", "const print = 1; console.log(print)"}) {
    EXPECT_EQ(detectLanguage(node), "node") << node;
  }
  EXPECT_EQ(languageNamed("JavaScript")->name, "node");
  EXPECT_EQ(languageNamed("python3")->name, "python");
  EXPECT_EQ(languageNamed("perl6"), nullptr);
  EXPECT_TRUE(isModule("import fs from 'fs'"));
  EXPECT_FALSE(isModule("import('fs')"));
}

}  // namespace
}  // namespace computesdk::sandboxd::testing
