// Fifty processes that ask for one name at the same moment get one sandbox.
#include <gtest/gtest.h>
#include <computesdk/computesdk.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "scratch.hpp"

namespace computesdk {
namespace {

// A racer: waits for the starting shot, asks for the name, writes the id. The child execs nothing and shares nothing
// but the pipes; it leaves through _exit.
[[noreturn]] void race(const testing::Scratch& scratch, int shot, int answers) {
  char byte = 0;
  while (::read(shot, &byte, 1) < 0 && errno == EINTR) {
  }
  try {
    Compute compute(scratch.localConfig());
    const Sandbox sandbox = compute.sandbox().findOrCreate({.name = "one", .namespace_ = "race"});
    const std::string line = std::string(sandbox.sandboxId()) + "\n";
    _exit(::write(answers, line.data(), line.size()) == static_cast<ssize_t>(line.size()) ? 0 : 1);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", formatError(error.info()).c_str());
  }
  _exit(1);
}

TEST(NamesRace, FiftyProcessesGetOneSandbox) {
  const testing::Scratch scratch;
  int shot[2];
  int answers[2];
  ASSERT_EQ(::pipe2(shot, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(answers, O_CLOEXEC), 0);
  std::vector<pid_t> racers;
  for (int i = 0; i < 50; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::close(shot[1]);
      race(scratch, shot[0], answers[1]);
    }
    ASSERT_GT(pid, 0);
    racers.push_back(pid);
  }
  ::close(shot[1]);  // the end of the pipe is the starting shot
  ::close(answers[1]);
  std::string all;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(answers[0], buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<std::size_t>(got));
  int failed = 0;
  for (const pid_t pid : racers) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    failed += status != 0;
  }
  ::close(shot[0]);
  ::close(answers[0]);
  EXPECT_EQ(failed, 0);
  std::set<std::string> ids;
  for (std::size_t begin = 0, end = 0; (end = all.find('\n', begin)) != std::string::npos; begin = end + 1) {
    ids.insert(all.substr(begin, end - begin));
  }
  EXPECT_EQ(ids.size(), 1u);
  Compute compute(scratch.localConfig());
  EXPECT_EQ(compute.sandbox().list().size(), 1u) << "no sandbox without a name is left behind";
  for (const std::string& id : ids) compute.sandbox().destroy(id);
}

}  // namespace
}  // namespace computesdk
