#include "fakes.hpp"

#include "code/language.hpp"
#include "core/setup.hpp"
#include "files/base64.hpp"
#include "files/checksum.hpp"
#include "files/entry_text.hpp"
#include "memory/sandbox_memory.hpp"
#include "memory/text_record.hpp"
#include "named/naming.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>

namespace computesdk::detail {
namespace {

TEST(Language, PythonByTheDocumentedTokensElseNode) {
  for (std::string_view code : {"print(1)", "import os", "def f():", "sys.exit()", "json.dumps", "x.__class__",
                                "y = f\"{x}\"", "y = f'{x}'", "raise X"}) {
    EXPECT_EQ(detectLanguage(code), "python") << code;
  }
  for (std::string_view code : {"console.log(1)", "", "let a = 1;", "process.exit(3)"}) {
    EXPECT_EQ(detectLanguage(code), "node") << code;
  }
}

TEST(Language, KnowsOtherNamesInAnyCase) {
  EXPECT_EQ(findLanguage("JavaScript")->name, "node");
  EXPECT_EQ(findLanguage("py")->interpreter, "python3");
  EXPECT_FALSE(findLanguage("cobol"));
  for (std::string_view name : knownLanguages()) EXPECT_TRUE(findLanguage(name)) << name;
}

TEST(Base64, RoundTripsEveryLengthInAnyPieces) {
  std::mt19937 random(7);
  for (std::size_t size = 0; size < 200; ++size) {
    std::vector<std::byte> bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random() & 255);
    const std::string text = base64Encode(bytes);
    Base64Decoder decoder;
    std::vector<std::byte> back;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t piece = 1 + random() % 5;
      ASSERT_TRUE(decoder.feed(text.substr(at, piece) + "\n", back));
      at += piece;
    }
    EXPECT_TRUE(decoder.complete());
    EXPECT_EQ(back, bytes);
  }
}

TEST(Base64, RefusesWhatIsNone) {
  for (std::string_view text : {"AB!D", "=AAA", "A=AA", "AB==CD", "AA=A"}) {
    Base64Decoder decoder;
    std::vector<std::byte> out;
    EXPECT_FALSE(decoder.feed(text, out)) << text;
  }
  Base64Decoder half;
  std::vector<std::byte> out;
  EXPECT_TRUE(half.feed("ABC", out));
  EXPECT_FALSE(half.complete());
}

TEST(Checksum, IsThatOfCksum) {
  Checksum empty;
  EXPECT_EQ(empty.value(), 4294967295u);
  Checksum sum;
  const std::string text = "hello\n";
  sum.add(std::as_bytes(std::span(text)));
  EXPECT_EQ(sum.value(), 3015617425u);  // printf 'hello\n' | cksum
  EXPECT_EQ(sum.size(), 6u);
}

TEST(TextRecord, KeepsEveryByte) {
  StringMap fields;
  for (int c = 0; c < 256; ++c) fields["k" + std::to_string(c)] = std::string(3, static_cast<char>(c));
  EXPECT_EQ(decodeRecord(encodeRecord(fields)), fields);
  for (std::string_view bad : {"no newline", "novalue\n", "=x\n", "a=%4\n", "a=%GG\n"}) {
    EXPECT_FALSE(decodeRecord(bad)) << bad;
  }
}

TEST(EntryText, RefusesWhatIsCutOff) {
  const std::string whole("81a4 12 1700000000 root root\nfile\0\0", 35);
  auto encode = [](std::string_view text) { return base64Encode(std::as_bytes(std::span(text))); };
  auto entries = parseEntries(encode(whole));
  ASSERT_TRUE(entries && entries->size() == 1);
  EXPECT_EQ(entries->front().name, "file");
  EXPECT_EQ(entries->front().mode, 0644u);
  EXPECT_EQ(entries->front().type, EntryType::file);
  for (std::size_t size = 1; size < whole.size(); ++size) EXPECT_FALSE(parseEntries(encode(whole.substr(0, size))));
  EXPECT_FALSE(parseEntries(encode(std::string("zz 1 1 a b\nf\0\0", 14))));
}

