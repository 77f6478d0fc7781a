#include <computesdk/registry/manifest.hpp>

#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace computesdk::registry {
namespace {

using test::manifestText;
using testing::HasSubstr;

const char* const kFull = R"({"manifest_version": 1, "name": "e2b", "version": "1.2.0", "vendor": "Example Inc.",
  "title": "E2B", "license": "Apache-2.0", "homepage": "https://e2b.dev", "x-own": {"deep": [1]},
  "library": {"linux-x86_64-gnu": "libcomputesdk_e2b.so", "linux-aarch64-gnu": "libcomputesdk_e2b.so"},
  "sha256": {"linux-x86_64-gnu": "0000000000000000000000000000000000000000000000000000000000000001"},
  "abi": {"major": 1, "min_minor": 0}, "threading": "async", "secrets": "plugin", "placement": "in-process",
  "inline": true, "serialize": "sandbox",
  "detect": {"any_of": [{"all_of": ["E2B_API_KEY"]}, {"all_of": ["A", "B"]}], "none_of": ["NO_E2B"]}, "priority": 90,
  "config": [{"key": "api_key", "env": "E2B_API_KEY", "secret": true, "prefix": "e2b_", "prefix_strict": true,
              "help": "the key", "required": true, "jwt_claims": {"team_id": "owner_id"}},
             {"key": "domain", "env": ["E2B_DOMAIN", "OLD_DOMAIN"], "default": "e2b.app"}, {"key": "team_id"}],
  "options_schema": {"type": "object"}, "capabilities": ["exec", "fs", "snapshot/1"],
  "capability_notes": {"fs": "by shell"},
  "egress": [{"origin": "https://api.${config.domain}", "auth": true}, {"origin": "https://*.${config.domain}"}],
  "setup": {"steps": ["sign up"], "url": "https://e2b.dev/docs"}})";

TEST(Manifest, ReadsEveryField) {
  auto result = parseManifest(kFull, "/opt/p/e2b.provider.json");
  ASSERT_TRUE(result) << result.error().firstLine();
  const Manifest& m = **result;
  EXPECT_EQ(m.name, "e2b");
  EXPECT_EQ(m.title, "E2B");
  EXPECT_EQ(m.version, "1.2.0");
  EXPECT_EQ(m.library, "/opt/p/libcomputesdk_e2b.so");
  EXPECT_EQ(m.placement, PlacementRule::inProcess);
  EXPECT_TRUE(m.inlineCalls);
  EXPECT_EQ(m.threading, Threading::async);
  EXPECT_EQ(m.serialize, Serialize::sandbox);
  EXPECT_EQ(m.secrets, Secrets::plugin);
  EXPECT_EQ(m.detect.anyOf, (std::vector<DetectGroup>{{"E2B_API_KEY"}, {"A", "B"}}));
  EXPECT_EQ(m.detect.noneOf, std::vector<std::string>{"NO_E2B"});
  EXPECT_EQ(m.priority, 90);
  ASSERT_EQ(m.config.size(), 3u);
  EXPECT_TRUE(m.config[0].secret && m.config[0].required && m.config[0].prefixStrict);
  EXPECT_EQ(m.config[0].prefix, "e2b_");
  EXPECT_EQ(m.config[0].jwtClaims.at("team_id"), "owner_id");
  EXPECT_EQ(m.config[1].env, (std::vector<std::string>{"E2B_DOMAIN", "OLD_DOMAIN"}));
  EXPECT_EQ(m.config[1].defaultValue, "e2b.app");
  EXPECT_EQ(m.findConfig("apiKey"), &m.config[0]);
  EXPECT_EQ(m.findConfig("api_key"), &m.config[0]);
  EXPECT_EQ(m.findConfig("apikey"), nullptr);
  EXPECT_TRUE(m.hasCapability("snapshot/1"));
  EXPECT_EQ(m.capabilityNotes.at("fs"), "by shell");
  ASSERT_EQ(m.egress.size(), 2u);
  EXPECT_TRUE(m.egress[0].auth);
  EXPECT_FALSE(m.egress[1].auth);
  EXPECT_EQ(m.optionsSchema, "{\"type\":\"object\"}");
  EXPECT_EQ(m.setupSteps, std::vector<std::string>{"sign up"});
  EXPECT_EQ(m.text, kFull);
  EXPECT_TRUE(m.warnings.empty());
}

