#include "fakes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <future>
#include <set>
#include <thread>

namespace computesdk::test {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Once over names in memory, once over the real store.
class NamedTest : public ::testing::TestWithParam<bool> {
 protected:
  NamedTest() {
    if (GetParam()) world.seams.openStore = {};
    world.seams.claims = {.lease = 400ms, .pollMin = 1ms, .pollMax = 10ms};
  }
  /// The store itself, to look into.
  std::shared_ptr<detail::NamedStore> store() {
    if (!GetParam()) return world.store;
    return *detail::openModuleStore(world.folder.path() / "state/named.db");
  }
  std::vector<std::string> keys() {
    std::vector<std::string> all;
    auto listed = store()->list("");
    for (auto& [key, value] : listed.value()) all.push_back(key);
    return all;
  }
  World world{{"one", "two"}};
};

TEST_P(NamedTest, SameNameSameSandbox) {
  Compute compute = world.compute();
  EXPECT_FALSE(compute.sandbox().find({.name = "app"}));
  std::string id;
  {
    Sandbox sandbox = compute.sandbox().findOrCreate({.metadata = {{"k", "v"}}, .name = "app"});
    id = sandbox.sandboxId();
    EXPECT_FALSE(sandbox.owned());
    EXPECT_EQ(sandbox.name(), "app");
    EXPECT_EQ(sandbox.namespace_(), "default");
    const SandboxInfo info = sandbox.getInfo();
    EXPECT_EQ(info.metadata.at("name"), "app");
    EXPECT_EQ(info.metadata.at("namespace"), "default");
    EXPECT_EQ(info.metadata.at("k"), "v");
    EXPECT_EQ(info.metadata.at("parent_sandbox_id").size(), 36u);
  }
  Compute other = world.compute();
  EXPECT_EQ(other.sandbox().findOrCreate({.name = "app"}).sandboxId(), id);
  auto found = other.sandbox().find({.name = "app"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sandboxId(), id);
  EXPECT_EQ(world["one"].count("create"), 1u);
  EXPECT_NE(other.sandbox().findOrCreate({.name = "app", .namespace_ = "other"}).sandboxId(), id);
}

TEST_P(NamedTest, StaleMappingsGoWhenUsed) {
  Compute compute = world.compute();
  const std::string first = compute.sandbox().findOrCreate({.name = "app"}).sandboxId();
  const std::string sibling = compute.sandbox().findOrCreate({.name = "sibling"}).sandboxId();
  ASSERT_TRUE(world["one"].destroy({first, ""}, {}));
  EXPECT_FALSE(compute.sandbox().find({.name = "app"}));
  EXPECT_THAT(keys(), ElementsAre("sandbox:name:0:default:sibling", "sandbox:namespace:0:default",
                                  "sandbox:record:0:" + sibling));
  const std::string second = compute.sandbox().findOrCreate({.name = "app"}).sandboxId();
  EXPECT_NE(first, second);
  compute.sandbox().destroy(second);
  EXPECT_TRUE(compute.sandbox().find({.name = "sibling"})) << "siblings live on";
  compute.sandbox().find({.name = "sibling"})->destroy();
  EXPECT_THAT(keys(), ElementsAre()) << "the parent goes with its last";
}

TEST_P(NamedTest, AbsenceIsNotFailure) {
  Compute compute = world.compute();
  const std::string id = compute.sandbox().findOrCreate({.name = "app"}).sandboxId();
  world["one"].fail = [](std::string_view operation, const auto&) -> std::optional<ErrorInfo> {
    if (operation == "inspect") return failure(ErrorCode::network, "down");
    return std::nullopt;
  };
  auto found = compute.sandbox().find(nothrow, {.name = "app"});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::network);
  world["one"].fail = {};
  EXPECT_EQ(compute.sandbox().find({.name = "app"})->sandboxId(), id) << "and the name is still bound";
}

TEST_P(NamedTest, CreateWithANameRebindsIt) {
  Compute compute = world.compute();
  const std::string first = compute.sandbox().create({.name = "app"}).sandboxId();
  const std::string second = compute.sandbox().create({.name = "app"}).sandboxId();
  EXPECT_NE(first, second);
  EXPECT_EQ(world["one"].boxes().size(), 2u) << "a named one outlives its handle";
  EXPECT_EQ(compute.sandbox().find({.name = "app"})->sandboxId(), second);
  compute.sandbox().destroy(first);
  EXPECT_EQ(compute.sandbox().find({.name = "app"})->sandboxId(), second);
}

TEST_P(NamedTest, NamesStayApart) {
  Compute compute = world.compute();
  auto id = [&](const std::string& nameSpace, const std::string& name) {
    return compute.sandbox().findOrCreate({.name = name, .namespace_ = nameSpace}).sandboxId();
  };
  EXPECT_NE(id("a", "b:c"), id("a:b", "c"));
  EXPECT_NE(id("a", "b%3Ac"), id("a", "b:c"));
  EXPECT_EQ(id("a", "x/ é"), id("a", "x/ é"));
  Compute elsewhere = world.compute({.workspace = "7"});
  EXPECT_FALSE(elsewhere.sandbox().find({.name = "c", .namespace_ = "a:b"}));
}

TEST_P(NamedTest, TheProviderOfANameIsKept) {
  Compute compute = world.compute();
  compute.sandbox().findOrCreate({.name = "app", .provider = "two"});
  EXPECT_EQ(compute.sandbox().findOrCreate({.name = "app"}).provider(), "two");
  EXPECT_EQ(compute.sandbox().findOrCreate(nothrow, {.name = "app", .provider = "one"}).error().code,
            ErrorCode::conflict);
  EXPECT_FALSE(compute.sandbox().find({.name = "app", .provider = "one"}));
}

TEST_P(NamedTest, ManyThreadsGetOne) {
  Compute compute = world.compute();
  std::mutex mutex;
  std::set<std::string> ids;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 12; ++i) {
      threads.emplace_back([&] {
        const std::string id = compute.sandbox().findOrCreate({.name = "app"}).sandboxId();
        std::lock_guard lock(mutex);
        ids.insert(id);
      });
    }
  }
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(world["one"].boxes().size(), 1u);
}

