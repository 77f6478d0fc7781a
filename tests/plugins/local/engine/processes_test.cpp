// Background commands and terminals: followed, signalled and waited for, also by another process.
#include <thread>

#include "fixture.hpp"

namespace computesdk::local::testing {
namespace {

using ProcessesTest = SandboxTest;

BackgroundSpec background(const std::string& line) {
  BackgroundSpec spec;
  spec.shell = line;
  return spec;
}

std::string textOf(Process& process, Stream stream, std::uint64_t& offset) {
  std::string text;
  for (;;) {
    auto bytes = process.readOutput(stream, offset);
    if (!bytes.ok() || bytes->empty()) return text;
    text.append(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  }
}

// Reads until `wanted` was seen.
bool readsUntil(Process& process, const std::string& wanted, std::string& text, std::uint64_t& offset) {
  for (int i = 0; i < 400; ++i) {
    text += textOf(process, Stream::kStdout, offset);
    if (text.find(wanted) != std::string::npos) return true;
    static_cast<void>(process.waitForChange(offset, UINT64_MAX, Milliseconds(50)).ok());
  }
  return false;
}

std::span<const std::byte> bytesOf(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST_F(ProcessesTest, runsOnAndIsWaitedFor) {
  auto sandbox = make();
  auto process = sandbox->start(background("echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(process.ok()) << process.error().message;
  EXPECT_GT(process->pid(), 1);
  auto status = process->wait(Milliseconds(20000));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->value, 3);
  std::uint64_t out = 0, err = 0;
  EXPECT_EQ(textOf(*process, Stream::kStdout, out), "out\n");
  EXPECT_EQ(textOf(*process, Stream::kStderr, err), "err\n");
}

TEST_F(ProcessesTest, waitingHasALimit) {
  auto sandbox = make();
  auto process = sandbox->start(background("sleep 1000"));
  ASSERT_TRUE(process.ok());
  EXPECT_EQ(process->wait(Milliseconds(50)).error().kind, ErrorClass::kDeadlineExceeded);
  Canceller canceller;
  std::thread later([&] { canceller.cancel(); });
  EXPECT_EQ(process->wait(Milliseconds(-1), &canceller).error().kind, ErrorClass::kCancelled);
  later.join();
  ASSERT_TRUE(process->signal(SIGTERM).ok());
  auto status = process->wait(Milliseconds(20000));
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->kind, ExitKind::kSignal);
  EXPECT_EQ(process->signal(SIGTERM).error().kind, ErrorClass::kNotFound);
}

TEST_F(ProcessesTest, aTimeoutEndsThemWithAllThatTheyStarted) {
  auto sandbox = make();
  BackgroundSpec spec = background("trap '' TERM; setsid sleep 1000 & wait; sleep 1000");
  spec.timeout = Milliseconds(100);
  auto stubborn = sandbox->start(spec);
  ASSERT_TRUE(stubborn.ok());
  spec = background("sleep 1000");
  spec.timeout = Milliseconds(200);
  auto polite = sandbox->start(spec);
  ASSERT_TRUE(polite.ok());
  spec = background("exit 3");
  spec.timeout = Milliseconds(60000);
  auto quick = sandbox->start(spec);
  ASSERT_TRUE(quick.ok());
  EXPECT_EQ(quick->wait(Milliseconds(20000))->value, 3);
  for (auto* process : {&*polite, &*stubborn}) {
    auto status = process->wait(Milliseconds(20000));
    ASSERT_TRUE(status.ok());
    EXPECT_EQ(status->kind, ExitKind::kTimeout);
    EXPECT_EQ(status->shellCode(), 124);
  }
  // Killed they are by now; a killed process needs a processor to go.
  EXPECT_TRUE(eventually([&] { return sandbox->stats()->processes == 0; }));
}

TEST_F(ProcessesTest, anotherProcessListsReattachesAndEndsIt) {
  std::string id;
  std::int32_t pid = 0;
  {
    auto sandbox = make();
    id = sandbox->id();
    auto process = sandbox->start(background("echo $$ here; while :; do sleep 1; done"));
    ASSERT_TRUE(process.ok());
    pid = process->pid();
  }
  Engine other(options());
  auto sandbox = other.get(id);
  ASSERT_TRUE(sandbox.ok()) << sandbox.error().message;
  const auto list = *(*sandbox)->processes();
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].pid, pid);
  EXPECT_TRUE(list[0].running);
  EXPECT_NE(list[0].command.find("sleep"), std::string::npos);
  auto process = (*sandbox)->attach(pid);
  ASSERT_TRUE(process.ok());
  std::string text;
  std::uint64_t offset = 0;
  EXPECT_TRUE(readsUntil(*process, std::to_string(pid) + " here\n", text, offset)) << text;
  ASSERT_TRUE(process->signal(SIGKILL).ok());
  EXPECT_EQ(process->wait(Milliseconds(20000))->value, SIGKILL);
  // One that has ended can still be asked.
  auto again = (*sandbox)->attach(pid);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->wait(Milliseconds(0))->value, SIGKILL);
  const auto after = *(*sandbox)->processes();
  EXPECT_FALSE(after[0].running);
  EXPECT_EQ((*sandbox)->attach(99999).error().kind, ErrorClass::kNotFound);
}

TEST_F(ProcessesTest, inputIsWrittenAndClosed) {
  auto sandbox = make();
  BackgroundSpec spec = background("cat; echo end");
  spec.input = true;
  auto process = sandbox->start(spec);
  ASSERT_TRUE(process.ok());
  ASSERT_EQ(*process->writeInput(bytesOf("hello\n")), 6U);
  std::string text;
  std::uint64_t offset = 0;
  EXPECT_TRUE(readsUntil(*process, "hello\n", text, offset));
  auto second = sandbox->attach(process->pid());
  ASSERT_TRUE(second.ok());
  ASSERT_EQ(*second->writeInput(bytesOf("again\n")), 6U);
  ASSERT_TRUE(second->closeInput().ok());
  ASSERT_TRUE(process->closeInput().ok());
  EXPECT_EQ(process->wait(Milliseconds(20000))->value, 0);
  text += textOf(*process, Stream::kStdout, offset);
  EXPECT_EQ(text, "hello\nagain\nend\n");
}

TEST_F(ProcessesTest, ringKeepsTheNewestOutput) {
  auto sandbox = make();
  auto process = sandbox->start(background("seq 1 1000000"));
  ASSERT_TRUE(process.ok());
  ASSERT_EQ(process->wait(Milliseconds(60000))->value, 0);
  std::uint64_t offset = 0;
  const std::string text = textOf(*process, Stream::kStdout, offset);
  EXPECT_EQ(offset, 6888896U);
  EXPECT_LE(text.size(), 1U << 20);
  EXPECT_GT(text.size(), 900000U);
  EXPECT_TRUE(text.ends_with("999999\n1000000\n"));
}

TEST_F(ProcessesTest, terminalWithResizeAndJobControl) {
  auto sandbox = make();
  BackgroundSpec spec;
  // Without its line editor, which switches the echo off and on around each command.
  spec.argv = {"/bin/bash", "--norc", "--noprofile", "--noediting", "-i"};
  spec.env = {{"PS1", "prompt> "}};
  spec.pty = PtySize{90, 30};
  auto process = sandbox->start(spec);
  ASSERT_TRUE(process.ok()) << process.error().message;
  std::string text;
  std::uint64_t offset = 0;
  ASSERT_TRUE(readsUntil(*process, "prompt> ", text, offset)) << text;
  const auto type = [&](const std::string& line, const std::string& wanted) {
    text.clear();
    EXPECT_TRUE(process->writeInput(bytesOf(line)).ok());
    EXPECT_TRUE(readsUntil(*process, wanted, text, offset)) << line << " gave " << text;
  };
  type("stty size\n", "30 90\r\nprompt> ");
  ASSERT_TRUE(process->resize({120, 50}).ok());
  type("stty size\n", "50 120\r\nprompt> ");
  // An answer from cat itself shows that it has the terminal.
  type("cat\n", "cat\r\n");
  type("ping\n", "ping\r\nping\r\n");
  type("\x03", "prompt> ");
  type("cat\n", "cat\r\n");
  type("pong\n", "pong\r\npong\r\n");
  type("\x1a", "Stopped");
  ASSERT_TRUE(readsUntil(*process, "prompt> ", text, offset));
  type("kill %1; wait %1; echo gone\n", "gone\r\n");
  type("tty\n", "/dev/pts/0\r\n");
  type("exit 5\n", "exit");
  EXPECT_EQ(process->wait(Milliseconds(20000))->value, 5);
}

TEST_F(ProcessesTest, whatCannotStartSaysWhy) {
  auto sandbox = make();
  BackgroundSpec spec;
  spec.argv = {"no-such-command"};
  EXPECT_EQ(sandbox->start(spec).error().kind, ErrorClass::kNotFound);
  spec.argv = {"/etc/passwd"};
  EXPECT_EQ(sandbox->start(spec).error().kind, ErrorClass::kPermissionDenied);
  spec.argv = {"true"};
  spec.cwd = "/nowhere";
  EXPECT_EQ(sandbox->start(spec).error().kind, ErrorClass::kNotFound);
  EXPECT_TRUE(sandbox->processes()->empty());
}

TEST_F(ProcessesTest, manyAreListed) {
  CreateSpec create;
  create.limits.processes = 400;
  auto sandbox = make(create);
  std::vector<Process> all;
  for (int i = 0; i < 150; ++i) {
    BackgroundSpec spec;
    spec.argv = {"sleep", "1000"};
    auto process = sandbox->start(spec);
    ASSERT_TRUE(process.ok()) << i << process.error().message;
    all.push_back(std::move(*process));
  }
  EXPECT_EQ(sandbox->processes()->size(), 150U);
  EXPECT_EQ(sandbox->stats()->processes, 150U);
}

TEST_F(ProcessesTest, orphansAreReaped) {
  auto sandbox = make();
  shell(*sandbox, "for i in 1 2 3 4 5 6 7 8; do (sleep 0.01 &) ; done");
  EXPECT_TRUE(eventually([&] { return sandbox->stats()->processes == 0; }));
}

TEST_F(ProcessesTest, ownersEndIsNotTheirs) {
  auto sandbox = make();
  {
    auto process = sandbox->start(background("exec sleep 1000"));
    ASSERT_TRUE(process.ok());
  }
  EXPECT_EQ(sandbox->stats()->processes, 1U);
}

}  // namespace
}  // namespace computesdk::local::testing
