// Sandboxes made ahead: given out once, as if made for the wish.
#include "engine/pool.hpp"
#include "fixture.hpp"

#include <signal.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

namespace computesdk::local::testing {
namespace {

class PoolTest : public SandboxTest {
 protected:
  PoolTest() {
    EngineOptions pooled = options();
    pooled.pool = 2;
    engine_.emplace(pooled);
  }
  CreateSpec spec(bool dieWithHost) {
    CreateSpec wish;
    wish.name = "mine";
    wish.envs = {{"ANSWER", "42"}};
    wish.metadata = {{"key", "value"}};
    wish.ttl = Milliseconds(60000);
    wish.dieWithHost = dieWithHost;
    return wish;
  }
  std::shared_ptr<Sandbox> pooledSandbox(const CreateSpec& wish) {
    // The first wish says what to make ahead; one launcher and its inits hold the registry's folder open meanwhile.
    first_ = *engine_->create(wish);
    EXPECT_TRUE(eventually([&] { return inits() >= 3; }));
    return *engine_->create(wish);
  }
  std::size_t inits() const {
    std::size_t count = 0;
    for (const int launcher : launchers()) count += childrenOf(launcher);
    return count;
  }
  static std::size_t childrenOf(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
    return static_cast<std::size_t>(std::distance(std::istream_iterator<int>(file), std::istream_iterator<int>()));
  }

  std::optional<Engine> engine_;
  std::shared_ptr<Sandbox> first_;
};

TEST_F(PoolTest, oneThatOutlivesItsHostIsRegisteredWithItsOwnNameAndEnd) {
  auto sandbox = pooledSandbox(spec(false));
  const auto info = sandbox->info();
  ASSERT_TRUE(info.ok()) << info.error().message;
  EXPECT_EQ(info->name, "mine");
  EXPECT_EQ(info->metadata, (Pairs{{"key", "value"}}));
  EXPECT_NEAR(static_cast<double>(info->expiresMs - info->createdMs), 60000, 5000);
  EXPECT_EQ(shell(*sandbox, "echo $ANSWER; ls -A ~").out, "42\n");
  Engine other(options());
  auto found = other.get(sandbox->id());
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(shell(**found, "echo $ANSWER").out, "42\n");
  EXPECT_EQ(other.list()->size(), 2U) << "those that wait are nobody's yet";
  // Its end is its own: the maker goes, it stays.
  engine_.reset();
  EXPECT_EQ(shell(**found, "echo still").out, "still\n");
  EXPECT_TRUE(sandbox->destroy().ok());
  EXPECT_TRUE(first_->destroy().ok());
  sandbox.reset();
  first_.reset();
  EXPECT_TRUE(eventually([&] { return launchers().empty(); }));
}

TEST_F(PoolTest, oneThatDiesWithItsHostDoes) {
  auto sandbox = pooledSandbox(spec(true));
  EXPECT_EQ(shell(*sandbox, "echo $ANSWER").out, "42\n");
  EXPECT_NE(sandbox->id(), first_->id());
  EXPECT_GT(sandbox->info()->expiresMs, 0);
  sandbox.reset();
  first_.reset();
  engine_.reset();
  EXPECT_TRUE(eventually([&] { return launchers().empty(); }));
}

TEST_F(PoolTest, anotherKindIsMadeAfresh) {
  static_cast<void>(pooledSandbox(spec(true)));
  CreateSpec other = spec(true);
  other.limits.openFiles = 77;
  auto sandbox = *engine_->create(other);
  EXPECT_EQ(shell(*sandbox, "ulimit -n").out, "77\n");
}

TEST_F(PoolTest, aDeadOneIsNotGivenOut) {
  static_cast<void>(pooledSandbox(spec(true)));
  const auto killed = launchers();
  for (const int launcher : killed) kill(launcher, SIGKILL);
  // The pool may have started another one by now.
  EXPECT_TRUE(eventually([&] {
    const auto living = launchers();
    return std::find_first_of(living.begin(), living.end(), killed.begin(), killed.end()) == living.end();
  }));
  auto sandbox = engine_->create(spec(true));
  ASSERT_TRUE(sandbox.ok()) << sandbox.error().message;
  EXPECT_EQ(shell(**sandbox, "echo $ANSWER").out, "42\n");
}

TEST_F(PoolTest, eachIsGivenOutOnce) {
  std::set<std::string> ids;
  std::vector<std::shared_ptr<Sandbox>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(*engine_->create(spec(true)));
    EXPECT_TRUE(ids.insert(all.back()->id()).second);
    EXPECT_EQ(shell(*all.back(), "test -e ~/used && echo used; touch ~/used").out, "");
  }
}

}  // namespace
}  // namespace computesdk::local::testing
