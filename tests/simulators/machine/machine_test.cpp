// Machines are real: programs run, files are written, signals arrive.
#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <semaphore>
#include <string>

#include "machine/fleet.hpp"

namespace computesdk::simulators {
namespace {

using namespace std::chrono_literals;
using State = OutputLog::Reader::State;

std::string collect(OutputLog::Reader& reader, Channel channel) {
  std::string all;
  OutputChunk chunk;
  for (State state = State::chunk; state != State::end;) {
    state = reader.next(chunk, 20s);
    if (state == State::waiting) return all + " [timed out]";
    if (state == State::chunk && chunk.channel == channel) all += chunk.bytes;
  }
  return all;
}

class MachineTest : public ::testing::Test {
 protected:
  Fleet fleet_;
  std::shared_ptr<Machine> make(const MachineSpec& spec = {}) { return fleet_.create("m", spec); }
};

TEST_F(MachineTest, ProgramsRunWithTheirFoldersAndVariables) {
  const auto machine = make({.env = {{"A", "1"}}, .directories = {"/vercel/sandbox"}, .workDirectory = "/home/user"});
  const auto task =
      machine->start({.argv = {"bash", "-c", "pwd; echo $A$B; echo $$; echo bad >&2; exit 3"}, .env = {{"B", "2"}}});
  const auto end = task->wait(20s);
  ASSERT_TRUE(end);
  EXPECT_FALSE(end->signalled);
  EXPECT_EQ(end->value, 3);
  EXPECT_EQ(task->kept(Channel::standardOutput), "/home/user\n12\n" + std::to_string(task->pid()) + "\n");
  EXPECT_EQ(task->kept(Channel::standardError), "bad\n");
  const auto there = machine->start({.argv = {"sh", "-c", "echo x > f && pwd"}, .cwd = "/vercel/sandbox"});
  ASSERT_TRUE(there->wait(20s));
  EXPECT_EQ(there->kept(Channel::standardOutput), "/vercel/sandbox\n");
  EXPECT_EQ(machine->read("/vercel/sandbox/f"), "x\n");
  EXPECT_EQ(machine->run("true").exitCode, 0);
  EXPECT_TRUE(machine->tasks().empty());
}

TEST_F(MachineTest, WhatCannotStartSaysWhy) {
  const auto machine = make();
  try {
    machine->start({.argv = {"no-such-program"}});
    FAIL();
  } catch (const MachineError& error) {
    EXPECT_EQ(error.kind(), MachineError::Kind::notFound);
  }
  EXPECT_THROW(machine->start({.argv = {"true"}, .cwd = "/nope"}), MachineError);
  EXPECT_THROW(machine->read("/nope"), MachineError);
  fleet_.destroy("m");
  EXPECT_THROW(machine->start({.argv = {"true"}}), MachineError);
}

TEST_F(MachineTest, InputSignalsAndReadersThatComeLater) {
  const auto machine = make();
  const auto cat = machine->start({.argv = {"cat"}, .input = true, .follow = true});
  const auto reader = cat->takeReader();
  EXPECT_TRUE(cat->write("ping\n"));
  OutputChunk chunk;
  ASSERT_EQ(reader->next(chunk, 20s), State::chunk);
  EXPECT_EQ(chunk.bytes, "ping\n");
  EXPECT_EQ(machine->task(cat->pid()), cat);
  EXPECT_EQ(collect(
                *[&] {
                  cat->closeInput();
                  return cat->follow(true);
                }(),
                Channel::standardOutput),
            "ping\n");
  EXPECT_FALSE(cat->write("more"));

  const auto sleeper = machine->start({.argv = {"sleep", "1000"}});
  EXPECT_FALSE(sleeper->wait(0s));
  machine->freeze();
  machine->thaw();
  EXPECT_TRUE(sleeper->signal(9));
  ASSERT_TRUE(sleeper->wait(20s));
  EXPECT_TRUE(sleeper->ended()->signalled);
  EXPECT_EQ(sleeper->ended()->value, 9);
  EXPECT_FALSE(sleeper->signal(9));
}

TEST_F(MachineTest, MuchOutputWaitsForItsReader) {
  const auto machine = make();
  const auto task = machine->start({.argv = {"head", "-c", "50000000", "/dev/zero"}, .keepBytes = 0, .follow = true});
  EXPECT_EQ(collect(*task->takeReader(), Channel::standardOutput).size(), 50000000U);
  EXPECT_EQ(task->kept(Channel::standardOutput), "");
}

TEST_F(MachineTest, ATerminalIsOne) {
  const auto machine = make();
  const auto task = machine->start(
      {.argv = {"bash", "-i"}, .env = {{"TERM", "xterm"}}, .terminal = TerminalSize{100, 30}, .follow = true});
  EXPECT_TRUE(task->resize({90, 20}));
  EXPECT_TRUE(task->write("stty size; exit 4\n"));
  EXPECT_NE(collect(*task->takeReader(), Channel::terminal).find("20 90"), std::string::npos);
  EXPECT_EQ(task->ended()->value, 4);
}

TEST_F(MachineTest, FilesAndPorts) {
  const auto machine = make();
  machine->write("/home/user/deep/a b.txt", "text", 0600);
  EXPECT_EQ(machine->stat("/home/user/deep/a b.txt").mode & 0777U, 0600U);
  machine->chmod("/home/user/deep/a b.txt", 0755);
  EXPECT_EQ(machine->stat("/home/user/deep/a b.txt").mode & 0777U, 0755U);
  machine->move("/home/user/deep/a b.txt", "/tmp/c");
  EXPECT_EQ(machine->list("/home/user/deep").size(), 0U);
  machine->remove("/home/user/deep");
  EXPECT_FALSE(machine->exists("/home/user/deep"));

  EXPECT_THROW(machine->dial(8123), MachineError);
  const auto server =
      machine->start({.argv = {"python3", "-u", "-m", "http.server", "8123", "-d", "/tmp"}, .follow = true});
  const auto reader = server->takeReader();
  OutputChunk chunk;
  ASSERT_EQ(reader->next(chunk, 20s), State::chunk) << "it says that it serves";
  const int fd = machine->dial(8123);
  const std::string request = "GET /c HTTP/1.0\r\n\r\n";
  ASSERT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(got));
  ::close(fd);
  EXPECT_NE(answer.find("\r\n\r\ntext"), std::string::npos) << answer;
}

TEST_F(MachineTest, SnapshotsCarryFilesOver) {
  const MachineSpec spec{.directories = {"/home/user", "/vercel/sandbox"}};
  const auto machine = make(spec);
  machine->write("/home/user/a", "1");
  machine->write("/vercel/sandbox/b", "2");
  const std::string snapshot = fleet_.snapshot("m");
  fleet_.destroy("m");
  MachineSpec again = spec;
  again.snapshot = snapshot;
  const auto other = fleet_.create("n", again);
  EXPECT_EQ(other->read("/home/user/a"), "1");
  EXPECT_EQ(other->read("/vercel/sandbox/b"), "2");
  other->write("/vercel/sandbox/b", "3");
  EXPECT_TRUE(fleet_.removeSnapshot(snapshot));
  EXPECT_THROW(fleet_.create("o", again), MachineError);
}

TEST(FleetTest, TimeEndsMachinesUnlessTheSimulatorSaysOtherwise) {
  std::binary_semaphore asked(0);
  Fleet fleet([&](Machine& machine) {
    if (machine.id() != "paused") return false;
    asked.release();
    return true;
  });
  const auto task = fleet.create("gone", {.lifetime = 300ms})->start({.argv = {"sleep", "1000"}});
  fleet.create("paused", {.lifetime = 300ms});
  ASSERT_TRUE(task->wait(20s));
  EXPECT_EQ(fleet.get("gone"), nullptr);
  ASSERT_TRUE(asked.try_acquire_for(20s));
  EXPECT_NE(fleet.get("paused"), nullptr);
  EXPECT_FALSE(fleet.get("paused")->endsAt());
  EXPECT_TRUE(fleet.setLifetime("paused", 1h));
  EXPECT_TRUE(fleet.get("paused")->endsAt());
  EXPECT_EQ(fleet.ids(), std::vector<std::string>{"paused"});
}

}  // namespace
}  // namespace computesdk::simulators
