#include "daytona/settings.hpp"

#include "common/settings.hpp"

namespace computesdk::daytona {
namespace {

using plugin::Error;
using vendor::Answer;
using vendor::Failure;

/// What a failure of the control plane means beyond its status.
void refineApi(const Answer& answer, Failure& failure) {
  const auto says = [&](std::string_view words) { return failure.says(words); };
  if (answer.status == 409) failure.is(says("already exists") ? CSDK_ALREADY_EXISTS : CSDK_ABORTED);
  if (answer.status == 400 && (says("not started") || says("is the sandbox started"))) {
    failure.is(CSDK_FAILED_PRECONDITION, CSDK_ERROR_STOPPED);
  }
  const bool refused = answer.status == 400 || answer.status == 402 || answer.status == 403 || answer.status == 429;
  if (refused && (says("limit exceeded") || says("quota") || says("maximum allowed") || says("concurrent"))) {
    failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_QUOTA).retryable = false;
    failure.fix =
        "destroy sandboxes that are not needed (computesdk ls --provider daytona), or see "
        "https://app.daytona.io/dashboard/limits";
  }
  if (answer.status == 403 && (says("suspended") || says("credit"))) {
    failure.is(CSDK_PERMISSION_DENIED, CSDK_ERROR_PLAN).fix = "see https://app.daytona.io/dashboard/billing";
  }
}

}  // namespace

Settings Settings::of(const plugin::Options& config) {
  Settings settings;
  settings.apiUrl = vendor::urlSetting(config, "api_url", "DAYTONA_API_URL", "https://app.daytona.io/api");
  if (settings.apiUrl.empty()) settings.apiUrl = "https://app.daytona.io/api";
  // The host reads it: where the key may go.
  vendor::urlSetting(config, "toolbox_url", "DAYTONA_TOOLBOX_URL", "https://proxy.example.com/toolbox");
  settings.target = config.text("target").value_or("");
  settings.organization = config.text("organization_id").value_or("");
  for (const char c : settings.organization) {
    if (c <= 0x20 || c == 0x7f) {
      throw Error(CSDK_INVALID_ARGUMENT, "DAYTONA_ORGANIZATION_ID is no id of an organization")
          .fix("copy it from https://app.daytona.io/dashboard/settings");
    }
  }
  // A key wins over a token. Neither is ever seen here; whoever opens the provider without one learns it now.
  settings.byToken = config.text("api_key").value_or("").empty() && !config.text("jwt_token").value_or("").empty();
  if (!settings.byToken) config.require("api_key", true);
  if (settings.byToken && settings.organization.empty()) {
    throw Error(CSDK_UNAUTHENTICATED, "DAYTONA_JWT_TOKEN is there, but not the organization that it is used for")
        .errorClass(CSDK_ERROR_CREDENTIAL_MISSING)
        .fix("export DAYTONA_ORGANIZATION_ID, from https://app.daytona.io/dashboard/settings");
  }
  return settings;
}

vendor::Api::Settings apiSettings(const Settings& settings, std::string url) {
  vendor::Api::Settings api;
  api.baseUrl = std::move(url);
  api.userAgent = "computesdk-cpp-daytona/" CSDK_DAYTONA_VERSION;
  api.headers = {{"X-Daytona-Source", "computesdk-cpp"}, {"X-Daytona-SDK-Version", CSDK_DAYTONA_VERSION}};
  api.secretHeaders = {{"Authorization", settings.byToken ? "Bearer ${jwt_token}" : "Bearer ${api_key}"}};
  if (settings.byToken) api.headers.emplace_back("X-Daytona-Organization-ID", settings.organization);
  api.keyFix = settings.byToken ? "check DAYTONA_JWT_TOKEN, which may have expired, and DAYTONA_ORGANIZATION_ID"
                                : "check DAYTONA_API_KEY: https://app.daytona.io/dashboard/keys";
  return api;
}

vendor::Api controlPlane(const Settings& settings) {
  vendor::Api::Settings api = apiSettings(settings, settings.apiUrl);
  api.title = kTitle;
  api.refine = refineApi;
  return vendor::Api(std::move(api));
}

}  // namespace computesdk::daytona
