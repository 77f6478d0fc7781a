#include "auth/token_store.hpp"

#include <algorithm>
#include <utility>

namespace computesdk::sandboxd {

TokenStore::TokenStore(std::string_view accessToken, WallClock clock)
    : access_(accessToken.empty() ? std::nullopt : std::optional(digestOf(accessToken))), clock_(std::move(clock)) {}

std::optional<IssuedToken> TokenStore::issue(std::optional<std::string> description, std::chrono::milliseconds life) {
  const auto now = clock_();
  IssuedToken issued{{"tok_" + randomHex(12), std::move(description), now, now + life, std::nullopt}, randomHex(32)};
  const std::lock_guard lock(mutex_);
  dropExpired(now);
  if (sessions_.size() >= kMaxSessions) return std::nullopt;
  sessions_.push_back({issued.token, digestOf(issued.value)});
  return issued;
}

TokenHolder TokenStore::identify(std::string_view token) {
  if (!access_) return {TokenKind::access, {}, {}};
  if (token.empty()) return {};
  const SecretDigest digest = digestOf(token);
  if (sameDigest(digest, *access_)) return {TokenKind::access, {}, {}};
  const auto now = clock_();
  const std::lock_guard lock(mutex_);
  dropExpired(now);
  for (Session& session : sessions_) {
    if (!sameDigest(digest, session.digest)) continue;
    session.token.lastUsedAt = now;
    return {TokenKind::session, session.token.id, session.token.expiresAt};
  }
  return {};
}

std::vector<SessionToken> TokenStore::list() {
  const std::lock_guard lock(mutex_);
  dropExpired(clock_());
  std::vector<SessionToken> tokens;
  tokens.reserve(sessions_.size());
  for (const Session& session : sessions_) tokens.push_back(session.token);
  return tokens;
}

std::optional<SessionToken> TokenStore::find(std::string_view id) {
  const std::lock_guard lock(mutex_);
  dropExpired(clock_());
  const auto found =
      std::find_if(sessions_.begin(), sessions_.end(), [&](const Session& session) { return session.token.id == id; });
  if (found == sessions_.end()) return std::nullopt;
  return found->token;
}

bool TokenStore::revoke(std::string_view id) {
  const std::lock_guard lock(mutex_);
  return std::erase_if(sessions_, [&](const Session& session) { return session.token.id == id; }) != 0;
}

void TokenStore::dropExpired(std::chrono::system_clock::time_point now) {
  std::erase_if(sessions_, [&](const Session& session) { return session.token.expiresAt <= now; });
}

}  // namespace computesdk::sandboxd