TEST(Manifest, MinimalOneHasSafeDefaults) {
  auto result = parseManifest(manifestText("acme"), "/opt/acme.provider.json");
  ASSERT_TRUE(result) << result.error().firstLine();
  EXPECT_EQ((*result)->placement, PlacementRule::any);
  EXPECT_EQ((*result)->secrets, Secrets::host);
  EXPECT_FALSE((*result)->inlineCalls);
  EXPECT_FALSE((*result)->detect.always);
  EXPECT_EQ((*result)->title, "acme");
}

TEST(Manifest, UnknownKeysAreKeptAndNamed) {
  auto result = parseManifest(
      manifestText("acme", R"("colour": 1, "config": [{"key": "a", "evn": "A"}], "options_schema": {"any": 1},)"),
      "/opt/acme.provider.json");
  ASSERT_TRUE(result) << result.error().firstLine();
  EXPECT_THAT((*result)->warnings, testing::ElementsAre(HasSubstr("colour"), HasSubstr("config[0].evn")));
  EXPECT_THAT((*result)->text, HasSubstr("colour"));
}

struct BadCase {
  const char* name;
  std::string text;
  const char* key;  ///< must be in the cause
  const char* words;
};

class BadManifest : public testing::TestWithParam<BadCase> {};

TEST_P(BadManifest, IsRefusedWithKeyCauseAndFix) {
  auto result = parseManifest(GetParam().text, "/opt/acme.provider.json");
  ASSERT_FALSE(result);
  const ErrorInfo& error = result.error();
  EXPECT_EQ(error.code, ErrorCode::manifest);
  EXPECT_THAT(error.what, HasSubstr("/opt/acme.provider.json"));
  EXPECT_THAT(error.why, HasSubstr(GetParam().key));
  EXPECT_THAT(error.why + " | " + error.fix, HasSubstr(GetParam().words));
  EXPECT_FALSE(error.fix.empty());
}

std::string with(const char* more) { return manifestText("acme", more); }

