// What is spoken with a plug-in's process: round trips, and anything else that may come in.
#include "host/wire.hpp"

#include "host/operations.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace computesdk::registry::host {
namespace {

std::span<const std::byte> bytesOf(const std::string& text) { return std::as_bytes(std::span(text)); }

csdk_create_args sampleCreate() {
  static const csdk_pair env[] = {{toStr("A"), toStr("1")}, {toStr(""), toStr("empty key")}};
  static const std::uint16_t ports[] = {1, 65535};
  static const csdk_option options[] = {
      {toStr("a.b"), CSDK_OPTION_I64, CSDK_OPTION_SECRET, -7, 0, {}},
      {toStr("c"), CSDK_OPTION_F64, 0, 0, 2.5, {}},
      {toStr("d"), CSDK_OPTION_BYTES, 0, 0, 0, toBytes(std::string_view("\0x", 2))},
  };
  csdk_create_args args{};
  args.struct_size = sizeof args;
  args.flags = CSDK_CREATE_NETWORK;
  args.image = toStr("debian");
  args.env = {env, 2};
  args.ports = {ports, 2};
  args.timeout_ms = -1;
  args.network = CSDK_NETWORK_FULL;
  args.options = {options, 3};
  return args;
}

TEST(Wire, StructsComeBackAsTheyWere) {
  const csdk_create_args sent = sampleCreate();
  std::string body;
  encodeStruct(kCreateArgs, &sent, body);
  std::pmr::monotonic_buffer_resource memory;
  const auto decoded = decodeStruct(kCreateArgs, bytesOf(body), memory);
  ASSERT_TRUE(decoded);
  const auto& got = *static_cast<const csdk_create_args*>(decoded->value);
  EXPECT_EQ(got.struct_size, sizeof got);
  EXPECT_EQ(got.flags, sent.flags);
  EXPECT_EQ(view(got.image), "debian");
  EXPECT_EQ(view(got.name), "");
  ASSERT_EQ(got.env.count, 2u);
  EXPECT_EQ(view(got.env.items[0].key), "A");
  EXPECT_EQ(view(got.env.items[1].value), "empty key");
  ASSERT_EQ(got.ports.count, 2u);
  EXPECT_EQ(got.ports.items[1], 65535);
  EXPECT_EQ(got.timeout_ms, -1);
  EXPECT_EQ(got.network, CSDK_NETWORK_FULL);
  ASSERT_EQ(got.options.count, 3u);
  EXPECT_EQ(got.options.items[0].i, -7);
  EXPECT_EQ(got.options.items[0].flags, CSDK_OPTION_SECRET);
  EXPECT_EQ(got.options.items[1].d, 2.5);
  EXPECT_EQ(view(got.options.items[2].s), std::string_view("\0x", 2));
}

TEST(Wire, NestedStructsAreFlat) {
  const csdk_create_args create = sampleCreate();
  csdk_named_args sent{};
  sent.struct_size = sizeof sent;
  sent.name = toStr("n");
  sent.create = &create;
  std::string body;
  encodeStruct(kNamedArgs, &sent, body);
  std::pmr::monotonic_buffer_resource memory;
  const auto decoded = decodeStruct(kNamedArgs, bytesOf(body), memory);
  ASSERT_TRUE(decoded);
  const auto& got = *static_cast<const csdk_named_args*>(decoded->value);
  ASSERT_NE(got.create, nullptr);
  EXPECT_EQ(view(got.create->image), "debian");
  EXPECT_EQ(got.create->options.count, 3u);
  sent.create = nullptr;
  body.clear();
  encodeStruct(kNamedArgs, &sent, body);
  EXPECT_EQ(static_cast<const csdk_named_args*>(decodeStruct(kNamedArgs, bytesOf(body), memory)->value)->create,
            nullptr);
}

TEST(Wire, ASourceIsAHint) {
  csdk_source source{};
  source.size_hint = 12;
  csdk_exec_args sent{};
  sent.struct_size = sizeof sent;
  sent.source = &source;
  const std::string longInput(kDataChunk + 1, 'x');
  sent.input = toBytes(std::string_view(longInput));
  std::string body;
  std::vector<LongField> longFields;
  encodeStruct(kExecArgs, &sent, body, &longFields);
  ASSERT_EQ(longFields.size(), 1u);
  EXPECT_EQ(longFields[0].tag, offsetof(csdk_exec_args, input));
  encodeNumber(kDeadlineTag, 99, body);
  std::pmr::monotonic_buffer_resource memory;
  const auto decoded = decodeStruct(kExecArgs, bytesOf(body), memory);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->sourceHint, 12);
  EXPECT_EQ(findNumber(bytesOf(body), kDeadlineTag), 99);
  EXPECT_EQ(static_cast<const csdk_exec_args*>(decoded->value)->source, nullptr);
}

