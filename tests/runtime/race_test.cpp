#include "fakes.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <map>

extern char** environ;

namespace computesdk::test {
namespace {

constexpr int kPrograms = 50;

struct Outcome {
  std::string id;
  int code = -1;
};

/// Starts that many programs, lets them go all at once, and gathers what they print.
std::vector<Outcome> race(const std::filesystem::path& folder, int programs, const char* how) {
  std::filesystem::create_directories(folder / "boxes");
  int gate[2];
  EXPECT_EQ(::pipe2(gate, O_CLOEXEC), 0);
  std::vector<std::pair<pid_t, int>> children;
  for (int i = 0; i < programs; ++i) {
    int out[2];
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, gate[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string path = folder.string();
    std::string way = how;
    std::string program = RACE_HELPER;
    char* argv[] = {program.data(), path.data(), way.data(), nullptr};
    pid_t pid = 0;
    EXPECT_EQ(::posix_spawn(&pid, RACE_HELPER, &actions, nullptr, argv, environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    children.emplace_back(pid, out[0]);
  }
  ::close(gate[0]);
  ::close(gate[1]);
  std::vector<Outcome> outcomes;
  for (auto [pid, fd] : children) {
    Outcome outcome;
    char buffer[256];
    for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;) {
      outcome.id.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(fd);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcomes.push_back(outcome);
  }
  return outcomes;
}

std::size_t boxesIn(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder / "boxes")) ++count;
  return count;
}

TEST(Race, FiftyProgramsGetExactlyOneSandbox) {
  TempFolder folder;
  std::map<std::string, int> ids;
  for (const Outcome& outcome : race(folder.path(), kPrograms, "wait")) {
    EXPECT_EQ(outcome.code, 0);
    ++ids[outcome.id];
  }
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_EQ(ids.begin()->second, kPrograms);
  EXPECT_EQ(boxesIn(folder.path()), 1u);
}

TEST(Race, AStaleNameIsRenewedOnce) {
  TempFolder folder;
  const std::string old = race(folder.path(), 1, "wait").front().id;
  std::filesystem::remove(folder.path() / "boxes" / old);
  std::map<std::string, int> ids;
  for (const Outcome& outcome : race(folder.path(), kPrograms, "wait")) ++ids[outcome.id];
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_NE(ids.begin()->first, old);
  EXPECT_EQ(boxesIn(folder.path()), 1u);
}

TEST(Race, AClaimantThatDiedDoesNotBlock) {
  TempFolder folder;
  EXPECT_EQ(race(folder.path(), 1, "die").front().code, 9);
  EXPECT_TRUE(std::filesystem::remove(folder.path() / "boxes/died"));
  std::map<std::string, int> ids;
  for (const Outcome& outcome : race(folder.path(), 8, "wait")) {
    EXPECT_EQ(outcome.code, 0);
    ++ids[outcome.id];
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(boxesIn(folder.path()), 1u);
}

}  // namespace
}  // namespace computesdk::test
