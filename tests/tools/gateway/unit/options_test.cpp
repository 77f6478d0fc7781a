#include <gtest/gtest.h>

#include "sandboxes/create_options.hpp"
#include "sandboxes/failures.hpp"

namespace computesdk::gateway {
namespace {

Result<SandboxOptions> read(std::string_view text) {
  auto body = readBody(text);
  if (!body) return std::move(body).error();
  return readSandboxOptions(*body);
}

TEST(SandboxOptions, WhatClientsSend) {
  const auto options = read(R"({"timeout":1500.5,"metadata":{"a":1,"b":"x"},"envs":{"N":1,"S":"t"},"name":"n",
                                "namespace":"s","directory":"/w","servers":[{"slug":"web"}],"autoPause":true})");
  ASSERT_TRUE(options) << options.error().firstLine();
  EXPECT_EQ(options->timeout, std::chrono::milliseconds(1501));
  EXPECT_EQ(options->metadata, R"({"a":1,"b":"x"})");
  EXPECT_EQ(options->metadataTexts.at("a"), "1");
  EXPECT_EQ(options->envs.at("N"), "1");
  EXPECT_EQ(options->setup, R"({"servers":[{"slug":"web"}]})");
  EXPECT_TRUE(std::get<bool>(options->options.at("autoPause")));
  EXPECT_TRUE(read(""));
  EXPECT_TRUE(read("{}")->setup.empty());
}

TEST(SandboxOptions, WrongTypesAreRefused) {
  for (const char* body :
       {"[]", "x", R"({"timeout":"soon"})", R"({"timeout":-1})", R"({"timeout":true})", R"({"timeout":1e300})",
        R"({"metadata":[]})", R"({"envs":[]})", R"({"envs":{"a=b":"c"}})", R"({"envs":{"a":{}}})", R"({"name":1})",
        R"({"namespace":{}})", R"({"templateId":7})", R"({"directory":"rel"})", R"({"overlays":{}})",
        R"({"servers":["x"]})", R"({"name":"a\u0000b"})", R"({"name":"a\nb"})", R"({"provider":1})"}) {
    const auto options = read(body);
    ASSERT_FALSE(options) << body;
    EXPECT_EQ(statusOf(options.error(), false), 400) << body;
  }
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  EXPECT_FALSE(read(R"({"x":)" + deep + "}"));
}

TEST(Failures, OnlyAMissingSandboxIs404) {
  EXPECT_EQ(statusOf(sandboxMissing("x"), true), 404);
  ErrorInfo error;
  error.code = ErrorCode::notFound;
  EXPECT_EQ(statusOf(error, false), 400);
  error.code = ErrorCode::authMissing;
  EXPECT_EQ(statusOf(error, true), 400);
  error.code = ErrorCode::authRejected;
  EXPECT_NE(statusOf(error, true), 401);
  error.code = ErrorCode::unsupported;
  EXPECT_EQ(statusOf(error, true), 501);
  error.code = ErrorCode::fileNotFound;
  EXPECT_EQ(statusOf(error, true), 400);
}

}  // namespace
}  // namespace computesdk::gateway
