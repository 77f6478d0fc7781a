#include <computesdk/registry/manifest.hpp>
#include <computesdk/registry/registry.hpp>

#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace computesdk::registry {
namespace {

using test::fixture;
using test::readFile;
using test::World;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const char* const kConfig = R"("detect": {"any_of": [{"all_of": ["ACME_KEY"]}]},
  "config": [{"key": "api_key", "env": "ACME_KEY", "secret": true}],)";

struct OpenTest : testing::Test {
  World world;
  std::string library = readFile(fixture("provider"));

  void SetUp() override {
    world.options.pluginHost = COMPUTESDK_PLUGIN_HOST;
    world.variables["ACME_KEY"] = "key_good";
  }

  /// acme with the library that works; `more` are members of the manifest.
  std::filesystem::path install(const std::string& more = kConfig, const std::string& in = "product") {
    world.install("acme", more, in);
    return world.folder.write(in + "/libacme.so", library);
  }

  Result<std::shared_ptr<Provider>> open(const OptionMap& config = {}) {
    return Registry::open(world.options).value()->openProvider("acme", {config});
  }

  std::string log() const {
    std::string out;
    for (const LogRecord& record : world.log) out += record.message + "\n";
    return out;
  }
};

TEST_F(OpenTest, PluginsOfTheProductRunInProcess) {
  install();
  auto provider = open();
  ASSERT_TRUE(provider) << formatError(provider.error());
  EXPECT_EQ((*provider)->name(), "acme");
  EXPECT_EQ((*provider)->placement(), "in-process");
  EXPECT_EQ((*provider)->manifest().version, "1.0.0");
}

TEST_F(OpenTest, OthersAreIsolatedUntilTheyAreTrusted) {
  auto file = install(kConfig, "system");
  auto provider = open();
  ASSERT_TRUE(provider) << formatError(provider.error());
  EXPECT_EQ((*provider)->placement(), "isolated");

  auto registry = Registry::open(world.options).value();
  auto trusted = registry->trust(file);
  ASSERT_TRUE(trusted) << formatError(trusted.error());
  EXPECT_TRUE(registry->detect({}).candidates.front().trusted);
  provider = open();
  ASSERT_TRUE(provider) << formatError(provider.error());
  EXPECT_EQ((*provider)->placement(), "in-process");

  // One byte more, and it is another library.
  world.folder.write("system/libacme.so", library + "x");
  EXPECT_EQ(open().value()->placement(), "isolated");
}

TEST_F(OpenTest, TrustTakesTheManifestToo) {
  install(kConfig, "system");
  auto registry = Registry::open(world.options).value();
  ASSERT_TRUE(registry->trust(world.folder.path() / "system/acme.provider.json"));
  EXPECT_EQ(open().value()->placement(), "in-process");
}

TEST_F(OpenTest, InProcessFromAnUntrustedOneIsRefusedWithTheCommand) {
  auto file = install(std::string("\"placement\": \"in-process\",") + kConfig, "system");
  auto provider = open();
  ASSERT_FALSE(provider);
  EXPECT_EQ(provider.error().code, ErrorCode::pluginUntrusted);
  EXPECT_EQ(provider.error().what, "cannot load provider 'acme'");
  EXPECT_THAT(provider.error().fix, HasSubstr("computesdk provider trust " + file.string()));
  ASSERT_TRUE(Registry::open(world.options).value()->trust(file));
  EXPECT_TRUE(open());
}

TEST_F(OpenTest, IsolatedByWishEvenOfTheProduct) {
  install(std::string("\"placement\": \"isolated\",") + kConfig);
  EXPECT_EQ(open().value()->placement(), "isolated");
}

TEST_F(OpenTest, TrustRefusesWhatItWouldNotLoad) {
  auto registry = Registry::open(world.options).value();
  EXPECT_EQ(registry->trust("").error().code, ErrorCode::invalidArgument);
  EXPECT_THAT(registry->trust(world.folder.path() / "no.so").error().why, HasSubstr("not found"));
  EXPECT_THAT(registry->trust(world.folder.write("text.so", "hello")).error().why, HasSubstr("not an ELF library"));
  EXPECT_THAT(registry->trust(world.folder.write("open.so", library, 0666)).error().why,
              HasSubstr("writable by everybody"));
  EXPECT_FALSE(std::filesystem::exists(world.folder.path() / "home/.config/computesdk/trust.json"));
}

TEST_F(OpenTest, DamagedTrustFileTrustsNothing) {
  install(kConfig, "system");
  world.folder.write("home/.config/computesdk/trust.json", "{", 0600);
  EXPECT_EQ(open().value()->placement(), "isolated");
  EXPECT_THAT(log(), HasSubstr("trust.json"));
}

