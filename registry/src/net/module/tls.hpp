#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace computesdk::net {

struct SslFree {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, SslFree>;

/// Which authorities are believed. Empty: the system's.
struct TrustSettings {
  std::string caFile, caDir, extraCaFile;

  friend bool operator==(const TrustSettings&, const TrustSettings&) = default;
  friend auto operator<=>(const TrustSettings&, const TrustSettings&) = default;
};

/// A client session that verifies the peer's certificate against `trust` and `host` (a name or an address), on a
/// connected, non-blocking descriptor. Null with `problem` when the settings cannot be used. I/O thread only.
SslPtr newSession(const TrustSettings& trust, const std::string& host, int descriptor, std::string& problem);

/// Why the last operation on `ssl` failed, as a clause: "the certificate has expired". Empties OpenSSL's error queue.
std::string tlsProblem(SSL* ssl);

}  // namespace computesdk::net