TEST_P(NamedTest, ALongCreateKeepsItsClaim) {
  std::atomic<int> creates = 0;
  std::promise<void> inCreate;
  world["one"].onCreate = [&](const auto&, const auto&) {
    if (creates.fetch_add(1) > 0) return;
    inCreate.set_value();
    // Three leases long: without a sign of life the claim would be taken over.
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, 1200ms, [] { return false; });
  };
  Compute compute = world.compute();
  std::string first;
  std::jthread maker([&] { first = compute.sandbox().findOrCreate({.name = "app"}).sandboxId(); });
  inCreate.get_future().wait();
  const std::string second = compute.sandbox().findOrCreate({.name = "app"}).sandboxId();
  maker.join();
  EXPECT_EQ(first, second);
  EXPECT_EQ(creates, 1);
}

TEST_P(NamedTest, ADeadClaimantIsSucceeded) {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  Compute compute = world.compute();
  compute.sandbox().findOrCreate({.name = "other"});
  ASSERT_TRUE(store()->claim("sandbox:name:0:default:app", "a dead one", now.count(), now.count() + 300).value());
  EXPECT_TRUE(compute.sandbox().findOrCreate({.name = "app"}).sandboxId().starts_with("one_"));
}

TEST_P(NamedTest, ALostClaimLeavesNothingBehind) {
  // While the first is in create its claim is taken away, as after a long stop of the whole process.
  std::atomic<int> creates = 0;
  world["one"].onCreate = [&](const auto&, const auto&) {
    if (creates.fetch_add(1) > 0) return;
    const auto later = std::chrono::system_clock::now().time_since_epoch() / 1ms + 60'000;
    ASSERT_TRUE(store()->claim("sandbox:name:0:default:app", "thief", later, later + 1).value());
    const std::vector<detail::StoreStep> drop = {
        {detail::StoreStep::Kind::dropClaim, "sandbox:name:0:default:app", "thief"}};
    ASSERT_TRUE(store()->apply(drop).value());
  };
  Compute compute = world.compute();
  const std::string id = compute.sandbox().findOrCreate({.name = "app"}).sandboxId();
  EXPECT_EQ(id, "one_2");
  EXPECT_EQ(world["one"].count("destroy one_1"), 1u);
  EXPECT_EQ(world["one"].boxes().size(), 1u);
}

