#include "support.hpp"

namespace computesdk::gateway::test {
namespace {

class Names : public StoreTest {
 protected:
  Begun claim(const std::string& id, const std::string& name, milliseconds lease = seconds(15)) {
    return must(store_->begin(draftOf(id, name), {.mode = NameMode::claim, .lease = lease}));
  }
};
INSTANTIATE_TEST_SUITE_P(, Names, testing::Values(Backend::sqlite, Backend::redis), backendName);

TEST_P(Names, RecordComesBackAsItWasWritten) {
  const SandboxRecord made = make(*store_, draftOf("s1", "app"), 0);
  EXPECT_EQ(made.state, SandboxState::running);
  EXPECT_EQ(made.token, std::string("\0\xff\x01 bytes", 9));
  EXPECT_EQ(made.envs.at("B"), "two words");
  EXPECT_GT(made.createdMs, 1'600'000'000'000);
  EXPECT_EQ(made.parentId.size(), 36u);
  EXPECT_EQ(must(open()->get("s1")), made);
  EXPECT_EQ(must(open()->find({"1", "default", "app"})), made);
}

TEST_P(Names, NothingIsFoundWhereNothingIs) {
  EXPECT_FALSE(must(store_->get("nobody")));
  EXPECT_FALSE(must(store_->find({"1", "default", "nobody"})));
  EXPECT_FALSE(must(store_->startRemove("nobody")));
  EXPECT_FALSE(must(store_->remove("nobody")));
  EXPECT_FALSE(must(store_->extend("nobody", seconds(1))));
  EXPECT_FALSE(must(store_->update("nobody", {.token = "t"})));
  EXPECT_TRUE(must(store_->list("1")).empty());
  EXPECT_EQ(must(store_->count("1")), 0);
}

TEST_P(Names, WorkspacesNamespacesAndNamesAreApart) {
  auto in = [](const std::string& id, const std::string& workspace, const std::string& space, const std::string& name) {
    SandboxRecord draft = draftOf(id, name, workspace);
    draft.nameSpace = space;
    return draft;
  };
  const std::vector<SandboxRecord> drafts = {
      in("a", "1", "default", "app"),  in("b", "2", "default", "app"),     in("c", "1", "other", "app"),
      in("d", "1", "default", "app2"), in("e", "1", "a", "b:c"),           in("f", "1", "a:b", "c"),
      in("g", "1", "a%3Ab", "c"),      in("h", "1", "x/y", "ein Wört: %"),
  };
  for (const auto& draft : drafts) make(*store_, draft);
  for (const auto& draft : drafts) {
    auto found = must(store_->find({draft.workspace, draft.nameSpace, draft.name}));
    ASSERT_TRUE(found) << draft.id;
    EXPECT_EQ(found->id, draft.id);
  }
}

TEST_P(Names, OneMakerTheOthersSeeHisDraft) {
  const Begun first = claim("s1", "app");
  ASSERT_EQ(first.kind, Begun::Kind::begun);
  const Begun second = must(open()->begin(draftOf("s2", "app"), {.mode = NameMode::claim}));
  EXPECT_EQ(second.kind, Begun::Kind::held);
  EXPECT_EQ(second.record.id, "s1");
  EXPECT_FALSE(must(store_->find({"1", "default", "app"})));
  EXPECT_TRUE(must(store_->finish(madeOf(first.record))));
  const Begun third = claim("s3", "app");
  EXPECT_EQ(third.kind, Begun::Kind::exists);
  EXPECT_EQ(third.record.id, "s1");
  EXPECT_EQ(must(store_->count("1")), 1);
}

TEST_P(Names, AbandoningLeavesNothing) {
  const Begun first = claim("s1", "app");
  must(store_->abandon(first.record));
  EXPECT_EQ(must(store_->count("1")), 0);
  EXPECT_FALSE(must(store_->peek("s1")));
  const Begun second = claim("s2", "app");
  EXPECT_EQ(second.kind, Begun::Kind::begun);
  EXPECT_NE(second.record.parentId, first.record.parentId);
  // Who comes late changes nothing.
  must(store_->abandon(first.record));
  EXPECT_FALSE(must(store_->finish(madeOf(first.record))));
  EXPECT_TRUE(must(store_->finish(madeOf(second.record))));
}

TEST_P(Names, LapsedMakerLosesHisPlace) {
  const Begun first = claim("s1", "app", milliseconds(1));
  ASSERT_EQ(first.kind, Begun::Kind::begun);
  must(store_->waitForName({"1", "default", "app"}, SteadyClock::now() + seconds(20)));
  const Begun second = claim("s2", "app");
  ASSERT_EQ(second.kind, Begun::Kind::begun);
  EXPECT_FALSE(must(store_->renew(first.record, seconds(5))));
  EXPECT_FALSE(must(store_->finish(madeOf(first.record))));
  EXPECT_TRUE(must(store_->finish(madeOf(second.record))));
  EXPECT_EQ(must(store_->find({"1", "default", "app"}))->id, "s2");
  // The reaper gets the first one, without an id of the provider's, and nobody else does.
  const auto due = must(store_->takeDue(10, seconds(60)));
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].id, "s1");
  EXPECT_EQ(due[0].providerId, "");
  EXPECT_TRUE(must(open()->takeDue(10, seconds(60))).empty());
}

