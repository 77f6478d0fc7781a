#include <computesdk/serving/metrics.hpp>
#include <computesdk/serving/router.hpp>
#include <computesdk/serving/server.hpp>

#include <gtest/gtest.h>

namespace serving_test {

using namespace computesdk::serving;

TEST(ServingMessage, PercentCodingIsExact) {
  EXPECT_EQ(percentDecode("a%20b%2Fc"), "a b/c");
  EXPECT_EQ(percentDecode("a+b"), "a+b");
  EXPECT_EQ(percentDecode("a+b", true), "a b");
  EXPECT_EQ(percentDecode("%00").value().size(), 1U);
  for (const char* bad : {"%", "%4", "%zz", "a%2"}) EXPECT_FALSE(percentDecode(bad)) << bad;
  EXPECT_EQ(percentEncode("a b/ü~"), "a%20b%2F%C3%BC~");
}

TEST(ServingMessage, HeadersHaveNoCase) {
  Headers headers{{"A", "1"}, {"b", "2"}, {"a", "3"}, {"Connection", "keep-alive , Upgrade"}};
  EXPECT_EQ(headers.get("a"), "1");
  EXPECT_EQ(headers.count("A"), 2U);
  EXPECT_TRUE(headers.hasToken("connection", "upgrade"));
  EXPECT_FALSE(headers.hasToken("connection", "up"));
  headers.set("a", "4");
  EXPECT_EQ(headers.count("A"), 1U);
  headers.remove("B");
  EXPECT_FALSE(headers.has("b"));
}

TEST(ServingMessage, QueriesCookiesAndTokens) {
  Request request;
  request.query = "a=1&token=x%2Fy&flag&a=2&sp+ace=%zz";
  EXPECT_EQ(request.queryValue("a"), "1");
  EXPECT_EQ(request.queryValue("token"), "x/y");
  EXPECT_EQ(request.queryValue("flag"), "");
  EXPECT_EQ(request.queryValue("sp ace"), "%zz");
  EXPECT_FALSE(request.queryValue("b"));
  request.headers = {
      {"Cookie", "x=1; session_token=\"abc\"; y=2"}, {"Authorization", "bearer  t "}, {"Host", "A.b:80"}};
  EXPECT_EQ(request.cookie("session_token"), "abc");
  EXPECT_FALSE(request.cookie("session"));
  EXPECT_EQ(request.bearer(), "t");
  EXPECT_EQ(request.host(), "a.b");
  request.headers.set("Host", "[::1]:8080");
  EXPECT_EQ(request.host(), "[::1]");
}

TEST(ServingMessage, JsonStringsAreAlwaysUtf8) {
  EXPECT_EQ(jsonString("a\"\\\n\x01"), R"("a\"\\\u000a\u0001")");
  EXPECT_EQ(jsonString("ü€😀"), "\"ü€😀\"");
  EXPECT_EQ(jsonString("\xFF\xC3"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(jsonString("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

TEST(ServingRouter, TheMostLiteralRouteWins) {
  Router router;
  const Handler none = [](const Request&) { return Response::noContent(); };
  router.on("GET", "/a/b", none);
  router.on("GET", "/a/:x", none);
  router.on("GET", "/a/**", none);
  router.on("POST", "/:y/b", none);
  router.on("*", "/any/**", none);
  router.on("GET", "/", none);
  const auto pattern = [&](const char* method, const char* path) {
    const auto match = router.match(method, path);
    return match.route != nullptr ? match.route->pattern : match.allow.empty() ? "-" : "allow " + match.allow;
  };
  EXPECT_EQ(pattern("GET", "/a/b"), "/a/b");
  EXPECT_EQ(pattern("GET", "/a/c"), "/a/:x");
  EXPECT_EQ(pattern("GET", "/a/c/d"), "/a/**");
  EXPECT_EQ(pattern("GET", "/a/"), "/a/**");
  EXPECT_EQ(pattern("GET", "/a//b"), "/a/**");
  EXPECT_EQ(pattern("POST", "/a/b"), "/:y/b");
  EXPECT_EQ(pattern("HEAD", "/a/b"), "/a/b");
  EXPECT_EQ(pattern("DELETE", "/a/b"), "allow GET, HEAD, POST");
  EXPECT_EQ(pattern("BREW", "/any/thing"), "/any/**");
  EXPECT_EQ(pattern("GET", "/"), "/");
  EXPECT_EQ(pattern("GET", "/a"), "-");
  EXPECT_EQ(pattern("GET", "a/b"), "-");
  EXPECT_EQ(pattern("GET", ""), "-");
  EXPECT_EQ(router.match("GET", "/a/x%2Fy").captures[0].second, "x/y");
  EXPECT_EQ(router.match("GET", "/a/x%2Fy/z").captures[0].second, "x%2Fy/z");
  EXPECT_TRUE(router.match("GET", "/a/%").badEncoding);
  EXPECT_EQ(router.patterns().front(), "* /any/**");
}

TEST(ServingLog, SecretsAreMasked) {
  EXPECT_EQ(maskTarget("/ws?token=abc&x=1&API_KEY=k&session%5Ftoken=q"),
            "/ws?token=***&x=1&API_KEY=***&session%5Ftoken=***");
  EXPECT_EQ(maskTarget("/s/1/auth/magic/abc?x"), "/s/1/auth/magic/***?x");
  EXPECT_EQ(maskTarget("/plain"), "/plain");
  EXPECT_EQ(maskTarget("/a?"), "/a?");
  for (const char* name :
       {"Authorization", "Cookie", "X-E2B-API-Key", "X-Vercel-Token", "X-Cloudflare-Sandbox-Secret"}) {
    EXPECT_TRUE(secretHeader(name)) << name;
  }
  EXPECT_FALSE(secretHeader("Content-Type"));
}

TEST(ServingMetrics, PrintsWhatPrometheusReads) {
  Metrics metrics;
  metrics.counter("c", "Counted.", {{"l", "a\"b\\\n"}}).add(2);
  metrics.gauge("g", "Level.").set(-3);
  metrics.gauge("asked", "Asked.", [] { return 1.5; });
  Histogram& histogram = metrics.histogram("h", "Time.");
  histogram.observe(0.002);
  histogram.observe(100);
  const std::string text = metrics.text();
  EXPECT_NE(text.find("# TYPE c counter\nc{l=\"a\\\"b\\\\\\n\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("g -3\n"), std::string::npos);
  EXPECT_NE(text.find("asked 1.5\n"), std::string::npos);
  EXPECT_NE(text.find("h_bucket{le=\"0.001\"} 0\nh_bucket{le=\"0.005\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("h_bucket{le=\"+Inf\"} 2\nh_sum 100.002\nh_count 2\n"), std::string::npos);
}

}  // namespace serving_test
