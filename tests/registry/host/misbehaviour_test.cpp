// Plug-ins that break the rules while they run: counted, never fatal.
#include "support_host.hpp"

#include <thread>

namespace computesdk::registry {
namespace {

class Misbehaviour : public ::testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    provider_ = mustOpen({.mode = GetParam()}, &lines_);
    ASSERT_NE(provider_, nullptr);
  }
  std::uint64_t count() const { return pluginHealth(*provider_).misbehaviour; }

  Lines lines_;
  std::shared_ptr<Provider> provider_;
};
INSTANTIATE_TEST_SUITE_P(Modes, Misbehaviour,
                         ::testing::Values(Mode::inlined, Mode::pooled, Mode::async, Mode::isolated), modeName);

TEST_P(Misbehaviour, DoubleCompletionAndWriteAfterEnd) {
  const Ran ran = runFake(*provider_, {"twice"});
  ASSERT_TRUE(ran.exit) << formatError(ran.exit.error());
  EXPECT_EQ(ran.exit->value, 5);
  EXPECT_EQ(ran.out, "later");
  // Counted in the other process, and heard of with the next completion.
  EXPECT_TRUE(eventually([&] {
    (void)runFake(*provider_, {"null"});
    return count() >= 2;
  }));
  EXPECT_NE(lines_.all().find("which is over"), std::string::npos) << lines_.all();
}

TEST_P(Misbehaviour, CompletingAndReturning) {
  const Ran ran = runFake(*provider_, {"complete-and-return"});
  ASSERT_TRUE(ran.exit) << formatError(ran.exit.error());
  EXPECT_TRUE(eventually([&] {
    (void)runFake(*provider_, {"null"});
    return count() == 1;
  }));
}

TEST_P(Misbehaviour, FailingWithoutAReason) {
  const Ran ran = runFake(*provider_, {"mute"});
  ASSERT_FALSE(ran.exit);
  EXPECT_EQ(ran.exit.error().code, ErrorCode::internal);
  EXPECT_FALSE(ran.exit.error().why.empty());
  EXPECT_EQ(count(), 1u);
}

TEST_P(Misbehaviour, SuccessWithoutAResult) {
  const Ran ran = runFake(*provider_, {"no-exit"});
  ASSERT_FALSE(ran.exit);
  EXPECT_EQ(ran.exit.error().code, ErrorCode::pluginMisbehaved);
  EXPECT_EQ(count(), 1u);
}

TEST_P(Misbehaviour, AnIdThatIsNoneIsNamed) {
  CreateRequest request;
  request.name = "no-id";
  const auto made = provider_->create(request, {});
  ASSERT_FALSE(made);
  EXPECT_NE(lines_.all().find("emit_sandbox with an id of 0 bytes"), std::string::npos) << lines_.all();
}

TEST_P(Misbehaviour, AnExitThatCannotBeIsUnknown) {
  for (const char* value : {"-5", "256", "99999"}) {
    const Ran ran = runFake(*provider_, {"exit", value});
    ASSERT_TRUE(ran.exit) << formatError(ran.exit.error());
    EXPECT_EQ(ran.exit->kind, ExitStatus::Kind::unknown) << value;
  }
  EXPECT_NE(lines_.all().find("with value 99999"), std::string::npos) << lines_.all();
}

class Abandoned : public ::testing::TestWithParam<Mode> {};
INSTANTIATE_TEST_SUITE_P(Modes, Abandoned, ::testing::Values(Mode::pooled, Mode::isolated), modeName);

TEST_P(Abandoned, AHangIsGivenUpAfterTheGrace) {
  const auto provider = mustOpen({.mode = GetParam(), .grace = std::chrono::milliseconds(300)});
  ASSERT_NE(provider, nullptr);
  CallContext context;
  const auto before = std::chrono::steady_clock::now();
  context.deadline = before + std::chrono::milliseconds(10);
  const Ran ran = runFake(*provider, {"hang", "2000"}, context);
  const auto took = std::chrono::steady_clock::now() - before;
  ASSERT_FALSE(ran.exit);
  EXPECT_EQ(ran.exit.error().code, ErrorCode::timeout);
  EXPECT_EQ(ran.exit.error().provider, "fake");
  EXPECT_TRUE(ran.exit.error().maybeApplied);
  EXPECT_NE(ran.exit.error().why.find("was given up"), std::string::npos);
  EXPECT_GE(took, std::chrono::milliseconds(300));
  EXPECT_LT(took, std::chrono::milliseconds(1990));
  EXPECT_EQ(pluginHealth(*provider).abandoned, 1u);
  // The provider goes on while the hung call finds its way back to a call that is no more.
  EXPECT_TRUE(runFake(*provider, {"null"}).exit);
}

TEST_P(Abandoned, ACallThatNeverCompletesIsGivenUp) {
  const auto provider = mustOpen({.mode = GetParam(), .grace = std::chrono::milliseconds(300)});
  ASSERT_NE(provider, nullptr);
  CallContext context;
  context.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  const Ran ran = runFake(*provider, {"never"}, context);
  ASSERT_FALSE(ran.exit);
  EXPECT_EQ(ran.exit.error().code, ErrorCode::timeout);
  EXPECT_TRUE(runFake(*provider, {"null"}).exit);
}

}  // namespace
}  // namespace computesdk::registry
