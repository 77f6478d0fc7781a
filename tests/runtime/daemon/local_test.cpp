#include <gtest/gtest.h>

#include <computesdk/computesdk.hpp>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

// The daemon's API from C++, on the real daemon in a real sandbox without a network.
namespace computesdk::test {
namespace {

using namespace std::chrono_literals;

/// Text that handlers put together, and the one thread that waits for some of it.
class Collected {
 public:
  void add(std::string_view text) {
    std::lock_guard lock(mutex_);
    text_.append(text);
    changed_.notify_all();
  }
  bool waitFor(std::string_view wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return text_.find(wanted) != std::string::npos; });
  }
  std::string text() {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
};

class LocalDaemon : public testing::Test {
 protected:
  static ComputeConfig config() {
    ComputeConfig out;
    out.provider = "local";
    return out;
  }
  static void SetUpTestSuite() {
    compute = new Compute(config());
    sandbox = new Sandbox(compute->sandbox().create({.timeout = 5min, .network = NetworkMode::none}));
  }
  static void TearDownTestSuite() {
    delete sandbox;
    delete compute;
  }
  static Compute* compute;
  static Sandbox* sandbox;
};
Compute* LocalDaemon::compute = nullptr;
Sandbox* LocalDaemon::sandbox = nullptr;

TEST_F(LocalDaemon, ConcurrentFirstUsesStartOne) {
  auto own = compute->sandbox().create({.timeout = 2min});
  std::vector<std::future<DaemonAddress>> all;
  for (int i = 0; i < 4; ++i) all.push_back(std::async(std::launch::async, [&] { return own.daemon().ensure(); }));
  int started = 0;
  std::uint16_t port = 0;
  for (auto& one : all) {
    const DaemonAddress address = one.get();
    if (address.started) ++started;
    if (port == 0) port = address.port;
    EXPECT_EQ(address.port, port);
    EXPECT_EQ(address.token.size(), 64u);
  }
  EXPECT_EQ(started, 1);
}

TEST_F(LocalDaemon, AnotherHandleFindsTheOneThatRuns) {
  const DaemonAddress first = sandbox->daemon().ensure();
  Compute other(config());
  auto same = other.sandbox().getById(sandbox->sandboxId());
  ASSERT_TRUE(same);
  const DaemonAddress second = same->daemon().ensure();
  EXPECT_FALSE(second.started);
  EXPECT_EQ(second.port, first.port);
  EXPECT_EQ(second.token, first.token);
}

/// Kills the daemon, and does something in its folder, $d.
void killDaemon(Sandbox& sandbox, const std::string& andThen) {
  const auto killed = sandbox.runCommand(
      "for d in ~/.cache/computesdk /tmp/.computesdk-*; do [ -r $d/run ] && break; done; read -r pid rest <$d/run && "
      "kill -9 $pid && while kill -0 $pid 2>/dev/null; do :; done; " +
      andThen);
  ASSERT_EQ(killed.exitCode, 0) << killed.stderr_;
}

TEST_F(LocalDaemon, OneThatDiedIsStartedAgain) {
  auto own = compute->sandbox().create({.timeout = 2min});
  own.file().create("/tmp/a", "1");
  killDaemon(own, "true");
  EXPECT_EQ(own.file().retrieve("/tmp/a"), "1");
}

TEST_F(LocalDaemon, AProgramThatWasChangedIsReplaced) {
  auto own = compute->sandbox().create({.timeout = 2min});
  own.file().create("/tmp/a", "1");
  killDaemon(own, "printf x >>$d/sandboxd-*");
  EXPECT_EQ(own.file().retrieve("/tmp/a"), "1");
}

TEST_F(LocalDaemon, TwoStartersAgreeOnOne) {
  auto own = compute->sandbox().create({.timeout = 2min});
  Compute other(config());
  auto same = other.sandbox().getById(own.sandboxId());
  ASSERT_TRUE(same);
  auto first = std::async(std::launch::async, [&] { return own.daemon().ensure(); });
  const DaemonAddress second = same->daemon().ensure();
  EXPECT_EQ(first.get().port, second.port);
}

TEST_F(LocalDaemon, DialsPorts) {
  const DaemonAddress address = sandbox->daemon().ensure();
  Collected got;
  std::promise<bool> closed;
  DialOptions options;
  options.port = address.port;
  options.onBytes = [&](std::span<const std::byte> bytes) {
    got.add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  };
  options.onClosed = [&](const ErrorInfo* error) { closed.set_value(error == nullptr); };
  auto stream = sandbox->dialPort(std::move(options));
  stream.write("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(got.waitFor("\"ok\"")) << got.text();
  stream.closeWrite();
  EXPECT_TRUE(closed.get_future().get());
}

