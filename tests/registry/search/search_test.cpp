#include "search/search.hpp"

#include "search/product.hpp"
#include "support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace computesdk::registry {
namespace {

using test::manifestText;
using test::World;
using testing::HasSubstr;

std::vector<std::string> names(const SearchResult& result) {
  std::vector<std::string> out;
  for (const Found& found : result.found) out.push_back(found.name + (found.shadowed ? "*" : found.problem ? "!" : ""));
  return out;
}

TEST(Search, FolderOrder) {
  World world;
  world.variables["COMPUTESDK_PROVIDER_PATH"] =
      world.folder.path().string() + "/env1:" + world.folder.path().string() + "/env2";
  world.options.extraPaths = {world.folder.path() / "added"};
  std::vector<std::string> shown;
  for (const Folder& folder : searchFolders(world.options)) {
    shown.push_back(folder.shown.path.lexically_relative(world.folder.path()).string());
  }
  EXPECT_THAT(shown, testing::ElementsAre("added", "env1", "env2", "home/.local/share/computesdk/providers", "product",
                                          "system"));
}

TEST(Search, NeverTheWorkingDirectory) {
  World world;
  world.variables["COMPUTESDK_PROVIDER_PATH"] = ":relative:.:/:";
  std::vector<std::string> ignored;
  for (const Folder& folder : searchFolders(world.options)) {
    if (folder.origin == Origin::environment) ignored.push_back(folder.shown.ignored);
  }
  EXPECT_THAT(ignored, testing::ElementsAre(HasSubstr("empty entry"), HasSubstr("relative path"),
                                            HasSubstr("relative path"), "", HasSubstr("empty entry")));
  world.options.extraPaths = {"added"};
  EXPECT_THAT(searchFolders(world.options).front().shown.ignored, HasSubstr("relative"));
  world.variables["XDG_DATA_HOME"] = "data";
  for (const Folder& folder : searchFolders(world.options)) {
    if (folder.origin == Origin::user) {
      EXPECT_THAT(folder.shown.ignored, HasSubstr("relative"));
    }
  }
}

TEST(Search, RaisedPrivilegesSwitchTheUserOff) {
  World world;
  world.install("acme", "", "env");
  world.variables["COMPUTESDK_PROVIDER_PATH"] = world.folder.path() / "env";
  world.options.environment.secure = true;
  auto result = search(world.options);
  EXPECT_TRUE(result.found.empty());
  EXPECT_THAT(result.folders[0].shown.ignored, HasSubstr("raised privileges"));
  EXPECT_THAT(result.folders[1].shown.ignored, HasSubstr("raised privileges"));
}

TEST(Search, AsRootOnlyRootsFoldersCount) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to make a folder of somebody else";
  World world;
  world.install("acme", "", "env");
  world.variables["COMPUTESDK_PROVIDER_PATH"] = world.folder.path() / "env";
  EXPECT_EQ(names(search(world.options)), std::vector<std::string>{"acme"});
  ASSERT_EQ(::chown(world.folder.path().c_str(), 12345, 12345), 0);
  auto result = search(world.options);
  EXPECT_TRUE(result.found.empty());
  EXPECT_THAT(result.folders[0].shown.ignored, HasSubstr("as root only folders of root count"));
}

TEST(Search, FirstNameWinsAndByteOrderHolds) {
  World world;
  world.install("b", "", "system");
  world.install("a", "", "system");
  world.install("a-x", "", "system");
  world.install("b", "", "product");
  EXPECT_THAT(names(search(world.options)), testing::ElementsAre("b", "a-x", "a", "b*"));
}

TEST(Search, OneFolderIsSearchedOnce) {
  World world;
  world.install("a");
  ASSERT_EQ(::symlink((world.folder.path() / "product").c_str(), (world.folder.path() / "system").c_str()), 0);
  auto result = search(world.options);
  EXPECT_THAT(names(result), testing::ElementsAre("a"));
  EXPECT_EQ(result.folders.back().shown.ignored, "is searched already");
}

TEST(Search, BadManifestsAreReportedAndDoNotShadow) {
  World world;
  world.folder.write("product/acme.provider.json", "{");
  world.install("acme", "", "system");
  world.folder.write("product/link", "");
  ASSERT_EQ(::symlink("acme.provider.json", (world.folder.path() / "product/link.provider.json").c_str()), 0);
  ASSERT_EQ(::mkdir((world.folder.path() / "product/dir.provider.json").c_str(), 0755), 0);
  ASSERT_EQ(::mkfifo((world.folder.path() / "product/pipe.provider.json").c_str(), 0644), 0);
  world.folder.write("product/open.provider.json", manifestText("open"), 0666);
  auto result = search(world.options);
  EXPECT_THAT(names(result), testing::ElementsAre("acme!", "dir!", "link!", "open!", "pipe!", "acme"));
  for (const Found& found : result.found) {
    if (!found.problem) continue;
    EXPECT_EQ(found.problem->code, ErrorCode::manifest);
    EXPECT_FALSE(found.problem->why.empty() || found.problem->fix.empty());
  }
}

TEST(Search, SaysWhyALibraryCannotBeLoadedHere) {
  World world;
  world.folder.write("product/gone.provider.json", manifestText("gone"));
  world.folder.write("product/newer.provider.json",
                     R"({"manifest_version":1,"name":"newer","version":"1.0.0","library":"a.so","abi":{"major":2}})");
  world.folder.write(
      "product/minor.provider.json",
      R"({"manifest_version":1,"name":"minor","version":"1.0.0","library":"a.so","abi":{"major":1,"min_minor":9}})");
  world.folder.write(
      "product/other.provider.json",
      R"({"manifest_version":1,"name":"other","version":"1.0.0","library":{"plan9-mips":"a.so"},"abi":{"major":1}})");
  auto result = search(world.options);
  ASSERT_EQ(result.found.size(), 4u);
  EXPECT_THAT(result.found[0].unusable, HasSubstr("libgone.so not found"));
  EXPECT_THAT(result.found[1].unusable, HasSubstr("wants ABI 1.9, this build offers 1.0"));
  EXPECT_THAT(result.found[2].unusable, HasSubstr("wants ABI 2, this build offers 1.0"));
  EXPECT_THAT(result.found[3].unusable, HasSubstr("no library for linux-"));
}

TEST(Search, LimitsTheNumberOfManifests) {
  World world;
  for (int i = 0; i < 300; ++i) world.folder.write("product/p" + std::to_string(1000 + i) + ".provider.json", "{");
  auto result = search(world.options);
  EXPECT_EQ(result.found.size(), 256u);
  EXPECT_THAT(result.warnings, testing::ElementsAre(HasSubstr("300 manifests")));
}

TEST(Product, IsBesideTheRunningProgram) {
  EXPECT_EQ(product().object, std::filesystem::canonical("/proc/self/exe"));
  EXPECT_EQ(product().folder, product().object.parent_path().parent_path() / "lib/computesdk/providers");
}

TEST(ProcessEnvironment, EmptyMeansUnset) {
  Environment environment = processEnvironment();
  EXPECT_EQ(environment.user, ::geteuid());
  EXPECT_FALSE(environment.get("COMPUTESDK_SURELY_NOT_SET"));
}

}  // namespace
}  // namespace computesdk::registry
