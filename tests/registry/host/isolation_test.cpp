// The process of an isolated plug-in: shut in, dying, coming back.
#include "support_host.hpp"

#include <cstdlib>
#include <filesystem>
#include <thread>

namespace computesdk::registry {
namespace {

TEST(Isolation, KeepsThePluginIn) {
  const auto provider = mustOpen({.mode = Mode::isolated, .secrets = Secrets::host});
  ASSERT_NE(provider, nullptr);
  const Ran ran = runFake(*provider, {"escape"});
  ASSERT_TRUE(ran.exit) << formatError(ran.exit.error());
  EXPECT_EQ(ran.exit->value, 0);
}

TEST(Isolation, ACrashEndsTheCallAndTheNextOneWorks) {
  Lines lines;
  const auto provider = mustOpen({.mode = Mode::isolated}, &lines);
  ASSERT_NE(provider, nullptr);
  const Ran crashed = runFake(*provider, {"crash"});
  ASSERT_FALSE(crashed.exit);
  const ErrorInfo& error = crashed.exit.error();
  EXPECT_EQ(error.code, ErrorCode::pluginDied);
  EXPECT_TRUE(error.maybeApplied);
  EXPECT_NE(error.why.find("signal 6"), std::string::npos) << error.why;
  EXPECT_NE(error.why.find("about to fall, key ***"), std::string::npos) << error.why;
  EXPECT_EQ(pluginHealth(*provider).deaths, 1u);
  const Ran again = runFake(*provider, {"echo", "back"});
  ASSERT_TRUE(again.exit) << formatError(again.exit.error());
  EXPECT_EQ(again.out, "back");
}

TEST(Isolation, ACrashEndsAllCallsInFlight) {
  const auto provider = mustOpen({.mode = Mode::isolated});
  ASSERT_NE(provider, nullptr);
  std::atomic<int> started{0}, died{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ExecRequest request;
      const std::vector<std::string> words = {"until-cancelled"};
      request.argv = words;
      const auto ended = provider->exec(kTarget, request, [&](OutputStream, auto) { ++started; }, {});
      if (!ended && ended.error().code == ErrorCode::pluginDied) ++died;
    });
  }
  ASSERT_TRUE(eventually([&] { return started == 4; }));
  (void)runFake(*provider, {"crash"});
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(died, 4);
}

TEST(Isolation, FiveDeathsInAMinuteAreEnough) {
  const auto provider = mustOpen({.mode = Mode::isolated});
  ASSERT_NE(provider, nullptr);
  for (int i = 0; i < 5; ++i) {
    const Ran crashed = runFake(*provider, {"crash"});
    ASSERT_FALSE(crashed.exit);
    EXPECT_EQ(crashed.exit.error().code, ErrorCode::pluginDied) << crashed.exit.error().why;
  }
  const Ran refused = runFake(*provider, {"null"});
  ASSERT_FALSE(refused.exit);
  EXPECT_EQ(refused.exit.error().code, ErrorCode::unavailable);
  EXPECT_NE(refused.exit.error().why.find("died five times"), std::string::npos) << refused.exit.error().why;
}

TEST(Isolation, WaitingForARestartCanBeCancelled) {
  const auto provider = mustOpen({.mode = Mode::isolated});
  ASSERT_NE(provider, nullptr);
  for (int i = 0; i < 4; ++i) (void)runFake(*provider, {"crash"});
  CallContext context;  // the next start is 0.8 s away
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
  const Ran waited = runFake(*provider, {"null"}, context);
  ASSERT_FALSE(waited.exit);
  EXPECT_EQ(waited.exit.error().code, ErrorCode::timeout);
}

TEST(Isolation, AProcessFullOfHungCallsIsReplaced) {
  const auto provider = mustOpen({.mode = Mode::isolated, .grace = std::chrono::milliseconds(50)});
  ASSERT_NE(provider, nullptr);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      CallContext context;
      context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
      EXPECT_FALSE(runFake(*provider, {"hang", "60000"}, context).exit);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(eventually([&] { return pluginHealth(*provider).deaths == 1; }));
  EXPECT_TRUE(eventually([&] { return runFake(*provider, {"null"}).exit.has_value(); }));
}

TEST(Isolation, AProviderIsClosedBeforeItsProcessGoes) {
  Lines lines;
  auto provider = mustOpen({.mode = Mode::isolated}, &lines);
  ASSERT_NE(provider, nullptr);
  std::string folder = (std::filesystem::temp_directory_path() / "csdk-closed-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string note = folder + "/closed";
  EXPECT_TRUE(runFake(*provider, {"note-close", note}).exit);
  provider.reset();
  EXPECT_TRUE(std::filesystem::exists(note));
  std::filesystem::remove_all(folder);
}

TEST(Isolation, TooLongArgumentsAreAnError) {
  const auto provider = mustOpen({.mode = Mode::isolated});
  ASSERT_NE(provider, nullptr);
  const Ran ran = runFake(*provider, {"echo", std::string(2'000'000, 'x')});
  ASSERT_FALSE(ran.exit);
  EXPECT_EQ(ran.exit.error().code, ErrorCode::outOfRange);
  EXPECT_TRUE(runFake(*provider, {"null"}).exit);
}

TEST(Isolation, OpensAndClosesManyTimes) {
  for (int i = 0; i < 20; ++i) {
    const auto provider = mustOpen({.mode = Mode::isolated});
    ASSERT_NE(provider, nullptr);
    EXPECT_TRUE(runFake(*provider, {"null"}).exit);
  }
}

}  // namespace
}  // namespace computesdk::registry
