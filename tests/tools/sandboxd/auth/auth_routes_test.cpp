#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/sandboxd/servers/daemon_fixture.hpp"

namespace computesdk::sandboxd {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using AuthRoutes = DaemonTest;

constexpr const char* kTime = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z";

TEST_F(AuthRoutes, NobodyComesInWithoutAToken) {
  start();
  for (const char* path : {"/info", "/ready", "/servers", "/auth/session_tokens", "/signals/status", "/sandboxes"}) {
    const Answer without = ask("GET", path, "", "");
    EXPECT_EQ(without.status, 401) << path;
    EXPECT_TRUE(without.json["error"].IsString());
    EXPECT_EQ(ask("GET", path, "", bearer("other")).status, 401) << path;
    EXPECT_EQ(ask("GET", path).status, 200) << path;
  }
  EXPECT_EQ(ask("GET", "/health", "", "").status, 200);
}

TEST_F(AuthRoutes, StatusNeverRefuses) {
  start();
  for (const std::string& headers : {std::string(), bearer("wrong"), std::string("Authorization: Basic eA==\r\n")}) {
    const Answer answer = ask("GET", "/auth/status", "", headers);
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.data()["authenticated"].GetBool());
    EXPECT_FALSE(answer.data().HasMember("token_type"));
  }
  const Answer access = ask("GET", "/auth/status");
  EXPECT_TRUE(access.data()["authenticated"].GetBool());
  EXPECT_STREQ(access.data()["token_type"].GetString(), "access_token");
  EXPECT_FALSE(access.data().HasMember("expires_at"));
}

TEST_F(AuthRoutes, InfoTellsEveryEndpoint) {
  start();
  const Answer answer = ask("GET", "/auth/info", "", "");
  EXPECT_EQ(answer.status, 200);
  EXPECT_STRNE(answer.data()["message"].GetString(), "");
  EXPECT_STRNE(answer.data()["instructions"].GetString(), "");
  for (const char* name : {"create_session_token", "list_session_tokens", "get_session_token", "revoke_session_token",
                           "create_magic_link", "auth_status", "auth_info"}) {
    EXPECT_STRNE(answer.data()["endpoints"][name].GetString(), "") << name;
  }
}

TEST_F(AuthRoutes, SessionTokensFromBirthToRevocation) {
  start();
  const Answer made = ask("POST", "/auth/session_tokens", R"({"description":"My app","expiresIn":60})");
  ASSERT_EQ(made.status, 200);
  const std::string id = made.json["id"].GetString(), token = made.json["token"].GetString();
  EXPECT_GE(token.size(), 64U);
  EXPECT_STREQ(made.json["description"].GetString(), "My app");
  EXPECT_EQ(made.json["expiresIn"].GetInt(), 60);
  EXPECT_THAT(made.json["createdAt"].GetString(), MatchesRegex(kTime));
  EXPECT_THAT(made.json["expiresAt"].GetString(), MatchesRegex(kTime));

  const Answer fresh = ask("GET", "/auth/session_tokens");
  ASSERT_EQ(fresh.data()["tokens"].Size(), 1U);
  EXPECT_FALSE(fresh.data()["tokens"][0].HasMember("last_used_at"));
  EXPECT_EQ(ask("GET", "/info", "", bearer(token)).status, 200);
  const Answer listed = ask("GET", "/auth/session_tokens");
  const auto& entry = listed.data()["tokens"][0];
  EXPECT_EQ(entry["id"].GetString(), id);
  EXPECT_STREQ(entry["description"].GetString(), "My app");
  for (const char* name : {"created_at", "expires_at", "last_used_at"}) {
    EXPECT_THAT(entry[name].GetString(), MatchesRegex(kTime));
  }
  EXPECT_THAT(listed.body, testing::Not(HasSubstr(token)));

  const Answer one = ask("GET", "/auth/session_tokens/" + id);
  EXPECT_EQ(one.json["id"].GetString(), id);
  EXPECT_THAT(one.json["expiresAt"].GetString(), MatchesRegex(kTime));
  EXPECT_FALSE(one.json.HasMember("token"));
  EXPECT_FALSE(one.json.HasMember("lastUsedAt"));
  EXPECT_EQ(ask("GET", "/auth/session_tokens/nope").status, 404);

  const Answer status = ask("GET", "/auth/status", "", bearer(token));
  EXPECT_STREQ(status.data()["token_type"].GetString(), "session_token");
  EXPECT_STREQ(status.data()["expires_at"].GetString(), one.json["expiresAt"].GetString());

  const Answer gone = ask("DELETE", "/auth/session_tokens/" + id);
  EXPECT_EQ(gone.status, 204);
  EXPECT_EQ(gone.body, "");
  EXPECT_EQ(ask("DELETE", "/auth/session_tokens/" + id).status, 204) << "again";
  EXPECT_EQ(ask("GET", "/info", "", bearer(token)).status, 401);
}