TEST_F(LocalDaemon, DiallingWhereNobodyListensIsTold) {
  std::promise<ErrorCode> closed;
  DialOptions options;
  options.port = 1;
  options.onClosed = [&](const ErrorInfo* error) {
    closed.set_value(error != nullptr ? error->code : ErrorCode::unknown);
  };
  auto stream = sandbox->dialPort(std::move(options));
  EXPECT_EQ(closed.get_future().get(), ErrorCode::unavailable);
  EXPECT_FALSE(sandbox->dialPort(nothrow, {}).has_value());
}

TEST_F(LocalDaemon, TerminalsWithAPty) {
  auto terminal = sandbox->terminals().create({.pty = true, .shell = "/bin/sh"});
  Collected printed;
  std::promise<void> destroyed;
  terminal.on(TerminalEvent::output, [&](std::string_view text) { printed.add(text); });
  terminal.on(TerminalEvent::destroyed, [&](std::string_view) { destroyed.set_value(); });
  terminal.resize(100, 40);
  terminal.write("echo $((6*7)); stty size\n");
  EXPECT_TRUE(printed.waitFor("42")) << printed.text();
  EXPECT_TRUE(printed.waitFor("40 100")) << printed.text();
  EXPECT_EQ(sandbox->terminals().retrieve(terminal.id()).id(), terminal.id());
  terminal.destroy();
  EXPECT_EQ(destroyed.get_future().wait_for(20s), std::future_status::ready);
  auto gone = sandbox->terminals().retrieve(nothrow, terminal.id());
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::notFound);
}

TEST_F(LocalDaemon, TerminalsWithoutAPty) {
  auto terminal = sandbox->terminals().create();
  const TerminalCommand done = terminal.execute("echo out; echo err >&2; exit 3");
  EXPECT_EQ(done.stdout_, "out\n");
  EXPECT_EQ(done.stderr_, "err\n");
  EXPECT_EQ(done.exitCode, 3);
  const TerminalCommand begun = terminal.execute("read x < /tmp/never || sleep 0.2; echo late", {.background = true});
  EXPECT_EQ(terminal.waitForCommand(begun.id, 20s).stdout_, "late\n");
  const TerminalCommand slow = terminal.execute("sleep 100", {.background = true});
  const auto waited = terminal.waitForCommand(nothrow, slow.id, 1s);
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::timeout);
  EXPECT_EQ(terminal.commands().size(), 3u);
  EXPECT_FALSE(terminal.write(nothrow, "x").has_value());
  terminal.destroy();
}

TEST_F(LocalDaemon, Watchers) {
  sandbox->filesystem().mkdir("/tmp/watched");
  auto watcher = sandbox->watcher().create("/tmp/watched", {.includeContent = true, .ignored = {"*.log"}});
  Collected seen;
  watcher.onChange([&](const FileChange& change) {
    seen.add(std::string(toString(change.kind)) + " " + change.path + " " + change.content.value_or("-") + "\n");
  });
  // Subscribing and writing go different ways: a write that is seen says that the watching has begun.
  sandbox->file().create("/tmp/watched/b.log", "ignored");
  sandbox->file().create("/tmp/watched/a", "hello");
  EXPECT_TRUE(seen.waitFor("/tmp/watched/a hello")) << seen.text();
  EXPECT_EQ(seen.text().find("b.log"), std::string::npos);
  EXPECT_EQ(sandbox->watcher().list().size(), 1u);
  watcher.destroy();
  EXPECT_EQ(watcher.destroy(nothrow).error().code, ErrorCode::notFound);
  EXPECT_EQ(sandbox->watcher().create(nothrow, "/tmp/not-there").error().code, ErrorCode::fileNotFound);
}

