#include "fakes.hpp"

#include "memory/sandbox_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <future>
#include <thread>

namespace computesdk::test {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

Result<ExitStatus> exited(int code) {
  ExitStatus status;
  status.kind = ExitStatus::Kind::code;
  status.value = code;
  return status;
}

TEST(Create, OwnsAndDestroys) {
  World world;
  Compute compute = world.compute();
  { const Sandbox sandbox = compute.sandbox().create(); }
  EXPECT_EQ(world["one"].count("destroy one_1"), 1u);
  {
    Sandbox sandbox = compute.sandbox().create();
    sandbox.destroy();
    sandbox.destroy();
  }
  EXPECT_EQ(world["one"].count("destroy one_2"), 1u);
  EXPECT_EQ(world["one"].count("release"), 0u);
}

TEST(Create, KeptAndReleasedOnesLiveOn) {
  World world;
  Compute compute = world.compute();
  { const Sandbox sandbox = compute.sandbox().create({.keep = true}); }
  std::string id;
  { id = compute.sandbox().create().release(); }
  EXPECT_EQ(world["one"].boxes().size(), 2u);
  EXPECT_EQ(world["one"].count("release"), 2u) << "the provider is told that nobody holds them";
  {
    auto found = compute.sandbox().getById(id);
    ASSERT_TRUE(found);
    EXPECT_FALSE(found->owned());
    found->adopt();
  }
  EXPECT_EQ(world["one"].boxes().size(), 1u);
}

TEST(Create, MovingMovesTheOwnership) {
  World world;
  Compute compute = world.compute();
  {
    Sandbox first = compute.sandbox().create();
    Sandbox second = std::move(first);
    second = compute.sandbox().create();
    EXPECT_EQ(world["one"].count("destroy one_1"), 1u);
    EXPECT_EQ(second.sandboxId(), "one_2");
  }
  EXPECT_TRUE(world["one"].boxes().empty());
}

TEST(Create, HandsOnWhatWasAskedFor) {
  World world;
  registry::CreateRequest got;
  world["one"].onCreate = [&](const registry::CreateRequest& request, const auto&) { got = request; };
  Compute compute = world.compute();
  compute.sandbox().create({.timeout = 0ms, .metadata = {{"a", "b"}}, .envs = {{"C", "d"}}, .ports = {80}});
  EXPECT_LT(got.timeout->count(), 0) << "0 means no end";
  EXPECT_EQ(got.metadata.at("a"), "b");
  EXPECT_EQ(got.env.at("C"), "d");
  EXPECT_EQ(got.ports.at(0), 80);
  EXPECT_FALSE(got.idempotencyKey.empty());
}

TEST(Create, RefusesNonsense) {
  World world;
  Compute compute = world.compute();
  for (const CreateOptions& bad :
       {CreateOptions{.timeout = -1ms}, CreateOptions{.envs = {{"A=", "b"}}}, CreateOptions{.envs = {{"", "b"}}},
        CreateOptions{.name = "a\nb"}, CreateOptions{.name = std::string(300, 'a')}, CreateOptions{.ports = {0}},
        CreateOptions{.memoryBytes = -1}, CreateOptions{.createTimeout = 0ms}}) {
    auto made = compute.sandbox().create(nothrow, bad);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::invalidArgument);
  }
  EXPECT_EQ(world["one"].count("create"), 0u);
}

TEST(Create, CancelledDestroysWhatWasMade) {
  World world;
  Compute compute = world.compute();
  std::stop_source stop;
  world["one"].onCreate = [&](const auto&, const auto&) { stop.request_stop(); };
  auto made = compute.sandbox().create(nothrow, {.stop = stop.get_token()});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::cancelled);
  EXPECT_TRUE(made.error().orphanGone);
  EXPECT_TRUE(world["one"].boxes().empty());
  EXPECT_FALSE(compute.sandbox().create(nothrow, {.stop = stop.get_token()}));
  EXPECT_EQ(world["one"].count("create"), 1u);
}

