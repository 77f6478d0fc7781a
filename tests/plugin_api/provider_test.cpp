#include "fake_host.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <computesdk/provider.hpp>

#include <cstddef>
#include <cstring>
#include <future>
#include <new>
#include <stdexcept>
#include <thread>

namespace computesdk::test {
namespace {

using namespace computesdk::plugin;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

struct NotAStdException {};

/// Does what the command's name says.
class Sample {
 public:
  static constexpr std::uint32_t kCreateFlags = CSDK_CREATE_NETWORK;
  static constexpr std::uint32_t kExtendMeaning = CSDK_EXTEND_ADDED;

  Sample(Call& call, const Options& config) {
    if (config.boolean("broken").value_or(false)) throw std::runtime_error("cannot open");
    call.log(CSDK_LOG_DEBUG, "opened");
  }
  ~Sample() {
    if (worker_.joinable()) worker_.join();
  }

  void create(Call& call, const csdk_create_args& args) {
    seenCreate = args;
    call.progress("boot", "half way", 1, 2);
    call.emitSandbox("s1", CSDK_SANDBOX_STARTING);
    call.emitSandbox("s1");
    call.token("secret");
  }
  csdk_status destroy(Call&, const csdk_target_args&) { return CSDK_NOT_FOUND; }

  csdk_status exec(Call& call, const csdk_exec_args& args) {
    const std::string_view what = view(args.command);
    if (what == "echo") {
      call.out("a");
      call.err("b");
      call.exitCode(3, CSDK_EXIT_LOSSY);
    }
    if (what == "error") {
      throw Error(CSDK_RESOURCE_EXHAUSTED, "too fast")
          .errorClass(CSDK_ERROR_RATE_LIMIT)
          .fix("wait")
          .vendorCode("slow_down")
          .raw("{}")
          .requestId("r-1")
          .httpStatus(429)
          .retryAfter(1500ms)
          .retryable()
          .maybeApplied();
    }
    if (what == "positive error") throw Error(CSDK_PENDING, "a mistake");
    if (what == "std") throw std::logic_error("logic");
    if (what == "memory") throw std::bad_alloc();
    if (what == "odd") throw NotAStdException{};
    if (what == "block") block(call);
    if (what == "thread" || what == "thread error") {
      worker_ = std::thread([call, fails = what == "thread error"] {
        call.completeWith([&] {
          if (fails) throw NotAStdException{};
          call.out("later");
          call.exitCode(0);
        });
      });
      return CSDK_PENDING;
    }
    if (what == "read") Input(args).readAll([&](auto data) { call.data(bytes(data)); });
    if (what == "http") Http{call};
    return CSDK_OK;
  }

  csdk_status vendorCall(Call& call, const csdk_vendor_call_args& args) {
    call.emitJson(view(args.json));
    return CSDK_OK;
  }
  void processStart(Call& call, const csdk_process_start_args& args) {
    auto process = make<csdk_process>();
    process.id = args.exec->command;
    call.emit(process);
  }
  void namedFindOrCreate(Call& call, const csdk_named_args& args) {
    call.emitSandbox(args.create ? view(args.create->image) : "none");
  }
  void extend(Call&, const csdk_extend_args&) {}

  static const void* extension(std::string_view id) { return id == "com.example.sample/1" ? &kOwnTable : nullptr; }
  static constexpr int kOwnTable = 1;
  csdk_create_args seenCreate{};

 private:
  static void block(Call& call) {
    std::mutex mutex;
    std::condition_variable changed;
    bool cancelled = false;
    const auto guard = call.onCancel([&] {
      const std::lock_guard lock(mutex);
      cancelled = true;
      changed.notify_all();
    });
    call.out("blocked");
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return cancelled; });
    lock.unlock();
    call.throwIfCancelled();
  }

  std::thread worker_;
};

constexpr csdk_plugin kPlugin = makePlugin<Sample>("sample", "2.1.0");

class ProviderTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(open({}), CSDK_OK); }
  void TearDown() override {
    if (provider_) kPlugin.provider_close(provider_);
  }

  csdk_status open(std::vector<csdk_option> options) {
    auto args = make<csdk_open_args>();
    args.config = {options.data(), options.size()};
    if (provider_) kPlugin.provider_close(std::exchange(provider_, nullptr));
    return host_.run([&](csdk_call call) { return kPlugin.provider_open(host_.get(), call, &args, &provider_); });
  }
  csdk_status exec(const char* command, const csdk_source* source = nullptr) {
    auto args = make<csdk_exec_args>();
    args.command = toAbi(command);
    args.source = source;
    return host_.run([&](csdk_call call) { return kPlugin.exec(provider_, call, &args); });
  }
  template <class T>
  const T* extension(const char* id) {
    return static_cast<const T*>(kPlugin.extension(toAbi(id)));
  }
  Sample& object() { return reinterpret_cast<Box<Sample>*>(provider_)->object; }

  FakeHost host_;
  csdk_provider* provider_ = nullptr;
};

// ---------------------------------------------------------------------------------------------- tables

TEST_F(ProviderTest, MethodsFillTheirSlotsAndNothingElse) {
  EXPECT_EQ(kPlugin.struct_size, sizeof kPlugin);
  EXPECT_EQ(toString(kPlugin.name), "sample");
  EXPECT_EQ(toString(kPlugin.version), "2.1.0");
  EXPECT_NE(kPlugin.sandbox_create, nullptr);
  EXPECT_NE(kPlugin.exec, nullptr);
  EXPECT_EQ(kPlugin.sandbox_list, nullptr);
  EXPECT_EQ(kPlugin.fs_read, nullptr);
}

TEST_F(ProviderTest, ExtensionsAreOfferedByTheirMethods) {
  const auto* process = extension<csdk_process_ext>(CSDK_EXT_PROCESS);
  ASSERT_NE(process, nullptr);
  EXPECT_NE(process->start, nullptr);
  EXPECT_EQ(process->signal, nullptr);
  EXPECT_EQ(extension<csdk_lifetime_ext>(CSDK_EXT_LIFETIME)->extend_meaning, CSDK_EXTEND_ADDED);
  EXPECT_EQ(kPlugin.extension(toAbi(CSDK_EXT_SNAPSHOT)), nullptr);
  EXPECT_EQ(kPlugin.extension(toAbi("com.example.sample/1")), &Sample::kOwnTable);
  EXPECT_EQ(kPlugin.extension(toAbi("com.example.other/1")), nullptr);
  EXPECT_EQ(kPlugin.extension(csdk_str{}), nullptr);
}

class EntryTest : public testing::Test {
 protected:
  const csdk_plugin* enterWith(std::uint32_t major, std::uint32_t draft) {
    auto info = make<csdk_host_info>();
    info.abi_major = major;
    info.draft = draft;
    info.ctx = &reason_;
    info.refuse = [](void* ctx, csdk_str reason) { *static_cast<std::string*>(ctx) = toString(reason); };
    return enter(&info, kPlugin);
  }
  std::string reason_;
};

TEST_F(EntryTest, EqualDraftsMeet) {
  EXPECT_EQ(enterWith(CSDK_ABI_MAJOR, kAbiDraft), &kPlugin);
  EXPECT_EQ(kPlugin.draft, kAbiDraft);
}

TEST_F(EntryTest, OtherDraftIsRefusedNamingBoth) {
  EXPECT_EQ(enterWith(CSDK_ABI_MAJOR, kAbiDraft + 41), nullptr);
  EXPECT_THAT(reason_, HasSubstr("draft " + std::to_string(kAbiDraft) + ","));
  EXPECT_THAT(reason_, HasSubstr("draft " + std::to_string(kAbiDraft + 41)));
  EXPECT_THAT(reason_, HasSubstr("sample"));
}

TEST_F(EntryTest, OtherMajorAndNoInfoAreRefused) {
  EXPECT_EQ(enterWith(CSDK_ABI_MAJOR + 1, kAbiDraft), nullptr);
  EXPECT_EQ(enter(nullptr, kPlugin), nullptr);
  csdk_host_info tiny{};
  tiny.struct_size = 4;
  EXPECT_EQ(enter(&tiny, kPlugin), nullptr);
}

// ---------------------------------------------------------------------------------------------- results, failures

