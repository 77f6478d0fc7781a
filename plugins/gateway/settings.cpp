#include "gateway/settings.hpp"

#include "common/text.hpp"

#include <array>

namespace computesdk::gateway {
namespace {

using plugin::Error;

/// Which secret goes into which header, for each provider that a gateway carries.
struct Credential {
  std::string_view carrier, key;
  const char* header;
};
constexpr std::array kCredentials = std::to_array<Credential>({
    {"e2b", "e2b_api_key", "X-E2B-API-Key"},
    {"railway", "railway_api_key", "X-Railway-API-Key"},
    {"railway", "railway_project_id", "X-Railway-Project-ID"},
    {"railway", "railway_environment_id", "X-Railway-Environment-ID"},
    {"daytona", "daytona_api_key", "X-Daytona-API-Key"},
    {"modal", "modal_token_id", "X-Modal-Token-Id"},
    {"modal", "modal_token_secret", "X-Modal-Token-Secret"},
    {"runloop", "runloop_api_key", "X-Runloop-API-Key"},
    {"vercel", "vercel_token", "X-Vercel-Token"},
    {"vercel", "vercel_team_id", "X-Vercel-Team-Id"},
    {"vercel", "vercel_project_id", "X-Vercel-Project-Id"},
    {"cloudflare", "cloudflare_api_token", "X-Cloudflare-API-Token"},
    {"cloudflare", "cloudflare_account_id", "X-Cloudflare-Account-Id"},
    {"codesandbox", "csb_api_key", "X-CodeSandbox-API-Key"},
    {"blaxel", "bl_api_key", "X-Blaxel-API-Key"},
    {"blaxel", "bl_workspace", "X-Blaxel-Workspace"},
});

void refine(const vendor::Answer& answer, vendor::Failure& failure) {
  if (answer.status == 501) failure.is(CSDK_UNIMPLEMENTED);
}

}  // namespace

vendor::Api control(const plugin::Options& config) {
  vendor::Api::Settings api;
  api.title = kTitle;
  api.baseUrl = vendor::withoutTrailingSlash(config.text("gateway_url").value_or(""));
  if (api.baseUrl.empty()) api.baseUrl = vendor::withoutTrailingSlash(config.text("tributary_url").value_or(""));
  const bool hasScheme = api.baseUrl.starts_with("https://") || api.baseUrl.starts_with("http://");
  if (!hasScheme || vendor::hostOf(api.baseUrl).empty()) {
    throw Error(CSDK_INVALID_ARGUMENT, "Invalid gateway URL: \"" + vendor::oneLine(api.baseUrl, 200) + "\"")
        .fix("export COMPUTESDK_GATEWAY_URL=https://gateway.example.com");
  }
  config.require("api_key", true);
  std::string carrier = vendor::lowerCase(config.text("carrier").value_or(""));
  if (carrier.empty() || carrier == "gateway") carrier = "computesdk";
  api.userAgent = "computesdk-cpp-gateway/" CSDK_GATEWAY_VERSION;
  api.headers = {{"X-Provider", carrier}};
  api.secretHeaders = {{"X-ComputeSDK-API-Key", "${api_key}"}};
  for (const Credential& one : kCredentials) {
    if (one.carrier != carrier || config.find(one.key) == nullptr) continue;
    api.secretHeaders.emplace_back(one.header, "${" + std::string(one.key) + "}");
  }
  api.keyFix = "check COMPUTESDK_API_KEY: computesdk gateway key list";
  api.refine = refine;
  return vendor::Api(std::move(api));
}

}  // namespace computesdk::gateway