TEST_F(OpenTest, MissingCredentialComesBeforeTheLibrary) {
  install();
  world.folder.write("product/libacme.so", "not a library");
  world.variables.clear();
  EXPECT_EQ(open().error().code, ErrorCode::authMissing);
}

TEST_F(OpenTest, TheProvidersOwnRefusalIsReported) {
  install(std::string("\"secrets\": \"plugin\",") + kConfig);
  auto provider = open({{"apiKey", "key_bad"}});
  ASSERT_FALSE(provider);
  EXPECT_THAT(formatError(provider.error()), AllOf(HasSubstr("the key is bad"), Not(HasSubstr("key_bad"))));
}

TEST_F(OpenTest, EveryCandidateSaysItsReason) {
  install();
  world.folder.write("product/libacme.so", library.substr(0, 2000));
  world.install("acme", kConfig, "system");
  ::unlink((world.folder.path() / "system/libacme.so").c_str());
  world.options.extraPaths = {world.folder.path() / "added"};
  install(kConfig, "added");
  ::chmod((world.folder.path() / "added/libacme.so").c_str(), 0775);
  auto provider = open();
  ASSERT_FALSE(provider);
  EXPECT_EQ(provider.error().code, ErrorCode::pluginLoad);
  EXPECT_EQ(provider.error().firstLine(), "cannot load provider 'acme': 3 candidates, none usable");
  EXPECT_THAT(provider.error().why,
              AllOf(HasSubstr("added/libacme.so   refused: "), HasSubstr("writable by group (mode 0775)"),
                    HasSubstr("→ chmod g-w"), HasSubstr("product/libacme.so   the file is cut short"),
                    HasSubstr("system/libacme.so   ")));
}

TEST_F(OpenTest, ALaterCandidateIsUsedWithAWarning) {
  install(kConfig, "system");
  world.install("acme", kConfig);  // an empty library
  auto provider = open();
  ASSERT_TRUE(provider) << formatError(provider.error());
  EXPECT_THAT(log(), HasSubstr("product/libacme.so: the file is too short"));
}

TEST_F(OpenTest, ChecksumsAreKept) {
  std::string sha = std::string("\"sha256\": \"") + std::string(64, '0') + "\",";
  install(sha + kConfig, "system");
  EXPECT_THAT(open().error().why, HasSubstr("the manifest says 000"));
  install(kConfig, "system");
  world.folder.write("policy.json", R"({"require_checksum": true})");
  EXPECT_THAT(open().error().why, HasSubstr("wants a checksum"));
}

TEST_F(OpenTest, LinksAreNotFollowed) {
  install();
  auto file = world.folder.path() / "product/libacme.so";
  std::filesystem::rename(file, world.folder.path() / "product/real.so");
  ASSERT_EQ(::symlink("real.so", file.c_str()), 0);
  EXPECT_THAT(open().error().why, HasSubstr("symbolic link"));
}

TEST_F(OpenTest, UnknownAndDeniedNames) {
  install();
  auto registry = Registry::open(world.options).value();
  EXPECT_EQ(registry->openProvider("acmee", {}).error().what, "Unknown provider: acmee");
  EXPECT_EQ(registry->openProvider("acmee", {}).error().fix, "did you mean acme?");
  world.folder.write("policy.json", R"({"deny": ["acme"]})");
  EXPECT_EQ(open().error().code, ErrorCode::policy);
}

TEST_F(OpenTest, BadPolicyStopsEverything) {
  world.folder.write("policy.json", "{");
  auto registry = Registry::open(world.options);
  ASSERT_FALSE(registry);
  EXPECT_EQ(registry.error().code, ErrorCode::policy);
}

TEST_F(OpenTest, WhatIsNotUsedIsSaid) {
  world.variables["COMPUTESDK_PROVIDER_PATH"] = "relative:/does/not/exist";
  world.folder.write("product/bad.provider.json", "{");
  auto registry = Registry::open(world.options).value();
  EXPECT_THAT(log(), AllOf(HasSubstr("relative (COMPUTESDK_PROVIDER_PATH): a relative path"),
                           HasSubstr("/does/not/exist (COMPUTESDK_PROVIDER_PATH): does not exist"),
                           HasSubstr("bad.provider.json")));
  EXPECT_EQ(registry->searchPath().size(), 5u);
  EXPECT_EQ(registry->manifest("bad"), nullptr);
}

TEST_F(OpenTest, ManifestsInEffect) {
  install();
  install(kConfig, "system");
  auto registry = Registry::open(world.options).value();
  ASSERT_EQ(registry->manifests().size(), 1u);
  EXPECT_EQ(registry->manifest("acme")->file, world.folder.path() / "product/acme.provider.json");
}

}  // namespace
}  // namespace computesdk::registry
