#include "e2b/settings.hpp"

#include "common/settings.hpp"
#include "common/text.hpp"

#include <algorithm>

namespace computesdk::e2b {
namespace {

using plugin::Error;
using vendor::Answer;
using vendor::Failure;

bool isLetterOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool isHost(std::string_view text) {
  const auto allowed = [](char c) { return isLetterOrDigit(c) || c == '.' || c == '-'; };
  return !text.empty() && text.size() <= 253 && isLetterOrDigit(text.front()) && isLetterOrDigit(text.back()) &&
         std::all_of(text.begin(), text.end(), allowed);
}

/// What E2B's own client accepts.
bool isSource(std::string_view text) {
  const auto allowed = [](char c) { return isLetterOrDigit(c) || c == '.' || c == '_' || c == '-'; };
  return text.size() <= 32 && isLetterOrDigit(text.front()) && std::all_of(text.begin(), text.end(), allowed);
}

/// What a failure of the control plane means beyond its status.
void refineControl(const Answer& answer, Failure& failure) {
  // "no capacity; nothing was changed"
  if (answer.status == 503) failure.maybeApplied = false;
  if (answer.status == 409) failure.is(CSDK_FAILED_PRECONDITION);
  if ((answer.status == 403 || answer.status == 402) && (failure.says("limit") || failure.says("quota"))) {
    failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_QUOTA);
  }
  const bool concurrency = failure.says("concurrent") || failure.says("maximum number");
  if (answer.status == 429 && concurrency) failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_QUOTA).retryable = false;
  if (failure.errorClass == CSDK_ERROR_QUOTA) {
    failure.fix =
        "destroy sandboxes that are not needed (computesdk ls --provider e2b), or see https://e2b.dev/pricing";
  }
}

}  // namespace

Settings Settings::of(const plugin::Options& config) {
  Settings settings;
  settings.domain = config.text("domain").value_or("e2b.app");
  if (!isHost(settings.domain)) {
    throw Error(CSDK_INVALID_ARGUMENT, "E2B_DOMAIN is not the name of a host")
        .fix("give it as in e2b.app, or unset it");
  }
  settings.apiUrl = vendor::urlSetting(config, "api_url", "E2B_API_URL", "https://api.example.com");
  settings.sandboxUrl = vendor::urlSetting(config, "sandbox_url", "E2B_SANDBOX_URL", "https://sandbox.example.com");
  settings.debug = vendor::lowerCase(config.text("debug").value_or("")) == "true";
  if (settings.debug && (settings.apiUrl.empty() || settings.sandboxUrl.empty())) {
    throw Error(CSDK_INVALID_ARGUMENT, "E2B_DEBUG is true, but where the sandbox is was not said")
        .fix("export E2B_API_URL=http://localhost:3000 E2B_SANDBOX_URL=http://localhost:49983, or unset E2B_DEBUG");
  }
  if (settings.apiUrl.empty()) settings.apiUrl = "https://api." + settings.domain;
  settings.userAgent = "computesdk-cpp-e2b/" CSDK_E2B_VERSION;
  if (const std::string_view source = config.text("user_agent_source").value_or(""); !source.empty()) {
    if (!isSource(source)) {
      throw Error(CSDK_INVALID_ARGUMENT, "E2B_USER_AGENT_SOURCE has characters that a user agent cannot hold")
          .fix("give up to 32 letters, digits, '.', '_' and '-'");
    }
    settings.userAgent += " source/" + std::string(source);
  }
  // Never sent from here; whoever opens the provider without a key learns it now and not at the first request.
  config.require("api_key", true);
  return settings;
}

vendor::Api controlPlane(const Settings& settings) {
  vendor::Api::Settings api;
  api.title = kTitle;
  api.baseUrl = settings.apiUrl;
  api.userAgent = settings.userAgent;
  api.secretHeaders = {{"X-API-KEY", "${api_key}"}};
  api.keyFix = "check E2B_API_KEY: https://e2b.dev/dashboard?tab=keys";
  api.refine = refineControl;
  return vendor::Api(std::move(api));
}

}  // namespace computesdk::e2b