TEST_F(LocalDaemon, Servers) {
  ServerOptions options;
  options.slug = "web";
  options.start = "echo begun; exec sleep 1000";
  EXPECT_EQ(sandbox->server().start(options).slug, "web");
  EXPECT_EQ(sandbox->server().start(nothrow, options).error().code, ErrorCode::conflict);
  EXPECT_EQ(sandbox->server().list().size(), 1u);
  EXPECT_EQ(sandbox->server().retrieve("web").start, options.start);
  sandbox->server().stop("web");
  EXPECT_EQ(sandbox->server().retrieve("web").status, ServerStatus::stopped);
  EXPECT_EQ(sandbox->server().logs("web", ServerLogStream::standardOutput), "begun\n");
  sandbox->server().remove("web");
  EXPECT_EQ(sandbox->server().retrieve(nothrow, "web").error().code, ErrorCode::notFound);
  options.slug = "no/slash";
  EXPECT_EQ(sandbox->server().start(nothrow, options).error().code, ErrorCode::invalidArgument);
}

TEST_F(LocalDaemon, Signals) {
  auto signals = sandbox->signals().start();
  Collected seen;
  signals.onPort(
      [&](const SandboxSignal& signal) { seen.add("port " + std::to_string(signal.port) + " " + signal.url + "\n"); });
  signals.onError([&](const SandboxSignal& signal) { seen.add("error " + signal.message + "\n"); });
  EXPECT_TRUE(sandbox->signals().active());
  sandbox->signals().emitPort(3000, true, "http://x:3000");
  sandbox->signals().emitError("broken");
  EXPECT_TRUE(seen.waitFor("port 3000 http://x:3000")) << seen.text();
  EXPECT_TRUE(seen.waitFor("error broken")) << seen.text();
  EXPECT_FALSE(sandbox->signals().emitPort(nothrow, 0, true, "x").has_value());
  signals.stop();
  EXPECT_FALSE(sandbox->signals().active());
}

TEST_F(LocalDaemon, EnvFiles) {
  const StringMap variables = {{"A", "1"}, {"B", "two words # and \"quotes\"\n"}};
  sandbox->env().update("/tmp/x.env", variables);
  EXPECT_EQ(sandbox->env().retrieve("/tmp/x.env"), variables);
  EXPECT_EQ(sandbox->env().remove("/tmp/x.env", {"A", "C"}), std::vector<std::string>{"A"});
  EXPECT_TRUE(sandbox->env().exists("/tmp/x.env"));
  EXPECT_FALSE(sandbox->env().exists("/tmp/y.env"));
  EXPECT_EQ(sandbox->env().retrieve(nothrow, "/tmp/y.env").error().code, ErrorCode::fileNotFound);
}

TEST_F(LocalDaemon, Files) {
  const auto results = sandbox->file().batchWrite(
      {{.path = "/tmp/f/ä b%#?", .content = "one"}, {.path = "/tmp/f/gone", .kind = FileOperation::Kind::remove}});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].path, "/tmp/f/gone");
  EXPECT_FALSE(results[0].success);
  EXPECT_TRUE(results[1].success);
  EXPECT_EQ(sandbox->file().retrieve("/tmp/f/ä b%#?"), "one");
  EXPECT_EQ(sandbox->filesystem().readFile("/tmp/f/ä b%#?"), "one");
  EXPECT_EQ(sandbox->file().list("/tmp/f").size(), 1u);
  EXPECT_TRUE(sandbox->file().exists("/tmp/f"));
  sandbox->file().destroy("/tmp/f");
  EXPECT_FALSE(sandbox->file().exists("/tmp/f"));
  EXPECT_EQ(sandbox->file().retrieve(nothrow, "/tmp/f/x").error().code, ErrorCode::fileNotFound);
  std::string large(std::size_t{3} << 20, 'x');
  sandbox->file().create("/tmp/large", large);
  EXPECT_EQ(sandbox->file().retrieve("/tmp/large"), large);
}

TEST_F(LocalDaemon, TokensAndLinks) {
  const SessionToken token = sandbox->sessionTokens().create({.description = "mine", .expiresIn = 60s});
  EXPECT_FALSE(token.token.empty());
  EXPECT_TRUE(token.expiresAt.has_value());
  const auto all = sandbox->sessionTokens().list();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].description, "mine");
  EXPECT_TRUE(all[0].token.empty());
  EXPECT_EQ(sandbox->sessionTokens().retrieve(token.id).id, token.id);
  sandbox->sessionTokens().revoke(token.id);
  EXPECT_EQ(sandbox->sessionTokens().retrieve(nothrow, token.id).error().code, ErrorCode::notFound);
  EXPECT_FALSE(sandbox->sessionTokens().create(nothrow, {.expiresIn = 0s}).has_value());
  EXPECT_NE(sandbox->magicLinks().create("/x").url.find("/auth/magic/"), std::string::npos);
  EXPECT_EQ(sandbox->magicLinks().create(nothrow, "//evil").error().code, ErrorCode::invalidArgument);
}

