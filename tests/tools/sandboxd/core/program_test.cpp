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
  // The first of the descendants that is called so is the one of this command.
  const auto answer = ask(port, "POST", "/run/command",
                          command("echo $PPID; (setsid sh -c 'kill -9 '$PPID'; exec sleep 0.05' &) ; sleep 1000"));
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
