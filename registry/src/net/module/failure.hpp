#pragma once

#include <computesdk/plugin.h>

#include <cstdint>
#include <string>
#include <utility>

namespace computesdk::net {

/// Why a request failed: a sentence without secrets, and what the retry policy must know.
struct Failure {
  std::uint32_t errorClass = CSDK_ERROR_NETWORK;
  std::string message;
  bool permanent = false;  ///< another attempt would end the same way
  bool sent = false;       ///< a byte of the request may have reached the peer
};

inline Failure networkFailure(std::string message, bool permanent = false) {
  return {CSDK_ERROR_NETWORK, std::move(message), permanent, false};
}
inline Failure tlsFailure(std::string message, bool permanent = true) {
  return {CSDK_ERROR_TLS, std::move(message), permanent, false};
}
inline Failure protocolFailure(std::string message) { return {CSDK_ERROR_PROTOCOL, std::move(message), true, true}; }

}  // namespace computesdk::net
