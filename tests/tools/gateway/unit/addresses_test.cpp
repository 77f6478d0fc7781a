#include <gtest/gtest.h>

#include "proxy/addresses.hpp"
#include "sandboxes/upstream.hpp"

namespace computesdk::gateway {
namespace {

TEST(Addresses, OfPaths) {
  auto daemon = addressOfPath("/s/sb1/files//tmp/a%2Fb");
  ASSERT_TRUE(daemon);
  EXPECT_EQ(daemon->id, "sb1");
  EXPECT_EQ(daemon->port, 0);
  EXPECT_EQ(daemon->path, "/files//tmp/a%2Fb");
  EXPECT_EQ(daemon->prefix, "/s/sb1");
  EXPECT_EQ(addressOfPath("/s/sb1")->path, "/");
  auto port = addressOfPath("/s/sb1/p/3000/x/../y");
  ASSERT_TRUE(port);
  EXPECT_EQ(port->port, 3000);
  EXPECT_EQ(port->path, "/x/../y");
  EXPECT_EQ(port->prefix, "/s/sb1/p/3000");
  EXPECT_EQ(addressOfPath("/s/sb1/p/3000")->path, "/");
  EXPECT_EQ(addressOfPath("/s/sb1/ps")->port, 0);
  for (const char* path : {"/", "/s/", "/s//x", "/s/../x", "/s/sb%31", "/s/SB1/", "/s/sb1/p/0/", "/s/sb1/p/65536/",
                           "/s/sb1/p//", "/s/sb1/p/3x/", "/s/sb1/p/03/", "/s/sb1/p/-1"}) {
    EXPECT_FALSE(addressOfPath(path)) << path;
  }
}

TEST(Addresses, OfHosts) {
  auto daemon = addressOfHost("sb1.box.example.org", "box.example.org");
  ASSERT_TRUE(daemon);
  EXPECT_EQ(daemon->id, "sb1");
  EXPECT_EQ(daemon->port, 0);
  auto port = addressOfHost("sb1-8080.box.example.org", "box.example.org");
  ASSERT_TRUE(port);
  EXPECT_EQ(port->id, "sb1");
  EXPECT_EQ(port->port, 8080);
  for (const char* host :
       {"box.example.org", ".box.example.org", "a.sb1.box.example.org", "sb1.other.org", "sb1-.box.example.org",
        "sb1-0.box.example.org", "sb1-99999.box.example.org", "-80.box.example.org", "sb1xbox.example.org"}) {
    EXPECT_FALSE(addressOfHost(host, "box.example.org")) << host;
  }
}

TEST(Addresses, TokensInQueries) {
  EXPECT_EQ(withToken("token=a&protocol=json", "T"), "token=T&protocol=json");
  EXPECT_EQ(withToken("x=1&token=a", "T"), "x=1&token=T");
  EXPECT_EQ(withToken("tokens=1", "T"), "tokens=1");
  EXPECT_EQ(withToken("token", "T"), "token=T");
}

TEST(Addresses, CookiesStayBelowTheirPrefix) {
  EXPECT_EQ(narrowCookie("a=b; Path=/; HttpOnly", "/s/sb1/p/80"), "a=b; HttpOnly; Path=/s/sb1/p/80/");
  EXPECT_EQ(narrowCookie("a=b", "/s/sb1/p/80"), "a=b; Path=/s/sb1/p/80/");
  EXPECT_EQ(narrowCookie("a=b; domain=example.org; path=/s/sb2", "/s/sb1/p/80"), "a=b; Path=/s/sb1/p/80/s/sb2");
  EXPECT_EQ(narrowCookie("a=b; Path=/s/sb1/p/80/x", "/s/sb1/p/80"), "a=b; Path=/s/sb1/p/80/x");
  EXPECT_EQ(narrowCookie("a=b; Path=/s/sb1/p/801", "/s/sb1/p/80"), "a=b; Path=/s/sb1/p/80/s/sb1/p/801");
}

TEST(Upstreams, PartsOfUrls) {
  auto parts = splitUrl("https://49983-x.e2b.app/base/");
  ASSERT_TRUE(parts);
  EXPECT_TRUE(parts->secure);
  EXPECT_EQ(parts->host, "49983-x.e2b.app");
  EXPECT_EQ(parts->port, 443);
  EXPECT_EQ(parts->path, "/base");
  EXPECT_EQ(splitUrl("http://[::1]:81")->host, "::1");
  EXPECT_EQ(splitUrl("http://127.0.0.1:81?x")->port, 81);
  for (const char* url : {"", "ftp://x", "http://", "http://a:b@c", "http://x:0", "http://x:99999"}) {
    EXPECT_FALSE(splitUrl(url)) << url;
  }
}

TEST(Upstreams, OnThisMachineKeepsTheClientsHost) {
  auto local = upstreamOf({"http://127.0.0.1:81", {{"X-Key", "v"}}, {}}, {});
  ASSERT_TRUE(local);
  EXPECT_EQ(local->kind, Upstream::Kind::tcp);
  EXPECT_EQ(local->address, "127.0.0.1");
  EXPECT_EQ(local->host, "");
  EXPECT_EQ(local->headers.at("X-Key"), "v");
  // Under TLS the name is what the certificate is for, wherever that leads.
  auto secure = upstreamOf({"https://127.0.0.1:81", {}, {}}, {});
  ASSERT_TRUE(secure);
  EXPECT_EQ(secure->kind, Upstream::Kind::tls);
  EXPECT_EQ(secure->name, "127.0.0.1");
  EXPECT_EQ(secure->host, "127.0.0.1:81");
}

TEST(Upstreams, GoesThroughTheProxyOfTheEnvironment) {
  registry::NetworkSettings network;
  network.httpsProxy = "http://me:secret@127.0.0.1:3128";
  network.noProxy = "192.0.2.0/24";
  auto far = upstreamOf({"https://18080-x.box.test/base", {}, {}}, network);  // a name that only the proxy knows
  ASSERT_TRUE(far) << far.error().firstLine();
  ASSERT_TRUE(far->tunnel);
  EXPECT_EQ(far->tunnel->address, "127.0.0.1");
  EXPECT_EQ(far->tunnel->port, 3128);
  EXPECT_EQ(far->tunnel->target, "18080-x.box.test:443");
  EXPECT_EQ(far->tunnel->authorization, "Basic bWU6c2VjcmV0");
  EXPECT_EQ(far->name, "18080-x.box.test");
  EXPECT_EQ(far->host, "18080-x.box.test");
  EXPECT_EQ(far->basePath, "/base");
  auto plain = upstreamOf({"http://127.0.0.1:81", {}, {}}, network);
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->tunnel);
  auto near = upstreamOf({"https://192.0.2.7", {}, {}}, network);
  ASSERT_TRUE(near);
  EXPECT_FALSE(near->tunnel);
  EXPECT_EQ(near->address, "192.0.2.7");
  network.httpsProxy = "socks5://127.0.0.1:1080";
  auto unusable = upstreamOf({"https://far.test", {}, {}}, network);
  ASSERT_FALSE(unusable);
  EXPECT_EQ(unusable.error().code, ErrorCode::config);
}

}  // namespace
}  // namespace computesdk::gateway
