#include "fake_host.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace computesdk::test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

/// A built example, driven through its table alone.
class ExampleTest : public testing::Test {
 protected:
  void load(const char* path) {
    // Never closed, as by the registry.
    void* library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << ::dlerror();
    entry_ = reinterpret_cast<csdk_plugin_entry_fn>(::dlsym(library, CSDK_ENTRY_SYMBOL));
    ASSERT_NE(entry_, nullptr);
    plugin_ = entryWith(CSDK_ABI_DRAFT);
    ASSERT_NE(plugin_, nullptr) << refused_;
  }
  void TearDown() override { close(); }

  const csdk_plugin* entryWith(std::uint32_t draft) {
    csdk_host_info info{};
    info.struct_size = sizeof info;
    info.abi_major = CSDK_ABI_MAJOR;
    info.draft = draft;
    info.ctx = this;
    info.refuse = [](void* ctx, csdk_str reason) { static_cast<ExampleTest*>(ctx)->refused_ = toString(reason); };
    return entry_(&info);
  }
  csdk_status open(std::vector<csdk_option> config) {
    csdk_open_args args{};
    args.struct_size = sizeof args;
    args.config = {config.data(), config.size()};
    return host_.run([&](csdk_call call) { return plugin_->provider_open(host_.get(), call, &args, &provider_); });
  }
  void close() {
    if (provider_) plugin_->provider_close(std::exchange(provider_, nullptr));
  }

  csdk_status create(std::uint32_t flags = 0) {
    csdk_create_args args{};
    args.struct_size = sizeof args;
    args.flags = flags;
    const csdk_status status =
        host_.run([&](csdk_call call) { return plugin_->sandbox_create(provider_, call, &args); });
    if (status == CSDK_OK) id_ = host_.last().sandboxes.back().first;
    return status;
  }
  csdk_status withTarget(csdk_status (*slot)(csdk_provider*, csdk_call, const csdk_target_args*),
                         const std::string& id) {
    csdk_target_args args{};
    args.struct_size = sizeof args;
    args.target.id = toAbi(id);
    return host_.run([&](csdk_call call) { return slot(provider_, call, &args); });
  }
  std::vector<std::string> list() {
    csdk_list_args args{};
    args.struct_size = sizeof args;
    EXPECT_EQ(host_.run([&](csdk_call call) { return plugin_->sandbox_list(provider_, call, &args); }), CSDK_OK);
    std::vector<std::string> ids;
    for (const auto& [id, status] : host_.last().sandboxes) ids.push_back(id);
    return ids;
  }

  csdk_exec_args shell(const char* command) {
    csdk_exec_args args{};
    args.struct_size = sizeof args;
    args.target.id = toAbi(id_);
    args.command = toAbi(command);
    return args;
  }
  csdk_status exec(const csdk_exec_args& args) {
    return host_.run([&](csdk_call call) { return plugin_->exec(provider_, call, &args); });
  }
  csdk_status exec(const char* command) { return exec(shell(command)); }
  std::string output() { return host_.last().stream(CSDK_STREAM_STDOUT); }

  FakeHost host_;
  csdk_plugin_entry_fn entry_ = nullptr;
  const csdk_plugin* plugin_ = nullptr;
  csdk_provider* provider_ = nullptr;
  std::string id_, refused_;
};

// ---------------------------------------------------------------------------------------------- C

class ExampleC : public ExampleTest {
 protected:
  void SetUp() override {
    load(EXAMPLE_C_LIBRARY);
    ASSERT_EQ(open({textOption("token", "anything")}), CSDK_OK);
    ASSERT_EQ(create(), CSDK_OK);
  }
};

TEST_F(ExampleC, RefusesAnotherDraftNamingBoth) {
  EXPECT_EQ(entryWith(CSDK_ABI_DRAFT + 7), nullptr);
  EXPECT_THAT(refused_, HasSubstr("draft " + std::to_string(CSDK_ABI_DRAFT) + ","));
  EXPECT_THAT(refused_, HasSubstr("draft " + std::to_string(CSDK_ABI_DRAFT + 7)));
}

TEST_F(ExampleC, WantsItsToken) {
  close();
  EXPECT_EQ(open({}), CSDK_UNAUTHENTICATED);
  EXPECT_EQ(host_.last().failure->fields.error_class, CSDK_ERROR_CREDENTIAL_MISSING);
  EXPECT_EQ(provider_, nullptr);
}

