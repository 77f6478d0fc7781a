#include "core/dotenv.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace computesdk::cli {
namespace {

std::string valueOf(std::string_view text, const std::string& name) {
  auto values = parseDotEnv(text);
  auto found = values.find(name);
  return found == values.end() ? "(none)" : found->second.value;
}

TEST(DotEnv, ReadsLines) {
  EXPECT_EQ(valueOf("A=1\nB=two words\n", "B"), "two words");
  EXPECT_EQ(valueOf("export A=1", "A"), "1");
  EXPECT_EQ(valueOf("A = 1 # comment", "A"), "1");
  EXPECT_EQ(valueOf("# A=1\n", "A"), "(none)");
  EXPECT_EQ(valueOf("A=", "A"), "");
  EXPECT_EQ(valueOf("A=1\r\nB=2\r\n", "B"), "2");
  EXPECT_EQ(valueOf("A=1\nA=2\n", "A"), "2");
  EXPECT_EQ(valueOf("\xef\xbb\xbf"
                    "A=1",
                    "A"),
            "1");
}

TEST(DotEnv, ReadsQuotes) {
  EXPECT_EQ(valueOf("A=\"x # y\"", "A"), "x # y");
  EXPECT_EQ(valueOf("A='x\\n'", "A"), "x\\n");
  EXPECT_EQ(valueOf("A=\"x\\ny\"", "A"), "x\ny");
  EXPECT_EQ(valueOf("A=`it's`", "A"), "it's");
  EXPECT_EQ(valueOf("A=\"one\ntwo\"\nB=3", "A"), "one\ntwo");
  EXPECT_EQ(valueOf("A=\"one\ntwo\"\nB=3", "B"), "3");
  EXPECT_EQ(valueOf("A=\"open\nB=2", "B"), "2");
}

TEST(DotEnv, SkipsWhatItDoesNotKnowAndCountsLines) {
  auto values = parseDotEnv("garbage\n=x\nC=3\n\n\"D\"=4\nE=5");
  EXPECT_EQ(values.size(), 2U);
  EXPECT_EQ(values.find("C")->second.line, 3);
  EXPECT_EQ(values.find("E")->second.line, 6);
}

class OwnFile : public testing::Test {
 protected:
  OwnFile() {
    char name[] = "/tmp/cli-dotenv-XXXXXX";
    folder_ = mkdtemp(name);
    std::ofstream(path()) << "A=1\n";
    chmod(path().c_str(), 0600);
  }
  ~OwnFile() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ + "/.env"; }
  std::string folder_, warning_;
};

TEST_F(OwnFile, IsRead) {
  EXPECT_EQ(readOwnFile(path(), warning_).value(), "A=1\n");
  EXPECT_EQ(readOwnFile(folder_ + "/none", warning_).value(), std::nullopt);
  EXPECT_EQ(warning_, "");
}

TEST_F(OwnFile, IsNotReadWhenOthersMayWriteIt) {
  chmod(path().c_str(), 0666);
  EXPECT_EQ(readOwnFile(path(), warning_).value(), std::nullopt);
  EXPECT_NE(warning_.find("others may write it"), std::string::npos);
}

TEST_F(OwnFile, IsNotReadWhenItIsSomebodyElses) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_EQ(chown(path().c_str(), 64001, 64001), 0);
  EXPECT_EQ(readOwnFile(path(), warning_).value(), std::nullopt);
  EXPECT_NE(warning_.find("another user"), std::string::npos);
}

TEST_F(OwnFile, MustBeAFile) {
  EXPECT_FALSE(readOwnFile(folder_, warning_));
  std::string fifo = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(readOwnFile(fifo, warning_));
}

}  // namespace
}  // namespace computesdk::cli
