#include "env/env_file.hpp"

#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>

namespace computesdk::sandboxd {
namespace {

using Variables = EnvFile::Variables;

Variables read(std::string_view text) { return EnvFile::parse(text).variables(); }

TEST(EnvFile, ReadsWhatDotenvReads) {
  const std::string text =
      "# comment\n"
      "\n"
      "PLAIN=one\n"
      "SPACED = two words  # not this\n"
      "export EXPORTED=3\n"
      "  INDENTED=4\r\n"
      "EMPTY=\n"
      "EQUALS=a=b=c\n"
      "HASH=a#b\n"
      "SINGLE='lit $x \\n \"q\"'\n"
      "DOUBLE=\"a\\nb \\\"q\\\" \\\\ \\$x\" # c\n"
      "MULTI='line 1\n"
      "line 2'\n"
      "JOINED='it'\\''s'\n"
      "not an assignment\n"
      "LAST=end";
  EXPECT_EQ(read(text), (Variables{{"PLAIN", "one"},
                                   {"SPACED", "two words"},
                                   {"EXPORTED", "3"},
                                   {"INDENTED", "4"},
                                   {"EMPTY", ""},
                                   {"EQUALS", "a=b=c"},
                                   {"HASH", "a#b"},
                                   {"SINGLE", "lit $x \\n \"q\""},
                                   {"DOUBLE", "a\nb \"q\" \\ $x"},
                                   {"MULTI", "line 1\nline 2"},
                                   {"JOINED", "it's"},
                                   {"LAST", "end"}}));
  EXPECT_EQ(EnvFile::parse(text).text(), text);
}

TEST(EnvFile, TheLastValueCounts) {
  EXPECT_EQ(read("A=1\nB=2\nA=3\n"), (Variables{{"A", "3"}, {"B", "2"}}));
  EnvFile file = EnvFile::parse("A=1\nA=2\n");
  file.set("A", "4");
  EXPECT_EQ(file.text(), "A=1\nA=4\n");
  EXPECT_TRUE(file.remove("A"));
  EXPECT_EQ(file.text(), "");
  EXPECT_FALSE(file.remove("A"));
}

TEST(EnvFile, ChangesOnlyTheLineThatChanges) {
  EnvFile file = EnvFile::parse("# top\nexport A=1 # why\n\nB='same'\nC=\"x\" junk\r\nD=4");
  file.set("A", "new value");
  file.set("B", "same");
  file.set("C", "y");
  file.set("E", "5");
  EXPECT_EQ(file.text(), "# top\nexport A='new value' # why\n\nB='same'\nC=y\r\nD=4\nE=5\n");
}

TEST(EnvFile, AQuoteThatNothingEndsTakesInNothing) {
  EnvFile file = EnvFile::parse("A='open\nB=2\n");
  EXPECT_EQ(file.variables(), (Variables{{"A", "'open"}, {"B", "2"}}));
  file.set("C", "x y");
  EXPECT_EQ(EnvFile::parse(file.text()).variables(), (Variables{{"A", "'open"}, {"B", "2"}, {"C", "x y"}}));
}

TEST(EnvFile, AppendsBehindALineWithoutAnEnd) {
  EnvFile file = EnvFile::parse("# only");
  file.set("A", "1");
  EXPECT_EQ(file.text(), "# only\nA=1\n");
  EnvFile removed = EnvFile::parse("A=1");
  EXPECT_TRUE(removed.remove("A"));
  removed.set("B", "2");
  EXPECT_EQ(removed.text(), "B=2\n");
}

TEST(EnvFile, KeysAndValues) {
  EXPECT_TRUE(EnvFile::validKey("_a1"));
  EXPECT_FALSE(EnvFile::validKey("1a"));
  EXPECT_FALSE(EnvFile::validKey("a-b"));
  EXPECT_FALSE(EnvFile::validKey(""));
  EXPECT_FALSE(EnvFile::validValue(std::string_view("a\0b", 3)));
}

// What a real shell makes of what is written.
class Sourced : public testing::Test {
 protected:
  void SetUp() override {
    std::array<char, 32> name = {"/tmp/env_file_testXXXXXX"};
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name.data();
  }
  void TearDown() override {
    unlink((folder_ + "/env").c_str());
    rmdir(folder_.c_str());
  }
  std::string valueInShell(const std::string& text) const {
    std::ofstream(folder_ + "/env", std::ios::binary) << text;
    FILE* shell = popen((". " + folder_ + "/env; printf '%s|' \"$KEY\"").c_str(), "r");  // NOLINT(cert-env33-c)
    std::string value;
    for (int c; (c = fgetc(shell)) != EOF;) value += static_cast<char>(c);
    pclose(shell);
    return value.empty() ? value : value.substr(0, value.size() - 1);
  }
  std::string folder_;
};

TEST_F(Sourced, AnyValueComesBackHereAndInAShell) {
  const std::string values[] = {"",
                                "plain",
                                "two words",
                                "#hash",
                                "a # b",
                                "$HOME",
                                "`date`",
                                "$(date)",
                                "it's",
                                "\"q\"",
                                "both ' and \"",
                                "back\\slash",
                                "\\n",
                                "new\nline",
                                "'\n\"\\$`",
                                "tab\there",
                                "trailing\\",
                                "~",
                                "a=b",
                                "*",
                                "gr\xc3\xbc\xc3\x9f",
                                " lead and trail ",
                                "cr\rhere",
                                "'",
                                "!history!",
                                "a;b&c|d<e>f(g)",
                                "'\\''",
                                "$'x'",
                                "\n",
                                "it's\\\nso"};
  for (const std::string& value : values) {
    EnvFile file = EnvFile::parse("# head\nOTHER=1\n");
    file.set("KEY", value);
    const std::string text = file.text();
    EXPECT_EQ(EnvFile::parse(text).find("KEY"), value) << text;
    EXPECT_EQ(EnvFile::parse(text).text(), text);
    EXPECT_EQ(valueInShell(text), value) << text;
  }
}

}  // namespace
}  // namespace computesdk::sandboxd
