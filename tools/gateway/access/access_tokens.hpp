#pragma once

#include <computesdk/result.hpp>

#include "core/crypto.hpp"

#include <chrono>
#include <string>
#include <string_view>

// Access tokens of sandboxes: JSON Web Tokens signed by ES256. A token opens one sandbox and nothing else.
namespace computesdk::gateway {

/// Whom the tokens are of and for, and for how long they hold.
struct TokenRules {
  std::string issuer = "computesdk-gateway";
  std::string audience = "computesdk-sandbox";
  std::chrono::seconds lifetime = std::chrono::hours(24 * 30);
  /// Clocks of two gateways may differ by this much.
  std::chrono::seconds leeway{30};
};

/// Why a token was refused; `good` when it was not.
enum class TokenVerdict {
  good,
  malformed,
  wrongAlgorithm,
  wrongSignature,
  wrongIssuer,
  wrongAudience,
  wrongSubject,
  expired,
  notYetValid
};
std::string_view toString(TokenVerdict verdict) noexcept;

/// Makes and checks access tokens. Thread-safe.
class AccessTokens {
 public:
  AccessTokens(SigningKey key, TokenRules rules) : key_(std::move(key)), rules_(std::move(rules)) {}

  /// A token for a sandbox; each one differs.
  [[nodiscard]] std::string issue(std::string_view sandboxId, std::chrono::system_clock::time_point now) const;
  /// Checks form, algorithm, signature and every claim: iss, aud, sub, exp, nbf.
  [[nodiscard]] TokenVerdict check(std::string_view token, std::string_view sandboxId,
                                   std::chrono::system_clock::time_point now) const;

  /// Whether a text has the form of a JSON Web Token, whoever made it.
  static bool looksLikeToken(std::string_view text) noexcept;

 private:
  SigningKey key_;
  TokenRules rules_;
};

}  // namespace computesdk::gateway
