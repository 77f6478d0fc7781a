// /auth/…: who somebody is, session tokens, magic links.
#include <computesdk/serving/router.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "auth/credentials.hpp"
#include "auth/magic_links.hpp"
#include "auth/token_store.hpp"
#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "core/sandbox_routes.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::chrono::seconds kDefaultLife = std::chrono::hours(24 * 7);
constexpr double kLongestLife = 100.0 * 365 * 24 * 3600;
constexpr std::size_t kMaxDescription = 4096;

/// Tokens are those of the whole daemon: a child sandbox uses the main one's.
struct AuthState {
  explicit AuthState(std::string_view accessToken) : tokens(accessToken) {}
  TokenStore tokens;
  MagicLinks links;
};

std::shared_ptr<AuthState> authStateFor(Context& context) {
  if (context.isMain()) {
    auto state = std::make_shared<AuthState>(context.config().accessToken);
    context.provide(state);
    return state;
  }
  return context.shared().sandboxes->all().front()->find<AuthState>();
}

serving::Response tokenError(ErrorCode code, std::string what, std::string fix) {
  ErrorInfo info;
  info.code = code;
  info.what = std::move(what);
  info.fix = std::move(fix);
  return failure(info);
}

/// Only whoever holds the access token may hand out or look at tokens.
std::optional<serving::Response> refuseSessions(const serving::Request& request) {
  if (identityOf(request).kind == TokenKind::access) return std::nullopt;
  return tokenError(ErrorCode::forbidden, "Access token required: a session token cannot manage tokens and links",
                    "send the sandbox's access token in `Authorization: Bearer …`");
}

/// A number as JSON writes it, whole ones without a point.
std::string secondsText(double seconds) {
  char text[64];
  std::snprintf(text, sizeof text, seconds == std::floor(seconds) ? "%.0f" : "%.3f", seconds);
  return text;
}

Result<double> lifeIn(const rapidjson::Value& body) {
  const rapidjson::Value* field = fieldOf(body, "expiresIn");
  if (field == nullptr || field->IsNull()) return static_cast<double>(kDefaultLife.count());
  // What is below a millisecond would end before it begins.
  if (!field->IsNumber() || !(field->GetDouble() >= 0.001)) {
    return invalid("expiresIn must be a number of seconds above 0", {}, "leave it out for 7 days (604800)");
  }
  if (field->GetDouble() > kLongestLife) return invalid("expiresIn must be at most 100 years");
  return field->GetDouble();
}

serving::Response createToken(AuthState& state, const serving::Request& request) {
  if (auto refused = refuseSessions(request)) return std::move(*refused);
  const auto body = bodyOf(request);
  if (!body) return failure(body.error());
  auto description = optionalText(*body, "description");
  if (!description) return failure(description.error());
  if (*description && (*description)->size() > kMaxDescription) {
    return failure(invalid("description must be at most 4096 bytes"));
  }
  const auto life = lifeIn(*body);
  if (!life) return failure(life.error());
  const auto issued = state.tokens.issue(*description, std::chrono::milliseconds(std::llround(*life * 1000)));
  if (!issued) {
    return tokenError(ErrorCode::resourceExhausted, "too many session tokens",
                      "revoke some with DELETE /auth/session_tokens/:id");
  }
  JsonObject answer;
  answer.text("id", issued->token.id).text("token", issued->value);
  if (issued->token.description) answer.text("description", *issued->token.description);
  answer.text("createdAt", timestamp(issued->token.createdAt)).text("expiresAt", timestamp(issued->token.expiresAt));
  return plain(answer.raw("expiresIn", secondsText(*life)).str()).with("Cache-Control", "no-store");
}

serving::Response listTokens(AuthState& state, const serving::Request& request) {
  if (auto refused = refuseSessions(request)) return std::move(*refused);
  std::vector<std::string> tokens;
  for (const SessionToken& token : state.tokens.list()) {
    JsonObject entry;
    entry.text("id", token.id);
    if (token.description) entry.text("description", *token.description);
    entry.text("created_at", timestamp(token.createdAt)).text("expires_at", timestamp(token.expiresAt));
    if (token.lastUsedAt) entry.text("last_used_at", timestamp(*token.lastUsedAt));
    tokens.push_back(entry.str());
  }
  return envelope("Session tokens", JsonObject().raw("tokens", jsonArray(tokens)).str());
}

serving::Response getToken(AuthState& state, const serving::Request& request) {
  if (auto refused = refuseSessions(request)) return std::move(*refused);
  const auto token = state.tokens.find(request.capture("id"));
  if (!token) return failure(missing("Session token not found", "list them with GET /auth/session_tokens"));
  JsonObject answer;
  answer.text("id", token->id);
  if (token->description) answer.text("description", *token->description);
  answer.text("createdAt", timestamp(token->createdAt)).text("expiresAt", timestamp(token->expiresAt));
  return plain(answer.str());
}

serving::Response revokeToken(AuthState& state, Context& context, const serving::Request& request) {
  if (auto refused = refuseSessions(request)) return std::move(*refused);
  const std::string& id = request.capture("id");
  if (state.tokens.revoke(id)) {
    for (const auto& sandbox : context.shared().sandboxes->all()) sandbox->hub().closeConnections(id);
  }
  return serving::Response::noContent();
}

