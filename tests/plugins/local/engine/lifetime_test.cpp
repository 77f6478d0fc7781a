// How sandboxes begin, are found, and end: also when their host does not live to see it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "engine/registry_folder.hpp"
#include "fixture.hpp"

namespace computesdk::local::testing {
namespace {

using LifetimeTest = SandboxTest;

// Runs `body` in a child process with an engine of its own; gives what it wrote to the descriptor, and its pid.
struct Child {
  pid_t pid = -1;
  std::string said;
};
template <typename Body>
Child inChild(Body body, bool waitForEnd) {
  int pipe[2];
  EXPECT_EQ(pipe2(pipe, O_CLOEXEC), 0);
  Child child;
  child.pid = fork();
  if (child.pid == 0) {
    close(pipe[0]);
    body(pipe[1]);
    _exit(0);
  }
  close(pipe[1]);
  char text[256];
  ssize_t n;
  while ((n = read(pipe[0], text, sizeof text)) > 0) {
    child.said.append(text, static_cast<std::size_t>(n));
    if (child.said.ends_with('\n')) break;
  }
  close(pipe[0]);
  if (waitForEnd) waitpid(child.pid, nullptr, 0);
  return child;
}

void say(int fd, const std::string& text) { static_cast<void>(!write(fd, (text + "\n").c_str(), text.size() + 1)); }

TEST_F(LifetimeTest, foundByOtherProcesses) {
  const EngineOptions same = options();
  const Child child = inChild(
      [&](int fd) {
        Engine engine(same);
        CreateSpec spec;
        spec.name = "kept";
        spec.metadata = {{"owner", "test \"quoted\"\n,\"live\":{"}};
        spec.envs = {{"KEPT", "value"}};
        auto sandbox = engine.create(spec);
        if (sandbox.ok()) static_cast<void>((*sandbox)->writeFile("/tmp/note", "from the first").ok());
        say(fd, sandbox.ok() ? (*sandbox)->id() : "failed: " + sandbox.error().message);
      },
      true);
  const std::string id = child.said.substr(0, child.said.size() - 1);
  auto list = engine_.list();
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 1U);
  EXPECT_EQ((*list)[0].id, id);
  EXPECT_EQ((*list)[0].name, "kept");
  ASSERT_EQ((*list)[0].metadata.size(), 1U);
  EXPECT_EQ((*list)[0].metadata[0].second, "test \"quoted\"\n,\"live\":{");
  auto sandbox = engine_.get(id);
  ASSERT_TRUE(sandbox.ok()) << sandbox.error().message;
  EXPECT_EQ(*(*sandbox)->readFile("/tmp/note"), "from the first");
  EXPECT_EQ(shell(**sandbox, "echo $KEPT").out, "value\n");
  ASSERT_TRUE((*sandbox)->writeFile("/tmp/mine", "x").ok());
  ASSERT_TRUE(engine_.destroy(id).ok());
  ASSERT_TRUE(engine_.destroy(id).ok());
  EXPECT_EQ(engine_.get(id).error().kind, ErrorClass::kNotFound);
  EXPECT_TRUE(engine_.list()->empty());
}

TEST_F(LifetimeTest, unknownIdsAreNotFound) {
  for (const std::string& id : {std::string("local-nothing"), std::string("../../etc"), std::string(),
                                std::string(500, 'a'), std::string("a/b"), std::string("..")}) {
    EXPECT_EQ(engine_.get(id).error().kind, ErrorClass::kNotFound) << id;
    EXPECT_TRUE(engine_.destroy(id).ok()) << id;
  }
}

TEST_F(LifetimeTest, timeToLiveOutlivesACrashedHost) {
  const EngineOptions same = options();
  const Child child = inChild(
      [&](int fd) {
        Engine engine(same);
        CreateSpec spec;
        spec.ttl = Milliseconds(1500);
        auto sandbox = engine.create(spec);
        say(fd, sandbox.ok() ? (*sandbox)->id() : "failed");
        pause();
      },
      false);
  kill(child.pid, SIGKILL);
  waitpid(child.pid, nullptr, 0);
  EXPECT_EQ(engine_.list()->size(), 1U);
  EXPECT_TRUE(eventually([&] { return engine_.list()->empty(); }));
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path() + "/computesdk/local"));
}

