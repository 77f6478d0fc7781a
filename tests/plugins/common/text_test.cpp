#include "common/text.hpp"

#include "common/base64.hpp"
#include "common/multipart.hpp"
#include "common/shell.hpp"
#include "common/time.hpp"
#include "common/token.hpp"

#include <computesdk/provider/error.hpp>
#include <computesdk/provider/views.hpp>

#include <string>

#include "gtest/gtest.h"

namespace computesdk::vendor {
namespace {

TEST(Text, PercentEncoding) {
  EXPECT_EQ(percentEncode("a b/\xc3\xa9~"), "a%20b%2F%C3%A9~");
  EXPECT_EQ(pathSegment("a/b?"), "a%2Fb%3F");
  for (const char* bad : {"", ".", ".."}) EXPECT_THROW(pathSegment(bad), plugin::Error);
  EXPECT_EQ(percentDecode("a%20b%2f%zz%2"), "a b/%zz%2");
  EXPECT_EQ(Query().add("path", "/a b").add("x", "").addText("y", "").on("/files"), "/files?path=%2Fa%20b&x=");
  EXPECT_EQ(Query().add("a", "1").on("/x?b=2"), "/x?b=2&a=1");
  EXPECT_EQ(Query().on("/x"), "/x");
}

TEST(Text, OneLine) {
  EXPECT_EQ(oneLine("a\r\n\tb\x7f", 100), "a b");
  EXPECT_EQ(oneLine("\xff\xc3", 100), "??");
  EXPECT_EQ(oneLine("\xc3\xa9\xc3\xa9", 3), "\xc3\xa9…");
  EXPECT_EQ(hostOf("https://a.b:1/x"), "a.b:1");
  EXPECT_EQ(hostOf("a.b"), "");
  EXPECT_EQ(withoutTrailingSlash("http://x//"), "http://x");
}

TEST(Base64, ThereAndBack) {
  std::string bytes;
  for (int i = 0; i < 260; ++i) {
    EXPECT_EQ(base64Decode(base64Encode(bytes)), bytes);
    EXPECT_EQ(base64Decode(base64UrlEncode(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
  EXPECT_EQ(base64Encode("out\n"), "b3V0Cg==");
  EXPECT_EQ(base64UrlEncode("\xfb\xff"), "-_8");
  for (const char* bad : {"a", "a===", "ab=c", "====", "a b=", "b3V0Cg==x", "\xc3\xa9"})
    EXPECT_FALSE(base64Decode(bad)) << bad;
}

TEST(Time, Forms) {
  EXPECT_EQ(parseTime("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parseTime("2026-11-21T09:35:46.379Z"), 1795253746379);
  EXPECT_EQ(parseTime("2026-11-21T09:35:46.379123456Z"), 1795253746379);
  EXPECT_EQ(parseTime("2026-11-21T10:35:46+01:00"), 1795253746000);
  EXPECT_EQ(parseTime("2024-02-29T00:00:00-0030"), 1709166600000);
  EXPECT_EQ(formatTime(1795253746379), "2026-11-21T09:35:46.379Z");
  EXPECT_EQ(formatTime(1709164800000), "2024-02-29T00:00:00.000Z");
  for (const char* bad : {"", "2026", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
                          "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "x026-01-01T00:00:00Z"}) {
    EXPECT_FALSE(parseTime(bad)) << bad;
    EXPECT_EQ(timeOr0(bad), 0);
  }
  EXPECT_EQ(parseHttpDate("Sat, 21 Nov 2026 09:35:46 GMT"), 1795253746000);
  EXPECT_FALSE(parseHttpDate("Sat, 21 Nov 2026 09:35:46"));
  EXPECT_FALSE(parseHttpDate("120"));
  EXPECT_EQ(ceilSeconds(1), 1);
  EXPECT_EQ(ceilSeconds(1000), 1);
  EXPECT_EQ(ceilSeconds(1001), 2);
  EXPECT_EQ(ceilMinutes(60001), 2);
  EXPECT_EQ(ceilSeconds(INT64_MAX), INT64_MAX / 1000 + 1);
}

TEST(Token, ThereAndBack) {
  SandboxToken token;
  token.set("domain", "e2b.app").set("access", "a&b=c%\n").set("url", "https://x.y/z?q=1").set("none", "");
  const std::string text = token.write();
  EXPECT_NE(text.find("e2b.app"), std::string::npos);
  EXPECT_NE(text.find("https://x.y/z"), std::string::npos) << "a host must stay readable";
  for (std::size_t cut = 1; cut < 5; ++cut) EXPECT_FALSE(SandboxToken::parse(plugin::bytes(text.substr(0, cut))));
  SandboxToken clean;
  clean.set("access", "a&b=c%").set("dir", "/x y");
  const auto back = SandboxToken::parse(plugin::bytes(clean.write()));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, clean);
  EXPECT_EQ(back->get("access"), "a&b=c%");
  EXPECT_EQ(back->get("absent"), "");
}

TEST(Token, WhatItIsNot) {
  for (const std::string& bad :
       {std::string(), std::string("csdk2&a=b"), std::string("csdk1a=b"), std::string("csdk1&a"),
        std::string("csdk1&=b"), std::string("csdk1&a=b&a=c"), std::string("csdk1&a=%0Ax"), std::string("csdk1&a=b\n"),
        "csdk1&a=" + std::string(5000, 'x')}) {
    EXPECT_FALSE(SandboxToken::parse(plugin::bytes(bad))) << bad.substr(0, 20);
  }
  EXPECT_THROW(static_cast<void>(SandboxToken().set("a", std::string(5000, 'x')).write()), plugin::Error);
}

TEST(Shell, Words) {
  EXPECT_EQ(shellQuote("it's"), "'it'\"'\"'s'");
  EXPECT_TRUE(isVariableName("_A1"));
  for (const char* bad : {"", "1a", "a-b", "a b", "a=b"}) EXPECT_FALSE(isVariableName(bad));
  const std::vector<csdk_str> argv = {plugin::str("echo"), plugin::str("$x y")};
  const std::vector<csdk_pair> env = {{plugin::str("K"), plugin::str("v w")}};
  csdk_exec_args args{};
  args.argv = {argv.data(), argv.size()};
  EXPECT_EQ(shellLine(args), "exec 'echo' '$x y'");
  args.env = {env.data(), env.size()};
  EXPECT_EQ(shellLine(args, "/a b"), "cd -- '/a b' && export K='v w' && exec 'echo' '$x y'");
  args.argv = {};
  args.command = plugin::str("false; pwd # x");
  EXPECT_EQ(shellLine(args), "export K='v w' && { :; false; pwd # x\n}");
}

TEST(Multipart, Body) {
  Multipart form;
  form.field("path", "/x").file("file", "a\"\n.txt");
  const std::string boundary = form.contentType().substr(form.contentType().find('=') + 1);
  EXPECT_EQ(form.before() + "DATA" + form.after(),
            "--" + boundary + "\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n/x\r\n--" + boundary +
                "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a%22%0A.txt\"\r\n"
                "Content-Type: application/octet-stream\r\n\r\nDATA\r\n--" +
                boundary + "--\r\n");
  EXPECT_NE(Multipart().contentType(), form.contentType());
}

}  // namespace
}  // namespace computesdk::vendor
