// Archives as hostile as they come: nothing outside of the tree may change, and every error is an error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <rootfs/layer.hpp>
#include <rootfs/tar_reader.hpp>
#include <rootfs/tree.hpp>

#include "image_builder.hpp"

namespace computesdk::local::rootfs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Archive : public ::testing::Test {
 protected:
  Archive() {
    folder.mkdir("root");
    folder.mkdir("outside");
    folder.write("outside/victim", "untouched");
  }
  Status apply(const std::string& bytes) {
    MemorySource source(bytes);
    const UniqueFd root = folder.open("root");
    return applyLayer(root.get(), source, allowance);
  }
  void expectOutsideUntouched() {
    EXPECT_EQ(contentOf(folder.path() + "/outside/victim"), "untouched");
    EXPECT_THAT(treeOf(folder.path() + "/outside"), ElementsAre("victim"));
  }
  std::string in(const std::string& name) { return folder.path() + "/root/" + name; }

  TempFolder folder;
  Allowance allowance{1U << 20, 100};
};

TEST_F(Archive, UnpacksWhatIsOrdinary) {
  const Status applied = apply(TarBuilder()
                                   .folder("./")
                                   .folder("usr/bin/")
                                   .symlink("bin", "usr/bin")
                                   .file("bin/sh", "shell", 0755)
                                   .hardLink("usr/bin/dash", "bin/sh")
                                   .file("/etc/passwd", "root", 0600)
                                   .entry('3', "dev/null")
                                   .entry('6', "run/pipe")
                                   .file("suid", "x", 06755)
                                   .done());
  ASSERT_TRUE(applied.ok()) << applied.error().message;
  EXPECT_EQ(contentOf(in("usr/bin/sh")), "shell");
  EXPECT_EQ(contentOf(in("usr/bin/dash")), "shell");
  EXPECT_EQ(contentOf(in("etc/passwd")), "root");
  struct stat status {};
  ASSERT_EQ(::stat(in("suid").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755U);
  EXPECT_EQ(status.st_mtime, 1000000000);
  EXPECT_NE(::access(in("dev/null").c_str(), F_OK), 0);
  EXPECT_NE(::access(in("run/pipe").c_str(), F_OK), 0);
}

TEST_F(Archive, DotDotIsRefused) {
  for (const char* path : {"../outside/victim", "a/../../outside/victim", "/../outside/victim", ".."}) {
    EXPECT_EQ(apply(TarBuilder().file(path, "evil").done()).error().kind, ErrorClass::kInvalidArgument) << path;
    EXPECT_EQ(apply(TarBuilder().file("x", "").hardLink("y", path).done()).error().kind, ErrorClass::kInvalidArgument);
  }
  expectOutsideUntouched();
}

TEST_F(Archive, SymlinksEndAtTheRoot) {
  const std::string outside = folder.path() + "/outside";
  for (const std::string& target :
       {outside, std::string("../outside"), std::string("../../../../../../..") + outside}) {
    (void)apply(TarBuilder().symlink("link", target).file("link/victim", "evil").done());
    (void)apply(TarBuilder().symlink("link", target).folder("link").file("link/new", "evil").done());
    (void)apply(TarBuilder().symlink("link", target).symlink("link/new", "/etc/passwd").done());
    (void)apply(TarBuilder().symlink("link", target).hardLink("stolen", "link/victim").done());
    (void)apply(TarBuilder().symlink("link", target).file("link/.wh.victim", "").done());
    (void)apply(TarBuilder().symlink("link", target).file("link/.wh..wh..opq", "").done());
    expectOutsideUntouched();
    EXPECT_NE(contentOf(in("stolen")), "untouched");
  }
}

TEST_F(Archive, AFileReplacesASymlinkAndDoesNotWriteThroughIt) {
  const std::string victim = folder.path() + "/outside/victim";
  ASSERT_TRUE(apply(TarBuilder().symlink("f", victim).file("f", "evil").done()).ok());
  EXPECT_EQ(contentOf(in("f")), "evil");
  ASSERT_TRUE(apply(TarBuilder().symlink("g", victim).hardLink("h", "g").done()).ok());
  ASSERT_TRUE(apply(TarBuilder().file("h", "evil").done()).ok());
  expectOutsideUntouched();
}

TEST_F(Archive, ALaterFileDoesNotChangeAHardLinksOtherName) {
  ASSERT_TRUE(apply(TarBuilder().file("a", "one").hardLink("b", "a").file("a", "two").done()).ok());
  EXPECT_EQ(contentOf(in("a")), "two");
  EXPECT_EQ(contentOf(in("b")), "one");
}

TEST_F(Archive, SymlinkLoopsEnd) {
  EXPECT_FALSE(apply(TarBuilder().symlink("a", "b").symlink("b", "a").file("a/x", "").done()).ok());
  EXPECT_FALSE(apply(TarBuilder().symlink("c", "c/c/c").file("c/x", "").done()).ok());
}

TEST_F(Archive, WhiteoutsTakeAwayFromBelowOnly) {
  ASSERT_TRUE(apply(TarBuilder().file("d/old", "1").file("d/sub/deep", "1").file("gone", "1").done()).ok());
  ASSERT_TRUE(apply(TarBuilder()
                        .file("d/new", "2")
                        .file("d/.wh..wh..opq", "")
                        .file(".wh.gone", "")
                        .file("kept", "2")
                        .file(".wh.kept", "")
                        .file(".wh.absent", "")
                        .done())
                  .ok());
  EXPECT_THAT(treeOf(folder.path() + "/root"), ElementsAre("d", "d/new", "kept"));
  for (const char* name : {".wh.", ".wh..", ".wh..."}) {
    EXPECT_EQ(apply(TarBuilder().file(name, "").done()).error().kind, ErrorClass::kInvalidArgument) << name;
  }
  EXPECT_THAT(treeOf(folder.path() + "/root"), ElementsAre("d", "d/new", "kept"));
}

TEST_F(Archive, LimitsHold) {
  allowance = {10, 100};
  EXPECT_EQ(apply(TarBuilder().file("a", "12345678901").done()).error().kind, ErrorClass::kResourceExhausted);
  allowance = {10, 2};
  EXPECT_EQ(apply(TarBuilder().folder("a").folder("b").folder("c").done()).error().kind,
            ErrorClass::kResourceExhausted);
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "d/";
  allowance = {10, 100};
  EXPECT_FALSE(apply(TarBuilder().pax({{"path", deep + "f"}}).file("x", "").done()).ok());
  EXPECT_FALSE(apply(TarBuilder().pax({{"path", std::string(300, 'n')}}).file("x", "").done()).ok());
}

TEST_F(Archive, LongNamesAreRead) {
  const std::string name(200, 'n');
  ASSERT_TRUE(apply(TarBuilder().pax({{"path", name}, {"mtime", "1.5"}}).file("short", "1").done()).ok());
  EXPECT_EQ(contentOf(in(name)), "1");
  const std::string other(201, 'o');
  ASSERT_TRUE(
      apply(TarBuilder().entry('L', "././@LongLink", other + std::string(1, '\0')).file("short", "2").done()).ok());
  EXPECT_EQ(contentOf(in(other)), "2");
}

TEST_F(Archive, DamageIsSaid) {
  const std::string good = TarBuilder().file("a", std::string(2000, 'x')).done();
  for (const std::size_t size : {std::size_t{1}, std::size_t{511}, std::size_t{513}, std::size_t{1500}}) {
    EXPECT_EQ(apply(good.substr(0, size)).error().kind, ErrorClass::kInvalidArgument) << size;
  }
  std::string wrong = good;
  wrong[0] = 'b';
  EXPECT_EQ(apply(wrong).error().kind, ErrorClass::kInvalidArgument);
  EXPECT_TRUE(apply(TarBuilder().file("a", "x").cut()).ok()) << "some writers leave the end out";
  EXPECT_TRUE(apply("").ok());
  EXPECT_EQ(apply(TarBuilder().entry('S', "sparse").done()).error().kind, ErrorClass::kUnimplemented);
  for (const char* pax : {"", "7 a=b\n", "5 ab\n\n", "99999999999999999999 a=b\n", "6 a=b\n", "-1 a=b\n", "0 a=b\n"}) {
    if (*pax == 0) continue;
    EXPECT_FALSE(apply(TarBuilder().entry('x', "h", pax).file("f", "").done()).ok() && *pax != '6') << pax;
  }
}

TEST_F(Archive, AZeroByteInAPaxNameIsRefused) {
  EXPECT_FALSE(apply(TarBuilder().pax({{"path", std::string("a\0b", 3)}}).file("x", "").done()).ok());
}

TEST_F(Archive, FlippedBytesNeverLeaveTheTree) {
  const std::string good = TarBuilder()
                               .folder("d")
                               .symlink("d/l", "../../outside")
                               .pax({{"path", "d/l/victim"}})
                               .file("d/f", "content")
                               .hardLink("d/h", "d/f")
                               .file("d/.wh.f", "")
                               .done();
  std::mt19937 random(7);
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = good;
    for (int flips = 0; flips < 3; ++flips) {
      const std::size_t block = random() % (bytes.size() / 512);
      bytes[block * 512 + random() % 512] = static_cast<char>(random());
      // A right checksum, or else nothing but the checksum would be tested.
      unsigned sum = 0;
      for (std::size_t i = 0; i < 512; ++i) {
        sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(bytes[block * 512 + i]);
      }
      std::snprintf(bytes.data() + block * 512 + 148, 8, "%06o", sum);
    }
    allowance = {1U << 20, 100};
    (void)apply(bytes);
  }
  expectOutsideUntouched();
}