TEST_F(ExampleC, SandboxesComeAndGo) {
  const std::string first = id_;
  ASSERT_EQ(create(), CSDK_OK);
  EXPECT_THAT(list(), ElementsAre(first, id_));
  EXPECT_EQ(withTarget(plugin_->sandbox_inspect, first), CSDK_OK);
  EXPECT_EQ(withTarget(plugin_->sandbox_destroy, first), CSDK_OK);
  EXPECT_EQ(withTarget(plugin_->sandbox_destroy, first), CSDK_OK) << "destroy is idempotent";
  EXPECT_EQ(withTarget(plugin_->sandbox_inspect, first), CSDK_NOT_FOUND);
  EXPECT_EQ(host_.last().failure->fields.error_class, CSDK_ERROR_GONE);
  EXPECT_THAT(list(), ElementsAre(id_));
}

TEST_F(ExampleC, StreamsTwoChunks) {
  EXPECT_EQ(exec("echo hello world"), CSDK_OK);
  ASSERT_EQ(host_.last().chunks.size(), 2u);
  EXPECT_EQ(output(), "hello world\n");
  EXPECT_EQ(host_.last().exit->kind, CSDK_EXIT_CODE);

  const csdk_str words[] = {toAbi("echo"), toAbi("a b"), toAbi("c")};
  csdk_exec_args args = shell("");
  args.argv = {words, 3};
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(output(), "a b c\n");
  EXPECT_EQ(exec("nonsense"), CSDK_OK);
  EXPECT_EQ(host_.last().exit->value, 127);
}

TEST_F(ExampleC, SaysWhenToTryAgain) {
  csdk_status status = CSDK_OK;
  for (int i = 0; i < 100 && status == CSDK_OK; ++i) status = create();
  EXPECT_EQ(status, CSDK_RESOURCE_EXHAUSTED);
  const Failure failure = *host_.last().failure;
  EXPECT_EQ(failure.fields.retry_after_ms, 1500);
  EXPECT_EQ(failure.fields.error_class, CSDK_ERROR_RATE_LIMIT);
  EXPECT_EQ(failure.vendorCode, "too_many_sandboxes");
}

TEST_F(ExampleC, RefusesDemandsItDoesNotKnow) {
  EXPECT_EQ(create(CSDK_CREATE_NETWORK), CSDK_UNIMPLEMENTED);
  EXPECT_EQ(create(CSDK_CREATE_DIE_WITH_HOST), CSDK_OK);
}

TEST_F(ExampleC, SleepCompletesFromItsOwnThread) {
  const csdk_exec_args args = shell("sleep 0.02");
  const csdk_call call = host_.begin();
  const csdk_status returned = plugin_->exec(provider_, call, &args);
  EXPECT_EQ(returned, CSDK_PENDING);
  EXPECT_EQ(host_.end(call, returned), CSDK_OK);
  EXPECT_EQ(host_.last().exit->kind, CSDK_EXIT_CODE);
  EXPECT_EQ(host_.last().misbehaved, 0);
}

TEST_F(ExampleC, SleepEndsAtItsTimeoutOrTheDeadline) {
  csdk_exec_args args = shell("sleep 3600");
  args.timeout_ms = 10;
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(host_.last().exit->kind, CSDK_EXIT_TIMEOUT);

  args.timeout_ms = 0;
  const csdk_call call = host_.begin(monotonicNs() + 10'000'000);
  EXPECT_EQ(host_.end(call, plugin_->exec(provider_, call, &args)), CSDK_DEADLINE_EXCEEDED);
}

TEST_F(ExampleC, SleepIsCancelled) {
  const csdk_exec_args args = shell("sleep 3600");
  const csdk_call call = host_.begin();
  const csdk_status returned = plugin_->exec(provider_, call, &args);
  host_.cancel(call);
  EXPECT_EQ(host_.end(call, returned), CSDK_CANCELLED);

  const csdk_call early = host_.begin();
  host_.cancel(early);
  EXPECT_EQ(host_.end(early, plugin_->exec(provider_, early, &args)), CSDK_CANCELLED);
}

TEST_F(ExampleC, ManySleepsFromManyThreads) {
  const csdk_exec_args quick = shell("sleep 0.001"), slow = shell("sleep 3600");
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, cancels = i % 2 == 0] {
      for (int round = 0; round < 20; ++round) {
        const csdk_call call = host_.begin();
        const csdk_status returned = plugin_->exec(provider_, call, cancels ? &slow : &quick);
        if (cancels) host_.cancel(call);
        EXPECT_EQ(host_.end(call, returned), cancels ? CSDK_CANCELLED : CSDK_OK);
      }
    });
  }
}

TEST_F(ExampleC, CloseEndsWhatIsPending) {
  const csdk_exec_args args = shell("sleep 3600");
  const csdk_call call = host_.begin();
  ASSERT_EQ(plugin_->exec(provider_, call, &args), CSDK_PENDING);
  close();
  EXPECT_EQ(host_.record(call).status, CSDK_CANCELLED);
}

