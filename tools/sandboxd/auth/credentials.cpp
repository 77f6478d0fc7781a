#include "auth/credentials.hpp"

namespace computesdk::sandboxd {

std::optional<std::string> presentedToken(const serving::Request& request) {
  if (request.headers.has("Authorization")) return std::string(request.bearer());
  if (request.wantsUpgrade()) {
    if (auto token = request.queryValue("token")) return token;
  }
  return request.cookie("session_token");
}

}  // namespace computesdk::sandboxd
