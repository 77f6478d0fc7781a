#include "fakes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace computesdk::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

template <typename T>
ErrorInfo errorOf(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorInfo{} : result.error();
}

auto fails(ErrorCode code, bool maybeApplied = false, bool orphanGone = false) {
  return [=](std::string_view operation, const registry::CallContext&) -> std::optional<ErrorInfo> {
    if (operation != "create") return std::nullopt;
    ErrorInfo error = failure(code, "it is broken");
    error.maybeApplied = maybeApplied;
    error.orphanGone = orphanGone;
    return error;
  };
}

TEST(Routing, DetectsOnFirstUse) {
  World world({"one", "two"});
  Compute compute = world.compute();
  EXPECT_EQ(compute.sandbox().create().provider(), "one");
  EXPECT_EQ(compute.sandbox().create({.provider = "two"}).provider(), "two");
}

TEST(Routing, PriorityTakesTheFirst) {
  World world({"one", "two"});
  Compute compute = world.compute({.providers = {"two", "one"}});
  EXPECT_EQ(compute.sandbox().create().provider(), "two");
  EXPECT_EQ(compute.sandbox().create().provider(), "two");
}

TEST(Routing, RoundRobinTakesTurns) {
  World world({"one", "two", "three"});
  Compute compute = world.compute({.providers = {"one", "two", "three"}, .strategy = Strategy::roundRobin});
  std::vector<std::string> used;
  for (int i = 0; i < 4; ++i) used.push_back(compute.sandbox().create().provider());
  EXPECT_THAT(used, ::testing::ElementsAre("one", "two", "three", "one"));
}

TEST(Routing, FailsWithoutFallback) {
  World world({"one", "two"});
  world["one"].fail = fails(ErrorCode::unavailable);
  Compute compute = world.compute({.providers = {"one", "two"}});
  EXPECT_EQ(errorOf(compute.sandbox().create(nothrow)).code, ErrorCode::unavailable);
  EXPECT_EQ(world["two"].count("create"), 0u);
}

TEST(Routing, FallsBackWhenNothingWasLeft) {
  World world({"one", "two"});
  Compute compute = world.compute({.providers = {"one", "two"}, .fallbackOnError = true});
  world["one"].fail = fails(ErrorCode::unavailable);
  EXPECT_EQ(compute.sandbox().create().provider(), "two");
  world["one"].fail = fails(ErrorCode::unavailable, true, true);
  EXPECT_EQ(compute.sandbox().create().provider(), "two");
}

TEST(Routing, NeverFallsBackAfterMaybeApplied) {
  World world({"one", "two"});
  world["one"].fail = fails(ErrorCode::network, true);
  Compute compute = world.compute({.providers = {"one", "two"}, .fallbackOnError = true});
  EXPECT_EQ(errorOf(compute.sandbox().create(nothrow)).code, ErrorCode::network);
  EXPECT_EQ(world["two"].count("create"), 0u);
}

TEST(Routing, OneLineForEachProviderThatFailed) {
  World world({"one", "two"});
  world["one"].fail = fails(ErrorCode::quota);
  world["two"].fail = fails(ErrorCode::unavailable);
  Compute compute = world.compute({.providers = {"one", "two"}, .fallbackOnError = true});
  const ErrorInfo error = errorOf(compute.sandbox().create(nothrow));
  EXPECT_EQ(error.what, "cannot create a sandbox");
  EXPECT_EQ(error.why,
            "2 providers tried, none worked\n  one: cannot do it: it is broken [E_QUOTA]\n"
            "  two: cannot do it: it is broken [E_UNAVAILABLE]");
}

TEST(Routing, TheProviderOfOneCallIsAskedAlone) {
  World world({"one", "two"});
  world["two"].fail = fails(ErrorCode::unavailable);
  Compute compute = world.compute({.providers = {"one", "two"}, .fallbackOnError = true});
  const ErrorInfo error = errorOf(compute.sandbox().create(nothrow, {.provider = "two"}));
  EXPECT_EQ(error.code, ErrorCode::unavailable);
  EXPECT_EQ(error.provider, "two");
  EXPECT_EQ(world["one"].count("create"), 0u);
}

