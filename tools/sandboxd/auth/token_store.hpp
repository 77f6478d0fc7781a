#pragma once

#include "auth/secret.hpp"
#include "core/context.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::sandboxd {

using WallClock = std::function<std::chrono::system_clock::time_point()>;

/// Who a token stands for. `tokenId` and `expiresAt` belong to session tokens only.
struct TokenHolder {
  TokenKind kind = TokenKind::none;
  std::string tokenId;
  std::chrono::system_clock::time_point expiresAt{};
};

/// What may be told of a session token; its value is not among it.
struct SessionToken {
  std::string id;
  std::optional<std::string> description;
  std::chrono::system_clock::time_point createdAt;
  std::chrono::system_clock::time_point expiresAt;
  std::optional<std::chrono::system_clock::time_point> lastUsedAt;
};

/// A session token at the only moment at which its value is known.
struct IssuedToken {
  SessionToken token;
  std::string value;
};

/// The tokens of one sandbox: the access token it was started with and the session tokens made here. Keeps digests
/// only, compares in constant time, forgets what has expired. Thread-safe.
class TokenStore {
 public:
  /// More live session tokens than anybody needs, and little memory.
  static constexpr std::size_t kMaxSessions = 1024;

  /// An empty access token switches authentication off: everybody has the rights of the access token.
  explicit TokenStore(std::string_view accessToken, WallClock clock = std::chrono::system_clock::now);

  [[nodiscard]] bool enabled() const noexcept { return access_.has_value(); }

  /// Makes a session token that ends after `life` (> 0); nothing when kMaxSessions are alive.
  std::optional<IssuedToken> issue(std::optional<std::string> description, std::chrono::milliseconds life);

  /// Who `token` stands for; notes the use of a session token. A token that has expired or is unknown: none.
  TokenHolder identify(std::string_view token);

  /// Live session tokens, oldest first.
  std::vector<SessionToken> list();
  std::optional<SessionToken> find(std::string_view id);

  /// From now on the token is unknown. Whether there was one.
  bool revoke(std::string_view id);

 private:
  struct Session {
    SessionToken token;
    SecretDigest digest;
  };

  void dropExpired(std::chrono::system_clock::time_point now);

  const std::optional<SecretDigest> access_;
  const WallClock clock_;
  std::mutex mutex_;
  std::vector<Session> sessions_;
};

}  // namespace computesdk::sandboxd
