// Parsers of the helper, with good frames, cut ones and noise. They run under the sanitizers here; the helper itself
// cannot.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "protocol/wire.hpp"

namespace computesdk::local::protocol {
namespace {

std::vector<char> execBody(std::uint32_t arguments, std::uint32_t variables, const std::vector<std::string>& texts,
                           std::uint32_t flags = 0) {
  std::vector<char> bytes(65536);
  Writer writer(bytes.data(), bytes.size());
  ExecBody body{};
  body.flags = flags;
  body.arguments = arguments;
  body.variables = variables;
  writer.pod(body);
  for (const std::string& text : texts) writer.text(text.data(), text.size());
  EXPECT_TRUE(writer.ok());
  bytes.resize(writer.size());
  return bytes;
}

class ParseExec : public ::testing::Test {
 protected:
  bool parse(const std::vector<char>& body) { return parseExec(body.data(), body.size(), pointers_.data(), request_); }
  std::vector<char*> pointers_ = std::vector<char*>(kMaxArguments + 2);
  ExecRequest request_;
};

TEST_F(ParseExec, wholeRequest) {
  const auto body = execBody(2, 1, {"/tmp", "echo", "a b", "A=1"}, kExecPty);  // what is parsed points into it
  ASSERT_TRUE(parse(body));
  EXPECT_STREQ(request_.cwd.data, "/tmp");
  EXPECT_STREQ(request_.argv[0], "echo");
  EXPECT_STREQ(request_.argv[1], "a b");
  EXPECT_EQ(request_.argv[2], nullptr);
  EXPECT_STREQ(request_.envp[0], "A=1");
  EXPECT_EQ(request_.envp[1], nullptr);
}

TEST_F(ParseExec, everyCutIsRefused) {
  const auto body = execBody(2, 1, {"/tmp", "echo", "a b", "A=1"});
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(parse(std::vector<char>(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(size)))) << size;
  }
  auto longer = body;
  longer.push_back(0);
  EXPECT_FALSE(parse(longer));
}

TEST_F(ParseExec, badCountsFlagsAndTexts) {
  EXPECT_FALSE(parse(execBody(0, 0, {""})));
  EXPECT_FALSE(parse(execBody(1, 0, {"", ""}))) << "an empty command name";
  EXPECT_FALSE(parse(execBody(kMaxArguments + 1, 0, {"", "x"})));
  EXPECT_FALSE(parse(execBody(1, kMaxArguments, {"", "x"})));
  EXPECT_FALSE(parse(execBody(0xffffffff, 0xffffffff, {"", "x"})));
  EXPECT_FALSE(parse(execBody(1, 0, {"", "x"}, 64)));
  EXPECT_FALSE(parse(execBody(1, 0, {"", std::string("a\0b", 3)})));
  EXPECT_FALSE(parse(execBody(1, 0, {std::string(5000, 'x'), "x"})));
}

TEST_F(ParseExec, noise) {
  std::mt19937 random(20240607);
  const auto good = execBody(3, 2, {"/tmp", "echo", "a", "b", "A=1", "B=2"});
  for (int i = 0; i < 20000; ++i) {
    auto body = good;
    for (unsigned k = 0, count = random() % 6; k < count; ++k)
      body[random() % body.size()] = static_cast<char>(random());
    if (random() % 4 == 0) body.resize(random() % (body.size() + 1));
    if (!parse(body)) continue;
    for (char** word = request_.argv; *word != nullptr; ++word) EXPECT_LE(std::string(*word).size(), body.size());
  }
}

TEST(ParseHeader, sizesMustAgree) {
  struct {
    Header header{kMagic, static_cast<std::uint16_t>(FrameType::kExec), 0, 8};
    char body[8] = {};
  } message;
  Header header;
  const char* bytes = reinterpret_cast<const char*>(&message);
  EXPECT_TRUE(parseHeader(bytes, sizeof(Header) + 8, header));
  EXPECT_FALSE(parseHeader(bytes, sizeof(Header) + 7, header));
  EXPECT_FALSE(parseHeader(bytes, sizeof(Header) - 1, header));
  EXPECT_FALSE(parseHeader(bytes, 0, header));
  message.header.flags = kBodyInMemfd;
  EXPECT_FALSE(parseHeader(bytes, sizeof(Header) + 8, header));
  EXPECT_TRUE(parseHeader(bytes, sizeof(Header), header));
  message.header.flags = 0x8000;
  EXPECT_FALSE(parseHeader(bytes, sizeof(Header) + 8, header));
  message.header = {kMagic, 64, kBodyInMemfd, kMaxBody + 1};
  EXPECT_FALSE(parseHeader(bytes, sizeof(Header), header));
  message.header.magic = 0;
  EXPECT_FALSE(parseHeader(bytes, sizeof(Header), header));
}

TEST(ParseCreate, idsAreNamesOfFolders) {
  const auto body = [](const std::string& id) {
    std::vector<char> bytes(4096);
    Writer writer(bytes.data(), bytes.size());
    CreateBody create{};
    create.processes = create.openFiles = 1;
    create.memoryBytes = 1;
    writer.pod(create);
    for (const std::string& text : {id, std::string("/"), std::string("{}")}) writer.text(text.data(), text.size());
    bytes.resize(writer.size());
    return bytes;
  };
  CreateRequest request;
  const auto parses = [&](const std::string& id) {
    const auto bytes = body(id);
    return parseCreate(bytes.data(), bytes.size(), request);
  };
  EXPECT_TRUE(parses("local-abc234"));
  for (const std::string& id :
       {std::string(), std::string(".."), std::string("a/b"), std::string(".new-x"), std::string("-a"),
        std::string("A"), std::string(65, 'a'), std::string("a b"), std::string("a.b")}) {
    EXPECT_FALSE(parses(id)) << id;
  }
}

TEST(Writing, neverOverruns) {
  char small[8] = {};
  Writer writer(small, 6);
  writer.pod(std::uint32_t{1});
  EXPECT_TRUE(writer.ok());
  writer.pod(std::uint32_t{1});
  EXPECT_FALSE(writer.ok());
  writer.pod(std::uint8_t{1});
  EXPECT_FALSE(writer.ok()) << "stays so";
  EXPECT_EQ(small[6], 0);
}

}  // namespace
}  // namespace computesdk::local::protocol
