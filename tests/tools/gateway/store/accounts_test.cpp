#include "support.hpp"

#include "store/rate.hpp"

namespace computesdk::gateway::test {
namespace {

class Accounts : public StoreTest {};
INSTANTIATE_TEST_SUITE_P(, Accounts, testing::Values(Backend::sqlite, Backend::redis), backendName);

TEST_P(Accounts, KeysAreAddedFoundAndRevoked) {
  const ApiKey first = must(store_->addKey({.id = "k1", .hash = "h1", .workspace = "1", .label = "laptop"}));
  EXPECT_GT(first.createdMs, 0);
  must(store_->addKey({.id = "k2", .hash = "h2", .workspace = "2"}));
  EXPECT_EQ(store_->addKey({.id = "k1", .hash = "h3", .workspace = "1"}).error().code, ErrorCode::alreadyExists);
  EXPECT_EQ(store_->addKey({.id = "k3", .hash = "h1", .workspace = "1"}).error().code, ErrorCode::alreadyExists);
  EXPECT_EQ(must(open()->keyByHash("h1")), first);
  EXPECT_FALSE(must(store_->keyByHash("h3")));
  EXPECT_EQ(must(store_->keys()).size(), 2u);
  ASSERT_EQ(must(store_->keys("2")).size(), 1u);
  EXPECT_EQ(must(store_->keys("2"))[0].id, "k2");
  EXPECT_TRUE(must(store_->revokeKey("k1")));
  const auto revoked = must(open()->keyByHash("h1"))->revokedMs;
  EXPECT_GE(revoked, first.createdMs);
  EXPECT_TRUE(must(store_->revokeKey("k1")));
  EXPECT_EQ(must(store_->keyByHash("h1"))->revokedMs, revoked);
  EXPECT_FALSE(must(store_->revokeKey("nobody")));
}

TEST_P(Accounts, SnapshotsAreKeptByWorkspace) {
  SnapshotRecord snapshot;
  snapshot.id = "p1";
  snapshot.workspace = "1";
  snapshot.provider = "local";
  snapshot.token = std::string("\0x", 2);
  snapshot.name = "before";
  snapshot = must(store_->addSnapshot(snapshot));
  EXPECT_EQ(must(store_->snapshot("p1")), snapshot);
  EXPECT_EQ(must(store_->snapshots("1")), std::vector{snapshot});
  EXPECT_TRUE(must(store_->snapshots("2")).empty());
  EXPECT_EQ(store_->addSnapshot(snapshot).error().code, ErrorCode::alreadyExists);
  EXPECT_TRUE(must(store_->removeSnapshot("p1")));
  EXPECT_FALSE(must(store_->removeSnapshot("p1")));
  EXPECT_FALSE(must(store_->snapshot("p1")));
}

TEST_P(Accounts, SecretIsTheFirstOneForAll) {
  const std::string bytes("\x01\0\xfe", 3);
  EXPECT_EQ(must(store_->sharedSecret("signing", bytes)), bytes);
  EXPECT_EQ(must(open()->sharedSecret("signing", "another")), bytes);
  EXPECT_EQ(must(store_->sharedSecret("other", "another")), "another");
}

TEST_P(Accounts, LimitIsSharedAndSaysWhenToComeBack) {
  auto other = open();
  for (int i = 0; i < 5; ++i) {
    const RateAnswer answer = must((i % 2 != 0 ? *store_ : *other).hit("key:k1", 5, std::chrono::hours(1)));
    EXPECT_TRUE(answer.allowed);
    EXPECT_EQ(answer.remaining, 4 - i);
  }
  const RateAnswer answer = must(store_->hit("key:k1", 5, std::chrono::hours(1)));
  EXPECT_FALSE(answer.allowed);
  EXPECT_GT(answer.retryAfterMs, 0);
  EXPECT_LE(answer.retryAfterMs, 2 * 3'600'000);
  EXPECT_TRUE(must(store_->hit("key:k2", 5, std::chrono::hours(1))).allowed);
  EXPECT_FALSE(must(store_->hit("key:k3", 0, std::chrono::hours(1))).allowed);
}

TEST_P(Accounts, RefusedRequestsDoNotCountAndTheWindowMoves) {
  ASSERT_TRUE(must(store_->hit("k", 1, milliseconds(30))).allowed);
  EXPECT_TRUE(eventually([&] { return must(store_->hit("k", 1, milliseconds(30))).allowed; }));
}

TEST_P(Accounts, AuditIsNewestFirst) {
  for (int i = 0; i < 3; ++i) {
    must(store_->audit({.workspace = i == 1 ? "2" : "1",
                        .actor = "k1",
                        .action = "sandbox.create",
                        .target = "s" + std::to_string(i),
                        .outcome = "ok"}));
  }
  const auto all = must(open()->auditTail(10));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].target, "s2");
  EXPECT_GT(all[0].timeMs, 0);
  const auto one = must(store_->auditTail(1, "1"));
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].target, "s2");
  EXPECT_EQ(must(store_->auditTail(10, "1")).size(), 2u);
}

TEST_P(Accounts, AuditIsKeptWithinItsLimitAndReadInPages) {
  auto small = open({.auditKeep = 700});
  for (int i = 0; i < 800; ++i) must(small->audit({.workspace = "1", .action = std::to_string(i)}));
  const auto all = must(small->auditTail(10'000));
  ASSERT_GE(all.size(), 700u);
  EXPECT_LE(all.size(), 800u);
  EXPECT_EQ(all.front().action, "799");
  EXPECT_EQ(all[699].action, "100");
}

TEST(RateWindow, WindowBeforeFadesOut) {
  // 10 a second; all of them were used in the window before.
  const RateWindow used = {7, 10, 0};
  EXPECT_FALSE(used.at(7'999, 1000).admits(7'999, 10, 1000));
  EXPECT_FALSE(used.at(8'000, 1000).admits(8'000, 10, 1000));
  EXPECT_TRUE(used.at(8'100, 1000).admits(8'100, 10, 1000));
  EXPECT_TRUE(used.at(9'000, 1000).admits(9'000, 10, 1000));
  EXPECT_EQ(rateAnswer(used, false, 7'400, 10, 1000).retryAfterMs, 700);
  EXPECT_EQ(rateAnswer(used.at(8'050, 1000), false, 8'050, 10, 1000).retryAfterMs, 50);
}

}  // namespace
}  // namespace computesdk::gateway::test
