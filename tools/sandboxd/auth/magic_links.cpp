#include "auth/magic_links.hpp"

#include <algorithm>
#include <utility>

namespace computesdk::sandboxd {

bool isLocalRedirect(std::string_view path) noexcept {
  constexpr std::size_t kMaxRedirect = 2048;
  if (path.empty() || path.size() > kMaxRedirect || path[0] != '/') return false;
  if (path.size() > 1 && path[1] == '/') return false;
  // Browsers read a backslash as a slash and drop tabs and newlines before they look at what is left.
  return std::none_of(path.begin(), path.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f || c == '\\';
  });
}

std::string locationOf(std::string_view basePath, std::string_view path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string text(basePath);
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f) {
      text.push_back(c);
    } else {
      text.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  return text;
}

std::string basePathOf(std::string_view baseUrl) {
  const std::size_t scheme = baseUrl.find("://");
  const std::size_t slash = baseUrl.find('/', scheme == std::string_view::npos ? 0 : scheme + 3);
  if (slash == std::string_view::npos) return {};
  std::string path(baseUrl.substr(slash));
  path.resize(path.find_last_not_of('/') + 1);
  return path;
}

std::string sessionCookie(std::string_view token, std::string_view baseUrl, std::chrono::seconds life) {
  std::string path = basePathOf(baseUrl);
  if (path.empty()) path = "/";
  std::string cookie = "session_token=";
  cookie.append(token);
  cookie += "; Path=" + path + "; HttpOnly; SameSite=Lax; Max-Age=" + std::to_string(life.count());
  if (baseUrl.starts_with("https:")) cookie += "; Secure";
  return cookie;
}

MagicLinks::Issued MagicLinks::issue(std::string redirect) {
  const auto now = clock_();
  Issued issued{randomHex(32), now + kLife};
  const std::lock_guard lock(mutex_);
  std::erase_if(links_, [&](const Link& link) { return link.expiresAt <= now; });
  if (links_.size() >= kMaxLinks) links_.erase(links_.begin());
  links_.push_back({digestOf(issued.code), std::move(redirect), issued.expiresAt});
  return issued;
}

std::optional<std::string> MagicLinks::consume(std::string_view code) {
  const SecretDigest digest = digestOf(code);
  const auto now = clock_();
  const std::lock_guard lock(mutex_);
  std::erase_if(links_, [&](const Link& link) { return link.expiresAt <= now; });
  for (auto link = links_.begin(); link != links_.end(); ++link) {
    if (!sameDigest(digest, link->digest)) continue;
    std::string redirect = std::move(link->redirect);
    links_.erase(link);
    return redirect;
  }
  return std::nullopt;
}

}  // namespace computesdk::sandboxd