// ---------------------------------------------------------------------------------------------- shell in C++

class ExampleShell : public ExampleTest {
 protected:
  void SetUp() override {
    load(EXAMPLE_SHELL_LIBRARY);
    char name[] = "/tmp/csdk-shell-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    ASSERT_EQ(open({textOption("root", root_.c_str())}), CSDK_OK);
    ASSERT_EQ(create(), CSDK_OK);
  }
  void TearDown() override {
    close();
    std::filesystem::remove_all(root_);
  }
  std::filesystem::path folder() const { return root_ / id_; }

  /// Runs until the first output, then does `act`.
  csdk_status execUntilOutput(const csdk_exec_args& args, const std::function<void(csdk_call)>& act) {
    const csdk_call call = host_.begin();
    std::jthread acting([&] {
      EXPECT_TRUE(host_.waitFor(call, [](const Record& record) { return !record.chunks.empty(); }));
      act(call);
    });
    return host_.end(call, plugin_->exec(provider_, call, &args));
  }
  /// Waits until a process that printed its number is no more.
  static bool goneSoon(const std::string& number) {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(std::stol(number)), 0));
    if (fd < 0) return errno == ESRCH;
    pollfd end{fd, POLLIN, 0};  // readable once it has ended, also before whoever adopted it has reaped it
    const bool gone = ::poll(&end, 1, 10'000) == 1;
    ::close(fd);
    return gone;
  }

  std::filesystem::path root_;
};

TEST_F(ExampleShell, SandboxesComeAndGo) {
  EXPECT_THAT(list(), ElementsAre(id_));
  EXPECT_EQ(withTarget(plugin_->sandbox_inspect, id_), CSDK_OK);
  EXPECT_EQ(withTarget(plugin_->sandbox_destroy, id_), CSDK_OK);
  EXPECT_EQ(withTarget(plugin_->sandbox_destroy, id_), CSDK_OK);
  EXPECT_EQ(withTarget(plugin_->sandbox_inspect, id_), CSDK_NOT_FOUND);
  EXPECT_EQ(exec("true"), CSDK_NOT_FOUND);
}

TEST_F(ExampleShell, IdsReachNothingElse) {
  std::filesystem::create_directory(root_ / "other");
  for (const std::string id : {"other", "..", "sh-/../other", "../other", "", "/tmp"}) {
    EXPECT_EQ(withTarget(plugin_->sandbox_inspect, id), CSDK_NOT_FOUND) << id;
    EXPECT_EQ(withTarget(plugin_->sandbox_destroy, id), CSDK_OK) << id;
  }
  EXPECT_TRUE(std::filesystem::exists(root_ / "other"));
  EXPECT_THAT(list(), ElementsAre(id_));
}

TEST_F(ExampleShell, RunsAShellLine) {
  EXPECT_EQ(exec("echo $((6*7)); echo oops >&2; exit 3"), CSDK_OK);
  EXPECT_EQ(output(), "42\n");
  EXPECT_EQ(host_.last().stream(CSDK_STREAM_STDERR), "oops\n");
  EXPECT_EQ(host_.last().exit->kind, CSDK_EXIT_CODE);
  EXPECT_EQ(host_.last().exit->value, 3);
}

TEST_F(ExampleShell, RunsAnArgvWithoutAShell) {
  const csdk_str words[] = {toAbi("printf"), toAbi("%s|"), toAbi("$HOME"), toAbi("a b")};
  csdk_exec_args args = shell("");
  args.argv = {words, 4};
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(output(), "$HOME|a b|");
}

TEST_F(ExampleShell, DirectoryAndEnvironmentAreTheCalls) {
  std::filesystem::create_directory(folder() / "sub");
  const csdk_pair pair{toAbi("GREETING"), toAbi("hi")};
  csdk_exec_args args = shell("pwd; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort");
  args.cwd = toAbi("sub");
  args.env = {&pair, 1};
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(output(), (folder() / "sub").string() + "\nGREETING=hi\nPATH=/usr/local/bin:/usr/bin:/bin\n");
  args.cwd = toAbi("missing");
  EXPECT_EQ(exec(args), CSDK_NOT_FOUND);
}

TEST_F(ExampleShell, SignalsAndMissingProgramsAreResults) {
  EXPECT_EQ(exec("kill -TERM $$"), CSDK_OK);
  EXPECT_EQ(host_.last().exit->kind, CSDK_EXIT_SIGNAL);
  EXPECT_EQ(host_.last().exit->value, SIGTERM);
  const csdk_str missing[] = {toAbi("no-such-program")}, folder[] = {toAbi("/tmp")};
  csdk_exec_args args = shell("");
  args.argv = {missing, 1};
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(host_.last().exit->value, 127);
  args.argv = {folder, 1};
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(host_.last().exit->value, 126);
}

