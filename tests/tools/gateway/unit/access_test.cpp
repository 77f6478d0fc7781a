#include <gtest/gtest.h>

#include "access/access_tokens.hpp"
#include "access/failure_limiter.hpp"

namespace computesdk::gateway {
namespace {

using namespace std::chrono_literals;

const std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'800'000'000)};

AccessTokens tokensOf(const std::string& pem, TokenRules rules = {}) {
  return {SigningKey::fromPem(pem).value(), std::move(rules)};
}

std::string signedToken(const SigningKey& key, const std::string& header, const std::string& claims) {
  const std::string text = base64Url(header) + "." + base64Url(claims);
  return text + "." + base64Url(key.sign(text));
}

TEST(AccessTokens, OpenOneSandbox) {
  const std::string pem = SigningKey::generate().pem();
  const AccessTokens tokens = tokensOf(pem);
  const std::string token = tokens.issue("sb1", kNow);
  EXPECT_TRUE(AccessTokens::looksLikeToken(token));
  EXPECT_EQ(tokens.check(token, "sb1", kNow), TokenVerdict::good);
  EXPECT_EQ(tokensOf(pem).check(token, "sb1", kNow + 24h), TokenVerdict::good);
  EXPECT_EQ(tokens.check(token, "sb2", kNow), TokenVerdict::wrongSubject);
  EXPECT_NE(tokens.issue("sb1", kNow), token);
}

TEST(AccessTokens, EveryClaimCounts) {
  const std::string pem = SigningKey::generate().pem();
  const AccessTokens tokens = tokensOf(pem);
  const std::string token = tokens.issue("sb1", kNow);
  EXPECT_EQ(tokens.check(token, "sb1", kNow + 31 * 24h), TokenVerdict::expired);
  EXPECT_EQ(tokens.check(token, "sb1", kNow - 1h), TokenVerdict::notYetValid);
  EXPECT_EQ(tokensOf(pem, {.issuer = "other"}).check(token, "sb1", kNow), TokenVerdict::wrongIssuer);
  EXPECT_EQ(tokensOf(pem, {.audience = "other"}).check(token, "sb1", kNow), TokenVerdict::wrongAudience);
  EXPECT_EQ(tokensOf(SigningKey::generate().pem()).check(token, "sb1", kNow), TokenVerdict::wrongSignature);
}

TEST(AccessTokens, RefusesWhatIsNotOurs) {
  const std::string pem = SigningKey::generate().pem();
  const SigningKey key = SigningKey::fromPem(pem).value();
  const AccessTokens tokens = tokensOf(pem);
  const std::string claims = R"({"iss":"computesdk-gateway","aud":"computesdk-sandbox","sub":"sb1","nbf":1800000000,)"
                             R"("exp":1900000000})";
  const std::string header = R"({"alg":"ES256"})";
  EXPECT_EQ(tokens.check(signedToken(key, header, claims), "sb1", kNow), TokenVerdict::good);
  EXPECT_EQ(tokens.check(signedToken(key, R"({"alg":"none"})", claims), "sb1", kNow), TokenVerdict::wrongAlgorithm);
  EXPECT_EQ(tokens.check(signedToken(key, R"({"alg":"HS256"})", claims), "sb1", kNow), TokenVerdict::wrongAlgorithm);
  const std::string withoutEnd = R"({"iss":"computesdk-gateway","aud":"computesdk-sandbox","sub":"sb1","nbf":1})";
  EXPECT_EQ(tokens.check(signedToken(key, header, withoutEnd), "sb1", kNow), TokenVerdict::malformed);
  std::string cut = signedToken(key, header, claims);
  cut.pop_back();
  EXPECT_NE(tokens.check(cut, "sb1", kNow), TokenVerdict::good);
  for (const char* text : {"", ".", "..", "a.b.c", "eyJ.eyJ.", "eyJhbGciOiJFUzI1NiJ9..", "a.b.c.d"}) {
    EXPECT_NE(tokens.check(text, "sb1", kNow), TokenVerdict::good) << text;
  }
}

TEST(Base64Url, HasOneSpelling) {
  for (const std::string text : {"", "a", "ab", "abc", "\xff\xfe"}) {
    EXPECT_EQ(fromBase64Url(base64Url(text)), text);
  }
  EXPECT_FALSE(fromBase64Url("a"));
  EXPECT_FALSE(fromBase64Url("YR"));
  EXPECT_FALSE(fromBase64Url("YQ=="));
  EXPECT_FALSE(fromBase64Url("Y+=="));
}

TEST(FailureLimiter, HoldsUpOneAddress) {
  FailureLimiter limiter(2, 60s);
  const auto now = std::chrono::steady_clock::now();
  EXPECT_EQ(limiter.fail("a", now), 0ms);
  EXPECT_EQ(limiter.fail("a", now), 0ms);
  EXPECT_EQ(limiter.fail("a", now + 10s), 50s);
  EXPECT_EQ(limiter.fail("b", now + 10s), 0ms);
  EXPECT_EQ(limiter.fail("a", now + 61s), 0ms);
}

}  // namespace
}  // namespace computesdk::gateway
