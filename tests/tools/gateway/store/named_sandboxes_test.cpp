#include "world.hpp"

#include <future>
#include <set>

namespace computesdk::gateway::test {
namespace {

const NameKey kApp = {"1", "default", "app"};

class Named : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    world_.emplace(folder_.path() / "boxes");
    named_.emplace(store_, world_->calls());
  }
  static SteadyClock::time_point soon() { return SteadyClock::now() + seconds(20); }
  Result<SandboxRecord> findOrCreate(const std::string& id, BeginOptions options = {}) {
    return named_->findOrCreate(draftOf(id, "app"), world_->maker(), options, soon());
  }
  std::optional<World> world_;
  std::optional<NamedSandboxes> named_;
};
INSTANTIATE_TEST_SUITE_P(, Named, testing::Values(Backend::sqlite, Backend::redis), backendName);

TEST_P(Named, SameNameSameSandbox) {
  EXPECT_FALSE(must(named_->find(kApp)));
  const SandboxRecord first = must(findOrCreate("s1"));
  EXPECT_EQ(first.state, SandboxState::running);
  EXPECT_EQ(first, must(store_->get("s1")));
  EXPECT_EQ(must(findOrCreate("s2")), first);
  EXPECT_EQ(must(named_->find(kApp)), first);
  EXPECT_EQ(world_->made, 1);
}

TEST_P(Named, StaleMappingIsRemoved) {
  must(findOrCreate("s1"));
  world_->lose("s1");
  EXPECT_FALSE(must(named_->find(kApp)));
  EXPECT_EQ(must(store_->count("1")), 0);
  must(findOrCreate("s2"));
  world_->lose("s2");
  EXPECT_EQ(must(findOrCreate("s3")).id, "s3");
  EXPECT_EQ(world_->boxes(), std::vector<std::string>{"s3"});
}

TEST_P(Named, ProviderThatCannotTellChangesNothing) {
  must(findOrCreate("s1"));
  world_->unreachable = true;
  EXPECT_EQ(named_->find(kApp).error().code, ErrorCode::unavailable);
  EXPECT_EQ(findOrCreate("s2").error().code, ErrorCode::unavailable);
  world_->unreachable = false;
  EXPECT_EQ(must(named_->find(kApp))->id, "s1");
}

TEST_P(Named, FailedMakerLeavesTheNameToTheNext) {
  const auto fails = [](const SandboxRecord&) -> Result<SandboxRecord> { return failure(ErrorCode::quota, "full"); };
  EXPECT_EQ(named_->findOrCreate(draftOf("s1", "app"), fails, {}, soon()).error().code, ErrorCode::quota);
  EXPECT_EQ(must(store_->count("1")), 0);
  EXPECT_EQ(must(findOrCreate("s2")).id, "s2");
}

TEST_P(Named, WhatMayHaveBeenLeftIsTheReapers) {
  const auto fails = [&](SandboxRecord draft) -> Result<SandboxRecord> {
    must(world_->make(std::move(draft)));
    ErrorInfo error = failure(ErrorCode::network, "the answer was lost");
    error.maybeApplied = true;
    return error;
  };
  const BeginOptions brief = {.lease = milliseconds(20)};
  EXPECT_FALSE(named_->findOrCreate(draftOf("s1", "app"), fails, brief, soon()));
  EXPECT_EQ(must(findOrCreate("s2")).id, "s2");
  Reaper reaper(store_, world_->calls(), {});
  EXPECT_TRUE(eventually([&] { return must(reaper.runOnce()).destroyed == 1; }));
  EXPECT_EQ(world_->boxes(), std::vector<std::string>{"s2"});
}

TEST_P(Named, SlowMakerIsKeptAlive) {
  // Ten leases long, and a rival all the time.
  const BeginOptions brief = {.lease = milliseconds(60)};
  std::promise<void> begun;
  std::promise<void> finish;
  const auto slowly = [&](SandboxRecord draft) {
    begun.set_value();
    EXPECT_EQ(finish.get_future().wait_for(milliseconds(600)), std::future_status::timeout);
    return world_->make(std::move(draft));
  };
  auto rival = std::async(std::launch::async, [&] {
    begun.get_future().wait();
    return findOrCreate("s2", brief);
  });
  EXPECT_EQ(must(named_->findOrCreate(draftOf("s1", "app"), slowly, brief, soon())).id, "s1");
  EXPECT_EQ(must(rival.get()).id, "s1");
  EXPECT_EQ(world_->made, 1);
}

TEST_P(Named, WaiterGetsTheDraftWhenHisTimeIsOver) {
  const Begun maker = must(store_->begin(draftOf("s1", "app"), {.mode = NameMode::claim}));
  const auto until = SteadyClock::now() + milliseconds(30);
  const SandboxRecord seen = must(named_->findOrCreate(draftOf("s2", "app"), world_->maker(), {}, until));
  EXPECT_EQ(seen, maker.record);
  EXPECT_EQ(seen.state, SandboxState::creating);
  EXPECT_EQ(world_->made, 0);
}

