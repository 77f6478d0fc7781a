#include "server_fixture.hpp"

#include <computesdk/serving/tls.hpp>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

namespace serving_test {
namespace {

/// A key and a certificate that it signs itself, as two files.
void makeCertificate(const std::string& certificate, const std::string& key) {
  EVP_PKEY* pair = EVP_EC_gen("P-256");
  X509* x509 = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), 0);
  X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
  X509_set_pubkey(x509, pair);
  X509_sign(x509, pair, EVP_sha256());
  FILE* out = std::fopen(certificate.c_str(), "w");
  PEM_write_X509(out, x509);
  std::fclose(out);
  out = std::fopen(key.c_str(), "w");
  PEM_write_PrivateKey(out, pair, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
  X509_free(x509);
  EVP_PKEY_free(pair);
}

}  // namespace

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    makeCertificate(certificate, key);
    router.on("GET", "/secure", [](const Request& r) { return Response::text(200, r.secure ? "yes" : "no"); });
    router.on("POST", "/echo", [](const Request& r) { return Response::text(200, r.body); }).bodyLimit(32u << 20);
  }
  ~TlsTest() override {
    ::unlink(certificate.c_str());
    ::unlink(key.c_str());
  }
  void startTls(std::chrono::milliseconds timeout = 10s) {
    auto tls = Tls::load(loop, certificate, key);
    ASSERT_TRUE(tls) << tls.error().firstLine();
    options.endpoints[0].handshake = tls->handshake(timeout);
    start();
  }
  std::string askTls(const std::string& request) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server->ports()[0]);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL* session = SSL_new(context);
    SSL_set_fd(session, socket);
    std::string out;
    if (SSL_connect(session) == 1 && SSL_write(session, request.data(), static_cast<int>(request.size())) > 0) {
      char piece[4096];
      for (int count = 0; (count = SSL_read(session, piece, sizeof piece)) > 0;) {
        out.append(piece, static_cast<std::size_t>(count));
      }
    }
    SSL_free(session);
    SSL_CTX_free(context);
    ::close(socket);
    return out;
  }

  const std::string certificate = testing::TempDir() + "serving_" + std::to_string(::getpid()) + ".crt";
  const std::string key = testing::TempDir() + "serving_" + std::to_string(::getpid()) + ".key";
};

TEST_F(TlsTest, ServesAndSaysSo) {
  startTls();
  EXPECT_EQ(bodyOf(askTls(get("/secure", "Connection: close\r\n"))), "yes");
}

TEST_F(TlsTest, BigBodiesPassBothWays) {
  startTls();
  const std::string big(1u << 20, 'b');
  EXPECT_EQ(bodyOf(askTls("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                          std::to_string(big.size()) + "\r\n\r\n" + big)),
            big);
}

TEST_F(TlsTest, PlainAndSilentClientsAreCutOff) {
  startTls(100ms);
  RawClient plain = connect();
  plain.send(get("/secure"));
  EXPECT_TRUE(plain.closed());
  RawClient silent = connect();
  EXPECT_TRUE(silent.closed());
  const auto until = std::chrono::steady_clock::now() + 15s;
  while (server->connections() > 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_EQ(server->connections(), 0U);
}

TEST_F(TlsTest, FilesThatDoNotFitAreRefused) {
  const auto swapped = Tls::load(loop, key, certificate);
  ASSERT_FALSE(swapped);
  EXPECT_EQ(swapped.error().code, computesdk::ErrorCode::invalidArgument);
  EXPECT_FALSE(Tls::load(loop, "/nonexistent", key));
  auto tls = Tls::load(loop, certificate, key);
  ASSERT_TRUE(tls);
  makeCertificate(certificate, key);
  EXPECT_TRUE(tls->reload());
}

}  // namespace serving_test