TEST_F(ProviderTest, ResultsReachTheHost) {
  EXPECT_EQ(exec("echo"), CSDK_OK);
  const Record record = host_.last();
  EXPECT_EQ(record.stream(CSDK_STREAM_STDOUT), "a");
  EXPECT_EQ(record.stream(CSDK_STREAM_STDERR), "b");
  EXPECT_EQ(record.exit->kind, CSDK_EXIT_CODE);
  EXPECT_EQ(record.exit->value, 3);
  EXPECT_EQ(record.exit->flags, CSDK_EXIT_LOSSY);
}

TEST_F(ProviderTest, ErrorCarriesAllItsFields) {
  EXPECT_EQ(exec("error"), CSDK_RESOURCE_EXHAUSTED);
  const Failure failure = *host_.last().failure;
  EXPECT_EQ(failure.message, "too fast");
  EXPECT_EQ(failure.fix, "wait");
  EXPECT_EQ(failure.vendorCode, "slow_down");
  EXPECT_EQ(failure.raw, "{}");
  EXPECT_EQ(failure.requestId, "r-1");
  EXPECT_EQ(failure.fields.error_class, CSDK_ERROR_RATE_LIMIT);
  EXPECT_EQ(failure.fields.http_status, 429);
  EXPECT_EQ(failure.fields.retry_after_ms, 1500);
  EXPECT_EQ(failure.fields.flags, CSDK_ERROR_RETRYABLE | CSDK_ERROR_MAYBE_APPLIED);
}

TEST_F(ProviderTest, WhateverIsThrownBecomesADescribedFailure) {
  EXPECT_EQ(exec("std"), CSDK_INTERNAL);
  EXPECT_EQ(host_.last().failure->message, "logic");
  EXPECT_EQ(exec("memory"), CSDK_RESOURCE_EXHAUSTED);
  EXPECT_THAT(host_.last().failure->message, HasSubstr("memory"));
  EXPECT_EQ(exec("odd"), CSDK_INTERNAL);
  EXPECT_THAT(host_.last().failure->message, HasSubstr("not a std::exception"));
  EXPECT_EQ(exec("positive error"), CSDK_INTERNAL);
}

TEST_F(ProviderTest, ReturnedStatusIsTheOutcome) {
  const auto args = make<csdk_target_args>();
  EXPECT_EQ(host_.run([&](csdk_call call) { return kPlugin.sandbox_destroy(provider_, call, &args); }), CSDK_NOT_FOUND);
}

TEST_F(ProviderTest, OpenThatThrowsLeavesNothing) {
  csdk_option broken{};
  broken.key = toAbi("broken");
  broken.kind = CSDK_OPTION_BOOL;
  broken.i = 1;
  EXPECT_EQ(open({broken}), CSDK_INTERNAL);
  EXPECT_EQ(provider_, nullptr);
  EXPECT_EQ(host_.last().failure->message, "cannot open");
  broken.kind = CSDK_OPTION_I64;
  EXPECT_EQ(open({broken}), CSDK_INVALID_ARGUMENT);
  EXPECT_THAT(host_.last().failure->message, HasSubstr("'broken' must be true or false"));
}

// ---------------------------------------------------------------------------------------------- struct sizes, flags

/// The first `size` bytes of `args` in a block of exactly that size, or longer ones filled with 0xff behind.
template <class T>
std::vector<std::uint8_t> resized(T args, std::size_t size) {
  args.struct_size = static_cast<std::uint32_t>(size);
  std::vector<std::uint8_t> block(size, 0xff);
  std::memcpy(block.data(), &args, std::min(size, sizeof args));
  return block;
}

TEST_F(ProviderTest, ShorterArgumentsReadAsZeroBehind) {
  auto args = make<csdk_create_args>();
  args.cpu_milli = 500;
  args.network = CSDK_NETWORK_NONE;
  const auto block = resized(args, offsetof(csdk_create_args, network));
  EXPECT_EQ(host_.run([&](csdk_call call) {
    return kPlugin.sandbox_create(provider_, call, reinterpret_cast<const csdk_create_args*>(block.data()));
  }),
            CSDK_OK);
  EXPECT_EQ(object().seenCreate.cpu_milli, 500);
  EXPECT_EQ(object().seenCreate.network, 0u);
  EXPECT_THAT(host_.last().sandboxes, ElementsAre(Pair("s1", CSDK_SANDBOX_STARTING), Pair("s1", CSDK_SANDBOX_RUNNING)));
  EXPECT_THAT(host_.last().tokens, ElementsAre("secret"));
  EXPECT_THAT(host_.last().phases, ElementsAre("boot"));
}

