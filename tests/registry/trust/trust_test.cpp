#include "trust/ownership.hpp"
#include "trust/policy.hpp"
#include "trust/sha256.hpp"
#include "trust/trust_file.hpp"

#include "support.hpp"
#include "values/fd.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

namespace computesdk::registry {
namespace {

using test::TempFolder;
using testing::HasSubstr;

std::string sha256(std::string_view text) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(text.data(), text.size())));
  return hash.finish();
}

TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
                   "mnopqrstnopqrstu"),
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesMakeTheSameDigest) {
  std::string text(300, 'x');
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 hash;
    hash.update(std::as_bytes(std::span(text.data(), cut)));
    hash.update(std::as_bytes(std::span(text.data() + cut, text.size() - cut)));
    ASSERT_EQ(hash.finish(), sha256(text)) << cut;
  }
}

TEST(Sha256, OfAFile) {
  TempFolder folder;
  UniqueFd fd = openForReading(folder.write("f", "abc"));
  EXPECT_EQ(sha256OfFile(fd.get()).value(), sha256("abc"));
}

struct OwnershipTest : testing::Test {
  TempFolder folder;
  OwnershipRule rule{.user = ::geteuid(), .rootOnly = false, .writers = {}};

  std::optional<OwnershipProblem> check(const std::filesystem::path& file) {
    OwnershipCheck ownership(rule);
    struct stat info {};
    EXPECT_EQ(::lstat(file.c_str(), &info), 0);
    if (auto problem = ownership.file(info, file)) return problem;
    return ownership.folder(file.parent_path());
  }
};

TEST_F(OwnershipTest, OwnFileBelowStickyTmpIsFine) { EXPECT_FALSE(check(folder.write("a/b/f", ""))); }

TEST_F(OwnershipTest, SaysWhichBitAndHowToCureIt) {
  auto file = folder.write("a/f", "", 0664);
  auto problem = check(file);
  ASSERT_TRUE(problem);
  EXPECT_THAT(problem->why, HasSubstr("writable by group (mode 0664)"));
  EXPECT_EQ(problem->fix, "chmod g-w " + file.string());
  ::chmod(file.c_str(), 0646);
  EXPECT_THAT(check(file)->why, HasSubstr("writable by everybody"));
}

TEST_F(OwnershipTest, EveryFolderAboveCounts) {
  auto file = folder.write("a/b/f", "");
  ::chmod((folder.path() / "a").c_str(), 0777);
  auto problem = check(file);
  ASSERT_TRUE(problem);
  EXPECT_THAT(problem->why, HasSubstr((folder.path() / "a").string() + " is writable by everybody"));
  // Only root may vouch for others by the sticky bit.
  ::chmod((folder.path() / "a").c_str(), 01777);
  EXPECT_EQ(check(file).has_value(), ::geteuid() != 0);
}

TEST_F(OwnershipTest, TheRealPathBehindALinkCountsToo) {
  auto file = folder.write("open/real/f", "");
  folder.write("closed/x", "");
  ::chmod((folder.path() / "open").c_str(), 0777);
  ASSERT_EQ(::symlink((folder.path() / "open/real").c_str(), (folder.path() / "closed/link").c_str()), 0);
  OwnershipCheck ownership(rule);
  auto problem = ownership.folder(folder.path() / "closed/link");
  ASSERT_TRUE(problem);
  EXPECT_THAT(problem->why, HasSubstr("/open is writable"));
}

TEST_F(OwnershipTest, StrangersFilesAreRefused) {
  auto file = folder.write("f", "");
  rule.user = ::geteuid() + 1;
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(file.c_str(), 12345, 12345), 0);
  }
  auto problem = check(file);
  ASSERT_TRUE(problem);
  EXPECT_THAT(problem->why, HasSubstr("belongs to user"));
}

TEST_F(OwnershipTest, RootOnlyLeavesTheUserOut) {
  auto file = folder.write("f", "");
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(folder.path().c_str(), 12345, 12345), 0);
  }
  rule = {.user = 12345, .rootOnly = true, .writers = {}};
  auto problem = check(file);
  ASSERT_TRUE(problem);
  EXPECT_THAT(problem->why, HasSubstr("not to root"));
}

