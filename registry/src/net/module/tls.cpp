#include "tls.hpp"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <map>
#include <mutex>

namespace computesdk::net {
namespace {

struct ContextFree {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, ContextFree>;

void initialise() {
  static std::once_flag once;
  // The I/O thread lives until the process ends, so OpenSSL must not tear itself down under it.
  std::call_once(once, [] { OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr); });
}

/// The system's file and folder are looked up by their compiled-in names: what the environment says about them arrives
/// in `trust`, through the program's own view of the environment.
bool addAuthorities(X509_STORE* store, const TrustSettings& trust, std::string& problem) {
  const std::string file = trust.caFile.empty() ? X509_get_default_cert_file() : trust.caFile;
  const std::string folder = trust.caDir.empty() ? X509_get_default_cert_dir() : trust.caDir;
  if (X509_STORE_load_file(store, file.c_str()) != 1 && !trust.caFile.empty()) {
    problem = "the CA file " + file + " cannot be read";
    return false;
  }
  X509_STORE_load_path(store, folder.c_str());
  if (!trust.extraCaFile.empty() && X509_STORE_load_file(store, trust.extraCaFile.c_str()) != 1) {
    problem = "the CA file " + trust.extraCaFile + " cannot be read";
    return false;
  }
  ERR_clear_error();
  return true;
}

ContextPtr newContext(const TrustSettings& trust, std::string& problem) {
  initialise();
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) {
    problem = "TLS cannot be set up";
    return nullptr;
  }
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  // Idle connections give their buffers back, and a write may be repeated from another place in memory.
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  static const unsigned char kProtocols[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context.get(), kProtocols, sizeof kProtocols - 1);
  if (!addAuthorities(SSL_CTX_get_cert_store(context.get()), trust, problem)) return nullptr;
  return context;
}

bool isAddress(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

SslPtr newSession(const TrustSettings& trust, const std::string& host, int descriptor, std::string& problem) {
  static auto& contexts = *new std::map<TrustSettings, ContextPtr>;
  auto found = contexts.find(trust);
  if (found == contexts.end()) {
    ContextPtr context = newContext(trust, problem);
    if (!context) return nullptr;
    found = contexts.emplace(trust, std::move(context)).first;
  }
  SslPtr ssl(SSL_new(found->second.get()));
  if (!ssl || SSL_set_fd(ssl.get(), descriptor) != 1) {
    problem = "TLS cannot be set up";
    return nullptr;
  }
  bool named;
  if (isAddress(host)) {
    named = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str()) == 1;
  } else {
    SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    named = SSL_set1_host(ssl.get(), host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl.get(), host.c_str()) == 1;
  }
  if (!named) {
    problem = "the name cannot be verified";
    return nullptr;
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

std::string tlsProblem(SSL* ssl) {
  const unsigned long code = ERR_peek_error();
  const long verified = SSL_get_verify_result(ssl);
  std::string text;
  if (verified != X509_V_OK) {
    text = X509_verify_cert_error_string(verified);
  } else if (const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code)) {
    text = reason;
  } else {
    text = "the connection was closed";
  }
  ERR_clear_error();
  return text;
}

}  // namespace computesdk::net
