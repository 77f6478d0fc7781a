#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <rootfs/template_source.hpp>
#include <rootfs/tree.hpp>

#include "image_builder.hpp"

namespace computesdk::local::rootfs {
namespace {

using ::testing::HasSubstr;

TEST(TemplateDirectory, AGoodOne) {
  const TempFolder folder;
  folder.mkdir("root/usr/bin");
  const std::string root = folder.path() + "/root";
  EXPECT_EQ(classify(root).value(), SourceKind::kDirectory);
  const auto real = validateDirectory(root + "/../root/");
  ASSERT_TRUE(real.ok()) << real.error().message;
  EXPECT_EQ(*real, root);
}

TEST(TemplateDirectory, EachReasonToRefuseIsNamed) {
  const TempFolder folder;
  folder.mkdir("empty");
  folder.mkdir("good/bin");
  folder.mkdir("open/bin");
  folder.write("file", "");
  ::chmod((folder.path() + "/open").c_str(), 0777);
  folder.mkdir("layout");
  folder.write("layout/oci-layout", "{}");
  folder.write("layout/index.json", "{}");
  const struct {
    std::string path;
    const char* text;
  } cases[] = {{"relative", "absolute"},
               {"", "absolute"},
               {folder.path() + "/none", "no template at"},
               {folder.path() + "/file", "must be a folder"},
               {folder.path() + "/empty", "holds no root file system"},
               {folder.path() + "/layout", "OCI layout"},
               {folder.path() + "/open", "changed by other users"},
               {"/", "own root"},
               {"/proc/self", "/proc"}};
  for (const auto& one : cases) {
    const auto result = validateDirectory(one.path);
    ASSERT_FALSE(result.ok()) << one.path;
    EXPECT_THAT(result.error().message, HasSubstr(one.text));
  }
  ::chmod(folder.path().c_str(), 0777);
  EXPECT_THAT(validateDirectory(folder.path() + "/good").error().message, HasSubstr("changed by other users"));
}

TEST(TemplateDirectory, DoesNotShowTheHomeFolder) {
  const TempFolder folder;
  folder.mkdir("root/bin");
  folder.mkdir("root/home/me");
  const char* before = std::getenv("HOME");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("HOME", (folder.path() + "/root/home/me").c_str(), 1);
  const auto result = validateDirectory(folder.path() + "/root");
  if (before == nullptr) {
    ::unsetenv("HOME");
  } else {
    ::setenv("HOME", kept.c_str(), 1);
  }
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("home folder"));
}

TEST(Tree, LocateStaysBelow) {
  const TempFolder folder;
  folder.mkdir("root/real");
  folder.mkdir("outside");
  ASSERT_EQ(::symlink("/real", (folder.path() + "/root/abs").c_str()), 0);
  ASSERT_EQ(::symlink("../../../outside", (folder.path() + "/root/up").c_str()), 0);
  const UniqueFd root = folder.open("root");
  EXPECT_EQ(locate(root.get(), {"abs", "x"}, false).value().canonical, "real/x");
  EXPECT_EQ(locate(root.get(), {"up", "x"}, false).error().kind, ErrorClass::kNotFound);
  EXPECT_EQ(locate(root.get(), {"up", "x"}, true).value().canonical, "outside/x");
  EXPECT_EQ(::access((folder.path() + "/root/outside").c_str(), F_OK), 0);
}

TEST(Tree, RemoveAllFollowsNothing) {
  const TempFolder folder;
  folder.mkdir("tree/sub");
  folder.mkdir("outside");
  folder.write("outside/victim", "untouched");
  ASSERT_EQ(::symlink("../outside", (folder.path() + "/tree/link").c_str()), 0);
  folder.write("tree/sub/file", "");
  ::chmod((folder.path() + "/tree/sub").c_str(), 0);
  EXPECT_TRUE(removePath(folder.path() + "/tree").ok());
  EXPECT_NE(::access((folder.path() + "/tree").c_str(), F_OK), 0);
  EXPECT_EQ(contentOf(folder.path() + "/outside/victim"), "untouched");
  EXPECT_TRUE(removePath(folder.path() + "/tree").ok()) << "already gone is fine";
}

}  // namespace
}  // namespace computesdk::local::rootfs
