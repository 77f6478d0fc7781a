#include "providers/carriers.hpp"

#include <algorithm>
#include <array>

namespace computesdk::gateway {
namespace {

constexpr std::array<std::string_view, 20> kCarriers = {
    "e2b",         "railway",   "daytona", "modal",      "runloop",   "vercel",     "cloudflare",
    "codesandbox", "blaxel",    "render",  "hopx",       "namespace", "beam",       "sprites",
    "agentuity",   "freestyle", "upstash", "computesdk", "just-bash", "secure-exec"};

// Two spellings of one key are two lines; the first that is there counts.
constexpr std::array<CredentialHeader, 36> kHeaders = {{
    {"x-e2b-api-key", "e2b", "api_key"},
    {"x-railway-api-key", "railway", "api_token"},
    {"x-railway-api-token", "railway", "api_token"},
    {"x-railway-project-id", "railway", "project_id"},
    {"x-railway-environment-id", "railway", "environment_id"},
    {"x-daytona-api-key", "daytona", "api_key"},
    {"x-modal-token-id", "modal", "token_id"},
    {"x-modal-token-secret", "modal", "token_secret"},
    {"x-runloop-api-key", "runloop", "api_key"},
    {"x-vercel-token", "vercel", "token"},
    {"x-vercel-team-id", "vercel", "team_id"},
    {"x-vercel-project-id", "vercel", "project_id"},
    {"x-vercel-oidc-token", "vercel", "oidc_token"},
    {"x-cloudflare-api-token", "cloudflare", "api_token"},
    {"x-cloudflare-account-id", "cloudflare", "account_id"},
    {"x-cloudflare-sandbox-url", "cloudflare", "sandbox_url", true},
    {"x-cloudflare-sandbox-secret", "cloudflare", "sandbox_secret"},
    {"x-codesandbox-api-key", "codesandbox", "api_key"},
    {"x-csb-api-key", "codesandbox", "api_key"},
    {"x-blaxel-api-key", "blaxel", "api_key"},
    {"x-bl-api-key", "blaxel", "api_key"},
    {"x-blaxel-workspace", "blaxel", "workspace"},
    {"x-bl-workspace", "blaxel", "workspace"},
    {"x-render-api-key", "render", "api_key"},
    {"x-render-owner-id", "render", "owner_id"},
    {"x-namespace-token", "namespace", "token"},
    {"x-hopx-api-key", "hopx", "api_key"},
    {"x-beam-token", "beam", "token"},
    {"x-beam-workspace-id", "beam", "workspace_id"},
    {"x-sprites-token", "sprites", "api_key"},
    {"x-agentuity-sdk-key", "agentuity", "api_key"},
    {"x-freestyle-api-key", "freestyle", "api_key"},
    {"x-upstash-box-api-key", "upstash", "api_key"},
    {"x-computesdk-api-key", "", ""},
    {"x-provider", "", ""},
    {"x-computesdk-provider", "", ""},
}};

std::string headerOfKey(std::string_view provider, std::string_view key) {
  std::string name = "x-" + std::string(provider) + "-" + std::string(key);
  std::ranges::replace(name, '_', '-');
  return name;
}

}  // namespace

std::span<const std::string_view> carrierNames() noexcept { return kCarriers; }
bool isCarrier(std::string_view name) noexcept { return std::ranges::find(kCarriers, name) != kCarriers.end(); }
std::span<const CredentialHeader> credentialHeaders() noexcept { return kHeaders; }

bool isPrivateHeader(std::string_view lowerName) noexcept {
  return std::ranges::any_of(kHeaders, [&](const CredentialHeader& each) { return each.header == lowerName; });
}

Result<OptionMap> credentialsFrom(const HeaderLookup& headers, std::string_view provider,
                                  std::span<const std::string> secretKeys, bool takeAddresses) {
  OptionMap found;
  for (const CredentialHeader& each : kHeaders) {
    if (each.provider != provider) continue;
    const std::string_view value = headers(each.header);
    if (value.empty()) continue;
    if (each.address && !takeAddresses) {
      ErrorInfo error;
      error.code = ErrorCode::policy;
      error.provider = provider;
      error.what = "cannot use the header " + std::string(each.header);
      error.why = "this gateway calls no addresses that its clients give";
      error.fix = "set it on the gateway, in [options." + std::string(provider) + "], or allow it: client_urls = true";
      return error;
    }
    found.try_emplace(std::string(each.key), std::string(value));
  }
  for (const std::string& key : secretKeys) {
    const std::string_view value = headers(headerOfKey(provider, key));
    if (!value.empty()) found.try_emplace(key, std::string(value));
  }
  return found;
}

Result<std::string> resolveProvider(const ProviderChoice& choice) {
  const std::string& asked = !choice.body.empty() ? choice.body : choice.header;
  if (!choice.body.empty()) {
    if (choice.loaded(choice.body)) return choice.body;
  } else {
    const std::string name = choice.header.empty() ? "computesdk" : choice.header;
    if (choice.loaded(name) && !(choice.standIns && isCarrier(name))) return name;
    if (const auto alias = choice.aliases.find(name); alias != choice.aliases.end()) return alias->second;
    if (isCarrier(name)) return choice.fallback;
  }
  ErrorInfo error;
  error.code = ErrorCode::unknownProvider;
  error.what = "Unknown provider: " + asked;
  std::string names;
  for (const std::string& each : choice.loadedNames) names += (names.empty() ? "" : ", ") + each;
  error.why = "this gateway has " + (names.empty() ? "none" : names);
  error.fix = "name one of these, or give the name an alias in the gateway's provider_aliases";
  return error;
}

}  // namespace computesdk::gateway