INSTANTIATE_TEST_SUITE_P(
    All, BadManifest,
    testing::Values(
        BadCase{"Empty", "", "", "empty"}, BadCase{"Array", "[]", "", "object"},
        BadCase{"Broken", "{\"name\": }", "line 1", "Invalid value"},
        BadCase{"Nul", manifestText("acme") + std::string(1, '\0'), "a NUL byte", "text file"},
        BadCase{"Newer", R"({"manifest_version": 2, "anything": 1})", "manifest_version is 2", "update ComputeSDK"},
        BadCase{"VersionZero",
                R"({"manifest_version": 0, "name":"acme","version":"1.0.0","library":"a","abi":{"major":1}})",
                "manifest_version", "the number 1"},
        BadCase{"Lacks", R"({"manifest_version": 1, "name": "acme"})", "lacks version, library and abi", "add version"},
        BadCase{"NameForm",
                R"({"manifest_version":1,"name":"Ac me","version":"1.0.0","library":"a","abi":{"major":1}})",
                "name must be lower-case", "correct name"},
        BadCase{"OtherName", manifestText("other"), "its name is \"other\"", "rename the file to other.provider.json"},
        BadCase{"PriorityType", with(R"("priority": "high",)"), "priority must be an integer, not a string",
                "priority"},
        BadCase{"PriorityRange", with(R"("priority": 5000,)"), "priority must be at most 1000", "priority"},
        BadCase{"Placement", with(R"("placement": "anywhere",)"), "placement must be", "\"in-process\""},
        BadCase{"DetectVariable", with(R"("detect": {"any_of": [{"all_of": ["A B"]}]},)"), "detect.any_of[0].all_of[0]",
                "a variable name"},
        BadCase{"EmptyGroup", with(R"("detect": {"any_of": [{"all_of": []}]},)"), "detect.any_of[0].all_of",
                "at least 1"},
        BadCase{"AlwaysAndGroups", with(R"("detect": {"always": true, "any_of": [{"all_of": ["A"]}]},)"),
                "detect.always", "keep one"},
        BadCase{"ConfigKey", with(R"("config": [{"env": "A"}],)"), "config[0] lacks key", "add key"},
        BadCase{"ConfigTwice", with(R"("config": [{"key": "a"}, {"key": "a"}],)"), "config[1].key", "twice"},
        BadCase{"PrefixStrict", with(R"("config": [{"key": "a", "prefix_strict": true}],)"), "config[0].prefix_strict",
                "prefix"},
        BadCase{"Claims", with(R"("config": [{"key": "a", "jwt_claims": {"b": "c"}}],)"), "config[0].jwt_claims",
                "no key"},
        BadCase{"EgressPath", with(R"("egress": [{"origin": "https://a.b/c"}],)"), "egress[0].origin", "nothing after"},
        BadCase{"EgressStar", with(R"("egress": [{"origin": "https://a.*.b"}],)"), "egress[0].origin",
                "start of the host"},
        BadCase{"EgressUser", with(R"("egress": [{"origin": "https://u@b"}],)"), "egress[0].origin", "nothing after"},
        BadCase{"EgressKey", with(R"("egress": [{"origin": "https://${config.x}"}],)"), "egress[0].origin", "no key"},
        BadCase{"EgressOpen", with(R"("egress": [{"origin": "https://${config.x"}],)"), "egress[0].origin", "no key"},
        BadCase{"InlineIsolated", with(R"("inline": true, "placement": "isolated",)"), "inline", "isolated"},
        BadCase{"Duplicate", with(R"("vendor": "a", "vendor": "b",)"), "vendor", "twice"},
        BadCase{"Depth", with(R"("x-a": [[[[[[[[1]]]]]]]],)"), "x-a", "8 levels"},
        BadCase{"Sha", with(R"("sha256": "12",)"), "sha256", "64"},
        BadCase{"LibraryPath",
                R"({"manifest_version":1,"name":"acme","version":"1.0.0","library":"../a.so","abi":{"major":1}})",
                "library", "file name"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Manifest, LimitsItsSize) {
  auto result = parseManifest(std::string(kManifestMaxBytes + 1, ' '), "/opt/acme.provider.json");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().why, HasSubstr("65536 are allowed"));
}

TEST(Manifest, OptionsSchemaMayBeDeeper) {
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += R"({"properties":{"a":)";
  deep += "{}";
  for (int i = 0; i < 20; ++i) deep += "}}";
  auto result = parseManifest(manifestText("acme", "\"options_schema\": " + deep + ","), "/opt/acme.provider.json");
  EXPECT_TRUE(result) << result.error().firstLine();
}

TEST(Manifest, SurvivesEveryTruncationAndRandomDamage) {
  std::string text = kFull;
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(parseManifest(text.substr(0, i), "/opt/p/e2b.provider.json")) << i;
  }
  std::mt19937 random(20);
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = text;
    for (int n = 0; n < 3; ++n) damaged[random() % damaged.size()] = static_cast<char>(random());
    auto result = parseManifest(damaged, "/opt/p/e2b.provider.json");
    if (!result) {
      EXPECT_FALSE(result.error().why.empty());
    }
  }
}

TEST(Manifest, ReadingReportsWhatTheSystemSays) {
  test::TempFolder folder;
  EXPECT_THAT(readManifest(folder.path() / "no.provider.json").error().why, HasSubstr("No such file"));
  EXPECT_THAT(readManifest(folder.path()).error().why, HasSubstr("not a regular file"));
  auto file = folder.write("acme.provider.json", manifestText("acme"));
  EXPECT_TRUE(readManifest(file));
}

TEST(Manifest, IsReadByManyThreadsAtOnce) {
  std::vector<std::jthread> readers;
  std::atomic<int> read = 0;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      for (int n = 0; n < 500; ++n) read += parseManifest(kFull, "/opt/p/e2b.provider.json") ? 1 : 0;
    });
  }
  readers.clear();
  EXPECT_EQ(read, 2000);
}

}  // namespace
}  // namespace computesdk::registry