TEST_F(LocalDaemon, ChildSandboxes) {
  const ChildSandbox child = sandbox->sandboxes().create();
  EXPECT_FALSE(child.isMain);
  EXPECT_EQ(sandbox->sandboxes().list().size(), 2u);
  EXPECT_EQ(sandbox->sandboxes().retrieve(child.subdomain).directory, child.directory);
  sandbox->sandboxes().destroy(child.subdomain, true);
  EXPECT_EQ(sandbox->sandboxes().retrieve(nothrow, child.subdomain).error().code, ErrorCode::notFound);
}

TEST_F(LocalDaemon, OverlaysFromBirthToEnd) {
  auto files = sandbox->filesystem();
  for (const char* name : {"template/app.js", "template/node_modules/x/index.js", "template/debug.log"}) {
    files.writeFile("/tmp/" + std::string(name), name);
  }
  auto overlays = files.overlay();
  const OverlayInfo made =
      overlays.create({.source = "/tmp/template", .target = "project", .ignore = {"*.log"}, .waitForCompletion = true});
  EXPECT_EQ(made.status, OverlayStatus::complete);
  EXPECT_EQ(made.source, "/tmp/template");
  EXPECT_EQ(made.target, "project");
  EXPECT_EQ(made.strategy, OverlayStrategy::smart);
  EXPECT_EQ(made.copiedFiles, 2);
  EXPECT_EQ(made.skipped, std::vector<std::string>{"debug.log"});
  EXPECT_TRUE(made.createdAt);
  EXPECT_EQ(files.readFile("project/node_modules/x/index.js"), "template/node_modules/x/index.js");
  EXPECT_FALSE(files.exists("project/debug.log"));
  files.writeFile("project/app.js", "changed");
  EXPECT_EQ(files.readFile("/tmp/template/app.js"), "template/app.js");

  const OverlayInfo copied =
      overlays.create({.source = "/tmp/template", .target = "copied", .strategy = OverlayStrategy::copy});
  EXPECT_EQ(copied.strategy, OverlayStrategy::copy);
  EXPECT_EQ(overlays.waitForCompletion(copied.id).copiedFiles, 3);
  const auto all = overlays.list();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all.front().id, made.id);
  EXPECT_EQ(overlays.retrieve(copied.id).target, "copied");
  overlays.destroy(made.id);
  EXPECT_EQ(overlays.retrieve(nothrow, made.id).error().code, ErrorCode::notFound);
  EXPECT_TRUE(files.exists("project/app.js")) << "what was copied stays";
}

TEST_F(LocalDaemon, OverlaysThatCannotBe) {
  auto overlays = sandbox->filesystem().overlay();
  EXPECT_EQ(overlays.destroy(nothrow, "nope").error().code, ErrorCode::notFound);
  EXPECT_EQ(overlays.waitForCompletion(nothrow, "nope").error().code, ErrorCode::notFound);
  EXPECT_EQ(overlays.waitForCompletion(nothrow, "nope", -1ms).error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(overlays.create(nothrow, {.source = "/no/such", .target = "x"}).error().code, ErrorCode::invalidArgument);
  EXPECT_EQ(overlays.create(nothrow, {.source = "/tmp", .target = "../up"}).error().code, ErrorCode::invalidArgument);
}

TEST_F(LocalDaemon, CancelsAndLetsGo) {
  std::stop_source stop;
  stop.request_stop();
  auto own = compute->sandbox().create({.timeout = 2min});
  EXPECT_EQ(own.terminals().create(nothrow, {.stop = stop.get_token()}).error().code, ErrorCode::cancelled);
  auto terminal = own.terminals().create({.pty = true});
  Collected printed;
  terminal.on(TerminalEvent::output, [&](std::string_view text) { printed.add(text); });
  own.destroy();  // with a connection that stands
}

}  // namespace
}  // namespace computesdk::test
