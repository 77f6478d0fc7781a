// The parts that calls are made of, each on its own.
#include "host/call.hpp"
#include "host/errors.hpp"
#include "host/host_context.hpp"
#include "host/lane_pool.hpp"
#include "host/opening.hpp"
#include "host/secrets.hpp"
#include "host/timer.hpp"
#include "host/token_order.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

namespace computesdk::registry::host {
namespace {

class Quiet final : public CallSink {
 public:
  void output(std::uint32_t, std::span<const std::byte>) override {}
  csdk_status result(ResultKind, const void*) override { return CSDK_OK; }
};

/// A call that a test holds on its own.
class OneCall : public ::testing::Test {
 protected:
  OneCall() : host_(keepContext("test", false, {}, nullptr)), slot_(*CallTable::instance().acquire()) {
    call_ = slot_.begin(host_, sink_, false, 0);
  }
  ~OneCall() override {
    slot_.claim(CSDK_OK);
    slot_.settle();
    slot_.release();
  }
  const csdk_host* table() const { return &host_.table(); }

  Quiet sink_;
  HostContext& host_;
  CallSlot& slot_;
  csdk_call call_;
};

TEST_F(OneCall, EndsOnce) {
  EXPECT_EQ(table()->is_cancelled(table(), call_), 0);
  EXPECT_EQ(table()->complete(table(), call_, CSDK_OK), CSDK_OK);
  EXPECT_EQ(table()->complete(table(), call_, CSDK_OK), CSDK_CANCELLED);
  EXPECT_EQ(table()->write(table(), call_, CSDK_STREAM_STDOUT, {}), CSDK_CANCELLED);
  EXPECT_EQ(table()->is_cancelled(table(), call_), 1);
  EXPECT_EQ(host_.misbehaviour, 2u);
}

TEST_F(OneCall, NumbersThatNeverWereACall) {
  for (csdk_call wrong : {csdk_call{0}, csdk_call{1}, ~csdk_call{0}, call_ + (csdk_call{1} << 20), call_ + 1}) {
    EXPECT_EQ(table()->complete(table(), wrong, CSDK_OK), CSDK_CANCELLED);
    EXPECT_EQ(table()->write(table(), wrong, CSDK_STREAM_STDOUT, {}), CSDK_CANCELLED);
    EXPECT_EQ(table()->deadline_ns(table(), wrong), 0);
  }
}

TEST_F(OneCall, IsOfOneProviderOnly) {
  HostContext& other = keepContext("other", false, {}, nullptr);
  EXPECT_EQ(other.table().complete(&other.table(), call_, CSDK_OK), CSDK_CANCELLED);
  EXPECT_EQ(other.misbehaviour, 1u);
  EXPECT_EQ(table()->is_cancelled(table(), call_), 0);
}

TEST_F(OneCall, CancelFunctionRunsOnceAndAtOnceWhenLate) {
  std::atomic<int> runs{0};
  const csdk_notify_fn count = [](void* ctx) { ++*static_cast<std::atomic<int>*>(ctx); };
  EXPECT_EQ(table()->on_cancel(table(), call_, count, &runs), CSDK_OK);
  slot_.cancel();
  slot_.cancel();
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(table()->on_cancel(table(), call_, count, &runs), CSDK_OK);
  EXPECT_EQ(runs, 2);
}

TEST_F(OneCall, CancelFunctionMayCompleteTheCall) {
  struct Self {
    const csdk_host* host;
    csdk_call call;
  } self{table(), call_};
  const csdk_notify_fn complete = [](void* ctx) {
    auto& me = *static_cast<Self*>(ctx);
    me.host->complete(me.host, me.call, CSDK_CANCELLED);
  };
  table()->on_cancel(table(), call_, complete, &self);
  slot_.cancel();
  EXPECT_TRUE(slot_.over());
}

TEST_F(OneCall, RemovedCancelFunctionIsNotRunning) {
  for (int round = 0; round < 200; ++round) {
    struct State {
      std::atomic<bool> alive{true}, ranDead{false};
    } state;
    const csdk_notify_fn check = [](void* ctx) {
      auto& mine = *static_cast<State*>(ctx);
      std::this_thread::yield();
      if (!mine.alive) mine.ranDead = true;
    };
    slot_.claim(CSDK_OK);
    slot_.settle();
    call_ = slot_.begin(host_, sink_, false, 0);
    table()->on_cancel(table(), call_, check, &state);
    std::thread canceller([this] { slot_.cancel(); });
    table()->on_cancel(table(), call_, nullptr, nullptr);
    state.alive = false;
    canceller.join();
    EXPECT_FALSE(state.ranDead);
  }
}

TEST_F(OneCall, TimersEndWithTheCall) {
  std::atomic<int> runs{0};
  const csdk_notify_fn count = [](void* ctx) { ++*static_cast<std::atomic<int>*>(ctx); };
  const auto* timers = static_cast<const csdk_timer_ext*>(table()->extension(table(), toStr(CSDK_EXT_TIMER)));
  ASSERT_NE(timers, nullptr);
  std::uint64_t timer = 0;
  EXPECT_EQ(timers->start(table(), call_, 1'000'000'000'000, count, &runs, &timer), CSDK_OK);
  EXPECT_NE(timer, 0u);
  EXPECT_EQ(timers->start(table(), call_, 1, nullptr, nullptr, &timer), CSDK_INVALID_ARGUMENT);
  EXPECT_EQ(table()->complete(table(), call_, CSDK_OK), CSDK_OK);
  EXPECT_FALSE(TimerService::instance().cancel(timer));
  EXPECT_EQ(timers->start(table(), call_, 1, count, &runs, &timer), CSDK_CANCELLED);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(table()->extension(table(), toStr(CSDK_EXT_HTTP)), nullptr);
}

TEST_F(OneCall, IdsAndTokensHaveLimits) {
  csdk_sandbox_info info{};
  info.struct_size = sizeof info;
  EXPECT_EQ(table()->emit_sandbox(table(), call_, &info), CSDK_INVALID_ARGUMENT);
  const std::string id(CSDK_ID_MAX, 'i');
  info.id = toStr(id);
  EXPECT_EQ(table()->emit_sandbox(table(), call_, &info), CSDK_OK);
  const std::string longId(CSDK_ID_MAX + 1, 'i');
  info.id = toStr(longId);
  EXPECT_EQ(table()->emit_sandbox(table(), call_, &info), CSDK_INVALID_ARGUMENT);
  const std::string token(CSDK_TOKEN_MAX + 1, 't');
  EXPECT_EQ(table()->emit_token(table(), call_, toBytes(token)), CSDK_INVALID_ARGUMENT);
}

TEST(Structs, AreReadAsFarAsBothKnow) {
  struct {
    csdk_exit exit;
    std::uint64_t poison;
  } longer{{sizeof longer, 1, CSDK_EXIT_SIGNAL, 9}, ~0ull};
  const csdk_exit whole = readStruct(&longer.exit);
  EXPECT_EQ(whole.value, 9);
  EXPECT_EQ(whole.struct_size, sizeof whole);
  csdk_exit older{offsetof(csdk_exit, value), 0, CSDK_EXIT_CODE, 77};
  EXPECT_EQ(readStruct(&older).value, 0);
  EXPECT_EQ(readStruct<csdk_exit>(nullptr).kind, 0u);
}

TEST(Secrets, AreMaskedWhereverTheyAre) {
  SecretStore store(100);
  store.add("abcd");
  store.add("abcdefgh");
  store.add("xy");
  std::string text = "abcdefgh abcd xy abc";
  store.redact(text);
  EXPECT_EQ(text, "*** *** xy abc");
  EXPECT_THROW(store.add(std::string(200, 'x')), std::bad_alloc);
}

TEST(Log, IsLimitedAndMasked) {
  std::vector<std::string> lines;
  HostHooks hooks;
  hooks.log = [&](const LogRecord& record) { lines.push_back(record.message); };
  auto secrets = std::make_shared<SecretStore>(16);
  secrets->add("hush-hush");
  HostContext& host = keepContext("chatty", false, hooks, secrets);
  host.log(CSDK_LOG_INFO, "a hush-hush b\x1b[2J");
  EXPECT_EQ(lines.at(0), "a *** b [2J");
  host.log(CSDK_LOG_INFO, std::string(100'000, 'l'));
  EXPECT_EQ(lines.at(1).size(), 4096u);
  for (int i = 0; i < 10'000; ++i) host.log(CSDK_LOG_DEBUG, "again");
  EXPECT_LT(lines.size(), 2000u);
  host.close();
  const std::size_t before = lines.size();
  host.log(CSDK_LOG_ERROR, "after the end");
  EXPECT_EQ(lines.size(), before);
}

TEST(Log, ClockIsASeam) {
  HostHooks hooks;
  hooks.wallMs = [] { return std::int64_t{42}; };
  HostContext& host = keepContext("clock", false, hooks, nullptr);
  EXPECT_EQ(host.table().now_wall_ms(&host.table()), 42);
  EXPECT_GT(host.table().now_mono_ns(&host.table()), 0);
}

TEST(Pool, RefusesWhatDoesNotFit) {
  std::latch release(1);
  std::atomic<int> done{0};
  PoolLimits limits;
  limits.threads = {1, 1};
  limits.waiting = {2, 2};
  {
    std::atomic<int> begun{0};
    LanePool pool("small", limits, [&](const LanePool::Job&) {
      ++begun;
      release.wait();
      ++done;
    });
    EXPECT_TRUE(pool.submit(Lane::streams, {.call = 1}));
    while (begun == 0) std::this_thread::yield();
    EXPECT_TRUE(pool.submit(Lane::streams, {.call = 2}));
    EXPECT_TRUE(pool.submit(Lane::streams, {.call = 3}));
    EXPECT_FALSE(pool.submit(Lane::streams, {.call = 4}));
    EXPECT_TRUE(pool.withdraw(Lane::streams, 3));
    EXPECT_FALSE(pool.withdraw(Lane::streams, 3));
    EXPECT_FALSE(pool.withdraw(Lane::streams, 1));
    EXPECT_TRUE(pool.submit(Lane::control, {.call = 5}));  // its own lane
    release.count_down();
  }
  EXPECT_EQ(done, 3);
}

TEST(Pool, ReplacesAThreadThatIsWrittenOff) {
  std::latch release(1);
  std::atomic<int> quick{0};
  PoolLimits limits;
  limits.threads = {1, 1};
  LanePool pool("stuck", limits, [&](const LanePool::Job& job) {
    if (job.call == 1) release.wait();
    ++quick;
  });
  EXPECT_TRUE(pool.submit(Lane::streams, {.call = 1}));
  while (pool.withdraw(Lane::streams, 1)) EXPECT_TRUE(pool.submit(Lane::streams, {.call = 1}));
  pool.writeOff(1);
  EXPECT_EQ(pool.stuck(), 1u);
  EXPECT_TRUE(pool.submit(Lane::streams, {.call = 2}));
  while (quick != 1) std::this_thread::yield();
  release.count_down();
  while (pool.stuck() != 0) std::this_thread::yield();
}

TEST(Tokens, OfTheLaterCallWin) {
  TokenOrder order;
  const auto first = order.start(), second = order.start();
  EXPECT_TRUE(order.claim("sb", second));
  EXPECT_FALSE(order.claim("sb", first));
  EXPECT_TRUE(order.claim("sb", second));
  EXPECT_TRUE(order.claim("other", first));
}

TEST(Codes, FollowClassThenStatus) {
  EXPECT_EQ(codeFor(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_DISK_FULL, 0, Op::fsWrite), ErrorCode::diskFull);
  EXPECT_EQ(codeFor(CSDK_FAILED_PRECONDITION, CSDK_ERROR_STOPPED, 0, Op::exec), ErrorCode::sandboxStopped);
  EXPECT_EQ(codeFor(CSDK_UNKNOWN, CSDK_ERROR_LIMIT, 0, Op::create), ErrorCode::limit);
  EXPECT_EQ(codeFor(CSDK_NOT_FOUND, 0, 0, Op::fsRead), ErrorCode::fileNotFound);
  EXPECT_EQ(codeFor(CSDK_NOT_FOUND, 0, 0, Op::inspect), ErrorCode::notFound);
  EXPECT_EQ(codeFor(CSDK_INVALID_ARGUMENT, 0, 0, Op::open), ErrorCode::config);
  EXPECT_EQ(codeFor(CSDK_RESOURCE_EXHAUSTED, 0, 429, Op::exec), ErrorCode::rateLimited);
  EXPECT_EQ(codeFor(-99, 4711, 0, Op::exec), ErrorCode::unknown);
}

}  // namespace
}  // namespace computesdk::registry::host
