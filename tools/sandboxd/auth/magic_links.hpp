#pragma once

#include "auth/token_store.hpp"

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::sandboxd {

/// Whether a browser that follows `path` stays on the same origin: it starts with a single slash, and holds nothing
/// that browsers drop or read as a slash. At most 2,048 bytes.
bool isLocalRedirect(std::string_view path) noexcept;

/// `path` as it may stand in a Location line: bytes outside of ASCII percent-encoded.
std::string locationOf(std::string_view basePath, std::string_view path);

/// The path of a base URL without its last slash: "/s/abc" of "https://host/s/abc/", "" of "http://host".
std::string basePathOf(std::string_view baseUrl);

/// The value of Set-Cookie for a session of `life` below `baseUrl`.
std::string sessionCookie(std::string_view token, std::string_view baseUrl, std::chrono::seconds life);

/// Links that log a browser in once, within five minutes. Keeps digests of their codes. Thread-safe.
class MagicLinks {
 public:
  static constexpr std::chrono::minutes kLife{5};
  /// The oldest goes when there are more.
  static constexpr std::size_t kMaxLinks = 256;

  struct Issued {
    std::string code;
    std::chrono::system_clock::time_point expiresAt;
  };

  explicit MagicLinks(WallClock clock = std::chrono::system_clock::now) : clock_(std::move(clock)) {}

  /// `redirect` has passed isLocalRedirect.
  Issued issue(std::string redirect);

  /// The redirect of a code that is known and alive; the code is used up.
  std::optional<std::string> consume(std::string_view code);

 private:
  struct Link {
    SecretDigest digest;
    std::string redirect;
    std::chrono::system_clock::time_point expiresAt;
  };

  const WallClock clock_;
  std::mutex mutex_;
  std::vector<Link> links_;
};

}  // namespace computesdk::sandboxd
