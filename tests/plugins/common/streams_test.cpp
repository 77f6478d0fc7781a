// Decoders give the same whatever the pieces are in which bytes come.
#include "common/streams.hpp"

#include <computesdk/provider/error.hpp>

#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace computesdk::vendor {
namespace {

using Texts = std::vector<std::string>;

/// Decodes `whole` cut in two at each byte, then byte by byte; everything must give `wanted`.
void expectForEveryCut(const std::string& whole, const Texts& wanted,
                       const std::function<Texts(const std::vector<std::string_view>&)>& decode) {
  const std::string_view text = whole;
  EXPECT_EQ(decode({text}), wanted);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(decode({text.substr(0, cut), text.substr(cut)}), wanted) << "cut at " << cut;
  }
  std::vector<std::string_view> bytes;
  for (std::size_t at = 0; at < text.size(); ++at) bytes.push_back(text.substr(at, 1));
  EXPECT_EQ(decode(bytes), wanted) << "byte by byte";
}

TEST(Streams, Lines) {
  expectForEveryCut("{\"a\":1}\n\nb\r\n\xc3\xa9\nrest", {"{\"a\":1}", "", "b", "\xc3\xa9", "+rest"},
                    [](const auto& pieces) {
                      LineDecoder lines;
                      Texts out;
                      for (const auto piece : pieces) {
                        lines.feed(piece);
                        while (const auto line = lines.next()) out.emplace_back(*line);
                      }
                      if (!lines.rest().empty()) out.push_back("+" + std::string(lines.rest()));
                      return out;
                    });
}

TEST(Streams, ConnectEnvelopes) {
  const std::string big(70000, 'x');
  const std::string whole =
      ConnectDecoder::encode("{}") + ConnectDecoder::encode("") + ConnectDecoder::encode("{\"e\":1}", 2);
  EXPECT_EQ(ConnectDecoder::encode("ab"), std::string("\0\0\0\0\2ab", 7));
  expectForEveryCut(whole, {"0:{}", "0:", "2:{\"e\":1}", "end"}, [](const auto& pieces) {
    ConnectDecoder decoder;
    Texts out;
    for (const auto piece : pieces) {
      decoder.feed(piece);
      while (const auto envelope = decoder.next()) {
        out.push_back(std::to_string(envelope->flags) + ":" + std::string(envelope->message));
        EXPECT_EQ(envelope->last(), envelope->flags == 2);
      }
    }
    if (decoder.atBoundary()) out.emplace_back("end");
    return out;
  });
  ConnectDecoder decoder;
  decoder.feed(ConnectDecoder::encode(big));
  EXPECT_EQ(decoder.next()->message, big);
}

TEST(Streams, ConnectEnvelopeThatIsCutOrTooLong) {
  ConnectDecoder cut;
  cut.feed(ConnectDecoder::encode("abc").substr(0, 7));
  EXPECT_FALSE(cut.next());
  EXPECT_FALSE(cut.atBoundary());
  ConnectDecoder huge;
  huge.feed(std::string("\0\xff\xff\xff\xff", 5));
  EXPECT_THROW(huge.next(), plugin::Error);
}

TEST(Streams, ServerSentEvents) {
  const std::string whole =
      "\xef\xbb\xbf: remark\n\ndata: one\n\nevent: error\ndata: {\"a\":\ndata:1}\nid: 7\n\nretry: 5\ndata\n\n\ndata: "
      "lost";
  expectForEveryCut(whole, {"message|one|", "error|{\"a\":\n1}|7", "message||7"}, [](const auto& pieces) {
    SseDecoder decoder;
    Texts out;
    for (const auto piece : pieces) {
      decoder.feed(piece);
      while (const auto event = decoder.next()) {
        out.push_back(std::string(event->name) + "|" + std::string(event->data) + "|" + std::string(event->id));
      }
    }
    return out;
  });
}

TEST(Streams, ALineWithoutEndIsNotKeptForEver) {
  LineDecoder lines;
  const std::string piece(std::size_t{8} << 20, 'x');
  EXPECT_THROW(
      {
        for (int i = 0; i < 8; ++i) {
          lines.feed(piece);
          lines.next();
        }
      },
      plugin::Error);
}

}  // namespace
}  // namespace computesdk::vendor