TEST(Create, DestroysWhatAFailedOneHadBegun) {
  World world({"one", "two"});
  world["one"].fail = [](std::string_view operation, const registry::CallContext& context) -> std::optional<ErrorInfo> {
    if (operation != "create") return std::nullopt;
    registry::SandboxRecord begun;
    begun.info.id = "half";
    context.onSandboxBegun(begun);
    ErrorInfo error = failure(ErrorCode::network, "lost");
    error.maybeApplied = true;
    return error;
  };
  Compute compute = world.compute({.providers = {"one", "two"}, .fallbackOnError = true});
  EXPECT_EQ(compute.sandbox().create().provider(), "two") << "nothing is left, so another may be tried";
  EXPECT_EQ(world["one"].count("destroy half"), 1u);
}

TEST(Create, RemembersWhatCouldNotBeDestroyedForReap) {
  World world;
  std::atomic<bool> broken = true;
  world["one"].fail = [&](std::string_view operation, const auto&) -> std::optional<ErrorInfo> {
    if (operation == "destroy" && broken) return failure(ErrorCode::network, "down");
    return std::nullopt;
  };
  Compute compute = world.compute();
  { const Sandbox sandbox = compute.sandbox().create(); }
  EXPECT_THAT(world.log, ::testing::Contains(HasSubstr("cannot destroy sandbox one_1")));
  EXPECT_TRUE(compute.sandbox().reap().empty());
  broken = false;
  EXPECT_THAT(compute.sandbox().reap(), ::testing::ElementsAre("one_1"));
  EXPECT_TRUE(world["one"].boxes().empty());
  EXPECT_TRUE(compute.sandbox().reap().empty());
}

TEST(Create, DestructorIsBounded) {
  World world;
  world.seams.destructorPatience = 50ms;
  std::promise<void> end;
  auto ended = end.get_future().share();
  auto called = std::make_shared<std::promise<void>>();
  world["one"].fail = [&, called](std::string_view operation, const auto&) -> std::optional<ErrorInfo> {
    if (operation == "destroy") {
      ended.wait();
      called->set_value();
    }
    return std::nullopt;
  };
  Compute compute = world.compute();
  const auto start = std::chrono::steady_clock::now();
  { const Sandbox sandbox = compute.sandbox().create(); }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
  EXPECT_EQ(detail::SandboxMemory(world.folder.path() / "state").unfinished().size(), 1u);
  end.set_value();
  called->get_future().wait();
}

TEST(Memory, AnotherProgramFindsTheSandbox) {
  World world({"one", "two"});
  std::string token;
  world["two"].onExec = [&](const registry::Target& target, const auto&, const auto&, const auto&) {
    token = target.token;
    return exited(0);
  };
  const std::string id = world.compute().sandbox().create({.provider = "two", .keep = true}).sandboxId();
  Compute other = world.compute();
  auto found = other.sandbox().getById(id);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->provider(), "two");
  EXPECT_EQ(world["one"].count("inspect"), 0u) << "it is known where it lives";
  found->runCommand("x");
  EXPECT_EQ(token, "token-1");
  other.sandbox().destroy(id);
  EXPECT_FALSE(other.sandbox().getById(id));
  other.sandbox().destroy(id);
}

TEST(Memory, OneShotsAndLocalAreNeverWritten) {
  World world({"local"});
  world["local"].manifest_.detect.always = true;
  Compute compute = world.compute();
  const Sandbox sandbox = compute.sandbox().create();
  EXPECT_FALSE(std::filesystem::exists(world.folder.path() / "state"));
  EXPECT_TRUE(compute.sandbox().getById(sandbox.sandboxId()));
  World remote;
  Compute other = remote.compute();
  const Sandbox oneShot = other.sandbox().create({.dieWithHost = true});
  EXPECT_FALSE(std::filesystem::exists(remote.folder.path() / "state"));
}

TEST(Lookup, AsksLocalFirstAndTellsAbsenceFromFailure) {
  World world({"one", "local"});
  world["local"].manifest_.detect.always = true;
  Compute compute = world.compute();
  const Sandbox sandbox = compute.sandbox().create({.provider = "local"});
  EXPECT_EQ(compute.sandbox().getById(sandbox.sandboxId())->provider(), "local");
  EXPECT_EQ(world["one"].count("inspect"), 0u);
  EXPECT_FALSE(compute.sandbox().getById("nowhere"));
  EXPECT_EQ(world["one"].count("inspect"), 1u);
  world["one"].fail = [](std::string_view operation, const auto&) -> std::optional<ErrorInfo> {
    if (operation == "inspect") return failure(ErrorCode::network, "down");
    return std::nullopt;
  };
  auto unknown = compute.sandbox().getById(nothrow, "nowhere");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::network);
  EXPECT_EQ(compute.sandbox().getById(nothrow, "").error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(compute.sandbox().getById(nothrow, std::string(257, 'x')).error().code, ErrorCode::invalidArgument);
}

