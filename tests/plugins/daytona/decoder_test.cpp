// A session's log, as daemons send it: cut anywhere, with lines that are not the runner's.
#include "daytona/command.hpp"

#include "gtest/gtest.h"

#include <computesdk/provider/error.hpp>

namespace computesdk::daytona {
namespace {

constexpr std::string_view kOut = "\1\1\1", kErr = "\2\2\2";

struct Read {
  std::string out, error;
  LogDecoder decoder{[this](LogDecoder::Channel channel, std::string_view bytes) {
    (channel == LogDecoder::Channel::standardError ? error : out) += bytes;
  }};
};

std::string text(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) all += part;
  return all;
}

// "one\n", then on the other stream two bytes that are no text, then the end.
const std::string kLog = text({kOut, "b25lCg==\n", kErr, "AP8=\n", kErr, ".\n", kOut, ".exit 5\n"});

TEST(DaytonaDecoder, StreamsComeApartHoweverTheLogIsCut) {
  for (std::size_t size = 1; size <= kLog.size(); ++size) {
    Read read;
    for (std::size_t at = 0; at < kLog.size(); at += size) {
      EXPECT_FALSE(read.decoder.complete());
      read.decoder.feed(std::string_view(kLog).substr(at, size));
    }
    EXPECT_EQ(read.out, "one\n") << size;
    EXPECT_EQ(read.error, std::string("\0\xff", 2)) << size;
    ASSERT_TRUE(read.decoder.complete()) << size;
    EXPECT_EQ(read.decoder.ended()->code, 5) << size;
  }
}

TEST(DaytonaDecoder, TheEndIsThereOnceBothStreamsSaidIt) {
  Read read;
  read.decoder.feed(text({kOut, ".exit 0\n"}));
  EXPECT_FALSE(read.decoder.complete()) << "error output may still be on its way";
  read.decoder.feed(text({kErr, "bGF0ZQ==\n", kErr, ".\n"}));
  EXPECT_TRUE(read.decoder.complete());
  EXPECT_EQ(read.error, "late");
}

TEST(DaytonaDecoder, ATimeoutIsAWord) {
  Read read;
  read.decoder.feed(text({kErr, ".\n", kOut, ".exit timeout\n"}));
  EXPECT_TRUE(read.decoder.ended()->timedOut);
}

TEST(DaytonaDecoder, WhatAShellSaysInPlaceOfTheRunnerIsErrorOutput) {
  Read read;
  read.decoder.feed(text({kErr, "bash: fork: Cannot allocate memory\n"}));
  EXPECT_EQ(read.error, "bash: fork: Cannot allocate memory\n");
  EXPECT_FALSE(read.decoder.complete());
}

TEST(DaytonaDecoder, AMissingToolIsNamed) {
  Read read;
  read.decoder.feed(text({kOut, ".lacks base64\n", kErr, ".\n"}));
  EXPECT_TRUE(read.decoder.complete());
  EXPECT_EQ(read.decoder.lacking(), "base64");
  EXPECT_FALSE(read.decoder.ended());
}

TEST(DaytonaDecoder, WhatNobodyWritesIsAProtocolError) {
  for (const std::string& bad :
       {text({kOut, ".exit many\n"}), text({"\1\1x"}), text({kOut, std::string(2 << 20, 'A')})}) {
    Read read;
    EXPECT_THROW(read.decoder.feed(bad), plugin::Error) << bad.substr(0, 20);
  }
}

TEST(DaytonaDecoder, NothingComesAfterTheEnd) {
  Read read;
  read.decoder.feed(kLog + text({kOut, "bW9yZQ==\n"}));
  EXPECT_EQ(read.out, "one\n");
}

}  // namespace
}  // namespace computesdk::daytona
