#include "net/egress.hpp"
#include "net/module/addresses.hpp"
#include "net/module/retry.hpp"
#include "net/proxy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

// What is decided without a socket: egress, proxies, addresses, pauses.
namespace computesdk::registry::net {
namespace {

using testing::HasSubstr;

Url url(std::string_view text) {
  const auto parsed = parseUrl(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Url{});
}

TEST(Url, TakesAbsoluteUrlsApart) {
  const Url one = url("HTTPS://API.Example.com/v1?a=b#c");
  EXPECT_TRUE(one.tls);
  EXPECT_EQ(one.host, "api.example.com");
  EXPECT_EQ(one.port, 443);
  EXPECT_EQ(one.target, "/v1?a=b");
  EXPECT_EQ(url("ws://[::1]:8080").origin(), "ws://[::1]:8080");
  EXPECT_EQ(url("http://h?x=1").target, "/?x=1");
  for (const char* bad : {"", "api.example.com", "ftp://h/", "https://", "https://u:p@h/", "https://h:0/",
                          "https://h:70000/", "https://h /", "https://h/a b", "https://h/\r\nX", "https://h\\@evil/",
                          "https://[zz]/", "https://a..b/", "https://h:12x/"}) {
    EXPECT_FALSE(parseUrl(bad)) << bad;
  }
}

Manifest manifestWith(std::vector<EgressRule> rules) {
  Manifest manifest;
  ConfigEntry domain;
  domain.key = "domain";
  domain.defaultValue = "vendor.example";
  ConfigEntry base;
  base.key = "base_url";
  manifest.config = {domain, base};
  manifest.egress = std::move(rules);
  return manifest;
}

ResolvedConfig configWith(const std::map<std::string, std::string>& values) {
  ResolvedConfig config;
  for (const auto& [key, value] : values) config.push_back({key, OptionValue(value), false});
  return config;
}

TEST(Egress, FollowsTheManifest) {
  const Manifest manifest = manifestWith(
      {{"https://api.${config.domain}", true}, {"https://*.${config.domain}", false}, {"${config.base_url}", true}});
  const Egress egress(manifest, configWith({{"domain", "vendor.example"}}));
  EXPECT_TRUE(egress.check(url("https://api.vendor.example/x")).auth);
  const auto other = egress.check(url("https://49983-id.vendor.example/"));
  EXPECT_TRUE(other.allowed);
  EXPECT_FALSE(other.auth);
  EXPECT_FALSE(other.privateOk);
  EXPECT_TRUE(egress.check(url("wss://a.b.vendor.example/")).allowed);
  for (const char* bad : {"https://vendor.example/", "https://evilvendor.example/", "https://api.vendor.example:8443/",
                          "http://api.vendor.example/", "https://api.vendor.example.evil.example/",
                          "http://127.0.0.1:3000/", "https://169.254.169.254/"}) {
    EXPECT_FALSE(egress.check(url(bad)).allowed) << bad;
  }
}

TEST(Egress, TheUsersOwnBaseUrlMayBePrivateAndLoopbackHasAllPorts) {
  const Manifest manifest = manifestWith({{"${config.base_url}", true}, {"https://api.vendor.example", true}});
  const Egress inside(manifest, configWith({{"base_url", "https://daytona.internal/api"}}));
  EXPECT_TRUE(inside.check(url("https://daytona.internal/api/x")).privateOk);
  EXPECT_FALSE(inside.check(url("https://api.vendor.example/")).privateOk);
  EXPECT_FALSE(inside.check(url("http://127.0.0.1:1/")).allowed);
  const Egress local(manifest, configWith({{"base_url", "http://127.0.0.1:3000/api"}}));
  EXPECT_TRUE(local.check(url("http://127.0.0.1:4000/toolbox")).auth);
  EXPECT_TRUE(local.check(url("ws://localhost:4001/")).privateOk);
  const Egress plain(manifest, configWith({{"base_url", "http://daytona.internal/api"}}));
  EXPECT_THAT(plain.check(url("http://daytona.internal/api")).why, HasSubstr("not encrypted"));
}

TEST(Egress, LearnsHostsFromAnswers) {
  Egress egress(manifestWith({{"https://api.vendor.example", true}}), {});
  EXPECT_FALSE(egress.check(url("https://sbx-1.eu.run.example/")).allowed);
  egress.learn(R"({"url":"https:\/\/sbx-1.eu.run.example\/x","domain":"own.example","version":"1.2.3"})");
  const auto learnt = egress.check(url("https://sbx-1.eu.run.example/"));
  EXPECT_TRUE(learnt.allowed);
  EXPECT_FALSE(learnt.auth);
  EXPECT_FALSE(learnt.privateOk);
  EXPECT_TRUE(egress.check(url("https://49983-id.own.example/")).allowed);
  EXPECT_FALSE(egress.check(url("https://a.b.own.example/")).allowed);
  EXPECT_FALSE(egress.check(url("https://1.2.3/")).allowed);
  EXPECT_FALSE(egress.check(url("http://own.example/")).allowed);
}

TEST(Proxy, ChoosesByEnvironment) {
  std::map<std::string, std::string, std::less<>> variables = {{"HTTPS_PROXY", "http://proxy.example:3128"},
                                                               {"NO_PROXY", "internal.example, .corp, 10.0.0.0/8"}};
  Environment environment;
  environment.get = [&](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  const NetworkSettings settings = networkSettings(environment);
  std::string problem;
  const auto proxy = proxyFor(url("https://api.vendor.example/"), settings, problem);
  ASSERT_TRUE(proxy);
  EXPECT_EQ(proxy->host, "proxy.example");
  EXPECT_EQ(proxy->port, 3128);
  for (const char* direct : {"https://internal.example/", "https://a.internal.example/", "https://x.corp/",
                             "https://10.1.2.3/", "https://localhost:1/", "https://[::1]/"}) {
    EXPECT_FALSE(proxyFor(url(direct), settings, problem)) << direct;
  }
  EXPECT_TRUE(proxyFor(url("https://11.1.2.3/"), settings, problem));
  EXPECT_EQ(problem, "");
  variables["HTTPS_PROXY"] = "socks5://p:1";
  EXPECT_FALSE(proxyFor(url("https://api.vendor.example/"), networkSettings(environment), problem));
  EXPECT_THAT(problem, HasSubstr("only http://"));
  environment.secure = true;
  EXPECT_EQ(networkSettings(environment).httpsProxy, "");
}

TEST(Addresses, KnowsWhatIsPrivate) {
  using boost::asio::ip::make_address;
  for (const char* one : {"127.0.0.1",       "10.1.2.3",        "172.16.0.1",    "172.31.255.255",
                          "192.168.1.1",     "169.254.169.254", "0.0.0.0",       "100.64.0.1",
                          "224.0.0.1",       "255.255.255.255", "::1",           "::",
                          "fe80::1",         "fc00::1",         "fd12::1",       "::ffff:127.0.0.1",
                          "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1"}) {
    EXPECT_TRUE(computesdk::net::isPrivate(make_address(one))) << one;
  }
  for (const char* one : {"8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"}) {
    EXPECT_FALSE(computesdk::net::isPrivate(make_address(one))) << one;
  }
}

TEST(Retry, ReadsRetryAfter) {
  using computesdk::net::retryAfter;
  using std::chrono::milliseconds;
  constexpr std::int64_t kNow = 784111777000;  // Sun, 06 Nov 1994 08:49:37 GMT
  EXPECT_EQ(retryAfter({{"retry-after", "3"}}, kNow), milliseconds(3000));
  EXPECT_EQ(retryAfter({{"retry-after", "Sun, 06 Nov 1994 08:49:40 GMT"}}, kNow), milliseconds(3000));
  EXPECT_EQ(retryAfter({{"retry-after", "Sun, 06 Nov 1994 08:49:30 GMT"}}, kNow), milliseconds(0));
  EXPECT_EQ(retryAfter({{"retry-after-ms", "250"}, {"retry-after", "3"}}, kNow), milliseconds(250));
  EXPECT_EQ(retryAfter({{"retry-after", "soon"}}, kNow), std::nullopt);
  EXPECT_EQ(retryAfter({{"retry-after", "-1"}}, kNow), std::nullopt);
  EXPECT_EQ(retryAfter({}, kNow), std::nullopt);
}

TEST(Retry, BacksOffWithJitterWithinItsLimits) {
  using computesdk::net::RetryPolicy;
  csdk_http_retry policy{};
  policy.mode = CSDK_HTTP_RETRY_IDEMPOTENT;
  policy.max_attempts = 10;
  const auto now = RetryPolicy::Clock::now();
  RetryPolicy retry(policy, now, {});
  const auto failure = computesdk::net::networkFailure("x");
  for (std::uint32_t attempts = 1; attempts < 8; ++attempts) {
    const auto whole = std::min<std::int64_t>(250LL << (attempts - 1), 10'000);
    const auto pause = retry.afterFailure(failure, attempts, now);
    ASSERT_TRUE(pause);
    EXPECT_GE(pause->count(), whole / 2);
    EXPECT_LE(pause->count(), whole);
  }
  EXPECT_FALSE(retry.afterFailure(failure, 10, now));
  EXPECT_FALSE(retry.afterFailure(failure, 1, now + RetryPolicy::kUnlimited));
  EXPECT_FALSE(retry.afterFailure(computesdk::net::networkFailure("x", true), 1, now));
  RetryPolicy hurried(policy, now, now + std::chrono::milliseconds(50));
  EXPECT_FALSE(hurried.afterFailure(failure, 1, now));
}

}  // namespace
}  // namespace computesdk::registry::net
