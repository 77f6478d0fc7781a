#pragma once

#include <computesdk/serving/message.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace computesdk::sandboxd {

/// The token that decides about a request: the first of the Authorization header, the query's `token` (WebSocket
/// upgrades only: elsewhere it would end up in logs) and the cookie `session_token` that is there, whether or not what
/// stands there is any good. An Authorization of another scheme than Bearer gives an empty token. Nothing: no token.
/// A cookie counts for nothing in what fromForeignPage tells of.
std::optional<std::string> presentedToken(const serving::Request& request, std::string_view baseUrl);

/// Whether a browser sends this for a page of another origin than that of `baseUrl`, and it would change something or
/// open a socket. Browsers add the cookie to such requests too when the other origin belongs to the same site, as the
/// ports of all sandboxes of a gateway do; what they only read they do not show to that page.
bool fromForeignPage(const serving::Request& request, std::string_view baseUrl);

}  // namespace computesdk::sandboxd