TEST_F(ExampleShell, LargeOutputIsByteExact) {
  EXPECT_EQ(exec("head -c 5000000 /dev/zero | tr '\\0' x"), CSDK_OK);
  EXPECT_EQ(output(), std::string(5000000, 'x'));
}

TEST_F(ExampleShell, StdinIsInlineOrStreams) {
  csdk_exec_args args = shell("cat");
  EXPECT_EQ(exec(args), CSDK_OK);  // at its end
  const std::string large(1 << 20, 'y');
  args.input = {reinterpret_cast<const std::uint8_t*>(large.data()), large.size()};
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(output(), large);

  FakeSource source;
  args = shell("read line; echo \"got $line\"; cat");
  args.source = source.get();
  source.push("first\n");
  EXPECT_EQ(execUntilOutput(args,
                            [&](csdk_call) {
                              source.push("second");
                              source.end();
                            }),
            CSDK_OK);
  EXPECT_EQ(output(), "got first\nsecond");
}

TEST_F(ExampleShell, ProgramThatDoesNotReadItsStdin) {
  const std::string large(1 << 20, 'y');
  csdk_exec_args args = shell("exec <&-; echo done");
  args.input = {reinterpret_cast<const std::uint8_t*>(large.data()), large.size()};
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(output(), "done\n");
  FakeSource source;  // never ends
  args = shell("echo done");
  args.source = source.get();
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(output(), "done\n");
}

TEST_F(ExampleShell, TimeoutKills) {
  csdk_exec_args args = shell("echo begun; sleep 3600");
  args.timeout_ms = 50;
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(host_.last().exit->kind, CSDK_EXIT_TIMEOUT);
}

TEST_F(ExampleShell, EndlessOutputHidesNeitherTheClockNorTheEnd) {
  csdk_exec_args args = shell("yes");
  args.timeout_ms = 50;
  EXPECT_EQ(exec(args), CSDK_OK);
  EXPECT_EQ(host_.last().exit->kind, CSDK_EXIT_TIMEOUT);
  EXPECT_EQ(exec("yes & echo begun >&2; exit 5"), CSDK_OK);  // the pipe closes behind it and ends it
  EXPECT_EQ(host_.last().exit->value, 5);
}

TEST_F(ExampleShell, DeadlineKillsAndFails) {
  const csdk_exec_args args = shell("sleep 3600");
  const csdk_call call = host_.begin(monotonicNs() + 50'000'000);
  EXPECT_EQ(host_.end(call, plugin_->exec(provider_, call, &args)), CSDK_DEADLINE_EXCEEDED);
}

TEST_F(ExampleShell, CancellationKillsTheCommandAndItsDescendants) {
  const csdk_exec_args args = shell("sleep 3600 & echo $!; wait");
  EXPECT_EQ(execUntilOutput(args, [&](csdk_call call) { host_.cancel(call); }), CSDK_CANCELLED);
  EXPECT_TRUE(goneSoon(output()));
}

TEST_F(ExampleShell, EndOfTheCommandIsTheEndOfTheCall) {
  EXPECT_EQ(exec("sleep 3600 & echo $!"), CSDK_OK);
  const std::string number = output();
  EXPECT_EQ(::kill(static_cast<pid_t>(std::stol(number)), SIGKILL), 0) << "what it left behind lives on";
}

TEST_F(ExampleShell, NeedsItsRoot) {
  close();
  EXPECT_EQ(open({}), CSDK_INVALID_ARGUMENT);
  EXPECT_THAT(host_.last().failure->message, HasSubstr("root"));
}

TEST_F(ExampleShell, RefusesWhatItCannotPromise) {
  EXPECT_EQ(create(CSDK_CREATE_NETWORK), CSDK_UNIMPLEMENTED);
  EXPECT_EQ(create(CSDK_CREATE_REQUIRE_HARD_LIMITS), CSDK_UNIMPLEMENTED);
  EXPECT_EQ(create(CSDK_CREATE_ISOLATION_NONE), CSDK_OK);
}

TEST_F(ExampleShell, ManyCommandsAtOnce) {
  std::vector<std::jthread> threads;
  const csdk_exec_args args = shell("echo x");
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        const csdk_call call = host_.begin();
        EXPECT_EQ(host_.end(call, plugin_->exec(provider_, call, &args)), CSDK_OK);
        EXPECT_EQ(host_.record(call).stream(CSDK_STREAM_STDOUT), "x\n");
      }
    });
  }
}

}  // namespace
}  // namespace computesdk::test
