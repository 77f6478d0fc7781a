#include "harness/server.hpp"

#include <computesdk/registry/loader.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stop_token>
#include <thread>

// The same plug-in in this process and in one of its own, which has neither network nor key.
namespace computesdk::registry {
namespace {

using simulators::Exchange;
using simulators::Server;
using testing::HasSubstr;

class Placement : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    const std::string manifest = R"({"manifest_version": 1, "name": "web", "version": "1.0.0", "license": "MIT",
        "library": ")" WEB_PLUGIN R"(", "abi": {"major": 1, "min_minor": 0}, "secrets": "host",
        "config": [{"key": "base_url", "env": "WEB_URL", "help": "where"},
                   {"key": "api_key", "env": "WEB_KEY", "secret": true, "help": "key"}],
        "detect": {"any_of": [{"all_of": ["WEB_KEY"]}]},
        "egress": [{"origin": "${config.base_url}", "auth": true}], "capabilities": ["exec"]})";
    auto parsed = parseManifest(manifest, "/web.provider.json");
    ASSERT_TRUE(parsed) << formatError(parsed.error());
    auto ours = std::make_shared<Manifest>(**parsed);
    ours->library = std::filesystem::path(WEB_FOLDER) / WEB_PLUGIN;
    const ResolvedConfig config = {{"base_url", OptionValue(server.url()), false},
                                   {"api_key", OptionValue(std::string("key-0123456789")), true}};
    HostHooks hooks;
    hooks.log = [](const LogRecord& record) { EXPECT_THAT(record.message, testing::Not(HasSubstr("key-0123"))); };
    const LibraryFile library{ours->library, -1, false};
    Result<std::shared_ptr<Provider>> opened = ErrorInfo{};
    if (GetParam()) {
      opened = openIsolated(ours, library, config, hooks);
    } else {
      auto plugin = loadInProcess(*ours, library);
      ASSERT_TRUE(plugin) << formatError(plugin.error());
      opened = openInProcess(**plugin, ours, config, hooks, true);
    }
    ASSERT_TRUE(opened) << formatError(opened.error());
    provider = *opened;
  }

  struct Done {
    std::string out;
    int code = -1;
    ErrorInfo error;
  };
  Done run(const std::string& command, const CallContext& context = {}) {
    Done done;
    ExecRequest request;
    request.command = command;
    const auto result = provider->exec(
        {"box", ""}, request,
        [&](auto, std::span<const std::byte> data) {
          done.out.append(reinterpret_cast<const char*>(data.data()), data.size());
        },
        context);
    if (result) {
      done.code = result->value;
    } else {
      done.error = result.error();
    }
    return done;
  }

  Server server;
  std::shared_ptr<Provider> provider;
};

TEST_P(Placement, RequestsGoOutWithSecretsThatThePluginNeverSees) {
  server.route("GET", "/hello",
               [](Exchange& exchange) { exchange.respond(200, exchange.request.header("authorization")); });
  EXPECT_EQ(run("key").out, "api_key");  // all that it knows is the name
  const Done done = run("GET /hello");
  EXPECT_EQ(done.code, 0) << formatError(done.error);
  EXPECT_EQ(done.out, "Bearer key-0123456789");
}

TEST_P(Placement, LongAnswersAndUploadsFlow) {
  const std::string piece(100'000, 'x');
  server.route("GET", "/much", [&](Exchange& exchange) {
    exchange.begin(200, "text/plain");
    for (int i = 0; i < 50; ++i) exchange.chunk(piece);
    exchange.end();
  });
  server.route("PUT", "/upload",
               [](Exchange& exchange) { exchange.respond(200, std::to_string(exchange.request.body.size())); });
  EXPECT_EQ(run("GET /much").out.size(), 50 * piece.size());
  EXPECT_EQ(run("put 3000001").out, "3000001");
}

TEST_P(Placement, WebSocketsWork) {
  server.route("GET", "/ws", [](Exchange& exchange) {
    const auto socket = exchange.upgrade();
    while (auto message = socket->receive()) socket->send("echo " + message->data, true);
  });
  EXPECT_EQ(run("ws hello").out, "echo hello");
}

TEST_P(Placement, RefusalsSayWhy) {
  const Done done = run("GET https://evil.example/");
  EXPECT_THAT(done.error.why, HasSubstr("egress list"));
}

TEST_P(Placement, ACancelledCallCanCleanUp) {
  std::stop_source stop;
  std::atomic<bool> destroyed{false};
  server.route("GET", "/hang", [&](Exchange& exchange) {
    stop.request_stop();
    exchange.stream.pause(60'000);
    exchange.close = true;
  });
  server.route("DELETE", "/box", [&](Exchange& exchange) {
    destroyed = true;
    exchange.respond(204);
  });
  CallContext context;
  context.stop = stop.get_token();
  const Done done = run("hang /hang", context);
  EXPECT_EQ(done.error.code, ErrorCode::cancelled) << formatError(done.error);
  EXPECT_TRUE(destroyed);
}

INSTANTIATE_TEST_SUITE_P(Both, Placement, testing::Bool(),
                         [](const auto& info) { return info.param ? "Isolated" : "InProcess"; });

}  // namespace
}  // namespace computesdk::registry
