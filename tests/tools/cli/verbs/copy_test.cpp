#include "verbs/copy.hpp"

#include <gtest/gtest.h>

namespace computesdk::cli {
namespace {

TEST(CopySide, TellsSandboxesFromFiles) {
  EXPECT_EQ(parseCopySide("./src").sandbox, "");
  EXPECT_EQ(parseCopySide("/a:b").sandbox, "");
  EXPECT_EQ(parseCopySide("./a:b").path, "./a:b");
  EXPECT_EQ(parseCopySide("plain").sandbox, "");
  CopySide named = parseCopySide("ci/build:/work/src");
  EXPECT_EQ(named.sandbox, "ci/build");
  EXPECT_EQ(named.path, "/work/src");
  CopySide odd = parseCopySide("e2b:abc:/x:/y");
  EXPECT_EQ(odd.sandbox, "e2b:abc");
  EXPECT_EQ(odd.path, "/x:/y");
  EXPECT_EQ(parseCopySide("sb:relative").path, "relative");
}

TEST(PlainName, RefusesWhatLeavesTheFolder) {
  EXPECT_TRUE(isPlainName("file"));
  EXPECT_TRUE(isPlainName("..."));
  for (std::string_view name :
       {std::string_view(""), std::string_view("."), std::string_view(".."), std::string_view("a/b"),
        std::string_view("/etc/passwd"), std::string_view("a\0b", 3)}) {
    EXPECT_FALSE(isPlainName(name));
  }
}

}  // namespace
}  // namespace computesdk::cli
