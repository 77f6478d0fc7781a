#include "auth/credentials.hpp"

namespace computesdk::sandboxd {

bool fromForeignPage(const serving::Request& request, std::string_view baseUrl) {
  if ((request.method == "GET" || request.method == "HEAD") && !request.wantsUpgrade()) return false;
  const std::string_view site = request.header("Sec-Fetch-Site");
  if (!site.empty()) return site != "same-origin" && site != "none";
  const std::string_view origin = request.header("Origin");
  if (origin.empty()) return false;
  return !baseUrl.starts_with(origin) || (baseUrl.size() > origin.size() && baseUrl[origin.size()] != '/');
}

std::optional<std::string> presentedToken(const serving::Request& request, std::string_view baseUrl) {
  if (request.headers.has("Authorization")) return std::string(request.bearer());
  if (request.wantsUpgrade()) {
    if (auto token = request.queryValue("token")) return token;
  }
  if (fromForeignPage(request, baseUrl)) return std::nullopt;
  return request.cookie("session_token");
}

}  // namespace computesdk::sandboxd