TEST_F(LifetimeTest, dieWithHostLeavesNothing) {
  const EngineOptions same = options();
  const Child child = inChild(
      [&](int fd) {
        Engine engine(same);
        CreateSpec spec;
        spec.dieWithHost = true;
        auto sandbox = engine.create(spec);
        if (sandbox.ok()) {
          BackgroundSpec sleeper;
          sleeper.argv = {"sleep", "4242"};
          static_cast<void>((*sandbox)->start(sleeper).ok());
        }
        say(fd, sandbox.ok() ? "up" : "failed");
        pause();
      },
      false);
  EXPECT_EQ(child.said, "up\n");
  EXPECT_EQ(launchers().size(), 1U);
  EXPECT_TRUE(engine_.list()->empty()) << "one-shot sandboxes are not in the registry";
  kill(child.pid, SIGKILL);
  waitpid(child.pid, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return launchers().empty(); }));
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path() + "/computesdk/local"));
}

// Whoever reads what a program prints waits for its end, not for that of the sandboxes that it made.
TEST_F(LifetimeTest, nobodyKeepsTheCallersStreams) {
  int pipe[2];
  ASSERT_EQ(pipe2(pipe, O_CLOEXEC), 0);
  const EngineOptions same = options();
  const pid_t pid = fork();
  if (pid == 0) {
    for (int stream = 0; stream < 3; ++stream) dup2(pipe[1], stream);
    Engine engine(same);
    _exit(engine.create({}).ok() ? 0 : 1);
  }
  close(pipe[1]);
  pollfd end{pipe[0], 0, 0};  // its last writer's
  EXPECT_EQ(poll(&end, 1, 20000), 1);
  EXPECT_NE(end.revents & POLLHUP, 0);
  close(pipe[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(engine_.list()->size(), 1U);
}

TEST_F(LifetimeTest, launcherEndsWithItsLastSandbox) {
  const EngineOptions same = options();
  const Child child = inChild(
      [&](int fd) {
        Engine engine(same);
        auto sandbox = engine.create({});
        say(fd, sandbox.ok() ? (*sandbox)->id() : "failed");
      },
      true);
  EXPECT_EQ(launchers().size(), 1U);
  ASSERT_TRUE(engine_.destroy(child.said.substr(0, child.said.size() - 1)).ok());
  EXPECT_TRUE(eventually([&] { return launchers().empty(); }));
}

TEST_F(LifetimeTest, extendMovesTheEnd) {
  CreateSpec spec;
  spec.ttl = Milliseconds(60000);
  auto sandbox = make(spec);
  const auto first = sandbox->info()->expiresMs;
  EXPECT_GT(first, sandbox->info()->createdMs + 50000);
  const auto later = *sandbox->extend(Milliseconds(600000));
  EXPECT_GT(later, first + 500000);
  EXPECT_EQ(sandbox->info()->expiresMs, later);
  EXPECT_EQ(*sandbox->extend(Milliseconds(0)), 0);
  EXPECT_EQ(sandbox->info()->expiresMs, 0);
  EXPECT_FALSE(sandbox->extend(Milliseconds(-1)).ok());
  ASSERT_TRUE(sandbox->extend(Milliseconds(1)).ok());
  EXPECT_TRUE(eventually([&] { return !sandbox->info().ok(); }));
}

TEST_F(LifetimeTest, killedLauncherTakesAllAndLeavesOnlyWhatTheNextLookRemoves) {
  auto sandbox = make();
  const std::string id = sandbox->id();
  const auto pids = launchers();
  ASSERT_EQ(pids.size(), 1U);
  kill(pids[0], SIGKILL);
  EXPECT_TRUE(eventually([&] { return engine_.list()->empty(); }));
  EXPECT_TRUE(std::filesystem::is_empty(scratch_.path() + "/computesdk/local"));
  EXPECT_EQ(run(*sandbox, {"true"}).error.kind, ErrorClass::kNotFound);
  EXPECT_EQ(engine_.get(id).error().kind, ErrorClass::kNotFound);
  auto next = engine_.create({});  // with a launcher of its own
  ASSERT_TRUE(next.ok()) << next.error().message;
  EXPECT_EQ(run(**next, {"echo", "ok"}).out, "ok\n");
}

TEST_F(LifetimeTest, staleFoldersAreRemoved) {
  ASSERT_TRUE(engine_.list().ok());
  const std::string folder = scratch_.path() + "/computesdk/local/local-dead";
  std::filesystem::create_directory(folder);
  std::ofstream(folder + "/meta.json") << "{}";
  std::ofstream(folder + "/lock") << "";
  EXPECT_TRUE(engine_.list()->empty());
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(LifetimeTest, damagedEntriesDoNotHurtOthers) {
  auto sandbox = make();
  auto other = make();
  std::ofstream(scratch_.path() + "/computesdk/local/" + other->id() + "/meta.json") << "{\"version\":1,\"token\":[[[";
  EXPECT_EQ(engine_.list()->size(), 1U);
}

TEST_F(LifetimeTest, wrongTokenIsRefused) {
  auto sandbox = make();
  const std::string file = scratch_.path() + "/computesdk/local/" + sandbox->id() + "/meta.json";
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  std::string content = text.str();
  const std::size_t at = content.find("\"token\":\"") + 9;
  content[at] = content[at] == '0' ? '1' : '0';
  std::ofstream(file) << content;
  Engine other(options());
  EXPECT_FALSE(other.get(sandbox->id()).ok());
  EXPECT_EQ(run(*sandbox, {"echo", "unharmed"}).out, "unharmed\n");
}

TEST_F(LifetimeTest, foreignRegistryIsRefused) {
  const std::string open = scratch_.path() + "/computesdk";
  std::filesystem::create_directory(open);
  std::filesystem::permissions(open, std::filesystem::perms::all);
  auto sandbox = engine_.create({});
  ASSERT_FALSE(sandbox.ok());
  EXPECT_EQ(sandbox.error().kind, ErrorClass::kPermissionDenied);
  EXPECT_FALSE(sandbox.error().fix.empty());
}

TEST_F(LifetimeTest, registryFilesAreOurs) {
  auto sandbox = make();
  const std::string folder = scratch_.path() + "/computesdk/local/" + sandbox->id();
  const auto bits = [](const std::string& path) {
    return static_cast<unsigned>(std::filesystem::status(path).permissions()) & 0777U;
  };
  EXPECT_EQ(bits(scratch_.path() + "/computesdk"), 0700U);
  EXPECT_EQ(bits(folder), 0700U);
  EXPECT_EQ(bits(folder + "/meta.json"), 0600U);
}

TEST_F(LifetimeTest, hundredAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  std::vector<std::shared_ptr<Sandbox>> all(100);
  for (int i = 0; i < 100; ++i) {
    threads.emplace_back([&, i] {
      auto sandbox = engine_.create({});
      if (!sandbox.ok()) {
        ADD_FAILURE() << sandbox.error().message;
        return;
      }
      all[static_cast<std::size_t>(i)] = *sandbox;
      if (run(**sandbox, {"echo", std::to_string(i)}).out == std::to_string(i) + "\n") ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 100);
  EXPECT_EQ(engine_.list()->size(), 100U);
  std::set<std::string> ids;
  for (const auto& sandbox : all) {
    ids.insert(sandbox->id());
    EXPECT_TRUE(sandbox->destroy().ok());
  }
  EXPECT_EQ(ids.size(), 100U);
  EXPECT_TRUE(engine_.list()->empty());
}

TEST_F(LifetimeTest, nothingGrowsOverCycles) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  CreateSpec spec;
  spec.dieWithHost = true;
  { make(spec)->destroy().ok() ? void() : abort(); }
  const auto before = descriptors();
  for (int i = 0; i < 100; ++i) {
    auto sandbox = make(spec);
    EXPECT_EQ(run(*sandbox, {"true"}).status.value, 0);
    EXPECT_TRUE(sandbox->destroy().ok());
  }
  EXPECT_LE(descriptors(), before + 1);
}

TEST_F(LifetimeTest, badSpecsAreRefused) {
  const auto refused = [&](auto change) {
    CreateSpec spec;
    change(spec);
    auto sandbox = engine_.create(spec);
    ASSERT_FALSE(sandbox.ok());
    EXPECT_EQ(sandbox.error().kind, ErrorClass::kInvalidArgument) << sandbox.error().message;
    EXPECT_FALSE(sandbox.error().fix.empty()) << sandbox.error().message;
  };
  refused([](CreateSpec& s) { s.limits.memoryBytes = 1; });
  refused([](CreateSpec& s) { s.limits.processes = 0; });
  refused([](CreateSpec& s) { s.limits.milliCpus = 1; });
  refused([](CreateSpec& s) { s.limits.diskBytes = 0; });
  refused([](CreateSpec& s) { s.limits.openFiles = 1; });
  refused([](CreateSpec& s) { s.limits.outputBytes = 0; });
  refused([](CreateSpec& s) { s.ttl = Milliseconds(-1); });
  refused([](CreateSpec& s) { s.workdir = "relative"; });
  refused([](CreateSpec& s) { s.workdir = "/tmp/../etc"; });
  refused([](CreateSpec& s) { s.workdir = "/usr/new"; });
  refused([](CreateSpec& s) { s.ports = {0}; });
  refused([](CreateSpec& s) { s.envs = {{"A=B", ""}}; });
  refused([](CreateSpec& s) { s.envs = {{"", "x"}}; });
  refused([](CreateSpec& s) { s.metadata = {{"k", std::string(100000, 'x')}}; });
  refused([](CreateSpec& s) { s.mounts = {{"/no/such/source", "/mnt/x", false}}; });
  refused([](CreateSpec& s) { s.mounts = {{"/usr", "relative", false}}; });
  refused([](CreateSpec& s) { s.mounts = {{"/usr", "/proc/x", false}}; });
  refused([](CreateSpec& s) { s.mounts = {{"/usr", "/mnt/../proc", false}}; });
  refused([](CreateSpec& s) { s.templateSource = "/no/such/template"; });
  EXPECT_TRUE(engine_.list()->empty());
}

TEST_F(LifetimeTest, mounts) {
  const std::string shared = scratch_.path() + "/shared";
  std::filesystem::create_directory(shared);
  std::filesystem::permissions(shared, std::filesystem::perms::all);
  std::filesystem::permissions(scratch_.path(), std::filesystem::perms(0755));
  std::ofstream(shared + "/hello") << "from the host";
  CreateSpec spec;
  spec.mounts = {
      {shared, "/mnt/ro", false}, {shared, "/home/sandbox/rw", true}, {shared + "/hello", "/workspace/one", false}};
  auto sandbox = make(spec);
  EXPECT_EQ(shell(*sandbox, "cat /mnt/ro/hello /workspace/one").out, "from the hostfrom the host");
  EXPECT_NE(shell(*sandbox, "touch /mnt/ro/x").status.value, 0);
  EXPECT_NE(shell(*sandbox, "echo x > /workspace/one").status.value, 0);
  EXPECT_EQ(shell(*sandbox, "echo inside > /home/sandbox/rw/made; cat /mnt/ro/made").out, "inside\n");
  EXPECT_TRUE(std::filesystem::exists(shared + "/made"));
  EXPECT_EQ(shell(*sandbox, "touch /tmp/still; echo $?").out, "0\n");
}

TEST_F(LifetimeTest, probeTellsWhatIsThere) {
  const ProbeReport report = engine_.probe();
  EXPECT_TRUE(report.available) << report.refusal.message;
  EXPECT_EQ(report.processes, LimitStrength::kHard);
  EXPECT_TRUE(engine_.list()->empty());
}

}  // namespace
}  // namespace computesdk::local::testing
