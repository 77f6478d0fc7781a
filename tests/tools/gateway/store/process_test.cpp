#include "world.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <set>

extern char** environ;

// Several gateways as processes of their own.
namespace computesdk::gateway::test {
namespace {

/// A program with pipes for its input and output; killed with the object.
class Child {
 public:
  Child(const std::string& url, const std::filesystem::path& folder, const std::string& id, const std::string& how) {
    int in[2];
    int out[2];
    EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::vector<std::string> words = {STORE_RACE_HELPER, url, folder.string(), id, how};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, STORE_RACE_HELPER, &actions, nullptr, argv.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    in_ = in[1];
    out_ = out[0];
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    go();
    kill(SIGKILL);
    ::close(out_);
  }
  /// Closes its standard input.
  void go() {
    if (in_ >= 0) ::close(in_);
    in_ = -1;
  }
  void tell(const std::string& line) const {
    EXPECT_EQ(::write(in_, (line + "\n").data(), line.size() + 1), static_cast<ssize_t>(line.size() + 1));
  }
  /// A line of its output without the end; empty at the end.
  std::string line() {
    std::string text;
    char byte = 0;
    for (;;) {
      const ssize_t got = ::read(out_, &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0 || byte == '\n') return text;
      text += byte;
    }
  }
  /// Exit code, or -1 when a signal ended it.
  int wait() {
    int status = 0;
    while (pid_ > 0 && ::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void kill(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    wait();
  }

 private:
  pid_t pid_ = -1;
  int in_ = -1;
  int out_ = -1;
};

class Processes : public StoreTest {
 protected:
  [[nodiscard]] std::filesystem::path boxes() const { return folder_.path() / "boxes"; }
};
INSTANTIATE_TEST_SUITE_P(, Processes, testing::Values(Backend::sqlite, Backend::redis), backendName);

TEST_P(Processes, ManyGetExactlyOneSandbox) {
  constexpr int kPrograms = 10;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < kPrograms; ++i) {
    children.push_back(std::make_unique<Child>(url(), boxes(), "s" + std::to_string(i), "ask"));
  }
  for (auto& child : children) child->go();
  std::set<std::string> ids;
  for (auto& child : children) {
    ids.insert(child->line());
    EXPECT_EQ(child->wait(), 0);
  }
  ASSERT_EQ(ids.size(), 1u) << *ids.begin();
  EXPECT_EQ(World(boxes()).boxes(), std::vector(ids.begin(), ids.end()));
}

class Deaths : public Processes {
 protected:
  void dieAndGoOn(const std::string& how) {
    World world(boxes());
    Child dying(url(), boxes(), "dying", how);
    dying.go();
    EXPECT_EQ(dying.wait(), 9);
    // Its record is there, and whoever asks now waits until its lease is over.
    ASSERT_TRUE(must(store_->peek("dying")));
    Child next(url(), boxes(), "next", "ask");
    next.go();
    EXPECT_EQ(next.line(), "next");
    EXPECT_EQ(next.wait(), 0);
    Reaper reaper(store_, world.calls(), {});
    EXPECT_TRUE(eventually([&] { return must(reaper.runOnce()).destroyed == 1; }));
    EXPECT_EQ(world.boxes(), std::vector<std::string>{"next"});
    EXPECT_FALSE(must(store_->peek("dying")));
    EXPECT_EQ(must(store_->find({"1", "default", "app"}))->id, "next");
    EXPECT_EQ(must(store_->count("1")), 1);
  }
};
INSTANTIATE_TEST_SUITE_P(, Deaths, testing::Values(Backend::sqlite, Backend::redis), backendName);

TEST_P(Deaths, MakerDiesBeforeTheProviderHasMadeIt) { dieAndGoOn("die-before"); }
TEST_P(Deaths, MakerDiesAfterTheProviderHasMadeIt) { dieAndGoOn("die-after"); }

TEST(RedisRestart, LosesNothingAndMakesNothingTwice) {
  constexpr int kNames = 60;
  RedisServer redis;
  const TempFolder folder;
  World world(folder.path() / "boxes");
  Child one(redis.url(), folder.path() / "boxes", "-", "serve");
  Child two(redis.url(), folder.path() / "boxes", "-", "serve");
  std::vector<std::pair<std::string, std::string>> answers;
  for (int i = 0; i < kNames; ++i) {
    const std::string name = "app" + std::to_string(i);
    one.tell(name);
    two.tell(name);
    if (i == 20 || i == 40) {
      // Both are in the middle of something, or about to be.
      redis.kill(i == 20 ? SIGKILL : SIGTERM);
      redis.start();
    }
    answers.emplace_back(one.line(), two.line());
  }
  std::set<std::string> ids;
  for (const auto& [first, second] : answers) {
    EXPECT_EQ(first, second);
    ids.insert(first);
  }
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kNames));
  // No orphan either: what the provider has is what the names mean.
  EXPECT_EQ(world.boxes(), std::vector(ids.begin(), ids.end()));
  auto store = must(Store::open(redis.url()));
  for (int i = 0; i < kNames; ++i) {
    const auto found = must(store->find({"1", "default", "app" + std::to_string(i)}));
    ASSERT_TRUE(found) << i;
    EXPECT_EQ(found->id, answers[static_cast<std::size_t>(i)].first);
  }
  EXPECT_EQ(must(store->count("1")), kNames);
}

}  // namespace
}  // namespace computesdk::gateway::test
