#pragma once

#include <computesdk/serving/byte_stream.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace computesdk::gateway {

/// Opens TLS connections to providers' addresses. The certificate must be one that the system trusts (SSL_CERT_FILE and
/// SSL_CERT_DIR count) and be for the name that was asked for. The loop's thread only.
class TlsDialler {
 public:
  explicit TlsDialler(serving::Loop& loop);
  ~TlsDialler();
  TlsDialler(const TlsDialler&) = delete;
  TlsDialler& operator=(const TlsDialler&) = delete;

  /// `time` is for connecting and for the handshake each. Errors: E_NETWORK, E_TLS, E_TIMEOUT.
  void dial(const std::string& address, std::uint16_t port, const std::string& name, std::chrono::milliseconds time,
            serving::DialHandler handler);

 private:
  struct Context;
  serving::Loop& loop_;
  std::shared_ptr<Context> context_;
};

}  // namespace computesdk::gateway
