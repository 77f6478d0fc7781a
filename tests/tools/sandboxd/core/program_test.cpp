// The program itself, started as it is started in a sandbox.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

#include "core/client.hpp"
#include "core/process_tree.hpp"
#include "support/plain_fork.hpp"

namespace computesdk::sandboxd::testing {
namespace {

std::string contentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The daemon as a process of its own.
class Program {
 public:
  Program(const std::vector<std::string>& words, const std::vector<std::string>& variables) {
    std::vector<std::string> all = {SANDBOXD};
    all.insert(all.end(), words.begin(), words.end());
    std::vector<char*> argv, env;
    for (const auto& word : all) argv.push_back(const_cast<char*>(word.c_str()));
    for (const auto& variable : variables) env.push_back(const_cast<char*>(variable.c_str()));
    argv.push_back(nullptr);
    env.push_back(nullptr);
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    out_.reset(ends[0]);
    UniqueFd theirs(ends[1]);
    begun_ = std::chrono::steady_clock::now();
    pid_ = computesdk::testing::plainFork();
    if (pid_ == 0) {
      ::dup2(theirs.get(), 1);
      ::execve(SANDBOXD, argv.data(), env.data());
      ::_exit(127);
    }
  }
  ~Program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      end();
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// The line that it prints when it listens.
  std::string firstLine() {
    std::string line;
    char c = 0;
    for (;;) {
      const auto got = ::read(out_.get(), &c, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got != 1 || c == '\n') break;
      line += c;
    }
    ready_ = std::chrono::steady_clock::now() - begun_;
    return line;
  }
  std::uint16_t port() {
    const auto line = firstLine();
    return static_cast<std::uint16_t>(static_cast<int>(std::strtol(line.c_str() + line.rfind(':') + 1, nullptr, 10)));
  }
  [[nodiscard]] std::chrono::duration<double, std::milli> ready() const { return ready_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Its wait status; it must end by itself.
  int end() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }
  int stop() {
    ::kill(pid_, SIGTERM);
    return end();
  }

