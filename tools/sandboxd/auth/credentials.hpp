#pragma once

#include <computesdk/serving/message.hpp>

#include <optional>
#include <string>

namespace computesdk::sandboxd {

/// The token that decides about a request: the first of the Authorization header, the query's `token` (WebSocket
/// upgrades only: elsewhere it would end up in logs) and the cookie `session_token` that is there, whether or not what
/// stands there is any good. An Authorization of another scheme than Bearer gives an empty token. Nothing: no token.
std::optional<std::string> presentedToken(const serving::Request& request);

}  // namespace computesdk::sandboxd