TEST(Wire, EveryTruncationIsHarmless) {
  const csdk_create_args sent = sampleCreate();
  std::string body;
  encodeStruct(kCreateArgs, &sent, body);
  for (std::size_t size = 0; size < body.size(); ++size) {
    // In memory of exactly that size, so that the address sanitizer sees one byte too many.
    const std::vector<std::byte> part(bytesOf(body).begin(), bytesOf(body).begin() + static_cast<long>(size));
    std::pmr::monotonic_buffer_resource memory;
    (void)decodeStruct(kCreateArgs, part, memory);
  }
}

TEST(Wire, GarbageIsHarmless) {
  std::mt19937 random(20'260'101);
  const csdk_create_args sent = sampleCreate();
  std::string good;
  encodeStruct(kCreateArgs, &sent, good);
  for (int round = 0; round < 20'000; ++round) {
    std::string body = round % 2 == 0 ? good : std::string(random() % 200, '\0');
    for (unsigned i = 0; !body.empty() && i < 1 + random() % 8; ++i) {
      body[random() % body.size()] = static_cast<char>(random());
    }
    const std::vector<std::byte> exact(bytesOf(body).begin(), bytesOf(body).end());
    std::pmr::monotonic_buffer_resource memory;
    (void)decodeStruct(*opInfo(static_cast<Op>(random() % kOps)).args, exact, memory);
    (void)decodeStruct(resultStruct(static_cast<ResultKind>(random() % kResultKinds)), exact, memory);
    (void)findNumber(exact, kDeadlineTag);
  }
}

void feed(FrameReader& reader, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto space = reader.space();
    const std::size_t size = std::min(space.size(), bytes.size());
    std::memcpy(space.data(), bytes.data(), size);
    reader.filled(size);
    bytes.remove_prefix(size);
    if (!bytes.empty()) {
      while (reader.next()) {
      }
      if (reader.broken()) return;
    }
  }
}

TEST(Wire, FramesAreCutWhereTheyEnd) {
  FrameReader reader;
  const std::string big(kMaxBody, 'b');
  const std::string stream = encodeFrame(FrameType::output, 2, 7, "abc") + encodeFrame(FrameType::complete, 0, 8, "") +
                             encodeFrame(FrameType::output, 1, 9, big);
  std::vector<std::size_t> sizes;
  std::string_view rest = stream;
  while (!rest.empty()) {
    const auto space = reader.space();
    const std::size_t size = std::min({space.size(), rest.size(), std::size_t{1000}});
    std::memcpy(space.data(), rest.data(), size);
    reader.filled(size);
    rest.remove_prefix(size);
    while (auto frame = reader.next()) sizes.push_back(frame->body.size());
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{3, 0, kMaxBody}));
  EXPECT_FALSE(reader.broken());
}

TEST(Wire, ImpossibleFramesBreakTheLine) {
  for (const auto& [size, type] : {std::pair<std::uint32_t, std::uint16_t>{kMaxBody + 1, 8}, {0, 0}, {0, 999}}) {
    const FrameHeader header{size, type, 0, 0};
    FrameReader reader;
    feed(reader, {reinterpret_cast<const char*>(&header), sizeof header});
    EXPECT_FALSE(reader.next());
    EXPECT_TRUE(reader.broken());
  }
}

TEST(Wire, RandomStreamsNeverRunOver) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    FrameReader reader;
    std::string noise(random() % 5000, '\0');
    for (char& c : noise) c = static_cast<char>(random() % 5 == 0 ? random() : 0);
    feed(reader, noise);
    while (reader.next()) {
    }
  }
}

}  // namespace
}  // namespace computesdk::registry::host