TEST_P(Names, RenewedMakerKeepsHisPlace) {
  const Begun first = claim("s1", "app", milliseconds(200));
  for (const auto until = SteadyClock::now() + milliseconds(500); SteadyClock::now() < until;) {
    ASSERT_TRUE(must(store_->renew(first.record, milliseconds(200))));
  }
  EXPECT_TRUE(must(store_->takeDue(10, seconds(60))).empty());
  EXPECT_EQ(claim("s2", "app").kind, Begun::Kind::held);
  EXPECT_TRUE(must(store_->finish(madeOf(first.record))));
}

TEST_P(Names, CreatePointsTheNameAtTheNewOne) {
  const SandboxRecord old = make(*store_, draftOf("s1", "app"));
  const SandboxRecord fresh = make(*store_, draftOf("s2", "app"));
  EXPECT_EQ(fresh.parentId, old.parentId);
  EXPECT_EQ(must(store_->find({"1", "default", "app"}))->id, "s2");
  EXPECT_TRUE(must(store_->get("s1")));
  // The name outlives the one that had it before.
  EXPECT_TRUE(must(store_->remove("s1")));
  EXPECT_EQ(must(store_->find({"1", "default", "app"}))->id, "s2");
}

TEST_P(Names, CreateInTheMiddleOfFindOrCreateWins) {
  const Begun first = claim("s1", "app");
  make(*store_, draftOf("s2", "app"));
  EXPECT_FALSE(must(store_->finish(madeOf(first.record))));
  EXPECT_EQ(claim("s3", "app").record.id, "s2");
}

TEST_P(Names, ParentGoesWithItsLastChild) {
  const std::string parent = make(*store_, draftOf("s1", "one")).parentId;
  EXPECT_EQ(make(*store_, draftOf("s2", "two")).parentId, parent);
  EXPECT_TRUE(must(store_->remove("s1")));
  EXPECT_EQ(make(*store_, draftOf("s3", "three")).parentId, parent);
  EXPECT_TRUE(must(store_->remove("s2")));
  EXPECT_TRUE(must(store_->remove("s3")));
  EXPECT_NE(make(*store_, draftOf("s4", "four")).parentId, parent);
}

TEST_P(Names, WhatIsBeingRemovedIsNotFound) {
  make(*store_, draftOf("s1", "app"));
  const auto removing = must(store_->startRemove("s1"));
  ASSERT_TRUE(removing);
  EXPECT_EQ(removing->providerId, "box-s1");
  EXPECT_FALSE(must(store_->startRemove("s1")));
  EXPECT_FALSE(must(store_->get("s1")));
  EXPECT_FALSE(must(store_->find({"1", "default", "app"})));
  EXPECT_FALSE(must(store_->extend("s1", seconds(5))));
  EXPECT_EQ(must(store_->count("1")), 1);
  EXPECT_EQ(claim("s2", "app").kind, Begun::Kind::begun);
  EXPECT_FALSE(must(store_->remove("s1", "another's lease")));
  EXPECT_TRUE(must(store_->remove("s1", removing->lease)));
  EXPECT_EQ(must(store_->count("1")), 1);
}

