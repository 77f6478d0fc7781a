#pragma once

#include <computesdk/result.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// What the gateway needs of cryptography, over OpenSSL. Everything here is thread-safe.
namespace computesdk::gateway {

/// `bytes` random bytes of the system. Throws std::runtime_error when it has none.
std::string randomBytes(std::size_t bytes);
/// Lower-case hex of `bytes` random bytes.
std::string randomHex(std::size_t bytes);
std::string sha256(std::string_view data);
std::string sha256Hex(std::string_view data);
std::string hmacSha256Hex(std::string_view key, std::string_view data);
/// Time depends on the lengths alone.
bool constantTimeEquals(std::string_view a, std::string_view b) noexcept;

std::string hex(std::string_view data);
/// RFC 4648 section 5, without padding.
std::string base64Url(std::string_view data);
/// Nothing for text that base64Url would not have written.
std::optional<std::string> fromBase64Url(std::string_view text);

/// A P-256 key that signs by ES256 (RFC 7518). Holds a secret: never print it.
class SigningKey {
 public:
  static SigningKey generate();
  /// PEM of the private key. Errors: E_CONFIG.
  static Result<SigningKey> fromPem(std::string_view pem);
  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  [[nodiscard]] std::string pem() const;
  /// 64 bytes, r then s.
  [[nodiscard]] std::string sign(std::string_view data) const;
  [[nodiscard]] bool verify(std::string_view data, std::string_view signature) const noexcept;

 private:
  struct State;
  explicit SigningKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace computesdk::gateway