serving::Response createLink(AuthState& state, const Context& context, const serving::Request& request) {
  if (auto refused = refuseSessions(request)) return std::move(*refused);
  const auto body = bodyOf(request);
  if (!body) return failure(body.error());
  const auto asked = optionalText(*body, "redirectUrl");
  if (!asked) return failure(asked.error());
  const std::string redirect = asked->value_or("/play/");
  if (!isLocalRedirect(redirect)) {
    return failure(invalid("redirectUrl must be a path of this sandbox that starts with a single slash",
                           "a link to elsewhere would lead whoever follows it away with a fresh session",
                           "give a path such as /play/"));
  }
  const auto link = state.links.issue(redirect);
  return envelope("Magic link created", JsonObject()
                                            .text("magic_url", context.baseUrl() + "/auth/magic/" + link.code)
                                            .text("expires_at", timestamp(link.expiresAt))
                                            .text("redirect_url", redirect)
                                            .str())
      .with("Cache-Control", "no-store");
}

serving::Response followLink(AuthState& state, const Context& context, const serving::Request& request) {
  const auto redirect = state.links.consume(request.capture("code"));
  const auto issued = redirect ? state.tokens.issue("magic link", kDefaultLife) : std::nullopt;
  if (!issued) {
    return tokenError(ErrorCode::authRejected, "Magic link is unknown, used or expired",
                      "make a new one with POST /auth/magic-links");
  }
  const std::string base = context.baseUrl();
  return serving::Response::redirect(locationOf(basePathOf(base), *redirect))
      .with("Set-Cookie", sessionCookie(issued->value, base, kDefaultLife))
      .with("Cache-Control", "no-store");
}

serving::Response authStatus(AuthState& state, const Context& context, const serving::Request& request) {
  const auto token = presentedToken(request, context.baseUrl());
  const TokenHolder holder = state.tokens.identify(token.value_or(""));
  JsonObject data;
  data.boolean("authenticated", holder.kind != TokenKind::none);
  if (holder.kind == TokenKind::access) data.text("token_type", "access_token");
  if (holder.kind == TokenKind::session) {
    data.text("token_type", "session_token").text("expires_at", timestamp(holder.expiresAt));
  }
  return envelope("Authentication status", data.str());
}

serving::Response authInfo(const serving::Request&) {
  const std::string endpoints = JsonObject()
                                    .text("create_session_token", "POST /auth/session_tokens")
                                    .text("list_session_tokens", "GET /auth/session_tokens")
                                    .text("get_session_token", "GET /auth/session_tokens/:id")
                                    .text("revoke_session_token", "DELETE /auth/session_tokens/:id")
                                    .text("create_magic_link", "POST /auth/magic-links")
                                    .text("auth_status", "GET /auth/status")
                                    .text("auth_info", "GET /auth/info")
                                    .str();
  return envelope("Authentication information",
                  JsonObject()
                      .text("message", "This sandbox is protected by tokens.")
                      .text("instructions",
                            "Send `Authorization: Bearer <token>` with the sandbox's access token or a session token. "
                            "Browsers log in by a magic link, WebSockets by the query parameter `token`.")
                      .raw("endpoints", endpoints)
                      .str());
}

}  // namespace

void addAuthRoutes(serving::Router& router, Context& context) {
  const auto state = authStateFor(context);
  if (context.isMain()) {
    context.shared().authenticate = [state, &context](const serving::Request& request) -> Identity {
      TokenHolder holder = state->tokens.identify(presentedToken(request, context.baseUrl()).value_or(""));
      if (holder.kind != TokenKind::session) return {holder.kind, {}};
      return {holder.kind, std::move(holder.tokenId), holder.expiresAt};
    };
  }
  using serving::Request;
  router.on("POST", "/auth/session_tokens", [state](const Request& request) { return createToken(*state, request); });
  router.on("GET", "/auth/session_tokens", [state](const Request& request) { return listTokens(*state, request); });
  router.on("GET", "/auth/session_tokens/:id", [state](const Request& request) { return getToken(*state, request); });
  router.on("DELETE", "/auth/session_tokens/:id",
            [state, &context](const Request& request) { return revokeToken(*state, context, request); });
  router.on("POST", "/auth/magic-links",
            [state, &context](const Request& request) { return createLink(*state, context, request); });
  router
      .on("GET", "/auth/magic/:code",
          [state, &context](const Request& request) { return followLink(*state, context, request); })
      .open()
      .bodyLimit(kOpenBody);
  // Programs that look at links before people follow them ask by HEAD: that must not use the link up.
  router.on("HEAD", "/auth/magic/:code", [](const Request&) { return serving::Response::noContent(); })
      .open()
      .bodyLimit(kOpenBody);
  router
      .on("GET", "/auth/status",
          [state, &context](const Request& request) { return authStatus(*state, context, request); })
      .open()
      .bodyLimit(kOpenBody);
  router.on("GET", "/auth/info", authInfo).open().bodyLimit(kOpenBody);
}

}  // namespace computesdk::sandboxd
