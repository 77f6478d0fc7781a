#include "files/glob.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace computesdk::sandboxd {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  const auto glob = Glob::parse(pattern);
  EXPECT_TRUE(glob) << pattern;
  return glob && glob->matches(text);
}

TEST(Glob, LiteralNames) {
  EXPECT_TRUE(matches("node_modules", "node_modules"));
  EXPECT_FALSE(matches("node_modules", "node_modules2"));
  EXPECT_FALSE(matches("node_modules", "node_module"));
  EXPECT_TRUE(matches("./src/a.c", "src/a.c"));
  EXPECT_TRUE(matches("build/", "build"));
  EXPECT_TRUE(matches("caf\xc3\xa9", "caf\xc3\xa9"));
}

TEST(Glob, StarStaysWithinAName) {
  EXPECT_TRUE(matches("*.log", "a.log"));
  EXPECT_TRUE(matches("*.log", ".log"));
  EXPECT_FALSE(matches("*.log", "a/b.log"));
  EXPECT_TRUE(matches("src/*/x", "src/a/x"));
  EXPECT_FALSE(matches("src/*/x", "src/a/b/x"));
  EXPECT_TRUE(matches("*", ".hidden"));
}

TEST(Glob, DoubleStarCrossesNames) {
  EXPECT_TRUE(matches("**/x", "x"));
  EXPECT_TRUE(matches("**/x", "a/b/x"));
  EXPECT_FALSE(matches("**/x", "a/bx"));
  EXPECT_TRUE(matches("a/**/b", "a/b"));
  EXPECT_TRUE(matches("a/**/b", "a/c/d/b"));
  EXPECT_FALSE(matches("a/**/b", "a/cb"));
  EXPECT_TRUE(matches("dist/**", "dist"));
  EXPECT_TRUE(matches("dist/**", "dist/a/b"));
  EXPECT_FALSE(matches("dist/**", "distant"));
  EXPECT_TRUE(matches("**", "any/thing"));
  EXPECT_TRUE(matches("**/*.{js,ts}", "a/b/c.ts"));
  EXPECT_TRUE(matches("**/*.{js,ts}", "c.js"));
}

TEST(Glob, QuestionMarkIsOneCharacter) {
  EXPECT_TRUE(matches("?", "\xc3\xa9"));
  EXPECT_TRUE(matches("?", "\xff"));
  EXPECT_FALSE(matches("?", "ab"));
  EXPECT_FALSE(matches("a?b", "a/b"));
}

TEST(Glob, Classes) {
  EXPECT_TRUE(matches("[a-c]x", "bx"));
  EXPECT_FALSE(matches("[a-c]x", "dx"));
  EXPECT_TRUE(matches("[!a-c]x", "dx"));
  EXPECT_FALSE(matches("[^a-c]x", "ax"));
  EXPECT_TRUE(matches("[]]", "]"));
  EXPECT_TRUE(matches("[a\\-z]", "-"));
  EXPECT_FALSE(matches("[a\\-z]", "m"));
  EXPECT_FALSE(matches("[!a]", "/"));
  EXPECT_TRUE(matches("[open", "[open"));
  EXPECT_TRUE(matches("[\xc3\xa0-\xc3\xbf]", "\xc3\xa9"));
}

TEST(Glob, BracesAndEscapes) {
  EXPECT_TRUE(matches("{a,b{c,d}}e", "bde"));
  EXPECT_FALSE(matches("{a,b{c,d}}e", "be"));
  EXPECT_TRUE(matches("{a}", "{a}"));
  EXPECT_TRUE(matches("{a,", "{a,"));
  EXPECT_TRUE(matches("\\*", "*"));
  EXPECT_FALSE(matches("\\*", "a"));
  EXPECT_TRUE(matches("\\{a,b\\}", "{a,b}"));
  EXPECT_TRUE(matches("x{,y}", "x"));
  EXPECT_TRUE(matches("a\\", "a\\"));
}

TEST(Glob, TooMuchIsRefused) {
  EXPECT_FALSE(Glob::parse(""));
  EXPECT_FALSE(Glob::parse("./"));
  EXPECT_FALSE(Glob::parse(std::string(1025, 'a')));
  EXPECT_FALSE(Glob::parse("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"));
}

TEST(Glob, NoPatternIsSlow) {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "*a";
  const std::string text(4000, 'a');
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(matches(pattern + "b", text));
  EXPECT_TRUE(matches(pattern, text));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(GlobSet, WholePathOrAnyOneName) {
  std::string bad;
  const auto set = GlobSet::parse({"node_modules", "*.log", "build/out"}, bad);
  ASSERT_TRUE(set);
  EXPECT_TRUE(set->matches("node_modules"));
  EXPECT_TRUE(set->matches("a/node_modules/b"));
  EXPECT_TRUE(set->matches("a/b/c.log"));
  EXPECT_TRUE(set->matches("build/out"));
  EXPECT_FALSE(set->matches("x/build/out"));
  EXPECT_FALSE(set->matches("out"));
  EXPECT_FALSE(set->matches("src/main.c"));
  EXPECT_FALSE(GlobSet{}.matches("a"));
}

TEST(GlobSet, NamesTheBadPattern) {
  std::string bad;
  EXPECT_FALSE(GlobSet::parse({"good", std::string(2000, 'x')}, bad));
  EXPECT_EQ(bad, std::string(2000, 'x'));
}

}  // namespace
}  // namespace computesdk::sandboxd