TEST(Gzip, MembersDamageAndBombs) {
  MemorySource two(gzip("hello ") + gzip("world"));
  const auto plain = gunzip(two, 100);
  std::string text;
  char block[3];
  for (;;) {
    const auto got = plain->read(block, sizeof block);
    ASSERT_TRUE(got.ok());
    if (*got == 0) break;
    text.append(block, *got);
  }
  EXPECT_EQ(text, "hello world");

  const auto readAll = [](const std::string& bytes, std::uint64_t most) -> Status {
    MemorySource source(bytes);
    const auto unzipped = gunzip(source, most);
    std::vector<char> room(65536);
    for (;;) {
      const auto got = unzipped->read(room.data(), room.size());
      if (!got.ok()) return got.error();
      if (*got == 0) return okStatus();
    }
  };
  EXPECT_EQ(readAll(gzip(std::string(10U << 20, '\0')), 1U << 20).error().kind, ErrorClass::kResourceExhausted);
  const std::string good = gzip("some text that is long enough to be cut");
  for (std::size_t size = 1; size < good.size(); ++size) EXPECT_FALSE(readAll(good.substr(0, size), 1000).ok()) << size;
  EXPECT_FALSE(readAll("no gzip at all", 1000).ok());
  std::string wrong = good;
  wrong[good.size() - 6] = static_cast<char>(wrong[good.size() - 6] + 1);
  EXPECT_FALSE(readAll(wrong, 1000).ok());
}

TEST(Sha256Test, KnownAnswers) {
  EXPECT_EQ(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  Sha256 pieces;
  for (int i = 0; i < 1000; ++i) pieces.update(std::string(1000, 'a').data(), 1000);
  EXPECT_EQ(pieces.finish(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace
}  // namespace computesdk::local::rootfs
