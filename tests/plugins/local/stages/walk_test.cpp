// Nothing is left behind: each process that a sandbox is made of is killed at each of its system calls, and after the
// next start no process, mount, control group, socket or folder of it is there.
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "../engine/fixture.hpp"
#include "leftovers.hpp"
#include "tracer.hpp"

namespace computesdk::local::testing {
namespace {

enum class Mode : std::uint8_t { kDiesWithHost, kRegistered, kWithoutIsolation };

struct Case {
  const char* name;
  Role victim;
  Mode mode;
  int first, step;
};

CreateSpec specFor(Mode mode, Milliseconds ttl) {
  CreateSpec spec;
  spec.dieWithHost = mode == Mode::kDiesWithHost;
  spec.isolation = mode == Mode::kWithoutIsolation ? Isolation::kNone : Isolation::kNamespaces;
  spec.ttl = ttl;
  spec.limits.milliCpus = 1000;
  return spec;
}

// A sandbox's whole life, with a command that leaves one behind which nobody would ever end.
int live(const EngineOptions& options, const CreateSpec& spec) {
  alarm(60);
  Engine engine(options);
  const auto sandbox = engine.create(spec);
  if (!sandbox.ok()) return 1;
  const Output output = shell(**sandbox, "sleep 1000 < /dev/null > /dev/null 2>&1 & true");
  if (output.failed || output.status.value != 0) return 2;
  return (*sandbox)->destroy().ok() ? 0 : 3;
}

class Stages : public ::testing::TestWithParam<Case> {
 protected:
  EngineOptions options() const {
    EngineOptions options;
    options.registryDirectory = scratch_.path();
    options.useCgroups = getenv("COMPUTESDK_TEST_NO_CGROUPS") == nullptr;
    if (rootEngine()) options.engine = EngineKind::kRoot;
    if (bubblewrapEngine()) options.engine = EngineKind::kBubblewrap;
    return options;
  }

  // What a user does next: looks, makes one, ends it.
  void startAgain() const {
    {
      Engine engine(options());
      const auto list = engine.list();
      ASSERT_TRUE(list.ok()) << list.error().message;
      EXPECT_TRUE(list->empty());
      const auto sandbox = engine.create(specFor(GetParam().mode, Milliseconds(60000)));
      ASSERT_TRUE(sandbox.ok()) << sandbox.error().message << " / " << sandbox.error().why;
      EXPECT_TRUE((*sandbox)->destroy().ok());
    }
    EXPECT_EQ(awaitNobody(20), "");
  }

  Scratch scratch_;
};

TEST_P(Stages, NothingIsLeft) {
  const Case& given = GetParam();
  const Lineage roles = lineage(bubblewrapEngine() && given.mode != Mode::kWithoutIsolation);
  const auto walkFor = [&](Milliseconds ttl, int stop) {
    return walk([&] { return live(options(), specFor(given.mode, ttl)); }, roles, given.victim, stop);
  };
  const Walk whole = walkFor(Milliseconds(60000), 0);
  ASSERT_EQ(whole.alive, "");
  ASSERT_EQ(whole.hostCode, 0);
  startAgain();
  Leftovers leftovers(scratch_.path(), options().useCgroups && given.mode != Mode::kWithoutIsolation);
  int stages = 0;
  for (int stop = given.first; !HasFailure(); stop += given.step, ++stages) {
    SCOPED_TRACE(std::string("the ") + toString(given.victim) + " was killed at its stop " + std::to_string(stop));
    const Walk one = walkFor(Milliseconds(150), stop);
    ASSERT_EQ(one.alive, "");
    leftovers.beforeNextStart();
    startAgain();
    std::vector<std::string> left = leftovers.found();
    // Groups are the only thing that is shared with programs that run beside this one: theirs may still be emptying.
    for (int again = 0; again < 3 && !left.empty() && left[0].starts_with("control group"); ++again) {
      startAgain();
      left = leftovers.found();
    }
    EXPECT_EQ(left, std::vector<std::string>{});
    if (!one.killed) break;
  }
  EXPECT_GT(stages, 0);
  RecordProperty("stages", stages);
}

std::vector<Case> cases(bool every) {
  std::vector<Case> cases{{"Host", Role::kHost, Mode::kDiesWithHost, 1, 16},
                          {"Starter", Role::kStarter, Mode::kDiesWithHost, 4, 16},
                          {"Launcher", Role::kLauncher, Mode::kDiesWithHost, 7, 16},
                          {"Init", Role::kInit, Mode::kDiesWithHost, 10, 16},
                          {"HostOfARegisteredOne", Role::kHost, Mode::kRegistered, 9, 16},
                          {"LauncherOfARegisteredOne", Role::kLauncher, Mode::kRegistered, 13, 16},
                          {"InitOfARegisteredOne", Role::kInit, Mode::kRegistered, 2, 16},
                          {"HostWithoutIsolation", Role::kHost, Mode::kWithoutIsolation, 5, 16},
                          {"LauncherWithoutIsolation", Role::kLauncher, Mode::kWithoutIsolation, 11, 16},
                          {"InitWithoutIsolation", Role::kInit, Mode::kWithoutIsolation, 14, 304}};
  if (bubblewrapEngine()) {
    cases.push_back({"Keeper", Role::kKeeper, Mode::kDiesWithHost, 3, 4});
    cases.push_back({"Bubblewrap", Role::kBubblewrap, Mode::kDiesWithHost, 6, 48});
    cases.push_back({"BubblewrapOfARegisteredOne", Role::kBubblewrap, Mode::kRegistered, 31, 48});
  }
  for (Case& one : cases) {
    if (every) {  // without isolation, an init looks through all of /proc: many calls
      one.first = 1;
      one.step = std::max(1, one.step / 16);
    } else if (bubblewrapEngine() && one.victim == Role::kInit) {
      one.step *= 4;  // bubblewrap's own calls come first
    }
  }
  return cases;
}

const auto kName = [](const auto& info) { return info.param.name; };
INSTANTIATE_TEST_SUITE_P(Walk, Stages, ::testing::ValuesIn(cases(false)), kName);
// Minutes, so only on demand: --gtest_also_run_disabled_tests --gtest_filter='*EveryStage*'
INSTANTIATE_TEST_SUITE_P(DISABLED_EveryStage, Stages, ::testing::ValuesIn(cases(true)), kName);

// What is removed as left behind was not just being made.
TEST(Looking, TakesNothingFromThoseThatAreBeingMade) {
  const Scratch scratch;
  EngineOptions options;
  options.registryDirectory = scratch.path();
  options.useCgroups = false;
  Engine engine(options);
  std::atomic<bool> done{false};
  std::vector<std::thread> lookers(3);
  for (std::thread& looker : lookers) {
    looker = std::thread([&] {
      while (!done) EXPECT_TRUE(engine.list().ok());
    });
  }
  for (int i = 0; i < 50; ++i) {
    const auto sandbox = engine.create({});
    EXPECT_TRUE(sandbox.ok()) << sandbox.error().message << " / " << sandbox.error().why;
    if (sandbox.ok()) {
      EXPECT_TRUE((*sandbox)->destroy().ok());
    }
  }
  done = true;
  for (std::thread& looker : lookers) looker.join();
}

}  // namespace
}  // namespace computesdk::local::testing