TEST_F(AuthRoutes, DefaultsAndWrongLives) {
  start();
  const Answer made = ask("POST", "/auth/session_tokens");
  ASSERT_EQ(made.status, 200);
  EXPECT_EQ(made.json["expiresIn"].GetInt(), 604800);
  EXPECT_FALSE(made.json.HasMember("description"));
  for (const char* wrong : {R"({"expiresIn":0})", R"({"expiresIn":-1})", R"({"expiresIn":"1h"})",
                            R"({"expiresIn":1e300})", R"({"expiresIn":true})", R"({"description":7})", "[]", "{"}) {
    const Answer refused = ask("POST", "/auth/session_tokens", wrong);
    EXPECT_EQ(refused.status, 400) << wrong;
    EXPECT_TRUE(refused.json["error"].IsString()) << wrong;
  }
  EXPECT_EQ(ask("GET", "/auth/session_tokens").data()["tokens"].Size(), 1U) << "what was refused made nothing";
}

TEST_F(AuthRoutes, ASessionManagesNoTokens) {
  start();
  const Answer made = ask("POST", "/auth/session_tokens");
  const std::string token = made.json["token"].GetString(), id = made.json["id"].GetString();
  const std::string cookie = "Cookie: session_token=" + token + "\r\n";
  for (const std::string& headers : {bearer(token), cookie}) {
    EXPECT_EQ(ask("GET", "/info", "", headers).status, 200);
    EXPECT_EQ(ask("POST", "/auth/session_tokens", "{}", headers).status, 403);
    EXPECT_EQ(ask("GET", "/auth/session_tokens", "", headers).status, 403);
    EXPECT_EQ(ask("GET", "/auth/session_tokens/" + id, "", headers).status, 403);
    EXPECT_EQ(ask("DELETE", "/auth/session_tokens/" + id, "", headers).status, 403);
    EXPECT_THAT(ask("POST", "/auth/magic-links", "{}", headers).body, HasSubstr("Access token required"));
  }
  EXPECT_EQ(ask("GET", "/info", "", bearer("wrong") + cookie).status, 401) << "the header decides";
  EXPECT_EQ(ask("GET", "/info?token=access", "", "").status, 401) << "the query is for sockets";
  EXPECT_EQ(ask("POST", "/signals/stop", "", cookie + "Origin: http://elsewhere\r\n").status, 401) << "a foreign page";
}

TEST_F(AuthRoutes, RevocationClosesTheSocketsOfTheTokenAlone) {
  start();
  EXPECT_EQ(Socket(port(), "/ws", "wrong").status(), 401);
  EXPECT_EQ(Socket(port(), "/ws", "").status(), 401);
  const Answer made = ask("POST", "/auth/session_tokens");
  Socket ofSession(port(), "/ws", made.json["token"].GetString()), ofAccess(port(), "/ws", "access");
  ASSERT_EQ(ofSession.status(), 101);
  ASSERT_EQ(ofAccess.status(), 101);
  EXPECT_EQ(ask("DELETE", std::string("/auth/session_tokens/") + made.json["id"].GetString()).status, 204);
  EXPECT_FALSE(ofSession.next()) << "closed";
  ofAccess.subscribe("signals");
  EXPECT_EQ(ask("POST", "/signals/start").status, 200);
  EXPECT_TRUE(eventually([&] { return ask("POST", "/signals/error", R"({"message":"m"})").status == 200; }));
  const auto heard = ofAccess.next("signal");
  ASSERT_TRUE(heard) << "the other one lives";
}