TEST_F(ProviderTest, LongerArgumentsAreCutToWhatIsKnown) {
  auto args = make<csdk_create_args>();
  args.cpu_milli = 500;
  const auto block = resized(args, sizeof args + 64);
  EXPECT_EQ(host_.run([&](csdk_call call) {
    return kPlugin.sandbox_create(provider_, call, reinterpret_cast<const csdk_create_args*>(block.data()));
  }),
            CSDK_OK);
  EXPECT_EQ(object().seenCreate.cpu_milli, 500);
  EXPECT_EQ(object().seenCreate.struct_size, sizeof(csdk_create_args));
}

TEST_F(ProviderTest, ImpossibleStructsAreRefused) {
  for (const std::uint32_t size : {0u, 4u, 7u}) {
    csdk_exec_args args{};
    args.struct_size = size;
    EXPECT_EQ(host_.run([&](csdk_call call) { return kPlugin.exec(provider_, call, &args); }), CSDK_INVALID_ARGUMENT);
  }
  EXPECT_EQ(host_.run([&](csdk_call call) { return kPlugin.exec(provider_, call, nullptr); }), CSDK_INVALID_ARGUMENT);
}

TEST_F(ProviderTest, EverySizeOfArgumentsIsReadInBounds) {
  for (std::size_t size = 8; size <= sizeof(csdk_exec_args); size += 4) {
    const auto block = resized(make<csdk_exec_args>(), size);
    EXPECT_EQ(host_.run([&](csdk_call call) {
      return kPlugin.exec(provider_, call, reinterpret_cast<const csdk_exec_args*>(block.data()));
    }),
              CSDK_OK);
  }
}

TEST_F(ProviderTest, UnknownMustUnderstandFlagsAreRefused) {
  auto args = make<csdk_create_args>();
  const auto create = [&](std::uint32_t flags) {
    args.flags = flags;
    return host_.run([&](csdk_call call) { return kPlugin.sandbox_create(provider_, call, &args); });
  };
  EXPECT_EQ(create(CSDK_CREATE_NETWORK | CSDK_CREATE_DIE_WITH_HOST), CSDK_OK);  // declared; and a mere hint
  EXPECT_EQ(create(CSDK_CREATE_REQUIRE_HARD_LIMITS), CSDK_UNIMPLEMENTED);
  EXPECT_THAT(host_.last().failure->message, HasSubstr("does not understand"));
  EXPECT_THAT(host_.last().sandboxes, IsEmpty());
  EXPECT_EQ(create(0x80000000u), CSDK_UNIMPLEMENTED);
}

TEST_F(ProviderTest, NestedArgumentsAreReadTheSameWay) {
  auto exec = make<csdk_exec_args>();
  exec.command = toAbi("p1");
  auto start = make<csdk_process_start_args>();
  start.exec = &exec;
  const auto* process = extension<csdk_process_ext>(CSDK_EXT_PROCESS);
  const auto run = [&] { return host_.run([&](csdk_call call) { return process->start(provider_, call, &start); }); };
  EXPECT_EQ(run(), CSDK_OK);
  EXPECT_THAT(host_.last().names, ElementsAre("p1"));
  exec.flags = 0x00010000u;
  EXPECT_EQ(run(), CSDK_UNIMPLEMENTED);
  start.exec = nullptr;
  EXPECT_EQ(run(), CSDK_INVALID_ARGUMENT);

  auto create = make<csdk_create_args>();
  create.image = toAbi("img");
  create.flags = CSDK_CREATE_NETWORK;
  auto named = make<csdk_named_args>();
  named.create = &create;
  const auto* names = extension<csdk_named_ext>(CSDK_EXT_NAMED);
  const auto find = [&] {
    return host_.run([&](csdk_call call) { return names->find_or_create(provider_, call, &named); });
  };
  EXPECT_EQ(find(), CSDK_OK);
  EXPECT_EQ(host_.last().sandboxes.at(0).first, "img");
  create.flags = CSDK_CREATE_LIMITS;
  EXPECT_EQ(find(), CSDK_UNIMPLEMENTED);
}

