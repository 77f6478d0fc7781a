#include "values/text.hpp"

#include "values/json.hpp"

#include <gtest/gtest.h>

namespace computesdk::registry {
namespace {

TEST(Text, EditDistance) {
  EXPECT_EQ(editDistance("e2b", "e2b", 2), 0);
  EXPECT_EQ(editDistance("e2d", "e2b", 2), 1);
  EXPECT_EQ(editDistance("dayton", "daytona", 2), 1);
  EXPECT_EQ(editDistance("modal", "vercel", 2), 3);
  EXPECT_EQ(editDistance("", "ab", 2), 2);
}

TEST(Text, DidYouMeanOffersOnlyWhatIsNear) {
  std::vector<std::string> names = {"e2b", "daytona", "modal"};
  EXPECT_EQ(didYouMean("Daytna", names), "daytona");
  EXPECT_EQ(didYouMean("mdl", names), "modal");
  EXPECT_EQ(didYouMean("kubernetes", names), "");
  EXPECT_EQ(didYouMean("", names), "");
}

TEST(Text, ListsForPeople) {
  EXPECT_EQ(joinAnd({}), "");
  EXPECT_EQ(joinAnd({"a"}), "a");
  EXPECT_EQ(joinAnd({"a", "b", "c"}), "a, b and c");
}

TEST(Text, PrintableShowsControlCharacters) {
  EXPECT_EQ(printable("a\x1b[31m\n"), "a\\x1b[31m\\x0a");
  EXPECT_EQ(printable("abcdef", 3), "abc…");
}

TEST(Text, ShellQuote) {
  EXPECT_EQ(shellQuote("/usr/lib/a.so"), "/usr/lib/a.so");
  EXPECT_EQ(shellQuote("a b"), "'a b'");
  EXPECT_EQ(shellQuote("it's"), "'it'\\''s'");
  EXPECT_EQ(shellQuote(""), "''");
}

TEST(JsonText, RefusesWhatIsNotOneCleanValue) {
  EXPECT_TRUE(parseJson("{\"a\": [1, {\"b\": null}]}", {}));
  for (const char* text : {"", "{", "{} x", "{\"a\":1,}", "{\"a\":1, \"a\":2}", "[{\"k\":1,\"k\":1}]", "{'a':1}", "nul",
                           "\"\xff\"", "{\"a\":NaN}", "// c\n{}"}) {
    EXPECT_FALSE(parseJson(text, {})) << text;
  }
}

TEST(JsonText, LimitsDepthAndSizeWithoutRecursion) {
  std::string deep(1'000'000, '[');
  EXPECT_FALSE(parseJson(deep, {.maxBytes = 2'000'000, .maxDepth = 64}));
  std::string brackets = R"("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"{{{{{{{{")";
  EXPECT_TRUE(parseJson(brackets, {})) << "brackets inside a string are no nesting";
  std::string padded(101, ' ');
  padded.back() = '1';
  EXPECT_FALSE(parseJson(padded, {.maxBytes = 100, .maxDepth = 1}));
  EXPECT_TRUE(parseJson(padded, {.maxBytes = 101, .maxDepth = 1}));
  EXPECT_FALSE(parseJson("[[1]]", {.maxBytes = 100, .maxDepth = 1}));
}

TEST(JsonText, SaysWhere) {
  auto bad = parseJson("{\n  \"a\": tru\n}", {});
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().why.find("line 2"), std::string::npos) << bad.error().why;
}

}  // namespace
}  // namespace computesdk::registry