TEST_F(AuthRoutes, ExpiryClosesTheSocketsOfTheTokenAlone) {
  start();
  const Answer other = ask("POST", "/auth/session_tokens", R"({"expiresIn":600})");
  ASSERT_EQ(ask("POST", "/sandboxes").status, 200);
  const Answer all = ask("GET", "/sandboxes");
  std::string child;
  for (const auto& each : all.json["sandboxes"].GetArray()) {
    if (!each["is_main"].GetBool()) child = each["subdomain"].GetString();
  }
  const Answer made = ask("POST", "/auth/session_tokens", R"({"expiresIn":1})");
  ASSERT_EQ(made.status, 200);
  const std::string token = made.json["token"].GetString();
  Socket brief(port(), "/ws", token), ofChild(port(), "/s/" + child + "/ws", token);
  Socket ofSession(port(), "/ws", other.json["token"].GetString()), ofAccess(port(), "/ws", "access");
  ASSERT_EQ(brief.status(), 101);
  ASSERT_EQ(ofChild.status(), 101);
  ASSERT_EQ(ofSession.status(), 101);
  EXPECT_FALSE(brief.next()) << "closed";
  EXPECT_EQ(brief.closeCode(), 1008);
  EXPECT_FALSE(ofChild.next()) << "closed";
  EXPECT_EQ(ofChild.closeCode(), 1008);
  EXPECT_EQ(Socket(port(), "/ws", token).status(), 401) << "not before its time";
  for (Socket* alive : {&ofSession, &ofAccess}) alive->subscribe("signals");
  EXPECT_EQ(ask("POST", "/signals/start").status, 200);
  EXPECT_EQ(ask("POST", "/signals/error", R"({"message":"m"})").status, 200);
  for (Socket* alive : {&ofSession, &ofAccess}) EXPECT_TRUE(alive->next("signal")) << "the others live";
}

TEST_F(AuthRoutes, MagicLinksLogABrowserInOnce) {
  start({}, "https://gw.example/s/abc");
  const Answer made = ask("POST", "/auth/magic-links", R"({"redirectUrl":"/dash?x=1"})");
  ASSERT_EQ(made.status, 200);
  const std::string url = made.data()["magic_url"].GetString();
  ASSERT_THAT(url, MatchesRegex("https://gw.example/s/abc/auth/magic/[0-9a-f]+"));
  EXPECT_STREQ(made.data()["redirect_url"].GetString(), "/dash?x=1");
  EXPECT_THAT(made.data()["expires_at"].GetString(), MatchesRegex(kTime));
  const std::string path = url.substr(std::string("https://gw.example/s/abc").size());
  EXPECT_NE(ask("HEAD", path, "", "").status, 302) << "looking at it does not use it up";

  const Answer followed = ask("GET", path, "", "");
  EXPECT_EQ(followed.status, 302);
  EXPECT_EQ(followed.header("Location"), "/s/abc/dash?x=1");
  const std::string cookie = followed.header("Set-Cookie");
  EXPECT_THAT(cookie, MatchesRegex("session_token=[0-9a-f]+; Path=/s/abc; HttpOnly; SameSite=Lax; Max-Age=604800; "
                                   "Secure"));
  EXPECT_EQ(ask("GET", "/info", "", "Cookie: " + cookie.substr(0, cookie.find(';')) + "\r\n").status, 200);
  EXPECT_EQ(ask("GET", "/auth/session_tokens").data()["tokens"].Size(), 1U);

  const Answer again = ask("GET", path, "", "");
  EXPECT_EQ(again.status, 401);
  EXPECT_TRUE(again.json["error"].IsString());
  EXPECT_EQ(again.header("Set-Cookie"), "");
  EXPECT_EQ(ask("GET", "/auth/magic/unknown", "", "").status, 401);
}

TEST_F(AuthRoutes, RedirectsLeadNowhereElse) {
  start();
  EXPECT_STREQ(ask("POST", "/auth/magic-links").data()["redirect_url"].GetString(), "/play/");
  for (const char* wrong : {"//evil.example", R"(/\\evil.example)", "https://evil.example", "play", "", R"(/a\r\nb)"}) {
    const Answer refused = ask("POST", "/auth/magic-links", std::string(R"({"redirectUrl":")") + wrong + "\"}");
    EXPECT_EQ(refused.status, 400) << wrong;
  }
}

TEST_F(AuthRoutes, WithoutAnAccessTokenAllIsOpen) {
  start({}, {}, "");
  EXPECT_EQ(ask("POST", "/auth/session_tokens", "{}", "").status, 200);
  EXPECT_FALSE(ask("GET", "/info", "", "").data()["auth_enabled"].GetBool());
}

}  // namespace
}  // namespace computesdk::sandboxd
