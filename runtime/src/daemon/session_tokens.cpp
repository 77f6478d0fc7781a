#include <computesdk/sandbox.hpp>
#include <computesdk/session_tokens.hpp>

#include "core/errors.hpp"
#include "daemon/collection.hpp"

namespace computesdk {

using detail::askFor;
using detail::DaemonCall;
using detail::JsonText;
using detail::JsonView;

namespace {

constexpr detail::Collection kTokens{"session token", "session tokens", "/auth/session_tokens", "tokens"};

/// The daemon writes single tokens in camel case and lists in snake case.
SessionToken tokenFrom(const JsonView& json) {
  const auto timeOf = [&](std::string_view camel, std::string_view snake) {
    return json[camel].present() ? json[camel].time() : json[snake].time();
  };
  SessionToken token;
  token.id = json.textOr("id");
  token.token = json.textOr("token");
  token.description = json.textOr("description");
  token.createdAt = timeOf("createdAt", "created_at");
  token.expiresAt = timeOf("expiresAt", "expires_at");
  token.lastUsedAt = timeOf("lastUsedAt", "last_used_at");
  return token;
}

}  // namespace

Result<SessionToken> SessionTokens::create(Nothrow, const SessionTokenOptions& options) {
  if (options.expiresIn.count() <= 0) {
    return detail::invalidArgument("cannot create a session token", "expiresIn is not positive",
                                   "give at least one second");
  }
  JsonText text;
  text.beginObject().memberIfAny("description", options.description);
  text.member("expiresIn", std::int64_t{options.expiresIn.count()}).endObject();
  return detail::createOne<SessionToken>(*sandbox_, kTokens, text.take(), options.stop, tokenFrom);
}

Result<std::vector<SessionToken>> SessionTokens::list(Nothrow, std::stop_token stop) {
  return detail::listAll<SessionToken>(*sandbox_, kTokens, std::move(stop), tokenFrom);
}

Result<SessionToken> SessionTokens::retrieve(Nothrow, std::string_view id, std::stop_token stop) {
  return detail::findOne<SessionToken>(*sandbox_, kTokens, id, std::move(stop), tokenFrom);
}

Result<void> SessionTokens::revoke(Nothrow, std::string_view id, std::stop_token stop) {
  return detail::tell(*sandbox_, {.what = "cannot revoke the session token",
                                  .method = "DELETE",
                                  .target = kTokens.pathOf(id),
                                  .stop = std::move(stop)});
}

Result<MagicLink> MagicLinks::create(Nothrow, std::string_view redirectUrl, std::stop_token stop) {
  JsonText text;
  text.beginObject().memberIfAny("redirectUrl", redirectUrl).endObject();
  const DaemonCall call{.what = "cannot create a magic link",
                        .method = "POST",
                        .target = "/auth/magic-links",
                        .body = text.take(),
                        .stop = std::move(stop)};
  return askFor<MagicLink>(*sandbox_, call, [](const JsonView& json) {
    MagicLink link;
    link.url = json.textOr("magic_url");
    link.expiresAt = json["expires_at"].time();
    link.redirectUrl = json.textOr("redirect_url");
    return link;
  });
}

SessionTokens Sandbox::sessionTokens() const { return SessionTokens(state_); }
MagicLinks Sandbox::magicLinks() const { return MagicLinks(state_); }

}  // namespace computesdk