TEST(Routing, TakingTurnsFallsBackToTheNextInTurn) {
  World world({"one", "two", "three"});
  world["two"].fail = fails(ErrorCode::rateLimited);
  Compute compute =
      world.compute({.providers = {"one", "two", "three"}, .strategy = Strategy::roundRobin, .fallbackOnError = true});
  std::vector<std::string> used;
  for (int i = 0; i < 4; ++i) used.push_back(compute.sandbox().create().provider());
  EXPECT_THAT(used, ::testing::ElementsAre("one", "three", "three", "one"));
}

TEST(Routing, AProviderThatCannotBeOpenedIsOneThatFailed) {
  World world({"one", "two"});
  world.registry->broken["one"] = failure(ErrorCode::pluginLoad, "its library is not there");
  Compute compute = world.compute({.providers = {"one", "two"}, .fallbackOnError = true});
  EXPECT_EQ(compute.sandbox().create().provider(), "two");
  world["two"].fail = fails(ErrorCode::quota);
  const ErrorInfo error = errorOf(compute.sandbox().create(nothrow));
  EXPECT_THAT(error.why, HasSubstr("one: cannot do it: its library is not there [E_PLUGIN_LOAD]"));
  EXPECT_THAT(error.why, HasSubstr("two: cannot do it: it is broken [E_QUOTA]"));
}

TEST(Routing, SaysWhoItFellBackFrom) {
  World world({"one", "two"});
  world["one"].fail = fails(ErrorCode::unavailable);
  Compute compute = world.compute({.providers = {"one", "two"}, .fallbackOnError = true});
  compute.sandbox().create();
  EXPECT_THAT(world.log, ::testing::Contains(HasSubstr("it is broken")));
}

TEST(Routing, LocalIsNoFallbackUnlessListed) {
  World world({"one", "local"});
  world["local"].manifest_.detect.always = true;
  world["one"].fail = fails(ErrorCode::unavailable);
  Compute detecting = world.compute({.fallbackOnError = true});
  EXPECT_EQ(errorOf(detecting.sandbox().create(nothrow)).code, ErrorCode::unavailable);
  Compute listing = world.compute({.providers = {"one", "local"}, .fallbackOnError = true});
  EXPECT_EQ(listing.sandbox().create().provider(), "local");
}

TEST(Config, PassesOptionsToTheirProvider) {
  World world({"one", "two"});
  for (const char* name : {"one", "two"}) {
    registry::ConfigEntry entry;
    entry.key = "api_key";
    entry.env = {std::string(name) + "_KEY"};
    world[name].manifest_.config = {entry};
    world[name].manifest_.detect.anyOf = {{std::string(name) + "_KEY"}};
  }
  Compute compute = world.compute(
      {.providers = {"one", "two"}, .providerOptions = {{"one", {{"apiKey", "a"}}}, {"two", {{"api_key", "b"}}}}});
  compute.provider("one").capabilities();
  compute.provider("two").capabilities();
  EXPECT_EQ(std::get<std::string>(world.registry->opened["one"].at("apiKey")), "a");
  EXPECT_EQ(std::get<std::string>(world.registry->opened["two"].at("api_key")), "b");
}

TEST(Config, OptionsOfAProviderThatIsNotNamedNeedNotBeWhole) {
  World world({"one", "two"});
  registry::ConfigEntry region;
  region.key = "region";
  world["two"].manifest_.config = {region};
  world["two"].manifest_.detect.anyOf = {{"TWO_KEY"}};
  ComputeConfig config{.provider = "one", .providerOptions = {{"two", {{"region", "eu"}}}}};
  config.environment = [](std::string_view) { return std::nullopt; };
  Compute compute = world.compute();
  EXPECT_TRUE(compute.setConfig(nothrow, config));
  config.provider = "two";
  EXPECT_EQ(errorOf(compute.setConfig(nothrow, config)).code, ErrorCode::authMissing);
  config.providerOptions = {{"one", {{"nosuch", "x"}}}};
  config.provider.clear();
  EXPECT_EQ(errorOf(compute.setConfig(nothrow, config)).code, ErrorCode::invalidArgument);
}

