#include "blaxel/settings.hpp"

#include "common/settings.hpp"
#include "common/text.hpp"

#include <algorithm>

namespace computesdk::blaxel {
namespace {

using plugin::Error;
using vendor::Answer;
using vendor::Failure;

constexpr const char* kKeyFix =
    "check BL_API_KEY (or BL_CLIENT_CREDENTIALS) and BL_WORKSPACE: https://app.blaxel.ai/profile/security";

/// A value that goes into a header or a path.
std::string wordOf(const plugin::Options& config, std::string_view key, const char* variable) {
  const std::string word(config.text(key).value_or(""));
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  if (word.size() <= 128 && std::all_of(word.begin(), word.end(), plain)) return word;
  throw Error(CSDK_INVALID_ARGUMENT, std::string(variable) + " has characters that it cannot have")
      .fix("give letters, digits, '-', '_' and '.'");
}

void refine(const Answer& answer, Failure& failure) {
  if (answer.status == 409) failure.is(CSDK_ALREADY_EXISTS);
  const auto says = [&](std::string_view words) { return failure.says(words); };
  const bool limit = says("quota") || says("limit reached") || says("limit exceeded") || says("maximum number");
  if (answer.status == 402 || ((answer.status == 403 || answer.status == 429) && limit)) {
    failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_QUOTA).retryable = false;
    failure.fix =
        "destroy sandboxes that are not needed (computesdk ls --provider blaxel), or see https://blaxel.ai/pricing";
  }
}

/// What the API of a sandbox says, in the words of the system that it runs on.
void refineSandbox(const Answer& answer, Failure& failure) {
  const auto says = [&](std::string_view words) { return failure.says(words); };
  if (answer.status == 409) failure.is(CSDK_FAILED_PRECONDITION);
  if (answer.status != 422 && answer.status != 500 && answer.status != 400 && answer.status != 507) return;
  if (says("permission denied") || says("read-only file system")) failure.is(CSDK_PERMISSION_DENIED);
  if (says("not a directory") || says("is a directory")) failure.is(CSDK_INVALID_ARGUMENT);
  if (says("no such file")) failure.is(CSDK_NOT_FOUND);
  if (says("not empty")) failure.is(CSDK_FAILED_PRECONDITION);
  if (says("no space left") || says("disk quota")) failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_DISK_FULL);
}

}  // namespace

Settings Settings::of(const plugin::Options& config) {
  Settings settings;
  settings.workspace = wordOf(config, "workspace", "BL_WORKSPACE");
  if (settings.workspace.empty()) {
    throw Error(CSDK_INVALID_ARGUMENT, "Blaxel's workspace is not configured").fix("export BL_WORKSPACE=NAME");
  }
  settings.hasKey = !config.text("api_key").value_or("").empty();
  if (!settings.hasKey && config.text("client_credentials").value_or("").empty()) {
    throw Error(CSDK_UNAUTHENTICATED, "neither BL_API_KEY nor BL_CLIENT_CREDENTIALS is configured")
        .errorClass(CSDK_ERROR_CREDENTIAL_MISSING)
        .fix("make a key at https://app.blaxel.ai/profile/security and export BL_API_KEY=bl_… BL_WORKSPACE=NAME");
  }
  const bool production = config.text("env").value_or("prod") == "prod";
  settings.apiUrl = vendor::urlSetting(config, "api_url", "BL_API_URL", "https://api.example.com/v0");
  if (settings.apiUrl.empty()) settings.apiUrl = production ? "https://api.blaxel.ai/v0" : "https://api.blaxel.dev/v0";
  settings.runUrl = vendor::urlSetting(config, "run_url", "BL_RUN_URL", "https://run.example.com");
  if (settings.runUrl.empty()) settings.runUrl = production ? "https://run.blaxel.ai" : "https://run.blaxel.dev";
  settings.apiVersion = wordOf(config, "api_version", "BL_API_VERSION");
  if (settings.apiVersion.empty()) settings.apiVersion = "2026-04-28";
  settings.region = wordOf(config, "region", "BL_REGION");
  settings.userAgent = "computesdk-cpp-blaxel/" CSDK_BLAXEL_VERSION;
  return settings;
}

vendor::Api::Settings Access::common(vendor::Session& session, std::string_view url) {
  vendor::Api::Settings api;
  api.title = kTitle;
  api.baseUrl = url;
  api.userAgent = settings_.userAgent;
  api.headers = {{"X-Blaxel-Workspace", settings_.workspace}, {"Blaxel-Version", settings_.apiVersion}};
  api.keyFix = kKeyFix;
  if (settings_.hasKey) {
    api.secretHeaders = {{"X-Blaxel-Authorization", "Bearer ${api_key}"}};
  } else {
    const std::string bearer = token(session);
    api.headers.emplace_back("X-Blaxel-Authorization", "Bearer " + bearer);
    api.hidden = {bearer};
  }
  return api;
}

vendor::Api Access::control(vendor::Session& session) {
  vendor::Api::Settings api = common(session, settings_.apiUrl);
  api.refine = refine;
  return vendor::Api(std::move(api));
}

vendor::Api Access::sandbox(vendor::Session& session, std::string_view url) {
  vendor::Api::Settings api = common(session, vendor::withoutTrailingSlash(url));
  api.title = "the sandbox";
  api.refine = refineSandbox;
  return vendor::Api(std::move(api));
}

std::string Access::token(vendor::Session& session) {
  const std::int64_t nowNs = session.call().nowNs();
  {
    const std::lock_guard lock(mutex_);
    if (!token_.empty() && nowNs < renewNs_) return token_;
  }
  vendor::Api::Settings settings;
  settings.title = kTitle;
  settings.baseUrl = settings_.apiUrl;
  settings.userAgent = settings_.userAgent;
  settings.secretHeaders = {{"Authorization", "Basic ${client_credentials}"}};
  settings.keyFix = kKeyFix;
  const vendor::Api api(std::move(settings));
  vendor::JsonValue body = vendor::JsonValue::object();
  body.set("grant_type", "client_credentials");
  vendor::Request request = api.post("/oauth/token", body);
  request.retry = vendor::Retry::idempotent;  // one token more does no harm
  const Answer answer = api.send(session, request);
  const vendor::JsonDocument made = api.json(answer, "the exchange of client credentials");
  const std::string token(made.root().text("access_token"));
  const std::int64_t lifeS = std::clamp<std::int64_t>(made.root().integerOr("expires_in", 600), 1, 86400);
  const std::lock_guard lock(mutex_);
  token_ = token;
  renewNs_ = nowNs + lifeS * 500 * vendor::kNsPerMs;
  return token;
}

}  // namespace computesdk::blaxel
