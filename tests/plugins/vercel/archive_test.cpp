// What is packed here must be what tar and gzip unpack.
#include "vercel/archive.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace computesdk::vercel {
namespace {

namespace fs = std::filesystem;

class ArchiveTest : public testing::Test {
 protected:
  ArchiveTest() {
    std::string path = (fs::temp_directory_path() / "csdk-archive-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    folder_ = path;
  }
  ~ArchiveTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  /// The exit code of tar.
  int unpack(const std::string& bytes) {
    std::ofstream(folder_ / "packed", std::ios::binary) << bytes;
    const std::string folder = folder_, packed = folder_ / "packed";
    std::vector<char*> argv;
    for (const char* word : {"tar", "-C", folder.c_str(), "-xpzf", packed.c_str()})
      argv.push_back(const_cast<char*>(word));
    argv.push_back(nullptr);
    pid_t pid = 0;
    if (::posix_spawnp(&pid, "tar", nullptr, nullptr, argv.data(), environ) != 0) return -1;
    int status = -1;
    ::waitpid(pid, &status, 0);
    return status;
  }
  std::string read(const std::string& name) {
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
};

TEST_F(ArchiveTest, HoldsFilesOfAnySizeAndName) {
  std::string big(200001, 'x');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7 + i / 256);
  const std::string longName = "deep/" + std::string(120, 'n') + "/" + std::string(90, 'm');
  const std::string odd = "a b'\"\n\xc3\xa9";
  Archive archive;
  std::string bytes = Archive::begin();
  bytes += archive.file("empty", "", 0600, 1795253756);
  bytes += archive.file("big", big, 0755, 1795253756);
  bytes += archive.file(longName, "long", 0644, 1795253756);
  bytes += archive.file(odd, "odd", 0644, 1795253756);
  bytes += archive.end();
  ASSERT_EQ(unpack(bytes), 0);
  EXPECT_EQ(read("big"), big);
  EXPECT_EQ(read(longName), "long");
  EXPECT_EQ(read(odd), "odd");
  EXPECT_TRUE(fs::exists(folder_ / "empty"));
  EXPECT_EQ(fs::file_size(folder_ / "empty"), 0U);
  EXPECT_EQ(fs::status(folder_ / "big").permissions(), static_cast<fs::perms>(0755));
  EXPECT_EQ(fs::status(folder_ / "empty").permissions(), static_cast<fs::perms>(0600));
}

TEST_F(ArchiveTest, NamesAroundTheLengthOfAHeader) {
  for (const std::size_t length : {99U, 100U, 101U, 155U, 255U}) {
    Archive archive;
    const std::string name(length, 'a');
    std::string bytes = Archive::begin();
    bytes += archive.file(name, "here", 0644, 0);
    bytes += archive.end();
    ASSERT_EQ(unpack(bytes), 0) << length;
    EXPECT_EQ(read(name), "here") << length;
  }
}

TEST_F(ArchiveTest, ABrokenOneIsNoticed) {
  Archive archive;
  std::string bytes = Archive::begin() + archive.file("f", "content", 0644, 0);
  bytes += archive.end();
  EXPECT_NE(unpack(bytes.substr(0, bytes.size() - 20)), 0);
  bytes[600] = static_cast<char>(bytes[600] ^ 1);
  EXPECT_NE(unpack(bytes), 0) << "the checksum is of all that was packed";
}

}  // namespace
}  // namespace computesdk::vercel