TEST(Config, NamesTheUnknownProvider) {
  World world;
  Compute compute = world.compute();
  const ErrorInfo error = errorOf(compute.setConfig(nothrow, {.provider = "nope"}));
  EXPECT_EQ(error.code, ErrorCode::unknownProvider);
  EXPECT_EQ(error.what, "Unknown provider: nope");
  EXPECT_THAT(error.why, HasSubstr("one"));
  EXPECT_EQ(errorOf(compute.provider("nope").capabilities(nothrow)).what, "Unknown provider: nope");
  EXPECT_EQ(compute.sandbox().create().provider(), "one") << "a refused configuration changes nothing";
}

TEST(Config, SaysWhatIsMissingAndWhereToGetIt) {
  World world({"e2b"});
  registry::ConfigEntry key;
  key.key = "api_key";
  key.env = {"E2B_API_KEY"};
  world["e2b"].manifest_.config = {key};
  world["e2b"].manifest_.detect.anyOf = {{"E2B_API_KEY"}};
  world["e2b"].manifest_.setupSteps = {"Open the dashboard", "Copy the key"};
  world["e2b"].manifest_.setupUrl = "https://e2b.example";
  Compute compute = world.compute();
  ComputeConfig config{.provider = "e2b"};
  config.environment = [](std::string_view) { return std::nullopt; };
  const ErrorInfo error = errorOf(compute.setConfig(nothrow, config));
  EXPECT_EQ(error.code, ErrorCode::authMissing);
  EXPECT_EQ(error.what, "Missing e2b configuration");
  EXPECT_EQ(error.why, "it needs apiKey (E2B_API_KEY)");
  EXPECT_EQ(error.fix, "1. Open the dashboard\n2. Copy the key\nsee https://e2b.example");
  EXPECT_THROW(compute.setConfig(config), AuthError);
  config.environment = [](std::string_view name) {
    return name == "E2B_API_KEY" ? std::optional<std::string>("x") : std::nullopt;
  };
  EXPECT_TRUE(compute.setConfig(nothrow, config));
  config.environment = [](std::string_view) { return std::nullopt; };
  config.options = {{"apiKey", "x"}};
  EXPECT_TRUE(compute.setConfig(nothrow, config));
  config.options = {{"apiKee", "x"}};
  EXPECT_THAT(errorOf(compute.setConfig(nothrow, config)).why, HasSubstr("apiKee"));
}

TEST(Config, GatewayNeedsItsKeyAndAnAddress) {
  World world({"one", "gateway"});
  Compute compute = world.compute();
  const ErrorInfo missing = errorOf(compute.setConfig(nothrow, {.gatewayUrl = "http://h"}));
  EXPECT_THAT(missing.what, HasSubstr("Missing ComputeSDK API key"));
  EXPECT_THAT(missing.what, HasSubstr("'apiKey' field is required"));
  EXPECT_THAT(missing.fix, HasSubstr("https://"));
  const ErrorInfo bad = errorOf(compute.setConfig(nothrow, {.apiKey = "k", .gatewayUrl = "h"}));
  EXPECT_THAT(bad.what, HasSubstr("Invalid gateway URL: \"h\""));
  compute = world.compute({.apiKey = "k", .gatewayUrl = "http://h"});
  EXPECT_EQ(compute.sandbox().create().provider(), "gateway");
  EXPECT_EQ(std::get<std::string>(world.registry->opened["gateway"].at("api_key")), "k");
}

TEST(Config, RefusesContradictions) {
  World world({"one", "two"});
  Compute compute = world.compute();
  EXPECT_FALSE(compute.setConfig(nothrow, {.provider = "one", .providers = {"two"}}));
  EXPECT_FALSE(compute.setConfig(nothrow, {.options = {{"a", "b"}}}));
}

