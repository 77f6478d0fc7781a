#pragma once

#include <computesdk/export.hpp>
#include <computesdk/result.hpp>
#include <computesdk/types.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk {

namespace detail {
class SandboxState;
}

struct SessionTokenOptions {
  std::string description = {};
  std::chrono::seconds expiresIn = std::chrono::hours(7 * 24);
  std::stop_token stop = {};
};

struct SessionToken {
  std::string id;
  std::string token;  ///< secret; only in what `create` answers
  std::string description;
  std::optional<SystemTime> createdAt;
  std::optional<SystemTime> expiresAt;
  std::optional<SystemTime> lastUsedAt;
};

/// Tokens that may use one sandbox's daemon but not manage tokens: sandbox.sessionTokens(). A small value that shares
/// the sandbox's state. Thread-safe. Errors of all: those of Daemon::ensure; E_FORBIDDEN ("Access token required").
class COMPUTESDK_API SessionTokens {
 public:
  /// E_INVALID_ARGUMENT unless expiresIn is positive.
  SessionToken create(const SessionTokenOptions& options = {}) { return create(nothrow, options).value(); }
  Result<SessionToken> create(Nothrow, const SessionTokenOptions& options = {});
  std::vector<SessionToken> list(std::stop_token stop = {}) { return list(nothrow, std::move(stop)).value(); }
  Result<std::vector<SessionToken>> list(Nothrow, std::stop_token stop = {});
  /// E_NOT_FOUND.
  SessionToken retrieve(std::string_view id, std::stop_token stop = {}) {
    return retrieve(nothrow, id, std::move(stop)).value();
  }
  Result<SessionToken> retrieve(Nothrow, std::string_view id, std::stop_token stop = {});
  /// At once, with the connections it made. An unknown id is a success.
  void revoke(std::string_view id, std::stop_token stop = {}) { revoke(nothrow, id, std::move(stop)).value(); }
  Result<void> revoke(Nothrow, std::string_view id, std::stop_token stop = {});

 private:
  friend class Sandbox;
  explicit SessionTokens(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

struct MagicLink {
  std::string url;  ///< secret: whoever opens it first gets a session
  std::optional<SystemTime> expiresAt;
  std::string redirectUrl;
};

/// Links that log a browser in once, for 5 minutes: sandbox.magicLinks(). A small value, as SessionTokens.
class COMPUTESDK_API MagicLinks {
 public:
  /// `redirectUrl`: a path of the sandbox's own; empty: "/play/". E_INVALID_ARGUMENT for another.
  MagicLink create(std::string_view redirectUrl = {}, std::stop_token stop = {}) {
    return create(nothrow, redirectUrl, std::move(stop)).value();
  }
  Result<MagicLink> create(Nothrow, std::string_view redirectUrl = {}, std::stop_token stop = {});

 private:
  friend class Sandbox;
  explicit MagicLinks(std::shared_ptr<detail::SandboxState> sandbox) : sandbox_(std::move(sandbox)) {}
  std::shared_ptr<detail::SandboxState> sandbox_;
};

}  // namespace computesdk
