#include "core/units.hpp"

#include <gtest/gtest.h>

namespace computesdk::cli {
namespace {

TEST(Duration, TakesUnits) {
  EXPECT_EQ(parseDuration("500ms").value().count(), 500);
  EXPECT_EQ(parseDuration("30s").value().count(), 30'000);
  EXPECT_EQ(parseDuration("5m").value().count(), 300'000);
  EXPECT_EQ(parseDuration("2h").value().count(), 7'200'000);
  EXPECT_EQ(parseDuration("1d").value().count(), 86'400'000);
  EXPECT_EQ(parseDuration("1h30m").value().count(), 5'400'000);
  EXPECT_EQ(parseDuration("0").value().count(), 0);
  EXPECT_EQ(parseDuration("none").value().count(), 0);
}

TEST(Duration, RefusesEverythingElse) {
  for (const char* text :
       {"", "10", "s", "-5s", "5 s", "5x", "1.5h", "99999999999999999999s", "200000000000h", "5s!"}) {
    auto parsed = parseDuration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::usage);
    EXPECT_FALSE(parsed.error().fix.empty());
  }
  EXPECT_NE(parseDuration("10").error().why.find("has no unit"), std::string::npos);
}

TEST(Size, TakesUnits) {
  EXPECT_EQ(parseSize("4096B").value(), 4096);
  EXPECT_EQ(parseSize("512K").value(), 512 << 10);
  EXPECT_EQ(parseSize("256M").value(), 256 << 20);
  EXPECT_EQ(parseSize("256m").value(), 256 << 20);
  EXPECT_EQ(parseSize("2GiB").value(), std::int64_t{2} << 30);
  EXPECT_EQ(parseSize("1TB").value(), std::int64_t{1} << 40);
}

TEST(Size, RefusesEverythingElse) {
  for (const char* text : {"", "256", "M", "-1M", "0M", "1.5G", "1X", "1Mi", "1BB", "99999999999T"}) {
    EXPECT_FALSE(parseSize(text)) << text;
  }
}

TEST(Cpus, AreThousandths) {
  EXPECT_EQ(parseCpus("2").value(), 2000);
  EXPECT_EQ(parseCpus("0.5").value(), 500);
  EXPECT_EQ(parseCpus("1.25").value(), 1250);
  for (const char* text : {"", "0", "0.0", "-1", "1.2345", "1.", ".5", "1,5", "x", "5000", "1.+5"}) {
    EXPECT_FALSE(parseCpus(text)) << text;
  }
}

TEST(Port, IsInRange) {
  EXPECT_EQ(parsePort("1").value(), 1);
  EXPECT_EQ(parsePort("65535").value(), 65535);
  for (const char* text : {"", "0", "65536", "-1", "80 ", "http"}) EXPECT_FALSE(parsePort(text)) << text;
}

TEST(KeyValue, KeepsFurtherEquals) {
  auto pair = parseKeyValue("A=b=c").value();
  EXPECT_EQ(pair.key, "A");
  EXPECT_EQ(pair.value, "b=c");
  EXPECT_EQ(parseKeyValue("A=").value().value, "");
  EXPECT_FALSE(parseKeyValue("A"));
  EXPECT_FALSE(parseKeyValue("=b"));
}

TEST(SandboxNames, MayLeaveTheNamespaceOut) {
  EXPECT_EQ(parseSandboxName("build").value().namespace_, "default");
  auto name = parseSandboxName("ci/build/1").value();
  EXPECT_EQ(name.namespace_, "ci");
  EXPECT_EQ(name.name, "build/1");
  for (const char* text : {"", "/", "a/", "/b"}) EXPECT_FALSE(parseSandboxName(text)) << text;
}

TEST(FormatDuration, ShowsTwoUnits) {
  EXPECT_EQ(formatDuration(Milliseconds{12'400}), "12s");
  EXPECT_EQ(formatDuration(Milliseconds{888'000}), "14m 48s");
  EXPECT_EQ(formatDuration(Milliseconds{11'100'000}), "3h 5m");
  EXPECT_EQ(formatDuration(Milliseconds{187'200'000}), "2d 4h");
  EXPECT_EQ(formatDuration(Milliseconds{3'601'000}), "1h");
  EXPECT_EQ(formatDuration(Milliseconds{-5}), "0s");
}

TEST(FormatSize, IsShort) {
  EXPECT_EQ(formatSize(0), "0B");
  EXPECT_EQ(formatSize(512), "512B");
  EXPECT_EQ(formatSize(31 << 20), "31M");
  EXPECT_EQ(formatSize((3 << 20) / 2), "1.5M");
  EXPECT_EQ(formatSize(std::int64_t{2} << 30), "2G");
}

TEST(FormatTime, IsRfc3339InUtc) {
  EXPECT_EQ(formatTime(SystemTime(Milliseconds{0})), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(formatTime(SystemTime(Milliseconds{1'767'225'600'042})), "2026-01-01T00:00:00.042Z");
  EXPECT_EQ(formatTime(SystemTime(Milliseconds{-1})), "1969-12-31T23:59:59.999Z");
}

TEST(Nearest, ProposesWithinTwoEdits) {
  EXPECT_EQ(nearest("rum", {"run", "rm", "create"}), "run");
  EXPECT_EQ(nearest("inpsect", {"run", "inspect"}), "inspect");
  EXPECT_EQ(nearest("frobnicate", {"run", "rm"}), std::nullopt);
  EXPECT_EQ(nearest("xy", {"rm", "cp"}), std::nullopt);
}

TEST(Printable, DisarmsControlCharacters) {
  EXPECT_EQ(printable("a\033[31m\n"), "a\\x1b[31m\\x0a");
  EXPECT_EQ(printable("grün"), "grün");
  EXPECT_EQ(printable("\xc2\x9b 31m \xc2\xa0"), "\\x9b 31m \xc2\xa0");
}

}  // namespace
}  // namespace computesdk::cli