TEST(Memory, KeepsTokensPrivate) {
  test::TempFolder folder;
  const SandboxMemory memory(folder.path() / "a/b");
  RememberedSandbox sandbox;
  sandbox.provider = "one";
  sandbox.id = "../../etc/passwd";
  sandbox.token = "secret\n=%";
  sandbox.expiresAt = SystemTime(std::chrono::milliseconds(5));
  ASSERT_TRUE(memory.save(sandbox));
  auto found = memory.find(sandbox.id);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].token, sandbox.token);
  EXPECT_EQ(found[0].expiresAt, sandbox.expiresAt);
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path() / "a")) {
    struct stat status {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, entry.is_directory() ? 0700u : 0600u) << entry.path();
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, 1);
  memory.forget("one", sandbox.id);
  EXPECT_TRUE(memory.find(sandbox.id).empty());
}

TEST(Memory, TakesIdsOf256BytesAndIgnoresRubbish) {
  test::TempFolder folder;
  const SandboxMemory memory(folder.path());
  for (char c : {'a', '/', '\xff'}) {
    RememberedSandbox sandbox;
    sandbox.provider = "one";
    sandbox.id.assign(256, c);
    ASSERT_TRUE(memory.save(sandbox));
    EXPECT_EQ(memory.find(sandbox.id).size(), 1u);
    std::string other = sandbox.id;
    other.back() = 'y';
    EXPECT_TRUE(memory.find(other).empty());
  }
  std::ofstream(folder.path() / "sandboxes/one/bad") << "what\x01is this";
  EXPECT_TRUE(memory.find("bad").empty());
  EXPECT_TRUE(memory.unfinished().empty());
}

TEST(Memory, SaysWhyItCannotBeWritten) {
  test::TempFolder folder;
  std::ofstream(folder.path() / "file") << "x";
  RememberedSandbox sandbox;
  sandbox.provider = "one";
  sandbox.id = "x";
  auto saved = SandboxMemory(folder.path() / "file").save(sandbox);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code, ErrorCode::store);
  EXPECT_FALSE(saved.error().fix.empty());
}

TEST(Memory, AFolderThatOthersMayWriteIsRefused) {
  test::TempFolder folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0770), 0);
  RememberedSandbox sandbox;
  sandbox.provider = "one";
  sandbox.id = "x";
  auto saved = SandboxMemory(folder.path()).save(sandbox);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().fix, "chmod 700 " + folder.path().string());
  ASSERT_EQ(::chmod(folder.path().c_str(), 01777), 0);
  saved = SandboxMemory(folder.path()).save(sandbox);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().fix.find("chmod"), std::string::npos) << "a folder for everybody stays so";
}

TEST(Memory, TellsWhetherTheMakerRuns) {
  EXPECT_TRUE(processRuns(thisProcess()));
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  const std::string dead = std::to_string(child) + ":12345";
  while (::waitpid(child, nullptr, 0) < 0) {
  }
  EXPECT_FALSE(processRuns(dead));
  EXPECT_FALSE(processRuns(std::to_string(::getpid()) + ":1"));
  EXPECT_FALSE(processRuns(""));
  EXPECT_FALSE(processRuns("x:y"));
}

TEST(NameKeys, AreTheDocumentedOnes) {
  const NameKeys keys("7", "default", "my app/1");
  EXPECT_EQ(keys.parent, "sandbox:namespace:7:default");
  EXPECT_EQ(keys.name, "sandbox:name:7:default:my app/1");
  EXPECT_NE(NameKeys("7", "a", "b:c").name, NameKeys("7", "a:b", "c").name);
  EXPECT_EQ(NameKeys("7", "a", "b:c%").name, "sandbox:name:7:a:b%3Ac%25");
}

TEST(GatewayUrl, NeedsSchemeAndHost) {
  for (std::string_view good : {"http://h", "https://h:1/x", "http://127.0.0.1:8080"})
    EXPECT_TRUE(validGatewayUrl(good));
  for (std::string_view bad : {"", "h", "ftp://h", "http://", "http:///x", "http://:80", "http://a b", "http://?x"}) {
    EXPECT_FALSE(validGatewayUrl(bad)) << bad;
  }
}

}  // namespace
}  // namespace computesdk::detail
