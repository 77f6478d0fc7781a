#include "core/config.hpp"

#include <gtest/gtest.h>

namespace computesdk::cli {
namespace {

TEST(ConfigFile, ReadsEveryKey) {
  Config config;
  auto read = readConfig(R"(
provider = "e2b"
providers = ["e2b", "local"]
strategy = "round-robin"
fallback_on_error = true
color = "never"
provider_paths = ["/opt/acme"]
allow_providers = ["e2b"]
deny_providers = ["modal"]
[defaults]
net = "none"
memory = "256M"
cpus = "0.5"
pids = "64"
disk = "1G"
ttl = "30m"
[priorities]
e2b = 99
[options.e2b]
domain = "e2b.example"
retries = 3
debug = true
)",
                         "config.toml", false, config);
  ASSERT_TRUE(read) << read.error().firstLine();
  EXPECT_EQ(config.provider, "e2b");
  EXPECT_EQ(config.providers, (std::vector<std::string>{"e2b", "local"}));
  EXPECT_EQ(config.strategy, "round-robin");
  EXPECT_TRUE(config.fallbackOnError);
  EXPECT_EQ(config.color, "never");
  EXPECT_EQ(config.providerPaths, (std::vector<std::string>{"/opt/acme"}));
  EXPECT_EQ(config.defaults.find("memory")->second, "256M");
  EXPECT_EQ(config.defaults.size(), 6U);
  EXPECT_EQ(config.priorities["e2b"], 99);
  EXPECT_EQ(std::get<std::string>(config.options["e2b"]["domain"]), "e2b.example");
  EXPECT_EQ(std::get<std::int64_t>(config.options["e2b"]["retries"]), 3);
  EXPECT_TRUE(std::get<bool>(config.options["e2b"]["debug"]));
}

TEST(ConfigFile, LaterFilesWinKeyByKey) {
  Config config;
  ASSERT_TRUE(readConfig("provider = \"e2b\"\n[defaults]\nnet = \"full\"\nmemory = \"1G\"\n", "a", false, config));
  ASSERT_TRUE(readConfig("[defaults]\nnet = \"none\"\n", "b", true, config));
  EXPECT_EQ(config.provider, "e2b");
  EXPECT_EQ(config.defaults.find("net")->second, "none");
  EXPECT_EQ(config.defaults.find("memory")->second, "1G");
}

struct BadFile {
  const char* text;
  const char* why;
};

TEST(ConfigFile, NamesFileLineAndKey) {
  for (const BadFile& bad :
       {BadFile{"\nprovder = \"x\"", "line 2: there is no key \"provder\""},
        BadFile{"provider = 3", "\"provider\" must be text"}, BadFile{"provider = \"\"", "\"provider\" must be text"},
        BadFile{"providers = [1]", "\"providers\" must be list"},
        BadFile{"[defaults]\nmemory = \"256\"", "line 2: \"defaults.memory\" must be size"},
        BadFile{"[defaults]\nnet = \"maybe\"", "\"defaults.net\" must be"},
        BadFile{"provider_paths = [\"relative\"]", "\"provider_paths\" must be"},
        BadFile{"[options]\ne2b = 3", "there is no key \"options.e2b\""},
        BadFile{"[options.e2b.deep]\na = 1", "\"options.e2b.deep\" must be"}, BadFile{"provider = ", "line 1"}}) {
    Config config;
    auto read = readConfig(bad.text, "/x/config.toml", false, config);
    ASSERT_FALSE(read) << bad.text;
    EXPECT_EQ(read.error().code, ErrorCode::config);
    EXPECT_NE(read.error().what.find("/x/config.toml"), std::string::npos);
    EXPECT_NE(read.error().why.find(bad.why), std::string::npos) << read.error().why;
  }
}

TEST(ConfigFile, AFolderThatWasEnteredMayNotChooseCode) {
  for (const ConfigKey& key : configKeys()) {
    if (key.project || key.key.find('*') != std::string_view::npos) continue;
    Config config;
    auto read = readConfig(std::string(key.key) + " = [\"/x\"]", "./computesdk.toml", true, config);
    ASSERT_FALSE(read) << key.key;
    EXPECT_NE(read.error().why.find("may not be set by a file of the working directory"), std::string::npos);
  }
  Config config;
  EXPECT_FALSE(readConfig("[options.e2b]\ndomain = \"evil.example\"", "./computesdk.toml", true, config));
  EXPECT_FALSE(readConfig("[priorities]\ne2b = 1", "./computesdk.toml", true, config));
}

}  // namespace
}  // namespace computesdk::cli
