// The simulator as a program: it says where it serves, and goes when its test does.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "harness/client.hpp"

namespace computesdk::simulators {
namespace {

class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
    std::string program = SIMULATOR;
    std::vector<char*> argv = {program.data()};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    output_ = out[0];
    if (failed != 0) throw std::runtime_error("cannot start " SIMULATOR);
  }
  ~Program() {
    closeInput();
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      end();
    }
    ::close(output_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::string line() const {
    std::string text;
    for (char c = 0; ::read(output_, &c, 1) == 1 && c != '\n';) text += c;
    return text;
  }
  void closeInput() {
    if (input_ >= 0) ::close(input_);
    input_ = -1;
  }
  void terminate() const { ::kill(pid_, SIGTERM); }
  int end() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  int input_ = -1, output_ = -1;
};

std::uint16_t portOf(const std::string& line) {
  std::uint16_t port = 0;
  const std::size_t colon = line.rfind(':');
  if (line.starts_with("listening on http://127.0.0.1:")) {
    std::from_chars(line.data() + colon + 1, line.data() + line.size(), port);
  }
  return port;
}

TEST(SimulatorProgram, ServesUntilItsInputEnds) {
  const std::string faults = ::testing::TempDir() + "faults-" + std::to_string(::getpid()) + ".json";
  std::ofstream(faults) << R"({"path":"/health","status":418})";
  Program program({"--port", "0", "--fault-file", faults});
  const std::uint16_t port = portOf(program.line());
  ASSERT_NE(port, 0);
  EXPECT_EQ(Client(port).ask("GET", "/health").status, 418);
  EXPECT_EQ(Client(port).ask("GET", "/_sim/sandboxes").body, "[]");
  program.closeInput();
  EXPECT_EQ(program.end(), 0);
  ::unlink(faults.c_str());
}

TEST(SimulatorProgram, EndsOnSigterm) {
  Program program({});
  ASSERT_NE(portOf(program.line()), 0);
  program.terminate();
  EXPECT_EQ(program.end(), 0);
}

TEST(SimulatorProgram, WrongArgumentsAreRefused) {
  EXPECT_EQ(Program({"--nope", "1"}).end(), 2);
  EXPECT_EQ(Program({"--port"}).end(), 2);
  EXPECT_EQ(Program({"--fault-file", "/no/such/file"}).end(), 2);
}

}  // namespace
}  // namespace computesdk::simulators