TEST_P(Named, LostLeaseDestroysWhatWasMade) {
  // Somebody else creates one of that name in the middle: the name is his, and what was made here goes.
  const auto slowly = [&](SandboxRecord draft) {
    must(named_->create(draftOf("s2", "app"), world_->maker(), {}));
    return world_->make(std::move(draft));
  };
  EXPECT_EQ(must(named_->findOrCreate(draftOf("s1", "app"), slowly, {}, soon())).id, "s2");
  EXPECT_EQ(world_->boxes(), std::vector<std::string>{"s2"});
  EXPECT_EQ(must(store_->count("1")), 1);
}

TEST_P(Named, LostLeaseIsTheReapersWhenDestroyingFails) {
  const auto slowly = [&](SandboxRecord draft) {
    must(named_->create(draftOf("s2", "app"), world_->maker(), {}));
    world_->refuses = true;
    return world_->make(std::move(draft));
  };
  EXPECT_FALSE(named_->findOrCreate(draftOf("s1", "app"), slowly, {}, soon()));
  const auto left = must(store_->peek("s1"));
  ASSERT_TRUE(left);
  EXPECT_EQ(left->state, SandboxState::removing);
  EXPECT_EQ(left->providerId, "box-s1");
}

TEST_P(Named, LimitIsAnErrorThatSaysSo) {
  must(findOrCreate("s1", {.workspaceLimit = 1}));
  const auto refused = named_->create(draftOf("s2"), world_->maker(), {.workspaceLimit = 1});
  EXPECT_EQ(refused.error().code, ErrorCode::quota);
  EXPECT_EQ(must(findOrCreate("s3", {.workspaceLimit = 1})).id, "s1");
}

TEST_P(Named, DestroyTakesEverything) {
  must(findOrCreate("s1"));
  EXPECT_TRUE(must(named_->destroy("s1")));
  EXPECT_FALSE(must(named_->destroy("s1")));
  EXPECT_TRUE(world_->boxes().empty());
  if (GetParam() == Backend::redis) {
    std::vector<std::string> left = redis().keys();
    std::erase_if(left, [](const std::string& key) { return key.starts_with("computesdk:done:"); });
    EXPECT_EQ(left, std::vector<std::string>{"computesdk:schema"});
  }
}

TEST_P(Named, RefusedDestroyIsTriedAgainByTheReaper) {
  must(findOrCreate("s1"));
  world_->refuses = true;
  EXPECT_FALSE(named_->destroy("s1"));
  EXPECT_FALSE(must(named_->find(kApp)));
  EXPECT_EQ(must(store_->peek("s1"))->state, SandboxState::removing);
  EXPECT_EQ(world_->boxes().size(), 1u);
  // Whoever asked for it may ask again, and gets the outcome.
  EXPECT_FALSE(named_->destroy("s1"));
  world_->refuses = false;
  EXPECT_TRUE(must(named_->destroy("s1")));
  EXPECT_TRUE(world_->boxes().empty());
  EXPECT_FALSE(must(named_->destroy("s1")));
}

TEST_P(Named, ManyThreadsOfTwoGatewaysGetOneSandbox) {
  constexpr int kThreads = 16;
  NamedSandboxes other(open(), world_->calls());
  std::vector<std::future<Result<SandboxRecord>>> asked;
  for (int i = 0; i < kThreads; ++i) {
    asked.push_back(std::async(std::launch::async, [&, i] {
      NamedSandboxes& one = i % 2 != 0 ? other : *named_;
      return one.findOrCreate(draftOf("s" + std::to_string(i), "app"), world_->maker(), {}, soon());
    }));
  }
  std::set<std::string> ids;
  for (auto& answer : asked) ids.insert(must(answer.get()).id);
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(world_->made, 1);
  EXPECT_EQ(must(store_->count("1")), 1);
}

TEST_P(Named, LimitHoldsAmongManyThreads) {
  std::vector<std::future<Result<SandboxRecord>>> asked;
  for (int i = 0; i < 12; ++i) {
    asked.push_back(std::async(std::launch::async, [&, i] {
      return named_->create(draftOf("s" + std::to_string(i)), world_->maker(), {.workspaceLimit = 5});
    }));
  }
  int made = 0;
  for (auto& answer : asked) made += answer.get() ? 1 : 0;
  EXPECT_EQ(made, 5);
  EXPECT_EQ(world_->boxes().size(), 5u);
}

// --- the reaper ------------------------------------------------------------------------------------------------------

