#include "client.hpp"
#include "harness/certificates.hpp"
#include "harness/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

// TLS and proxies, with an authority made for the test.
namespace computesdk::registry::net {
namespace {

using simulators::Certificates;
using simulators::Exchange;
using simulators::Server;
using testing::HasSubstr;

class TlsTest : public testing::Test {
 protected:
  void SetUp() override { forgetConnections(); }
  static simulators::ServerOptions with(const Certificates::Pair& pair) {
    return {.certificateFile = pair.certificateFile, .keyFile = pair.keyFile};
  }
  [[nodiscard]] NetworkSettings trusting() const {
    NetworkSettings settings;
    settings.extraCaFile = certificates.authorityFile();
    return settings;
  }
  Certificates certificates;
};

TEST_F(TlsTest, SpeaksWithAPeerWhoseCertificateIsGood) {
  Server server(with(certificates.make("localhost")));
  server.route("POST", "/big", [](Exchange& exchange) { exchange.respond(200, exchange.request.body); });
  Client client(server.url(), {}, trusting());
  const std::string body(700'000, 'z');
  for (int i = 0; i < 5; ++i) {
    const Answer answer = client.fetch({.method = "POST", .url = server.url() + "/big", .body = body});
    EXPECT_EQ(answer.status, 200) << answer.failure.message;
    EXPECT_EQ(answer.body, body);
  }
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(TlsTest, RefusesUnknownExpiredAndForeignCertificates) {
  struct Case {
    const char* name;
    int days;
    bool trusted;
    const char* why;
  };
  for (const Case& one : {Case{"localhost", 1, false, "certificate"}, Case{"localhost", -1, true, "expired"},
                          Case{"other.example", 1, true, "ostname"}}) {
    Server server(with(certificates.make(one.name, one.days)));
    server.route("GET", "/", [](Exchange& exchange) { exchange.respond(200, "never"); });
    Client client(server.url(), {}, one.trusted ? trusting() : NetworkSettings{});
    const Answer answer = client.fetch({.url = server.url() + "/", .retryMode = CSDK_HTTP_RETRY_IDEMPOTENT});
    EXPECT_EQ(answer.failure.errorClass, CSDK_ERROR_TLS) << one.name;
    EXPECT_THAT(answer.failure.message, HasSubstr(one.why));
    EXPECT_EQ(answer.failure.flags & CSDK_HTTP_MAYBE_APPLIED, 0U);
    EXPECT_EQ(answer.attempts, 1U);  // another attempt would end the same way
    EXPECT_EQ(server.requests(), 0U);
  }
}

TEST_F(TlsTest, APeerThatSpeaksNoTlsIsATlsFailure) {
  Server plain;
  const std::string url = "https://localhost:" + std::to_string(plain.port());
  Client client(url, {}, trusting());
  const Answer answer = client.fetch({.url = url + "/", .connectMs = 300});
  EXPECT_EQ(answer.failure.errorClass, CSDK_ERROR_TLS) << answer.failure.message;
}

TEST_F(TlsTest, AnUnreadableAuthorityFileIsSaid) {
  Server server(with(certificates.make("localhost")));
  NetworkSettings settings;
  settings.caFile = "/nonexistent/ca.pem";
  Client client(server.url(), {}, settings);
  EXPECT_THAT(client.fetch({.url = server.url()}).failure.message, HasSubstr("/nonexistent/ca.pem cannot be read"));
}

/// A proxy that leads every tunnel to one port of this machine.
class TunnelProxy {
 public:
  explicit TunnelProxy(std::uint16_t target) {
    server_.route("CONNECT", "**", [this, target](Exchange& exchange) {
      authority = exchange.request.target;
      authorization = exchange.request.header("proxy-authorization");
      if (refuse != 0) return exchange.respond(refuse, "");
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(target);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
      exchange.stream.write("HTTP/1.1 200 Connection established\r\n\r\n");
      std::thread back([&] {
        char buffer[16384];
        for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;) {
          if (!exchange.stream.write({buffer, static_cast<std::size_t>(got)})) break;
        }
      });
      char buffer[16384];
      for (long got; (got = exchange.stream.read(buffer, sizeof buffer)) > 0;) {
        if (::send(fd, buffer, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) break;
      }
      ::shutdown(fd, SHUT_RDWR);
      back.join();
      ::close(fd);
      exchange.close = true;
    });
  }
  [[nodiscard]] std::string setting() const {
    return "http://user:pa%3Ass@127.0.0.1:" + std::to_string(server_.port());
  }

  std::string authority, authorization;
  int refuse = 0;

 private:
  Server server_;
};

TEST_F(TlsTest, GoesThroughTheProxy) {
  Server server(with(certificates.make("api.vendor.example")));
  server.route("GET", "/x", [](Exchange& exchange) { exchange.respond(200, "through"); });
  TunnelProxy proxy(server.port());
  NetworkSettings settings = trusting();
  settings.httpsProxy = proxy.setting();
  Client client("https://api.vendor.example", {}, settings);
  const Answer answer = client.fetch({.url = "https://api.vendor.example/x"});
  EXPECT_EQ(answer.body, "through") << answer.failure.message;
  EXPECT_EQ(proxy.authority, "api.vendor.example:443");
  EXPECT_EQ(proxy.authorization, "Basic dXNlcjpwYTpzcw==");
  forgetConnections();
  proxy.refuse = 407;
  const Answer refused = client.fetch({.url = "https://api.vendor.example/x"});
  EXPECT_THAT(refused.failure.message, HasSubstr("HTTP 407"));
  EXPECT_THAT(refused.failure.message, testing::Not(HasSubstr("pa:ss")));
  forgetConnections();
}

}  // namespace
}  // namespace computesdk::registry::net