TEST(Config, NothingConfigured) {
  World world;
  world.registry->detection = {};
  world.registry->detection.error = failure(ErrorCode::notConfigured, "local is denied");
  Compute compute = world.compute();
  const ErrorInfo error = errorOf(compute.sandbox().create(nothrow));
  EXPECT_EQ(error.code, ErrorCode::notConfigured);
  EXPECT_THAT(error.what, HasSubstr("No ComputeSDK configuration found"));
  EXPECT_THAT(error.why, HasSubstr("local is denied"));
  EXPECT_THAT(error.fix, HasSubstr("COMPUTESDK_API_KEY"));
  EXPECT_THAT(error.fix, HasSubstr("setConfig"));
  EXPECT_THROW(compute.sandbox().create(), Error);
  EXPECT_FALSE(compute.sandbox().find({.name = "x"})) << "absence is no error";
}

TEST(Config, AKeyWithoutAProviderKeepsItsPromisedLine) {
  World world;
  world.registry->detection = {};
  world.registry->detection.error = failure(ErrorCode::notConfigured, "modal 1/2, missing MODAL_TOKEN_SECRET");
  world.registry->detection.error->what = "COMPUTESDK_API_KEY is set but no provider detected";
  Compute compute = world.compute();
  EXPECT_EQ(errorOf(compute.sandbox().create(nothrow)).what, "COMPUTESDK_API_KEY is set but no provider detected");
}

TEST(Config, DetectionIsReportedAndMadeOnce) {
  World world({"one", "two"});
  world.registry->detection.warnings = {"a warning"};
  Compute compute = world.compute();
  const DetectionReport report = compute.detect();
  EXPECT_EQ(report.selected, "one");
  ASSERT_EQ(report.candidates.size(), 2u);
  EXPECT_EQ(report.candidates[1].state, ProviderState::ready);
  compute.sandbox().create();
  EXPECT_EQ(std::ranges::count(world.log, "a warning"), 1);
  EXPECT_EQ(compute.providers().size(), 2u);
  EXPECT_EQ(compute.providerFolders().at(0).origin, "product");
}

TEST(ProviderHandle, ReachesWhatOnlyTheVendorHas) {
  World world;
  Compute compute = world.compute();
  EXPECT_EQ(errorOf(compute.provider("one").call(nothrow, "op")).what, "Provider 'one' does not support op.");
  world["one"].has.vendorCall = world["one"].has.templates = world["one"].has.snapshot = true;
  EXPECT_EQ(compute.provider("one").call("op", "[1]"), R"({"of":"","in":[1]})");
  EXPECT_EQ(compute.provider("one").templates().size(), 3u);
  EXPECT_EQ(compute.provider("one").snapshots().size(), 2u);
  compute.provider("one").removeSnapshot("s");
  EXPECT_FALSE(compute.provider("one").removeSnapshot(nothrow, ""));
  EXPECT_EQ(compute.sandbox().create().call("op"), R"({"of":"one_1","in":null})");
}

TEST(Threads, OneComputeServesMany) {
  World world({"one", "two"});
  Compute compute = world.compute({.providers = {"one", "two"}, .strategy = Strategy::roundRobin});
  world["one"].onExec = world["two"].onExec = [](const auto&, const auto&, const auto& output, const auto&) {
    output(OutputStream::standardOutput, std::as_bytes(std::span("x", 1)));
    ExitStatus status;
    status.kind = ExitStatus::Kind::code;
    return Result<ExitStatus>(status);
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20; ++n) {
        Sandbox sandbox = compute.sandbox().create();
        EXPECT_EQ(sandbox.runCommand("x").stdout_, "x");
        EXPECT_TRUE(compute.sandbox().getById(sandbox.sandboxId()));
        sandbox.destroy();
      }
    });
  }
  for (int n = 0; n < 50; ++n) compute.detect();
  threads.clear();
  EXPECT_EQ(world["one"].boxes().size() + world["two"].boxes().size(), 0u);
}

}  // namespace
}  // namespace computesdk::test
