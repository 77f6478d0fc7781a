#include <gtest/gtest.h>

#include "daemon/frames.hpp"
#include "daemon/http_message.hpp"
#include "daemon/json.hpp"

#include <vector>

namespace computesdk::detail {
namespace {

using State = ResponseParser::State;

/// Feeds a text in pieces of every size, which must make no difference.
void eachSplit(std::string_view text, const std::function<void(ResponseParser&)>& check) {
  for (std::size_t size = 1; size <= text.size(); ++size) {
    ResponseParser parser(false);
    for (std::size_t at = 0; at < text.size(); at += size) parser.feed(text.substr(at, size));
    check(parser);
  }
}

TEST(HttpAnswer, CountedBody) {
  eachSplit("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Y:  z \r\n\r\nhello", [](ResponseParser& parser) {
    ASSERT_EQ(parser.feed({}), State::done);
    EXPECT_EQ(parser.status(), 200);
    EXPECT_EQ(parser.body(), "hello");
    EXPECT_EQ(parser.header("x-y"), "z");
  });
}

TEST(HttpAnswer, ChunkedBodyAfterContinue) {
  eachSplit(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 207 X\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\n"
      "T: 1\r\n\r\n",
      [](ResponseParser& parser) {
        ASSERT_EQ(parser.feed({}), State::done);
        EXPECT_EQ(parser.status(), 207);
        EXPECT_EQ(parser.body(), "abcde");
      });
}

TEST(HttpAnswer, BodyToTheEnd) {
  ResponseParser parser(false);
  EXPECT_EQ(parser.feed("HTTP/1.1 200 OK\r\n\r\nabc"), State::more);
  EXPECT_EQ(parser.end(), State::done);
  EXPECT_EQ(parser.body(), "abc");
}

TEST(HttpAnswer, WithoutABody) {
  ResponseParser head(true);
  EXPECT_EQ(head.feed("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n"), State::done);
  ResponseParser none(false);
  EXPECT_EQ(none.feed("HTTP/1.1 204 No Content\r\n\r\n"), State::done);
  ResponseParser upgrade(false);
  EXPECT_EQ(upgrade.feed("HTTP/1.1 101 Switching\r\n\r\nframe"), State::done);
  EXPECT_EQ(upgrade.rest(), "frame");
}

TEST(HttpAnswer, WhatIsNoAnswer) {
  for (const std::string_view text :
       {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    ResponseParser parser(false);
    EXPECT_EQ(parser.feed(text), State::bad) << text;
  }
  ResponseParser cut(false);
  cut.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
  EXPECT_EQ(cut.end(), State::bad);
  ResponseParser endless(false);
  EXPECT_EQ(endless.feed(std::string(70000, 'x')), State::bad);
}

TEST(HttpRequest, Text) {
  const HttpRequest request{.method = "POST", .target = "/x", .body = "{}"};
  const std::string text = writeRequest(request, "h:1", "t");
  EXPECT_TRUE(text.starts_with("POST /x HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer t\r\n")) << text;
  EXPECT_TRUE(text.ends_with("Content-Length: 2\r\n\r\n{}")) << text;
}

TEST(Frames, AcceptIsThatOfTheStandard) {
  EXPECT_EQ(socketAccept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(newSocketKey().size(), 24u);
  EXPECT_NE(newSocketKey(), newSocketKey());
}

std::string serverFrame(int first, std::string_view payload) {
  std::string out(1, static_cast<char>(first));
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(payload.size()));
  } else {
    out.push_back(126);
    out.push_back(static_cast<char>(payload.size() >> 8));
    out.push_back(static_cast<char>(payload.size() & 0xff));
  }
  return out + std::string(payload);
}

TEST(Frames, PiecesAndPings) {
  const std::string large(60000, 'x');
  const std::string stream = serverFrame(0x01, "he") + serverFrame(0x89, "p") + serverFrame(0x80, "llo") +
                             serverFrame(0x81, large) + serverFrame(0x88, "");
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, stream.size()}) {
    FrameDecoder decoder;
    std::vector<std::pair<Opcode, std::string>> got;
    for (std::size_t at = 0; at < stream.size(); at += size) {
      ASSERT_TRUE(decoder.feed(std::string_view(stream).substr(at, size),
                               [&](Opcode opcode, std::string_view text) { got.emplace_back(opcode, text); }));
    }
    ASSERT_EQ(got.size(), 4u);
    EXPECT_EQ(got[0].first, Opcode::ping);
    EXPECT_EQ(got[1].second, "hello");
    EXPECT_EQ(got[2].second, large);
    EXPECT_EQ(got[3].first, Opcode::close);
  }
}

TEST(Frames, BrokenOnesAreRefused) {
  const std::string tooLarge = {'\x81', 127, 0, 0, 0, 1, 0, 0, 0, 0};
  for (const std::string& bytes :
       {serverFrame(0xc1, "x"), serverFrame(0x80, "x"), serverFrame(0x83, "x"), serverFrame(0x09, "x"),
        serverFrame(0x01, "a") + serverFrame(0x81, "b"), std::string("\x81\x81xxxxx"), tooLarge}) {
    FrameDecoder decoder;
    EXPECT_FALSE(decoder.feed(bytes, [](Opcode, std::string_view) {}));
  }
}

TEST(Frames, OursAreMasked) {
  for (const std::size_t size : {5u, 300u, 70000u}) {
    const std::string payload(size, 'a');
    const std::string frame = encodeFrame(Opcode::text, payload);
    const std::size_t head = size < 126 ? 2 : size < 65536 ? 4 : 10;
    ASSERT_EQ(frame.size(), head + 4 + size);
    EXPECT_EQ(frame[1] & 0x80, 0x80);
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(frame[head + 4 + i] ^ frame[head + i % 4], 'a');
  }
}

TEST(DaemonJson, ReadsWhatIsThere) {
  const auto json =
      JsonDocument::parse(R"({"a":"x","n":3,"b":true,"t":"2026-01-31T12:34:56.789Z","l":["p","q"],"z":null})");
  ASSERT_TRUE(json);
  const JsonView root = json->root();
  EXPECT_EQ(root["a"].text(), "x");
  EXPECT_EQ(root["n"].integer(), 3);
  EXPECT_EQ(root["b"].boolean(), true);
  EXPECT_EQ(root["t"].time()->time_since_epoch().count(), 1769862896789);
  EXPECT_EQ(root["l"].texts(), (std::vector<std::string>{"p", "q"}));
  EXPECT_FALSE(root["z"].present());
  EXPECT_EQ(root["no"]["thing"].text(), "");
  EXPECT_FALSE(root["a"].integer());
}

TEST(DaemonJson, RefusesWhatIsTooDeepOrBroken) {
  EXPECT_FALSE(JsonDocument::parse(std::string(65, '[') + std::string(65, ']')));
  EXPECT_TRUE(JsonDocument::parse(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(JsonDocument::parse("{\"a\":"));
  EXPECT_FALSE(JsonDocument::parse("\"\xff\""));
}

}  // namespace
}  // namespace computesdk::detail