TEST_P(Named, ReaperDestroysWhatExpired) {
  const std::int64_t now = must(store_->now());
  for (int i = 0; i < 5; ++i) {
    Begun begun = must(store_->begin(draftOf("s" + std::to_string(i), i % 2 != 0 ? "app" + std::to_string(i) : "")));
    SandboxRecord made = must(world_->make(begun.record));
    made.expiresMs = i < 3 ? now + 1 : now + 3'600'000;
    EXPECT_TRUE(must(store_->finish(made)));
  }
  ASSERT_TRUE(eventually([&] { return must(store_->now()) > now + 1; }));
  std::vector<std::string> told;
  const auto tell = [&](const SandboxRecord& record, const ErrorInfo* error) {
    EXPECT_EQ(error, nullptr);
    told.push_back(record.id);
  };
  Reaper reaper(store_, world_->calls(), {.report = tell});
  EXPECT_EQ(must(reaper.runOnce()).destroyed, 3u);
  EXPECT_EQ(told.size(), 3u);
  EXPECT_EQ(must(reaper.runOnce()).destroyed, 0u);
  EXPECT_EQ(world_->boxes(), (std::vector<std::string>{"s3", "s4"}));
  EXPECT_EQ(must(store_->count("1")), 2);
}

TEST_P(Named, ReapersShareTheWork) {
  const std::int64_t now = must(store_->now());
  constexpr int kBoxes = 30;
  for (int i = 0; i < kBoxes; ++i) {
    Begun begun = must(store_->begin(draftOf("s" + std::to_string(i))));
    SandboxRecord made = must(world_->make(begun.record));
    made.expiresMs = now + 1;
    EXPECT_TRUE(must(store_->finish(made)));
  }
  std::mutex mutex;
  std::multiset<std::string> told;
  const Reaper::Options options = {.interval = milliseconds(10),
                                   .report = [&](const SandboxRecord& record, const ErrorInfo*) {
                                     std::lock_guard lock(mutex);
                                     told.insert(record.id);
                                   }};
  Reaper one(store_, world_->calls(), options);
  Reaper two(open(), world_->calls(), options);
  one.start();
  two.start();
  EXPECT_TRUE(eventually([&] { return must(store_->count("1")) == 0; }));
  one.stop();
  two.stop();
  EXPECT_EQ(told.size(), static_cast<std::size_t>(kBoxes));
  EXPECT_EQ(std::set<std::string>(told.begin(), told.end()).size(), static_cast<std::size_t>(kBoxes));
}

TEST_P(Named, ReaperTriesAgainAfterAPause) {
  must(findOrCreate("s1"));
  EXPECT_TRUE(must(store_->startRemove("s1", milliseconds(0))));
  world_->refuses = true;
  Reaper reaper(store_, world_->calls(), {.pauses = {.first = milliseconds(50)}});
  EXPECT_EQ(must(reaper.runOnce()).failed, 1u);
  world_->refuses = false;
  EXPECT_TRUE(eventually([&] { return must(reaper.runOnce()).destroyed == 1; }));
  EXPECT_TRUE(world_->boxes().empty());
}

TEST_P(Named, ReaperLeavesWhatFailsForEverAloneForLongerAndLonger) {
  must(findOrCreate("s1"));
  EXPECT_TRUE(must(store_->startRemove("s1", milliseconds(0))));
  world_->refuses = true;
  Reaper eager(store_, world_->calls(), {.pauses = {.first = milliseconds(1)}});
  const auto failures = [&] { return must(store_->peek("s1"))->failures; };
  EXPECT_TRUE(eventually([&] { return must(eager.runOnce()).failed == 0 && failures() >= 3; }));
  // The count is the store's: another gateway goes on with it.
  const std::int64_t before = failures();
  Reaper patient(open(), world_->calls(), {});
  EXPECT_TRUE(eventually([&] { return must(patient.runOnce()).failed == 1; }));
  EXPECT_EQ(failures(), before + 1);
  EXPECT_EQ(must(patient.runOnce()).failed, 0u);
  EXPECT_EQ(must(store_->takeDue(1, milliseconds(1000))).size(), 0u);
  EXPECT_FALSE(must(store_->removeFailed(*must(store_->peek("s1"))))) << "nobody has its lease";
  world_->refuses = false;
  EXPECT_TRUE(must(named_->destroy("s1")));
}

TEST(RemovePauses, GrowUpToABound) {
  const RemovePauses pauses = {.first = seconds(60), .longest = seconds(3600)};
  const std::vector<int> expected = {60, 60, 120, 240, 480, 960, 1920, 3600, 3600};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(pauseAfter(static_cast<std::int64_t>(i), pauses), seconds(expected[i])) << i;
  }
  EXPECT_EQ(pauseAfter(std::numeric_limits<std::int64_t>::max(), pauses), seconds(3600));
  EXPECT_EQ(pauseAfter(5, {.first = seconds(7200), .longest = seconds(3600)}), seconds(3600));
}

}  // namespace
}  // namespace computesdk::gateway::test
