#include <gtest/gtest.h>

#include "config/settings.hpp"

namespace computesdk::gateway {
namespace {

using namespace std::chrono_literals;

std::optional<std::string> environment(std::string_view name) {
  if (name == "HOME") return "/home/me";
  return std::nullopt;
}

TEST(Settings, FromAFile) {
  Settings settings;
  const auto read = readSettings(R"(
listen = "[::1]:0"
public_url = "https://x.example.org/gw/"
public_domain = "Box.Example.org"
default_timeout = "5m"
max_sandboxes = 3
access_log = true
provider_paths = ["/opt/p"]
[provider_aliases]
e2b = "local"
[options.e2b]
api_key = "k"
debug = true
)",
                                 "gateway.toml", settings);
  ASSERT_TRUE(read) << read.error().firstLine();
  EXPECT_EQ(settings.listenAddress, "::1");
  EXPECT_EQ(settings.listenPort, 0);
  EXPECT_EQ(settings.publicUrl, "https://x.example.org/gw");
  EXPECT_EQ(settings.publicDomain, "box.example.org");
  EXPECT_EQ(settings.defaultTimeout, 5min);
  EXPECT_EQ(settings.maxSandboxes, 3);
  EXPECT_TRUE(settings.accessLog);
  EXPECT_EQ(settings.providerAliases.at("e2b"), "local");
  EXPECT_EQ(settings.providerOptions.at("e2b").size(), 2U);
  ASSERT_TRUE(completeSettings(settings, environment));
  EXPECT_EQ(settings.store, "sqlite:/home/me/.local/state/computesdk/gateway.db");
}

TEST(Settings, MistakesAreNamed) {
  for (const char* text : {"listen = 8080", "listen = \"host\"", "nosuch = 1", "max_sandboxes = -1",
                           "default_timeout = \"10\"", "public_url = \"example.org\"", "provider_paths = [\"rel\"]",
                           "access_log = \"maybe\"", "x = ", "[options]\ne2b = 1"}) {
    Settings settings;
    const auto read = readSettings(text, "gateway.toml", settings);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::config);
    EXPECT_NE(read.error().firstLine().find("line "), std::string::npos) << read.error().firstLine();
  }
  Settings half;
  half.tlsKey = "key.pem";
  EXPECT_FALSE(completeSettings(half, environment));
  Settings longer;
  longer.defaultTimeout = 48h;
  EXPECT_FALSE(completeSettings(longer, environment));
}

TEST(Settings, TheStoresAddressMayComeFromAVariable) {
  const auto variable = [](std::string_view name) -> std::optional<std::string> {
    if (name == kStoreVariable) return "redis://:secret@127.0.0.1:6379/0";
    return environment(name);
  };
  Settings settings;
  ASSERT_TRUE(completeSettings(settings, variable));
  EXPECT_EQ(settings.store, "redis://:secret@127.0.0.1:6379/0");
  Settings given;
  given.store = "sqlite:/x/gateway.db";
  ASSERT_TRUE(completeSettings(given, variable));
  EXPECT_EQ(given.store, "sqlite:/x/gateway.db");
  for (const char* store : {"redis://:secret@host", "redis://me:secret@host:6379/0", "redis://:a@b@host"}) {
    EXPECT_TRUE(holdsPassword(store)) << store;
  }
  for (const char* store :
       {"redis://host:6379/0", "redis://me@host", "redis://me:@host", "sqlite:/a:b@c/d", "", "redis://host/a:b@c"}) {
    EXPECT_FALSE(holdsPassword(store)) << store;
  }
}

TEST(Settings, Durations) {
  EXPECT_EQ(parseDuration("1h30m"), 90min);
  EXPECT_EQ(parseDuration("250ms"), 250ms);
  EXPECT_EQ(parseDuration("0"), 0ms);
  for (const char* text : {"", "5", "s", "1y", "-1s", "1h5", "99999999999999999999s", "1 s"}) {
    EXPECT_FALSE(parseDuration(text)) << text;
  }
}

TEST(KeyFile, KeysAndWorkspaces) {
  const auto keys = parseKeyFile("# keys\n\n  key-0123456789abcdef \r\n7 other-0123456789abcdef\n", "f");
  ASSERT_TRUE(keys) << keys.error().firstLine();
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ((*keys)[0].workspace, "0");
  EXPECT_EQ((*keys)[1].workspace, "7");
  EXPECT_EQ((*keys)[1].key, "other-0123456789abcdef");
  for (const char* text :
       {"", "# nothing", "short", "x key-0123456789abcdef", "01 key-0123456789abcdef", "1 key-0123456789abcdef more"}) {
    const auto refused = parseKeyFile(text, "f");
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().firstLine().find("0123456789abcdef"), std::string::npos);
  }
}

}  // namespace
}  // namespace computesdk::gateway
