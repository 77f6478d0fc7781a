#pragma once

#include <computesdk/serving/byte_stream.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace computesdk::gateway {

/// Makes TLS connections to providers' addresses out of plain ones. The certificate must be one that the system trusts
/// (SSL_CERT_FILE and SSL_CERT_DIR count, and beside them the authorities of `extraAuthorities`, a PEM file) and be for
/// the name that was asked for. The loop's thread only.
class TlsDialler {
 public:
  explicit TlsDialler(serving::Loop& loop, const std::string& extraAuthorities = {});
  ~TlsDialler();
  TlsDialler(const TlsDialler&) = delete;
  TlsDialler& operator=(const TlsDialler&) = delete;

  /// `time` is for the handshake; a failed one closes `plain`. Errors: E_TLS.
  void secure(const serving::StreamPtr& plain, const std::string& name, std::chrono::milliseconds time,
              serving::DialHandler handler);

 private:
  struct Context;
  serving::Loop& loop_;
  std::shared_ptr<Context> context_;
};

}  // namespace computesdk::gateway