TEST_F(ProviderTest, HostTablesOfOtherSizes) {
  auto args = make<csdk_open_args>();
  csdk_provider* out = nullptr;
  const auto longer = resized(host_.table, sizeof host_.table + 64);
  const auto* grown = reinterpret_cast<const csdk_host*>(longer.data());
  ASSERT_EQ(host_.run([&](csdk_call call) { return kPlugin.provider_open(grown, call, &args, &out); }), CSDK_OK);
  kPlugin.provider_close(out);

  const auto shorter = resized(host_.table, offsetof(csdk_host, extension));
  const auto* cut = reinterpret_cast<const csdk_host*>(shorter.data());
  EXPECT_EQ(host_.run([&](csdk_call call) { return kPlugin.provider_open(cut, call, &args, &out); }),
            CSDK_FAILED_PRECONDITION);
}

TEST_F(ProviderTest, HostFunctionsTakeTheHostsOwnPointer) {
  static const csdk_host* expected = nullptr;
  expected = host_.get();
  host_.table.write = [](const csdk_host* given, csdk_call, std::uint32_t, csdk_bytes) -> csdk_status {
    return given == expected ? CSDK_OK : CSDK_INTERNAL;
  };
  ASSERT_EQ(open({}), CSDK_OK);
  EXPECT_EQ(exec("echo"), CSDK_OK);
}

// ---------------------------------------------------------------------------------------------- time and threads

TEST_F(ProviderTest, BlockedOperationIsInterrupted) {
  auto args = make<csdk_exec_args>();
  args.command = toAbi("block");
  const csdk_call call = host_.begin();
  std::jthread canceller([&] {
    EXPECT_TRUE(host_.waitFor(call, [](const Record& record) { return !record.chunks.empty(); }));
    host_.cancel(call);
  });
  EXPECT_EQ(host_.end(call, kPlugin.exec(provider_, call, &args)), CSDK_CANCELLED);
}

TEST_F(ProviderTest, PushIntoACancelledCallEndsTheOperation) {
  auto args = make<csdk_exec_args>();
  args.command = toAbi("echo");
  const csdk_call call = host_.begin();
  host_.cancel(call);
  EXPECT_EQ(host_.end(call, kPlugin.exec(provider_, call, &args)), CSDK_CANCELLED);
  EXPECT_FALSE(host_.last().exit);
}

TEST_F(ProviderTest, CancelFunctionRunsAtOnceWhenLateAndNeverWhenGone) {
  const Host host(host_.get());
  int runs = 0;
  const csdk_call cancelled = host_.begin();
  host_.cancel(cancelled);
  {
    const auto guard = Call(host, cancelled).onCancel([&] { ++runs; });
    EXPECT_EQ(runs, 1);
  }
  const csdk_call other = host_.begin();
  {
    const auto guard = Call(host, other).onCancel([&] { ++runs; });
  }
  host_.cancel(other);
  EXPECT_EQ(runs, 1);
}

TEST_F(ProviderTest, ThrowingCancelFunctionHarmsNobody) {
  const Host host(host_.get());
  const csdk_call call = host_.begin();
  const auto guard = Call(host, call).onCancel([] { throw NotAStdException{}; });
  host_.cancel(call);
}

TEST_F(ProviderTest, PendingCallIsCompletedFromAThread) {
  EXPECT_EQ(exec("thread"), CSDK_OK);
  EXPECT_EQ(host_.last().stream(CSDK_STREAM_STDOUT), "later");
  EXPECT_EQ(host_.last().misbehaved, 0);
}

TEST_F(ProviderTest, ExceptionInThatThreadBecomesTheOutcome) {
  EXPECT_EQ(exec("thread error"), CSDK_INTERNAL);
  EXPECT_THAT(host_.last().failure->message, HasSubstr("not a std::exception"));
}