TEST_F(OwnershipTest, AGroupThatMayWriteTheProgramMayWriteItsPlugins) {
  auto file = folder.write("a/f", "", 0664);
  ::chmod((folder.path() / "a").c_str(), 0775);
  EXPECT_TRUE(check(file));
  rule.writers = writingGroups(file);
  EXPECT_EQ(rule.writers, std::set<gid_t>{::getegid()});
  EXPECT_FALSE(check(file));
  ::chmod(file.c_str(), 0666);
  EXPECT_TRUE(check(file)) << "everybody is never one of them";
}

TEST(Policy, NoFileAllowsEverything) {
  TempFolder folder;
  auto policy = readPolicy(folder.path() / "policy.json");
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->denies("e2b"), "");
}

TEST(Policy, AllowAndDeny) {
  TempFolder folder;
  auto policy = readPolicy(
      folder.write("policy.json", R"({"allow": ["local", "e2b"], "deny": ["e2b"], "require_checksum": true})"));
  ASSERT_TRUE(policy) << policy.error().firstLine();
  EXPECT_EQ(policy->denies("local"), "");
  EXPECT_THAT(policy->denies("e2b"), HasSubstr("denied by"));
  EXPECT_THAT(policy->denies("modal"), HasSubstr("not among"));
  EXPECT_TRUE(policy->requireChecksum);
  auto nobody = readPolicy(folder.write("none.json", R"({"allow": []})"));
  EXPECT_NE(nobody->denies("local"), "") << "an empty list allows nothing";
}

TEST(Policy, WhatCannotBeUnderstoodIsAnError) {
  TempFolder folder;
  for (const char* text :
       {"", "[]", "{\"deny\": \"e2b\"}", "{\"deny\": [1]}", "{\"denied\": []}", "{\"require_checksum\": 1}"}) {
    auto policy = readPolicy(folder.write("policy.json", text));
    ASSERT_FALSE(policy) << text;
    EXPECT_EQ(policy.error().code, ErrorCode::policy);
    EXPECT_FALSE(policy.error().fix.empty());
  }
  EXPECT_FALSE(readPolicy(folder.write("policy.json", "{}", 0666))) << "anybody could have written it";
}

struct TrustFileTest : testing::Test {
  TempFolder folder;
  std::filesystem::path file = folder.path() / "config/computesdk/trust.json";
  TrustFile trust{file, ::geteuid()};
  std::string hash = std::string(64, 'a');
};

TEST_F(TrustFileTest, AddsOnceAndKeepsItPrivate) {
  EXPECT_TRUE(trust.read()->empty());
  ASSERT_TRUE(trust.add({hash, "acme", "/opt/acme.so"}));
  ASSERT_TRUE(trust.add({hash, "acme", "/opt/acme.so"}));
  auto read = trust.read();
  ASSERT_TRUE(read) << read.error().firstLine();
  ASSERT_EQ(read->size(), 1u);
  EXPECT_EQ(read->front().sha256, hash);
  EXPECT_EQ(read->front().name, "acme");
  struct stat info {};
  ASSERT_EQ(::stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(file.parent_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(TrustFileTest, ManyAtOnceAllCount) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      std::string own = hash;
      own[0] = static_cast<char>('0' + i);
      EXPECT_TRUE(trust.add({own, "acme", "/opt/acme.so"}));
    });
  }
  threads.clear();
  EXPECT_EQ(trust.read()->size(), 8u);
}

TEST_F(TrustFileTest, DamagedOneIsAnErrorAndStaysAsItIs) {
  for (const char* text :
       {"", "{", "[]", "{\"version\": 2, \"trusted\": []}", "{\"version\": 1}",
        "{\"version\": 1, \"trusted\": [{\"sha256\": \"zz\"}]}", "{\"version\": 1, \"trusted\": [7]}"}) {
    folder.write("config/computesdk/trust.json", text, 0600);
    auto read = trust.read();
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::config);
    EXPECT_FALSE(trust.add({hash, "acme", "/opt/acme.so"}));
    EXPECT_EQ(test::readFile(file), text);
  }
}

TEST_F(TrustFileTest, WritableByOthersIsNotBelieved) {
  ASSERT_TRUE(trust.add({hash, "acme", "/opt/acme.so"}));
  ::chmod(file.c_str(), 0666);
  auto read = trust.read();
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().why, HasSubstr("writable by everybody"));
}

TEST_F(TrustFileTest, NoHomeIsAnError) {
  TrustFile nowhere({}, ::geteuid());
  EXPECT_TRUE(nowhere.read()->empty());
  EXPECT_FALSE(nowhere.add({hash, "acme", "/opt/acme.so"}));
}

}  // namespace
}  // namespace computesdk::registry
