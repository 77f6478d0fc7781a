#include "auth/token_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

#include "auth/credentials.hpp"
#include "auth/magic_links.hpp"

namespace computesdk::sandboxd {
namespace {

using namespace std::chrono_literals;

/// A clock that stands still until it is told.
struct Hands {
  std::chrono::system_clock::time_point now{std::chrono::hours(500'000)};
  WallClock clock() {
    return [this] { return now; };
  }
};

TEST(Secret, RandomTextsAreLongAndDiffer) {
  std::set<std::string> seen;
  for (int round = 0; round < 100; ++round) {
    const std::string text = randomHex(32);
    EXPECT_THAT(text, testing::MatchesRegex("[0-9a-f]{64}"));
    EXPECT_TRUE(seen.insert(text).second);
  }
}

TEST(Secret, DigestIsSha256) {
  const SecretDigest digest = digestOf("abc");
  EXPECT_EQ(std::string(digest.begin(), digest.end()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(sameDigest(digest, digestOf("abc")));
  EXPECT_FALSE(sameDigest(digest, digestOf("abd")));
}

TEST(TokenStore, KnowsTheAccessTokenAlone) {
  TokenStore store("open sesame");
  EXPECT_TRUE(store.enabled());
  EXPECT_EQ(store.identify("open sesame").kind, TokenKind::access);
  for (const char* other : {"", "open sesam", "open sesame ", "OPEN SESAME", "x"}) {
    EXPECT_EQ(store.identify(other).kind, TokenKind::none) << other;
  }
}

TEST(TokenStore, WithoutAnAccessTokenEverybodyHasIt) {
  TokenStore store("");
  EXPECT_FALSE(store.enabled());
  EXPECT_EQ(store.identify("").kind, TokenKind::access);
  EXPECT_EQ(store.identify("anything").kind, TokenKind::access);
}

TEST(TokenStore, SessionTokensLiveUntilTheyExpire) {
  Hands hands;
  TokenStore store("access", hands.clock());
  const auto issued = store.issue("mine", 10s);
  ASSERT_TRUE(issued);
  EXPECT_EQ(issued->token.expiresAt, hands.now + 10s);
  EXPECT_FALSE(store.find(issued->token.id)->lastUsedAt);

  hands.now += 9999ms;
  const TokenHolder holder = store.identify(issued->value);
  EXPECT_EQ(holder.kind, TokenKind::session);
  EXPECT_EQ(holder.tokenId, issued->token.id);
  EXPECT_EQ(holder.expiresAt, issued->token.expiresAt);
  EXPECT_EQ(store.list().at(0).lastUsedAt, hands.now);
  EXPECT_EQ(store.list().at(0).description, "mine");

  hands.now += 1ms;
  EXPECT_EQ(store.identify(issued->value).kind, TokenKind::none);
  EXPECT_TRUE(store.list().empty());
  EXPECT_FALSE(store.find(issued->token.id));
}

TEST(TokenStore, RevokedIsUnknownAtOnce) {
  TokenStore store("access");
  const auto kept = store.issue(std::nullopt, 1h);
  const auto gone = store.issue(std::nullopt, 1h);
  EXPECT_TRUE(store.revoke(gone->token.id));
  EXPECT_FALSE(store.revoke(gone->token.id));
  EXPECT_EQ(store.identify(gone->value).kind, TokenKind::none);
  EXPECT_EQ(store.identify(kept->value).kind, TokenKind::session);
  EXPECT_EQ(store.list().size(), 1U);
}

TEST(TokenStore, HoldsSoManyAndNoMore) {
  Hands hands;
  TokenStore store("access", hands.clock());
  for (std::size_t count = 0; count < TokenStore::kMaxSessions; ++count) ASSERT_TRUE(store.issue(std::nullopt, 1h));
  EXPECT_FALSE(store.issue(std::nullopt, 1h));
  hands.now += 1h;
  EXPECT_TRUE(store.issue(std::nullopt, 1h)) << "expired ones make room";
}

TEST(MagicLinks, WorkOnceAndForFiveMinutes) {
  Hands hands;
  MagicLinks links(hands.clock());
  const auto used = links.issue("/play/");
  const auto late = links.issue("/late");
  EXPECT_EQ(used.expiresAt, hands.now + 5min);
  EXPECT_FALSE(links.consume("unknown"));
  EXPECT_EQ(links.consume(used.code), "/play/");
  EXPECT_FALSE(links.consume(used.code));
  hands.now += 5min;
  EXPECT_FALSE(links.consume(late.code));
}

TEST(MagicLinks, TheOldestMakesRoom) {
  MagicLinks links;
  const auto oldest = links.issue("/0");
  const auto second = links.issue("/1");
  for (std::size_t count = 2; count <= MagicLinks::kMaxLinks; ++count) links.issue("/n");
  EXPECT_FALSE(links.consume(oldest.code));
  EXPECT_EQ(links.consume(second.code), "/1");
}

TEST(MagicLinks, RedirectsStayOnTheSameOrigin) {
  for (const char* good : {"/", "/play/", "/a?b=c#d", "/a//b", "/%2F", "/\xc3\xa9"}) {
    EXPECT_TRUE(isLocalRedirect(good)) << good;
  }
  for (const std::string bad : {"", "play", "//evil", "/\\evil", "/\t/evil", "/a\r\nSet-Cookie: x", "http://evil",
                                "\\/e", "javascript:alert(1)", "/a b", " /a"}) {
    EXPECT_FALSE(isLocalRedirect(bad)) << bad;
  }
  EXPECT_FALSE(isLocalRedirect(std::string("/a\0b", 4)));
  EXPECT_FALSE(isLocalRedirect("/" + std::string(2048, 'a')));
}

TEST(MagicLinks, LocationAndCookieKnowTheBasePath) {
  EXPECT_EQ(basePathOf("http://host:8080"), "");
  EXPECT_EQ(basePathOf("http://host/"), "");
  EXPECT_EQ(basePathOf("https://host/gw/s/abc"), "/gw/s/abc");
  EXPECT_EQ(basePathOf("https://host/s/abc/"), "/s/abc");
  EXPECT_EQ(locationOf("/s/abc", "/play/\xc3\xa9?q=1"), "/s/abc/play/%C3%A9?q=1");
  EXPECT_EQ(sessionCookie("T", "http://host", 604800s),
            "session_token=T; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800");
  EXPECT_EQ(sessionCookie("T", "https://host/s/abc", 60s),
            "session_token=T; Path=/s/abc; HttpOnly; SameSite=Lax; Max-Age=60; Secure");
}

serving::Request request(serving::Headers headers, std::string query = {}) {
  serving::Request made;
  made.method = "GET";
  made.path = "/ws";
  made.query = std::move(query);
  made.headers = std::move(headers);
  return made;
}

constexpr std::string_view kBase = "https://box.example/s/id";
const serving::Headers::Field kUpgrade{"Upgrade", "websocket"}, kConnection{"Connection", "Upgrade"};
const serving::Headers::Field kCookie{"Cookie", "session_token=c"};

TEST(Credentials, TheFirstPlaceDecides) {
  EXPECT_EQ(presentedToken(request({{"Authorization", "Bearer a"}, kCookie}), kBase), "a");
  EXPECT_EQ(presentedToken(request({{"Authorization", "Basic a"}, kCookie}), kBase), "");
  EXPECT_EQ(presentedToken(request({{"Cookie", "x=y; session_token=c; z=1"}}), kBase), "c");
  EXPECT_EQ(presentedToken(request({{"Cookie", "session_tokens=c"}}), kBase), std::nullopt);
  EXPECT_EQ(presentedToken(request({kUpgrade, kConnection, kCookie}, "token=a%2Bb&protocol=json"), kBase), "a+b");
  EXPECT_EQ(presentedToken(request({kCookie}, "token=q"), kBase), "c") << "no upgrade, no query";
  EXPECT_EQ(presentedToken(request({}, "token=q"), kBase), std::nullopt);
}

TEST(Credentials, PagesOfOthersDoNothingByCookie) {
  const auto post = [](serving::Headers headers) {
    auto made = request(std::move(headers));
    made.method = "POST";
    return presentedToken(made, kBase);
  };
  EXPECT_EQ(post({kCookie}), "c") << "no browser";
  EXPECT_EQ(post({kCookie, {"Origin", "https://box.example"}}), "c");
  EXPECT_EQ(post({kCookie, {"Sec-Fetch-Site", "same-origin"}}), "c");
  EXPECT_EQ(post({kCookie, {"Sec-Fetch-Site", "same-site"}}), std::nullopt);
  EXPECT_EQ(post({kCookie, {"Sec-Fetch-Site", "cross-site"}}), std::nullopt);
  for (const char* origin : {"https://box-3000.example", "http://box.example", "https://box.exampl", "null"}) {
    EXPECT_EQ(post({kCookie, {"Origin", origin}}), std::nullopt) << origin;
    EXPECT_EQ(post({{"Authorization", "Bearer a"}, {"Origin", origin}}), "a") << "a header is no accident";
    EXPECT_EQ(presentedToken(request({kUpgrade, kConnection, kCookie, {"Origin", origin}}), kBase), std::nullopt);
    EXPECT_EQ(presentedToken(request({kCookie, {"Origin", origin}}), kBase), "c") << "it may read";
  }
}

}  // namespace
}  // namespace computesdk::sandboxd
