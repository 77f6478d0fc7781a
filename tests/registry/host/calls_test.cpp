// Time: cancellation, deadlines, back-pressure, callbacks that throw.
#include "support_host.hpp"

#include <poll.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace computesdk::registry {
namespace {

class Calls : public ::testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    provider_ = mustOpen({.mode = GetParam()});
    ASSERT_NE(provider_, nullptr);
  }
  Result<ExitStatus> exec(std::vector<std::string> words, const OutputFunction& output, const CallContext& context) {
    ExecRequest request;
    request.argv = words;
    return provider_->exec(kTarget, request, output, context);
  }
  std::shared_ptr<Provider> provider_;
};
INSTANTIATE_TEST_SUITE_P(Modes, Calls,
                         ::testing::Values(Mode::inlined, Mode::pooled, Mode::async, Mode::isolated,
                                           Mode::isolatedAsync),
                         modeName);

TEST_P(Calls, AreCancelledFromAnotherThread) {
  std::stop_source stop;
  CallContext context;
  context.stop = stop.get_token();
  // Inline and async at once, output comes only when the operation returns, so the start cannot be waited for. Any
  // moment is right; the pause makes "while it runs" the likely one.
  std::thread canceller([&] {
    ::poll(nullptr, 0, 20);
    stop.request_stop();
  });
  const auto ended = exec({"until-cancelled"}, {}, context);
  canceller.join();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::cancelled);
}

TEST_P(Calls, MayBeCancelledBeforeTheyBegin) {
  std::stop_source stop;
  stop.request_stop();
  CallContext context;
  context.stop = stop.get_token();
  const auto ended = exec({"until-cancelled"}, {}, context);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::cancelled);
}

TEST_P(Calls, AreCancelledFromWithinTheirOutput) {
  std::stop_source stop;
  CallContext context;
  context.stop = stop.get_token();
  const auto ended = exec(
      {"until-cancelled"}, [&](OutputStream, auto) { stop.request_stop(); }, context);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::cancelled);
}

TEST_P(Calls, EndAtTheirDeadline) {
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
  const auto ended = exec({"until-cancelled"}, {}, context);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::timeout);
  EXPECT_LT(std::chrono::steady_clock::now() - *context.deadline, std::chrono::seconds(4));
}

TEST_P(Calls, RethrowWhatTheirConsumerThrew) {
  const OutputFunction thrower = [](OutputStream, std::span<const std::byte>) { throw std::runtime_error("enough"); };
  EXPECT_THROW((void)exec({"write", "10000000"}, thrower, {}), std::runtime_error);
  EXPECT_THROW((void)provider_->list(0, {}, [](const SandboxRecord&) -> bool { throw std::logic_error("no"); }, {}),
               std::logic_error);
  // The provider is none the worse for it.
  EXPECT_TRUE(exec({"null"}, {}, {}));
}

TEST_P(Calls, DeliverOneOutputAtATime) {
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  std::size_t bytes = 0;
  const auto ended = exec({"write", "3000000"},
                          [&](OutputStream, std::span<const std::byte> data) {
                            if (++inside != 1) overlapped = true;
                            bytes += data.size();
                            --inside;
                          },
                          {});
  ASSERT_TRUE(ended);
  EXPECT_EQ(bytes, 3'000'000u);
  EXPECT_FALSE(overlapped);
}

TEST_P(Calls, DeliverAsyncOutputOnTheCallersThread) {
  if (GetParam() == Mode::pooled) GTEST_SKIP() << "output runs on the thread that reads it";
  const auto caller = std::this_thread::get_id();
  bool elsewhere = false;
  ASSERT_TRUE(exec({"later"}, [&](OutputStream, auto) { elsewhere |= std::this_thread::get_id() != caller; }, {}));
  if (GetParam() != Mode::inlined) {
    EXPECT_FALSE(elsewhere);
  }
}

TEST(SerializedCalls, RunOneAtATime) {
  const auto provider = mustOpen({.mode = Mode::pooled, .serialize = Serialize::provider});
  ASSERT_NE(provider, nullptr);
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const Ran ran = runFake(*provider, {"inside"});
      if (ran.exit && ran.exit->value > most) most = ran.exit->value;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
}

TEST(SerializedCalls, WaitNoLongerThanTheirDeadline) {
  const auto provider = mustOpen({.mode = Mode::pooled, .serialize = Serialize::sandbox});
  ASSERT_NE(provider, nullptr);
  std::stop_source stop;
  CallContext holding;
  holding.stop = stop.get_token();
  std::atomic<bool> holds{false};
  std::thread holder([&] {
    ExecRequest request;
    const std::vector<std::string> words = {"until-cancelled"};
    request.argv = words;
    (void)provider->exec(
        kTarget, request, [&](OutputStream, auto) { holds = true; }, holding);
  });
  ASSERT_TRUE(eventually([&] { return holds.load(); }));
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  const auto waited = provider->inspect(kTarget, context);
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::timeout);
  EXPECT_TRUE(provider->inspect({"another", ""}, {}));
  stop.request_stop();
  holder.join();
  EXPECT_TRUE(provider->inspect(kTarget, {}));
}

}  // namespace
}  // namespace computesdk::registry