TEST(Lookup, NeverWakesOrExtends) {
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  world["one"].stop(sandbox.sandboxId());
  compute.sandbox().getById(sandbox.sandboxId());
  compute.sandbox().list();
  sandbox.getInfo();
  EXPECT_EQ(world["one"].count("attach"), 0u);
}

TEST(List, FiltersLimitsAndSaysWhatCannotBe) {
  World world({"one", "two"});
  world["two"].has.list = false;
  Compute compute = world.compute({.providers = {"one", "two"}});
  const Sandbox a = compute.sandbox().create({.metadata = {{"k", "1"}}});
  const Sandbox b = compute.sandbox().create({.metadata = {{"k", "2"}}});
  EXPECT_EQ(compute.sandbox().list().size(), 2u);
  EXPECT_EQ(compute.sandbox().list({.limit = 1}).size(), 1u);
  EXPECT_EQ(compute.sandbox().list({.metadata = {{"k", "2"}}}).at(0).id, b.sandboxId());
  auto none = compute.sandbox().list(nothrow, {.provider = "two"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().what, "Provider 'two' does not support list.");
  EXPECT_EQ(none.error().code, ErrorCode::unsupported);
}

TEST(List, GatewayThatCannot) {
  World world({"gateway"});
  world["gateway"].fail = [](std::string_view operation, const auto&) -> std::optional<ErrorInfo> {
    if (operation == "list") return failure(ErrorCode::unsupported, "404");
    return std::nullopt;
  };
  auto none = world.compute().sandbox().list(nothrow);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().what, HasSubstr("does not support listing sandboxes"));
  EXPECT_THAT(none.error().what, HasSubstr("getById"));
}

TEST(Attach, OnceAfterStoppedThenTheOperationOnceMore) {
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  std::string token;
  world["one"].onExec = [&](const registry::Target& target, const auto&, const auto&, const auto&) {
    token = target.token;
    return exited(3);
  };
  world["one"].stop(sandbox.sandboxId());
  EXPECT_EQ(sandbox.runCommand("x").exitCode, 3);
  EXPECT_EQ(world["one"].count("attach"), 1u);
  EXPECT_EQ(world["one"].count("exec"), 2u);
  EXPECT_EQ(token, "attached");
}

TEST(Attach, NotAgainWhenItDidNotHelp) {
  World world;
  world["one"].fail = [](std::string_view operation, const auto&) -> std::optional<ErrorInfo> {
    if (operation == "exec") return failure(ErrorCode::sandboxStopped, "asleep");
    return std::nullopt;
  };
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  auto ended = sandbox.runCommand(nothrow, "x");
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::sandboxStopped);
  EXPECT_EQ(ended.error().sandboxId, "one_1");
  EXPECT_EQ(ended.error().provider, "one");
  EXPECT_EQ(ended.error().requestId.size(), 16u);
  EXPECT_EQ(world["one"].count("attach"), 1u);
  EXPECT_EQ(world["one"].count("exec"), 2u);
}

TEST(Attach, OnceForManyCallers) {
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  std::barrier all(8);
  std::atomic<int> refused = 0;
  world["one"].onExec = [](const auto&, const auto&, const auto&, const auto&) { return exited(0); };
  world["one"].fail = [&](std::string_view operation, const auto&) -> std::optional<ErrorInfo> {
    // The first eight tries find it asleep, all before anybody can wake it.
    if (operation != "exec" || refused.fetch_add(1) >= 8) return std::nullopt;
    all.arrive_and_wait();
    return failure(ErrorCode::sandboxStopped, "asleep");
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([&] { EXPECT_EQ(sandbox.runCommand("x").exitCode, 0); });
  }
  EXPECT_EQ(world["one"].count("attach"), 1u);
}

