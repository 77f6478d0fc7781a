#pragma once

#include <computesdk/result.hpp>
#include <computesdk/serving/server.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace computesdk::serving {

/// TLS 1.2 and 1.3 for an Endpoint; target csdk_serving_tls. Copyable; the key is read once, and again by reload(). Any
/// thread.
class Tls {
 public:
  /// PEM files. E_INVALID_ARGUMENT when they cannot be read or do not belong together.
  static Result<Tls> load(Loop& loop, const std::string& certificateChain, const std::string& privateKey);
  /// Reads the files again (a renewed certificate); connections keep what they have. On failure nothing changes.
  Result<void> reload();
  /// For Endpoint::handshake. A client that does not finish within `timeout` is cut off.
  [[nodiscard]] Handshake handshake(std::chrono::milliseconds timeout = std::chrono::seconds(10)) const;

 private:
  struct State;
  explicit Tls(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace computesdk::serving
