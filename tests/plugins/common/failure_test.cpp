#include "common/failure.hpp"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace computesdk::vendor {
namespace {

using testing::HasSubstr;
using testing::Not;

Failure of(int status, std::string body, Headers headers = {}) {
  return failureOf("Acme", {status, std::move(headers), std::move(body)}, 1000);
}

TEST(Failure, BodiesThatVendorsHave) {
  Failure e2b = of(404, R"({"code":404,"message":"no such sandbox"})");
  EXPECT_EQ(e2b.message, "Acme answered 404 Not Found: no such sandbox");
  EXPECT_EQ(e2b.vendorCode, "");
  EXPECT_EQ(e2b.status, CSDK_NOT_FOUND);
  Failure vercel = of(410, R"({"error":{"code":"sandbox_stopped","message":"it stopped"}})");
  EXPECT_EQ(vercel.vendorCode, "sandbox_stopped");
  EXPECT_EQ(vercel.vendorText, "it stopped");
  EXPECT_EQ(of(400, R"({"statusCode":400,"error":"Bad Request","message":"not started"})").vendorText, "not started");
  EXPECT_EQ(of(409, R"({"code":"SANDBOX_ALREADY_EXISTS","error":"taken"})").vendorCode, "SANDBOX_ALREADY_EXISTS");
  EXPECT_EQ(of(409, R"({"code":409,"error":"taken"})").vendorText, "taken");
}

TEST(Failure, BodiesThatAreAnything) {
  for (const char* body :
       {"", "<html>", "[]", "7", "{\"message\":{}}", "{\"error\":[1]}", "{\"code\":null}", "{\"message\":\"\xff\"}"}) {
    const Failure failure = of(500, body);
    EXPECT_EQ(failure.status, CSDK_UNAVAILABLE) << body;
    EXPECT_EQ(failure.message, "Acme answered 500 Internal Server Error") << body;
    EXPECT_EQ(failure.raw, body);
  }
  EXPECT_LT(of(400, R"({"message":")" + std::string(100000, 'x') + "\"}").message.size(), 500U);
}

TEST(Failure, Meanings) {
  EXPECT_EQ(of(401, "").errorClass, CSDK_ERROR_CREDENTIAL_REFUSED);
  EXPECT_EQ(of(402, "").errorClass, CSDK_ERROR_PLAN);
  EXPECT_EQ(of(507, "").errorClass, CSDK_ERROR_DISK_FULL);
  EXPECT_EQ(of(302, "").errorClass, CSDK_ERROR_PROTOCOL);
  EXPECT_EQ(of(418, "").status, CSDK_INVALID_ARGUMENT);
  EXPECT_EQ(of(599, "").status, CSDK_UNAVAILABLE);
  EXPECT_EQ(of(429, R"({"message":"quota of concurrent sandboxes"})").errorClass, CSDK_ERROR_QUOTA);
}

TEST(Failure, RetryAfter) {
  EXPECT_EQ(of(429, "", {{"retry-after", "2"}}).retryAfterMs, 2000);
  EXPECT_EQ(of(429, "", {{"retry-after-ms", "150"}, {"retry-after", "2"}}).retryAfterMs, 150);
  EXPECT_EQ(of(429, "", {{"retry-after", "Thu, 01 Jan 1970 00:00:03 GMT"}}).retryAfterMs, 2000);
  EXPECT_EQ(of(429, "", {{"retry-after", "soon"}}).retryAfterMs, 0);
  EXPECT_EQ(of(429, "", {{"retry-after", "-4"}}).retryAfterMs, 0);
  EXPECT_EQ(of(429, "", {{"retry-after", "99999999999"}}).retryAfterMs, 24 * 3600 * 1000);
  EXPECT_TRUE(of(429, "").retryable);
}

TEST(Failure, SecretsAreHidden) {
  Failure failure =
      of(400, R"({"message":"bad token ea_secret of ea_secret","code":"ea_secret"})", {{"x-request-id", "r1"}});
  hide(failure, {"ea_secret", "", "abc"});
  EXPECT_EQ(failure.requestId, "r1");
  for (const std::string& text : {failure.message, failure.raw, failure.vendorCode, failure.vendorText}) {
    EXPECT_THAT(text, Not(HasSubstr("ea_secret")));
  }
  EXPECT_THAT(failure.message, HasSubstr("bad token *** of ***"));
}

TEST(Failure, WhetherItMayHaveTakenEffect) {
  Failure failure;
  failure.is(CSDK_UNAVAILABLE, CSDK_ERROR_NETWORK);
  EXPECT_FALSE(mayHaveApplied(failure.error()));
  failure.maybeApplied = true;
  EXPECT_TRUE(mayHaveApplied(failure.error()));
  EXPECT_TRUE(mayHaveApplied(Failure().is(CSDK_UNAVAILABLE, CSDK_ERROR_PROTOCOL).error()));
  EXPECT_TRUE(mayHaveApplied(plugin::Error(CSDK_CANCELLED, "")));
  EXPECT_EQ(goneError("Acme", "x").abi().error_class, CSDK_ERROR_GONE);
}

}  // namespace
}  // namespace computesdk::vendor