TEST(Token, TheCallThatStartedLaterWins) {
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  std::promise<void> firstIsIn;
  std::promise<void> secondIsDone;
  std::string last;
  world["one"].onExec = [&](const registry::Target& target, const registry::ExecRequest& request, const auto&,
                            const registry::CallContext& context) {
    if (request.command == "first") {
      firstIsIn.set_value();
      secondIsDone.get_future().wait();
      context.onToken("from the first");
    } else if (request.command == "second") {
      context.onToken("from the second");
    }
    last = target.token;
    return exited(0);
  };
  std::jthread first([&] { sandbox.runCommand("first"); });
  firstIsIn.get_future().wait();
  sandbox.runCommand("second");
  secondIsDone.set_value();
  first.join();
  sandbox.runCommand("third");
  EXPECT_EQ(last, "from the second");
}

TEST(Token, NewOnesAreRemembered) {
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create({.keep = true});
  world["one"].onExec = [&](const auto&, const auto&, const auto&, const registry::CallContext& context) {
    context.onToken("newer");
    return exited(0);
  };
  sandbox.runCommand("x");
  auto known = detail::SandboxMemory(world.folder.path() / "state").find(sandbox.sandboxId());
  ASSERT_EQ(known.size(), 1u);
  EXPECT_EQ(known[0].token, "newer");
}

TEST(Lifetime, ExtendPauseResume) {
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  auto refused = sandbox.extendTimeout(nothrow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what,
            "Provider 'one' does not support extendTimeout.\n"
            "This feature requires gateway provider with timeout extension support.");
  EXPECT_EQ(refused.error().firstLine(), refused.error().what);
  EXPECT_THROW(sandbox.extendTimeout(), UnsupportedError);
  EXPECT_FALSE(sandbox.pause(nothrow));
  world["one"].has.extend = world["one"].has.pause = true;
  sandbox.extendTimeout(1min);
  EXPECT_EQ(sandbox.extendTimeout(nothrow, 0ms).error().code, ErrorCode::invalidArgument);
  compute.sandbox().extendTimeout(sandbox.sandboxId(), 1min);
  EXPECT_EQ(compute.sandbox().extendTimeout(nothrow, "nowhere").error().code, ErrorCode::notFound);
  sandbox.pause();
  sandbox.resume();
  EXPECT_EQ(world["one"].count("attach"), 1u) << "without resume, attach does it";
}

TEST(Url, ChecksWhatIsAsked) {
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  EXPECT_EQ(sandbox.getUrl({.port = 3000}), "http://x:3000");
  EXPECT_EQ(sandbox.getUrl({.port = 3000, .protocol = "ws"}), "ws://x:3000");
  EXPECT_FALSE(sandbox.getUrl(nothrow, {.port = 0}));
  EXPECT_FALSE(sandbox.getUrl(nothrow, {.port = 1, .protocol = "gopher"}));
  world["one"].has.url = false;
  EXPECT_EQ(sandbox.getUrl(nothrow, {.port = 1}).error().code, ErrorCode::unsupported);
}

TEST(Capabilities, SayWhatIsEmulated) {
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  Capabilities can = sandbox.capabilities();
  EXPECT_EQ(can.filesystem, Support::emulated);
  EXPECT_EQ(can.background, Support::emulated);
  EXPECT_EQ(can.named, Support::emulated);
  EXPECT_EQ(can.snapshot, Support::none);
  auto& has = world["one"].has;
  has.fsRead = has.fsWrite = has.fsList = has.fsStat = has.fsMkdir = has.fsRemove = has.fsRename = true;
  EXPECT_EQ(sandbox.capabilities().filesystem, Support::native);
  has.fsRename = false;
  EXPECT_EQ(sandbox.capabilities().filesystem, Support::emulated);
}

TEST(Info, IsFreshAndHasTheVendorsObject) {
  World world;
  Compute compute = world.compute();
  Sandbox sandbox = compute.sandbox().create();
  auto box = world["one"].boxes().at("one_1");
  box.record.info.status = SandboxStatus::paused;
  box.record.info.nativeJson = R"({"x":1})";
  world["one"].put(box);
  EXPECT_EQ(sandbox.lastInfo().status, SandboxStatus::running);
  EXPECT_EQ(sandbox.getInfo().status, SandboxStatus::paused);
  EXPECT_EQ(sandbox.native(), R"({"x":1})");
  EXPECT_EQ(sandbox.lastInfo().status, SandboxStatus::paused);
}

}  // namespace
}  // namespace computesdk::test