TEST_P(NamedTest, WaitingCanBeStoppedAndRunsOut) {
  const auto now = std::chrono::system_clock::now().time_since_epoch() / 1ms;
  Compute compute = world.compute();
  compute.sandbox().findOrCreate({.name = "other"});
  ASSERT_TRUE(store()->claim("sandbox:name:0:default:app", "a slow one", now, now + 60'000).value());
  auto late = compute.sandbox().findOrCreate(nothrow, {.name = "app", .createTimeout = 30ms});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::timeout);
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  auto stopped = compute.sandbox().findOrCreate(nothrow, {.name = "app", .stop = stop.get_token()});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
}

TEST_P(NamedTest, AFailedCreateFreesTheName) {
  world["one"].fail = [](std::string_view operation, const auto&) -> std::optional<ErrorInfo> {
    if (operation == "create") return failure(ErrorCode::quota, "full");
    return std::nullopt;
  };
  Compute compute = world.compute();
  EXPECT_EQ(compute.sandbox().findOrCreate(nothrow, {.name = "app"}).error().code, ErrorCode::quota);
  world["one"].fail = {};
  const auto start = std::chrono::steady_clock::now();
  compute.sandbox().findOrCreate({.name = "app"});
  EXPECT_LT(std::chrono::steady_clock::now() - start, 300ms) << "no lease has to run out";
}

TEST_P(NamedTest, SwitchedOffSaysTheDocumentedWords) {
  Compute compute = world.compute({.namedSandboxes = false});
  for (const char* method : {"findOrCreate", "find"}) {
    const std::string expected = "Provider 'one' does not support " + std::string(method) +
                                 ".\nThis feature requires gateway provider with named sandbox support.";
    const ErrorInfo error = method == std::string("find")
                                ? compute.sandbox().find(nothrow, {.name = "app"}).error()
                                : compute.sandbox().findOrCreate(nothrow, {.name = "app"}).error();
    EXPECT_EQ(error.firstLine(), expected);
    EXPECT_EQ(error.code, ErrorCode::unsupported);
  }
}

TEST_P(NamedTest, ProvidersWithNamesOfTheirOwnKeepThem) {
  world["one"].has.named = true;
  Compute compute = world.compute({.namedSandboxes = false});
  EXPECT_FALSE(compute.sandbox().find({.name = "app"}));
  Sandbox sandbox = compute.sandbox().findOrCreate({.name = "app"});
  EXPECT_EQ(sandbox.sandboxId(), "named_1");
  EXPECT_EQ(sandbox.name(), "app");
  EXPECT_FALSE(sandbox.owned());
  EXPECT_TRUE(compute.sandbox().find({.name = "app"}));
  EXPECT_EQ(world["one"].count("create"), 0u);
}

TEST_P(NamedTest, RefusesBadNames) {
  Compute compute = world.compute();
  EXPECT_EQ(compute.sandbox().find(nothrow, {}).error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(compute.sandbox().findOrCreate(nothrow, {}).error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(compute.sandbox().findOrCreate(nothrow, {.name = "a\tb"}).error().code, ErrorCode::invalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Stores, NamedTest, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Sqlite" : "Memory"; });

TEST(ModuleStore, KeepsItsFilesPrivateAndItsData) {
  TempFolder folder;
  const auto file = folder.path() / "deep/er/named.db";
  using Step = detail::StoreStep;
  {
    auto store = *detail::openModuleStore(file);
    const std::vector<Step> steps = {{Step::Kind::set, "k\xff", "v'\n\""}, {Step::Kind::setIfAbsent, "k\xff", "other"}};
    EXPECT_TRUE(store->apply(steps).value());
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path() / "deep")) {
    struct stat status {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, entry.is_directory() ? 0700u : 0600u) << entry.path();
  }
  auto store = *detail::openModuleStore(file);
  EXPECT_EQ(store->get("k\xff").value(), "v'\n\"");
  const std::vector<Step> refused = {{Step::Kind::set, "x", "1"}, {Step::Kind::requireEquals, "x", "2"}};
  EXPECT_FALSE(store->apply(refused).value());
  EXPECT_FALSE(store->get("x").value()) << "undone as a whole";
}

TEST(ModuleStore, SaysWhyItCannotBeOpened) {
  TempFolder folder;
  const auto rubbish = folder.path() / "named.db";
  std::ofstream(rubbish) << std::string(5000, 'x');
  auto opened = detail::openModuleStore(rubbish);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::store);
  EXPECT_THAT(opened.error().what, HasSubstr(rubbish.string()));
  EXPECT_FALSE(opened.error().why.empty());
  EXPECT_THAT(opened.error().fix, HasSubstr("mv " + rubbish.string()));
  EXPECT_FALSE(detail::openModuleStore(rubbish / "below"));
}

TEST(ModuleStore, AFifoIsNotWaitedFor) {
  TempFolder folder;
  const auto fifo = folder.path() / "named.db";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  auto opened = detail::openModuleStore(fifo);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().why, HasSubstr("not a regular file"));
}

TEST(ModuleStore, AFolderThatOthersMayWriteIsNoPlaceForTokens) {
  TempFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  auto opened = detail::openModuleStore(folder.path() / "named.db");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().fix, "chmod 700 " + folder.path().string());
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "named.db"));
}

}  // namespace
}  // namespace computesdk::test