TEST_P(Names, ExpiredOneIsGoneAndItsNameFree) {
  const std::int64_t now = must(store_->now());
  make(*store_, draftOf("s1", "app"), now + 1);
  ASSERT_TRUE(eventually([&] { return must(store_->now()) > now + 1; }));
  EXPECT_FALSE(must(store_->get("s1")));
  EXPECT_FALSE(must(store_->find({"1", "default", "app"})));
  EXPECT_FALSE(must(store_->extend("s1", seconds(60))));
  EXPECT_TRUE(must(store_->list("1")).empty());
  EXPECT_EQ(claim("s2", "app").kind, Begun::Kind::begun);
  const auto due = must(store_->takeDue(10, seconds(60)));
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].id, "s1");
}

TEST_P(Names, MappingWithoutRecordIsStale) {
  // As an operator could leave it behind.
  const Begun begun = claim("s1", "app");
  EXPECT_TRUE(must(store_->finish(madeOf(begun.record))));
  EXPECT_TRUE(must(store_->remove("s1")));
  EXPECT_EQ(claim("s2", "app").kind, Begun::Kind::begun);
}

TEST_P(Names, ExtendOnlyEverAdds) {
  const std::int64_t now = must(store_->now());
  make(*store_, draftOf("s1"), now + 60'000);
  EXPECT_EQ(must(store_->extend("s1", seconds(10))), now + 60'000);
  const auto longer = must(store_->extend("s1", seconds(900)));
  ASSERT_TRUE(longer);
  EXPECT_GE(*longer, now + 900'000);
  EXPECT_EQ(must(store_->get("s1"))->expiresMs, *longer);
  const auto capped = must(store_->extend("s1", std::chrono::hours(24 * 365 * 1000), std::chrono::hours(1)));
  EXPECT_EQ(capped, must(store_->get("s1"))->createdMs + 3'600'000);
  make(*store_, draftOf("s2"), 0);
  EXPECT_EQ(must(store_->extend("s2", seconds(5))), 0);
}

TEST_P(Names, LimitOfAWorkspaceHolds) {
  const BeginOptions two = {.workspaceLimit = 2};
  EXPECT_EQ(must(store_->begin(draftOf("s1"), two)).kind, Begun::Kind::begun);
  EXPECT_EQ(must(store_->begin(draftOf("s2", "app"), two)).kind, Begun::Kind::begun);
  EXPECT_EQ(must(store_->begin(draftOf("s3", "other"), two)).kind, Begun::Kind::full);
  EXPECT_EQ(must(store_->begin(draftOf("s4", {}, "2"), two)).kind, Begun::Kind::begun);
  EXPECT_TRUE(must(store_->remove("s1")));
  EXPECT_EQ(must(store_->begin(draftOf("s5"), two)).kind, Begun::Kind::begun);
}

TEST_P(Names, TextThatCannotBeKeptIsRefused) {
  const std::string nul("a\0b", 3);
  EXPECT_EQ(store_->begin(draftOf("s1", nul)).error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(store_->begin(draftOf("")).error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(store_->begin(draftOf("s1"), {.mode = NameMode::claim}).error().code, ErrorCode::invalidArgument);
  make(*store_, draftOf("s1"));
  EXPECT_EQ(store_->begin(draftOf("s1")).error().code, ErrorCode::alreadyExists);
}

TEST_P(Names, ListIsByAgeAndOfOneWorkspace) {
  for (const char* id : {"s3", "s1", "s2"}) {
    make(*store_, draftOf(id));
    const std::int64_t now = must(store_->now());
    ASSERT_TRUE(eventually([&] { return must(store_->now()) > now; }));
  }
  make(*store_, draftOf("s4", {}, "2"));
  EXPECT_EQ(must(store_->begin(draftOf("s5"))).kind, Begun::Kind::begun);
  std::vector<std::string> ids;
  for (const auto& record : must(store_->list("1"))) ids.push_back(record.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"s3", "s1", "s2"}));
}

TEST_P(Names, UpdateChangesOnlyWhatIsGiven) {
  SandboxRecord made = make(*store_, draftOf("s1"));
  EXPECT_TRUE(must(store_->update("s1", {.token = "new", .details = "{}"})));
  made.token = "new";
  made.details = "{}";
  EXPECT_EQ(must(store_->get("s1")), made);
}

}  // namespace
}  // namespace computesdk::gateway::test
