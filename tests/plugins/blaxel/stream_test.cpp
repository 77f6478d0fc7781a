// Lines about a command, cut anywhere.
#include "blaxel/stream.hpp"

#include <computesdk/provider/error.hpp>

#include "gtest/gtest.h"

namespace computesdk::blaxel {
namespace {

constexpr std::string_view kRecorded =
    "{\"type\":\"stdout\",\"data\":\"a\\n\"}\n{\"type\":\"keepalive\"}\n{\"type\":\"stderr\",\"data\":\"b\\n\"}\n"
    "{\"type\":\"result\",\"data\":\"{\\\"pid\\\":\\\"8130\\\",\\\"status\\\":\\\"failed\\\",\\\"exitCode\\\":3,"
    "\\\"stdout\\\":\\\"a\\\\n\\\"}\"}\n";

TEST(BlaxelStream, LinesMayBeCutAnywhere) {
  for (std::size_t size = 1; size <= kRecorded.size(); ++size) {
    std::string out, err;
    ResultLines lines([&](bool error, std::string_view text) { (error ? err : out) += text; });
    for (std::size_t at = 0; at < kRecorded.size(); at += size) lines.feed(kRecorded.substr(at, size));
    EXPECT_EQ(out, "a\n");
    EXPECT_EQ(err, "b\n");
    ASSERT_TRUE(lines.outcome());
    EXPECT_EQ(lines.outcome()->exitCode, 3);
    EXPECT_EQ(lines.outcome()->status, "failed");
  }
}

TEST(BlaxelStream, ALongResultIsNotKept) {
  // Output that looks like a result of its own.
  const std::string inner = R"(\\\"exitCode\\\":77,\\\\\\\"exitCode\\\\\\\":78,)";
  std::string filler;
  while (filler.size() < (std::size_t{40} << 20)) filler += inner;
  const std::string text =
      R"({"type":"result","data":"{\"logs\":\")" + filler + R"(\",\"status\":\"completed\",\"exitCode\":5}"})";
  for (const std::size_t size : {std::size_t{4099}, std::size_t{70001}}) {
    ResultLines lines([](bool, std::string_view) { FAIL(); });
    for (std::size_t at = 0; at < text.size(); at += size) lines.feed(std::string_view(text).substr(at, size));
    lines.finish();  // without a line break
    ASSERT_TRUE(lines.outcome());
    EXPECT_EQ(lines.outcome()->exitCode, 5);
    EXPECT_EQ(lines.outcome()->status, "completed");
  }
}

TEST(BlaxelStream, WhatIsNoLineIsAProtocolError) {
  for (const char* text : {"<html>\n", "{\"type\":\"result\",\"data\":\"no JSON\"}\n", "[1]\n",
                           "{\"type\":\"result\",\"data\":\"{}\"}\n", "{\"type\":\"stdout\",\"data\":7}\n"}) {
    ResultLines lines([](bool, std::string_view) {});
    EXPECT_THROW(lines.feed(text), plugin::Error) << text;
  }
}

}  // namespace
}  // namespace computesdk::blaxel
