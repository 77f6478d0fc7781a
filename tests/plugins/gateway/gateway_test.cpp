#include <gtest/gtest.h>

#include <computesdk/computesdk.hpp>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

// Gateway mode as the documents have it: a key, a URL, and the program goes on as with any provider.
namespace computesdk::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kKey = "key_0123456789abcdef0123456789abcdef";

/// A gateway of the test's own on a free port, with its state in a folder of its own.
class RunningGateway {
 public:
  RunningGateway() {
    std::string pattern = (fs::temp_directory_path() / "gateway-test-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    std::ofstream(folder_ / "key") << kKey;
    fs::permissions(folder_ / "key", fs::perms::owner_read | fs::perms::owner_write);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    // It ends with this program, also when that crashes.
    std::vector<std::string> words = {"setpriv",
                                      "--pdeathsig",
                                      "KILL",
                                      GATEWAY_PROGRAM,
                                      "serve",
                                      "--listen",
                                      "127.0.0.1:0",
                                      "--api-key-file",
                                      folder_ / "key",
                                      "--store",
                                      "sqlite:" + (folder_ / "names.db").string()};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::setenv("XDG_STATE_HOME", folder_.c_str(), 1);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    ::posix_spawnp(&pid_, "setpriv", &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    std::string text;
    char buffer[512];
    for (ssize_t got = 0; url.empty() && (got = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(got));
      const auto from = text.find("http://");
      const auto to = text.find_first_of(", \n", from);
      if (from != std::string::npos && to != std::string::npos) url = text.substr(from, to - from);
    }
    output_ = ends[0];  // closed later, or the gateway's log would break it
  }
  ~RunningGateway() {
    if (pid_ > 0) {
      ::kill(pid_, SIGTERM);
      while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    if (output_ >= 0) ::close(output_);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  RunningGateway(const RunningGateway&) = delete;
  RunningGateway& operator=(const RunningGateway&) = delete;

  std::string url;

 private:
  fs::path folder_;
  pid_t pid_ = -1;
  int output_ = -1;
};

class GatewayProvider : public testing::Test {
 protected:
  static void SetUpTestSuite() { gateway = new RunningGateway; }
  static void TearDownTestSuite() { delete gateway; }
  void SetUp() override { ASSERT_FALSE(gateway->url.empty()) << "the gateway does not run"; }

  /// What a program gets that configures nothing.
  static Compute zeroConfig(const std::string& key = kKey) {
    ComputeConfig config;
    config.environment = [key](std::string_view name) -> std::optional<std::string> {
      if (name == "COMPUTESDK_API_KEY") return key;
      if (name == "COMPUTESDK_GATEWAY_URL") return gateway->url;
      if (name == "COMPUTESDK_PROVIDER") return "computesdk";
      return std::nullopt;
    };
    return Compute(std::move(config));
  }
  static RunningGateway* gateway;
};
RunningGateway* GatewayProvider::gateway = nullptr;

TEST_F(GatewayProvider, RunsCommands) {
  Compute compute = zeroConfig();
  auto sandbox = compute.sandbox().create({.timeout = 2min, .envs = {{"FOO", "bar"}}});
  EXPECT_EQ(sandbox.provider(), "gateway");
  const auto result = sandbox.runCommand("echo $FOO; echo err >&2; exit 3");
  EXPECT_EQ(result.exitCode, 3);
  EXPECT_EQ(result.stdout_, "bar\n");
  EXPECT_EQ(result.stderr_, "err\n");
  EXPECT_EQ(sandbox.runCommand("cat", {.stdin_ = "input\n"}).stdout_, "input\n");
  EXPECT_TRUE(sandbox.runCommand("sleep 100", {.timeout = 300ms}).timedOut);
  std::stop_source stop;
  std::jthread canceller([&] { stop.request_stop(); });
  EXPECT_EQ(sandbox.runCommand(nothrow, "sleep 100", {.stop = stop.get_token()}).error().code, ErrorCode::cancelled);
}

TEST_F(GatewayProvider, FilesAreByteExact) {
  Compute compute = zeroConfig();
  auto sandbox = compute.sandbox().create({.timeout = 2min});
  std::string bytes;
  for (int i = 0; i < 4096; ++i) bytes.push_back(static_cast<char>(i * 7));
  sandbox.filesystem().writeFile("/tmp/x", bytes);
  EXPECT_EQ(sandbox.filesystem().readFile("/tmp/x"), bytes);
}

TEST_F(GatewayProvider, HasTheDaemonOfTheGateway) {
  Compute compute = zeroConfig();
  auto sandbox = compute.sandbox().create({.timeout = 2min});
  EXPECT_TRUE(sandbox.daemon().ensure().url.starts_with(gateway->url + "/s/"));
  auto terminal = sandbox.terminals().create({.pty = true});
  std::mutex mutex;
  std::condition_variable changed;
  std::string printed;
  terminal.on(TerminalEvent::output, [&](std::string_view text) {
    std::lock_guard lock(mutex);
    printed += text;
    changed.notify_all();
  });
  terminal.write("echo $((6*7))\n");
  {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, 20s, [&] { return printed.find("42") != std::string::npos; })) << printed;
  }
  EXPECT_EQ(sandbox.getUrl({.port = 3000}), gateway->url + "/s/" + sandbox.sandboxId() + "/p/3000/");
}

TEST_F(GatewayProvider, NamedSandboxesAreTheGateways) {
  Compute compute = zeroConfig();
  const CreateOptions wanted{.timeout = 2min, .name = "main", .namespace_ = "ns"};
  auto racing = std::async(std::launch::async, [&] { return zeroConfig().sandbox().findOrCreate(wanted).sandboxId(); });
  auto first = compute.sandbox().findOrCreate(wanted);
  EXPECT_EQ(racing.get(), first.sandboxId());
  auto found = compute.sandbox().find({.name = "main", .namespace_ = "ns"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sandboxId(), first.sandboxId());
  EXPECT_FALSE(compute.sandbox().find({.name = "main", .namespace_ = "other"}));
  const auto before = first.getInfo().expiresAt;
  EXPECT_GT(*first.extendTimeout(20min).expiresAt, *before);
  first.destroy();
  EXPECT_FALSE(compute.sandbox().find({.name = "main", .namespace_ = "ns"}));
}

TEST_F(GatewayProvider, ListsFindsAndDestroys) {
  Compute compute = zeroConfig();
  auto sandbox = compute.sandbox().create({.timeout = 2min});
  const std::string id = sandbox.sandboxId();
  EXPECT_TRUE(std::ranges::any_of(compute.sandbox().list(), [&](const SandboxInfo& one) { return one.id == id; }));
  EXPECT_TRUE(compute.sandbox().getById(id));
  sandbox.destroy();
  EXPECT_FALSE(compute.sandbox().getById(id));
  compute.sandbox().destroy(id);
}

TEST_F(GatewayProvider, AWrongKeyIsRefused) {
  const auto refused = zeroConfig("key_of_somebody_else_0123456789abcd").sandbox().create(nothrow, {.timeout = 1min});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::authRejected);
  EXPECT_NE(refused.error().fix.find("COMPUTESDK_API_KEY"), std::string::npos);
}

}  // namespace
}  // namespace computesdk::test
