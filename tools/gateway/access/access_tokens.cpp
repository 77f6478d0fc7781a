#include "access/access_tokens.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "core/json.hpp"

namespace computesdk::gateway {
namespace {

constexpr std::size_t kMaxToken = 4096;

std::int64_t seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

struct Parts {
  std::string_view header, payload, signature, signedText;
};

std::optional<Parts> split(std::string_view token) {
  if (token.size() > kMaxToken) return std::nullopt;
  const std::size_t first = token.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
               token.substr(0, second)};
}

std::optional<JsonDocument> decodeObject(std::string_view part) {
  auto text = fromBase64Url(part);
  if (!text) return std::nullopt;
  auto parsed = parseJson(*text);
  if (!parsed || !parsed->IsObject()) return std::nullopt;
  return std::move(*parsed);
}

std::optional<std::int64_t> wholeNumber(const JsonDocument& object, const char* key) {
  const auto found = object.FindMember(key);
  if (found == object.MemberEnd() || !found->value.IsInt64()) return std::nullopt;
  return found->value.GetInt64();
}

bool isText(const JsonDocument& object, const char* key, std::string_view wanted) {
  const auto found = object.FindMember(key);
  return found != object.MemberEnd() && found->value.IsString() && constantTimeEquals(textOf(found->value), wanted);
}

}  // namespace

std::string_view toString(TokenVerdict verdict) noexcept {
  constexpr std::array<std::string_view, 9> kTexts = {
      "good",           "not a token",   "wrong algorithm", "wrong signature", "wrong issuer",
      "wrong audience", "wrong sandbox", "expired",         "not yet valid"};
  return kTexts[static_cast<std::size_t>(verdict)];
}

std::string AccessTokens::issue(std::string_view sandboxId, std::chrono::system_clock::time_point now) const {
  JsonWriter claims;
  claims.beginObject().field("iss", rules_.issuer).field("aud", rules_.audience).field("sub", sandboxId);
  claims.field("iat", seconds(now)).field("nbf", seconds(now)).field("exp", seconds(now + rules_.lifetime));
  claims.field("jti", randomHex(8)).endObject();
  std::string token = base64Url(R"({"alg":"ES256","typ":"JWT"})") + "." + base64Url(claims.text());
  const std::string signature = key_.sign(token);
  return token + "." + base64Url(signature);
}

TokenVerdict AccessTokens::check(std::string_view token, std::string_view sandboxId,
                                 std::chrono::system_clock::time_point now) const {
  const auto parts = split(token);
  if (!parts) return TokenVerdict::malformed;
  const auto header = decodeObject(parts->header);
  if (!header) return TokenVerdict::malformed;
  // The algorithm is ours to choose: a token that names another one, "none" above all, is refused unread.
  if (!isText(*header, "alg", "ES256")) return TokenVerdict::wrongAlgorithm;
  const auto signature = fromBase64Url(parts->signature);
  if (!signature || !key_.verify(parts->signedText, *signature)) return TokenVerdict::wrongSignature;
  const auto claims = decodeObject(parts->payload);
  if (!claims) return TokenVerdict::malformed;
  if (!isText(*claims, "iss", rules_.issuer)) return TokenVerdict::wrongIssuer;
  if (!isText(*claims, "aud", rules_.audience)) return TokenVerdict::wrongAudience;
  if (!isText(*claims, "sub", sandboxId)) return TokenVerdict::wrongSubject;
  const auto expires = wholeNumber(*claims, "exp");
  const auto begins = wholeNumber(*claims, "nbf");
  if (!expires || !begins) return TokenVerdict::malformed;
  if (seconds(now - rules_.leeway) >= *expires) return TokenVerdict::expired;
  if (seconds(now + rules_.leeway) < *begins) return TokenVerdict::notYetValid;
  return TokenVerdict::good;
}

bool AccessTokens::looksLikeToken(std::string_view text) noexcept {
  return text.starts_with("eyJ") && std::ranges::count(text, '.') == 2;
}

}  // namespace computesdk::gateway
