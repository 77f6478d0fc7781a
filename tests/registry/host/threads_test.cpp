// Many threads at once; meant for the thread sanitizer.
#include "host/stack.hpp"
#include "support_host.hpp"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <thread>

namespace computesdk::registry {
namespace {

#ifndef __SANITIZE_ADDRESS__
/// Touches much of the stack, and says where.
[[gnu::noinline]] volatile char* deep() {
  volatile char much[std::size_t{256} << 10];
  for (std::size_t at = 0; at < sizeof much; at += 512) much[at] = 1;
  volatile char* where = &much[sizeof much / 2];
  asm volatile("" : "+r"(where));
  return where;
}

TEST(Stack, WhatNobodyUsesIsGivenBack) {
  std::thread([] {
    volatile char* const where = deep();
    const int mine = 7;
    const auto page = reinterpret_cast<std::uintptr_t>(where) & ~std::uintptr_t{4095};
    unsigned char resident = 0;
    ASSERT_EQ(::mincore(reinterpret_cast<void*>(page), 1, &resident), 0);
    EXPECT_EQ(resident & 1, 1);
    host::releaseUnusedStack();
    ASSERT_EQ(::mincore(reinterpret_cast<void*>(page), 1, &resident), 0);
    EXPECT_EQ(resident & 1, 0);
    EXPECT_EQ(mine, 7);
  }).join();
}
#endif

class Threads : public ::testing::TestWithParam<Mode> {};
INSTANTIATE_TEST_SUITE_P(Modes, Threads,
                         ::testing::Values(Mode::inlined, Mode::pooled, Mode::async, Mode::isolated,
                                           Mode::isolatedAsync),
                         modeName);

/// One of the mixed operations; whether it went as it should.
bool mixedOperation(Provider& provider, int turn) {
  switch (turn % 6) {
    case 0: return runFake(provider, {"echo", "text"}).out == "text";
    case 1: return provider.inspect(kTarget, {}).has_value();
    case 2: {
      int count = 0;
      const auto listed = provider.list(0, {},
                                        [&](const SandboxRecord&) {
                                          ++count;
                                          return true;
                                        },
                                        {});
      return listed.has_value() && count == 5;
    }
    case 3: {
      const Ran ran = runFake(provider, {"later"});
      return ran.exit && ran.exit->value == 5 && ran.out == "later";
    }
    case 4: {
      std::stop_source stop;
      CallContext context;
      context.stop = stop.get_token();
      std::jthread canceller([&stop] { stop.request_stop(); });
      const Ran ran = runFake(provider, {"until-cancelled"}, context);
      return !ran.exit && ran.exit.error().code == ErrorCode::cancelled;
    }
    default: return runFake(provider, {"write", "200000"}).out.size() == 200'000;
  }
}

TEST_P(Threads, MixedOperations) {
  const auto provider = mustOpen({.mode = GetParam()});
  ASSERT_NE(provider, nullptr);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 12; ++turn) {
        if (!mixedOperation(*provider, i + turn)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(pluginHealth(*provider).misbehaviour, 0u);
}

TEST(Threads, ManyProvidersComeAndGo) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&wrong] {
      for (int turn = 0; turn < 25; ++turn) {
        const auto provider = openFake({.mode = turn % 2 == 0 ? Mode::pooled : Mode::inlined});
        if (!provider || !runFake(**provider, {"echo", "x"}).exit) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace computesdk::registry