TEST_F(ProviderTest, ArgumentsOfAVendorCallGoThrough) {
  auto args = make<csdk_vendor_call_args>();
  args.json = toAbi("[1]");
  const auto* vendor = extension<csdk_vendor_call_ext>(CSDK_EXT_VENDOR_CALL);
  EXPECT_EQ(host_.run([&](csdk_call call) { return vendor->call(provider_, call, &args); }), CSDK_OK);
  EXPECT_THAT(host_.last().json, ElementsAre("[1]"));
}

// ---------------------------------------------------------------------------------------------- services

TEST_F(ProviderTest, InputComesInlineOrThroughASource) {
  auto args = make<csdk_exec_args>();
  args.command = toAbi("read");
  args.input = bytes(std::string_view("inline"));
  EXPECT_EQ(host_.run([&](csdk_call call) { return kPlugin.exec(provider_, call, &args); }), CSDK_OK);
  EXPECT_EQ(host_.last().stream(CSDK_STREAM_DATA), "inline");

  FakeSource source;
  source.push("one ");
  std::jthread later([&] {
    source.push("two ");
    source.push("three");
    source.end();
  });
  EXPECT_EQ(exec("read", source.get()), CSDK_OK);
  EXPECT_EQ(host_.last().stream(CSDK_STREAM_DATA), "one two three");
}

TEST_F(ProviderTest, WaitForInputEndsWithTheCall) {
  FakeSource source;
  std::jthread canceller([&] { source.cancel(); });
  EXPECT_EQ(exec("read", source.get()), CSDK_CANCELLED);
}

TEST_F(ProviderTest, TimersRunOnceOrNotAtAll) {
  const Host host(host_.get());
  const csdk_call call = host_.begin();
  std::promise<void> ran;
  {
    Timer timer(Call(host, call), 0ms, [&] { ran.set_value(); });
    EXPECT_EQ(ran.get_future().wait_for(10s), std::future_status::ready);
  }
  {
    Timer timer(Call(host, call), 1h, [] { ADD_FAILURE() << "ran although it was taken back"; });
  }
  host_.end(call, CSDK_OK);
}

TEST_F(ProviderTest, HostWithoutHttpIsAnAnswer) {
  EXPECT_EQ(exec("http"), CSDK_UNIMPLEMENTED);
  EXPECT_THAT(host_.last().failure->message, HasSubstr("HTTP"));
}

TEST(OptionsTest, ValuesByKind) {
  csdk_option items[] = {textOption("name", "x"), {}, {}};
  items[1] = {.key = toAbi("count"), .kind = CSDK_OPTION_I64, .flags = 0, .i = 7, .d = 0, .s = {}};
  items[2] = {.key = toAbi("ratio"), .kind = CSDK_OPTION_F64, .flags = 0, .i = 0, .d = 0.5, .s = {}};
  const Options options(csdk_options{items, 3});
  EXPECT_EQ(options.text("name"), "x");
  EXPECT_EQ(options.integer("count"), 7);
  EXPECT_EQ(options.number("ratio"), 0.5);
  EXPECT_EQ(options.json("absent"), std::nullopt);
  EXPECT_EQ(options.require("name"), "x");
  EXPECT_THROW(options.boolean("name"), Error);
  EXPECT_THROW(options.require("absent"), Error);
  try {
    options.require("api_key", true);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), CSDK_UNAUTHENTICATED);
    EXPECT_EQ(error.abi().error_class, CSDK_ERROR_CREDENTIAL_MISSING);
  }
}

TEST(ViewsTest, EmptyLeavesAreEmptyViews) {
  EXPECT_TRUE(view(csdk_str{}).empty());
  EXPECT_TRUE(view(csdk_bytes{}).empty());
  EXPECT_TRUE(view(csdk_strs{}).empty());
  EXPECT_EQ(find(csdk_pairs{}, "x"), std::nullopt);
  const csdk_pair pair{toAbi("k"), toAbi("v")};
  EXPECT_EQ(find(csdk_pairs{&pair, 1}, "k"), "v");
}

}  // namespace
}  // namespace computesdk::test