 private:
  UniqueFd out_;
  pid_t pid_ = -1;
  std::chrono::steady_clock::time_point begun_;
  std::chrono::steady_clock::duration ready_{};
};

class ProgramTest : public ::testing::Test {
 protected:
  std::vector<std::string> variables_ = {"COMPUTESDK_ACCESS_TOKEN=access", "PATH=/usr/bin:/bin", "MARK=yes"};
  Folder folder_;
  std::vector<std::string> words_ = {"start", "--port", "0", "--cwd", folder_.path()};
};

std::string command(const std::string& text) { return R"({"command":")" + text + R"("})"; }

TEST_F(ProgramTest, ServesFromTheFirstLineOnAndLeavesNothing) {
  Program program(words_, variables_);
  const auto port = program.port();
  ASSERT_NE(port, 0);
  EXPECT_EQ(ask(port, "GET", "/health", "", "").status, 200);
  EXPECT_EQ(ask(port, "POST", "/run/command", command("true"), "").status, 401);
  const auto ran = ask(port, "POST", "/run/command", command("pwd; echo $MARK; (setsid sleep 1000 &)"));
  EXPECT_EQ(ran.text("stdout"), folder_.path() + "\nyes\n");
  EXPECT_EQ(ask(port, "POST", "/terminals", R"({"pty":true})").status, 200);
  std::vector<pid_t> pids;
  for (const auto& each : descendantsOf(program.pid())) pids.push_back(each.pid);
  EXPECT_GE(pids.size(), 3U);
  EXPECT_EQ(program.stop(), 0);
  for (const auto pid : pids) {
    EXPECT_TRUE(eventually([&] { return ::kill(pid, 0) != 0; })) << pid << " is left";
  }
}

TEST_F(ProgramTest, IsSmallAndQuick) {
  struct stat about {};
  ASSERT_EQ(::stat(SANDBOXD, &about), 0);
  EXPECT_LE(about.st_size, 8 << 20);
  double best = 1e9;
  // Other tests may have the processors just then.
  for (int i = 0; i < 30 && best > 20; ++i) {
    Program program(words_, variables_);
    ASSERT_NE(program.port(), 0);
    best = std::min(best, program.ready().count());
    const auto status = contentOf("/proc/" + std::to_string(program.pid()) + "/status");
    const auto at = status.find("VmRSS:");
    ASSERT_NE(at, std::string::npos);
    EXPECT_LE(std::strtol(status.c_str() + at + 6, nullptr, 10), 8192) << "KiB resident";
    EXPECT_EQ(program.stop(), 0);
  }
  EXPECT_LE(best, 20) << "ms until it listens";
}

TEST_F(ProgramTest, ItsTokenIsNotToBeSeen) {
  words_.insert(words_.end(), {"--access-token", "words-token"});
  Program program(words_, variables_);
  const auto port = program.port();
  const auto proc = "/proc/" + std::to_string(program.pid());
  EXPECT_EQ(contentOf(proc + "/cmdline").find("words-token"), std::string::npos);
  EXPECT_EQ(contentOf(proc + "/environ").find("COMPUTESDK_ACCESS_TOKEN=access"), std::string::npos);
  const auto answer = ask(port, "POST", "/run/command", command("env"), "words-token");
  EXPECT_EQ(answer.status, 200) << "the command line decides";
  EXPECT_EQ(answer.text("stdout").find("TOKEN"), std::string::npos);
  EXPECT_EQ(ask(port, "POST", "/run/command", command("env"), "access").status, 401);
}

TEST_F(ProgramTest, ListensOnAUnixSocketAlone) {
  const auto path = folder_.path() + "/d.sock";
  Program program({"start", "--unix-socket", path, "--cwd", folder_.path()}, variables_);
  EXPECT_NE(program.firstLine().find("unix:" + path), std::string::npos);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  sendBytes(fd, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  char text[16] = {};
  EXPECT_EQ(::recv(fd.get(), text, 12, MSG_WAITALL), 12);
  EXPECT_STREQ(text, "HTTP/1.1 200");
}

TEST_F(ProgramTest, AdoptsAndReapsWhatAKilledHolderLeaves) {
  Program program(words_, variables_);
  const auto port = program.port();
  const auto before = descendantsOf(program.pid());
  ASSERT_EQ(before.size(), 1U);
  const auto begun = ask(port, "POST", "/run/command",
                         R"({"background":true,"command":"(setsid sh -c 'exec sleep 0.05' &) ; exec sleep 1000"})");
  ASSERT_EQ(begun.status, 200);
  // Once the start was told: a holder that is killed before is a start that failed.
  for (const auto& each : descendantsOf(program.pid())) {
    if (each.parent == program.pid() && each.pid != before[0].pid) ::kill(each.pid, SIGKILL);
  }
  const auto answer =
      ask(port, "GET", "/terminals/" + begun.text("terminal_id") + "/commands/" + begun.text("cmd_id") + "/wait");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.data()["exit_code"].GetInt(), 137);
  EXPECT_EQ(ask(port, "POST", "/run/command", command("echo on")).text("stdout"), "on\n");
  EXPECT_TRUE(eventually([&] {
    for (const auto& each : descendantsOf(program.pid())) {
      if (each.state == 'Z') return false;
    }
    return descendantsOf(program.pid()).size() <= 1;  // the process that forks for the daemon
  }));
}

TEST_F(ProgramTest, WhatAKilledHolderHeldEndsAtOnce) {
  Program program(words_, variables_);
  const auto port = program.port();
  const auto other = ask(port, "POST", "/run/command", R"({"command":"exec sleep 1000","background":true})");
  std::set<pid_t> known;
  for (const auto& each : descendantsOf(program.pid())) known.insert(each.pid);
  // One that has ended, and one that runs: two descendants each, in sessions of their own and with a clean environment.
  const std::string leave = "(setsid env -i /bin/sh -c '(setsid /bin/sleep 1000 &) ; exec /bin/sleep 1000' &) ; ";
  ASSERT_EQ(ask(port, "POST", "/run/command", command(leave + "echo done >/dev/null")).status, 200);
  ASSERT_EQ(
      ask(port, "POST", "/run/command", R"({"background":true,"command":")" + leave + R"(exec sleep 1000"})").status,
      200);
  const auto found = [&] {
    std::vector<ProcessEntry> fresh;
    for (const auto& each : descendantsOf(program.pid())) {
      if (known.count(each.pid) == 0) fresh.push_back(each);
    }
    return fresh;
  };
  ASSERT_TRUE(eventually([&] {
    std::size_t asleep = 0;
    for (const auto& each : found()) asleep += contentOf("/proc/" + std::to_string(each.pid) + "/comm") == "sleep\n";
    return asleep == 5;
  }));
  for (const auto& each : found()) {
    if (each.parent == program.pid()) ::kill(each.pid, SIGKILL);
  }
  EXPECT_TRUE(eventually([&] { return found().empty(); })) << found().size() << " live on";
  const auto there = ask(port, "GET", "/terminals/" + other.text("terminal_id") + "/commands/" + other.text("cmd_id"));
  EXPECT_EQ(there.text("status"), "running") << "what others started is left alone";
  EXPECT_EQ(program.stop(), 0);
}

TEST_F(ProgramTest, GoesOnWithoutItsForkServer) {
  Program program(words_, variables_);
  const auto port = program.port();
  const auto before = descendantsOf(program.pid());
  ASSERT_EQ(before.size(), 1U);
  ::kill(before[0].pid, SIGKILL);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(port, "POST", "/run/command", command("echo on")).text("stdout"), "on\n");
  EXPECT_TRUE(eventually([&] { return descendantsOf(program.pid()).empty(); })) << "nor stays it behind as a zombie";
}

TEST_F(ProgramTest, SurvivesFloodsOfOutputConnectionsAndFrames) {
  Program program(words_, variables_);
  const auto port = program.port();
  const auto flood = ask(port, "POST", "/run/command", R"({"command":"yes","background":true})");
  {
    std::vector<UniqueFd> idle;
    for (int i = 0; i < 300; ++i) {
      idle.push_back(dial(port));
      sendBytes(idle.back(), i % 2 == 0 ? "GET /hea" : "\x16\x03\x01 nonsense\r\n\r\n");
    }
    EXPECT_EQ(ask(port, "GET", "/health").status, 200);
  }
  for (int i = 0; i < 20; ++i) {
    Socket socket(port);
    socket.sendRaw(std::string("\xff\xff\xff\xff garbage", 12));
    socket.sendFrame(2, std::string(100000, static_cast<char>(i)));
    for (int k = 0; k < 100; ++k) socket.sendFrame(k % 3, "{\"type\":");
  }
  const auto resident = contentOf("/proc/" + std::to_string(program.pid()) + "/status");
  EXPECT_LE(std::strtol(resident.c_str() + resident.find("VmRSS:") + 6, nullptr, 10), 200 * 1024) << "KiB resident";
  EXPECT_EQ(ask(port, "DELETE", "/terminals/" + flood.text("terminal_id")).status, 204);
  EXPECT_EQ(ask(port, "POST", "/run/command", command("echo on")).text("stdout"), "on\n");
  EXPECT_EQ(program.stop(), 0);
}

TEST_F(ProgramTest, FloodsOfUploadsTakeBoundedMemory) {
  constexpr int kClients = 50;
  Program program(words_, variables_);
  const auto port = program.port();
  const auto upload = [](const std::string& path, std::size_t size) {
    return R"({"path":")" + path + R"(","content":")" + std::string(size, 'x') + "\"}";
  };
  const auto one = ask(port, "POST", "/files", upload("one", 64U << 20U));
  EXPECT_EQ(one.status, 201) << one.body;
  struct stat about {};
  ASSERT_EQ(::stat((folder_.path() + "/one").c_str(), &about), 0);
  EXPECT_EQ(about.st_size, 64 << 20);
  // What is no file is read and refused with 400: the disk is not asked here. All send all but their last byte first,
  // so that they are under way at the same time, whoever is refused.
  const std::string body = upload("/dev/null", 8U << 20U);
  const std::string head =
      "POST /files HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer access\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n";
  const auto most = std::string_view(body).substr(0, body.size() - 1);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(dial(port));
    sendBytes(clients.back(), head);
    sendBytes(clients.back(), most);
  }
  int read = 0, refused = 0;
  for (const auto& client : clients) {
    sendBytes(client, "}");
    char text[16] = {};
    if (::recv(client.get(), text, 12, MSG_WAITALL) != 12) continue;
    read += std::string_view(text, 12) == "HTTP/1.1 400" ? 1 : 0;
    refused += std::string_view(text, 12) == "HTTP/1.1 503" ? 1 : 0;
  }
  EXPECT_EQ(read + refused, kClients);
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 0);
  const auto status = contentOf("/proc/" + std::to_string(program.pid()) + "/status");
  EXPECT_LE(std::strtol(status.c_str() + status.find("VmHWM:") + 6, nullptr, 10), 512 * 1024) << "KiB at most";
  EXPECT_EQ(ask(port, "POST", "/run/command", command("echo on")).text("stdout"), "on\n");
  EXPECT_EQ(program.stop(), 0);
}

TEST_F(ProgramTest, WrongWordsEndItWithAReason) {
  EXPECT_NE(Program({"--port", "x"}, variables_).end(), 0);
  EXPECT_NE(Program({"--listen", "localhost", "--port", "0"}, variables_).end(), 0) << "names are not looked up";
  EXPECT_EQ(Program({"--help"}, variables_).end(), 0);
  Program program({"--version"}, variables_);
  EXPECT_EQ(program.firstLine().rfind("computesdk-sandboxd ", 0), 0U);
  EXPECT_EQ(program.end(), 0);
}

}  // namespace
}  // namespace computesdk::sandboxd::testing
