#include "vercel/settings.hpp"

#include "common/settings.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace computesdk::vercel {
namespace {

using plugin::Error;
using vendor::Answer;
using vendor::Failure;

/// Seconds since 1970 that every clock can tell.
constexpr std::int64_t kNever = std::int64_t{1} << 32;

Error missing(const char* what, const char* variable, const char* where) {
  Error error(CSDK_UNAUTHENTICATED, std::string("Vercel's ") + what + " is not configured");
  return error.errorClass(CSDK_ERROR_CREDENTIAL_MISSING)
      .fix(std::string("export ") + variable + "=… (" + where +
           "), or VERCEL_OIDC_TOKEN in place of all three (vercel env pull)");
}

/// What an answer means beyond its status.
void refine(const Answer& answer, Failure& failure) {
  const std::string_view code = failure.vendorCode;
  if (code == "sandbox_stopped" || code == "sandbox_stopping" || code == "sandbox_snapshotting") {
    failure.is(CSDK_FAILED_PRECONDITION, CSDK_ERROR_STOPPED);
    failure.fix = "sandbox.resume() wakes it; so does the next command that is run in it";
  }
  if (code == "snapshot_not_found") {
    failure.is(CSDK_NOT_FOUND);
    failure.fix = "look for one that is there: computesdk snapshot ls --provider vercel";
  }
  if (code == "file_exists") failure.is(CSDK_ALREADY_EXISTS);
  // A token that is not valid any more is a 403 here; a wrong team or project too.
  if (answer.status == 403 && code != "permission_denied") {
    failure.is(CSDK_UNAUTHENTICATED, CSDK_ERROR_CREDENTIAL_REFUSED);
  }
  if (answer.status == 402) {
    failure.is(CSDK_PERMISSION_DENIED, CSDK_ERROR_PLAN).fix =
        "see what the team's plan has: https://vercel.com/pricing";
  }
  if (answer.status == 429 && failure.says("limit") && failure.says("concurrent"))
    failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_QUOTA).retryable = false;
  if (failure.errorClass == CSDK_ERROR_QUOTA) {
    failure.fix =
        "destroy sandboxes that are not needed (computesdk ls --provider vercel), or see https://vercel.com/pricing";
  }
}

}  // namespace

Settings Settings::of(const plugin::Options& config) {
  Settings settings;
  const auto given = [&](std::string_view key) { return std::string(config.text(key).value_or("")); };
  settings.baseUrl = vendor::urlSetting(config, "base_url", "VERCEL_SANDBOX_BASE_URL", "https://vercel.com/api");
  if (settings.baseUrl.empty()) settings.baseUrl = "https://vercel.com/api";
  settings.deleteSnapshots = vendor::lowerCase(given("delete_snapshots")) == "true";
  if (!given("oidc_token").empty()) {
    settings.secret = "oidc_token";
    settings.team = given("oidc_team");
    settings.project = given("oidc_project");
    if (settings.team.empty() || settings.project.empty()) {
      throw Error(CSDK_UNAUTHENTICATED, "VERCEL_OIDC_TOKEN names no team and project: it is not the token of a project")
          .errorClass(CSDK_ERROR_CREDENTIAL_FORMAT)
          .fix("get a new one: vercel env pull");
    }
    std::int64_t expires = INT64_MAX;
    const std::string ends = given("oidc_expires");
    std::from_chars(ends.data(), ends.data() + ends.size(), expires);
    if (std::chrono::system_clock::now().time_since_epoch() >= std::chrono::seconds(std::min(expires, kNever))) {
      throw Error(CSDK_UNAUTHENTICATED, "VERCEL_OIDC_TOKEN has expired")
          .errorClass(CSDK_ERROR_CREDENTIAL_REFUSED)
          .fix("get a new one, which lasts some hours: vercel env pull");
    }
    return settings;
  }
  settings.secret = "token";
  settings.team = given("team_id");
  settings.project = given("project_id");
  if (given("token").empty()) {
    throw missing("authentication", "VERCEL_TOKEN", "https://vercel.com/account/settings/tokens");
  }
  if (settings.team.empty()) throw missing("team", "VERCEL_TEAM_ID", "in the settings of the team");
  if (settings.project.empty()) throw missing("project", "VERCEL_PROJECT_ID", "in the settings of the project");
  return settings;
}

std::string Settings::path(std::string_view path, vendor::Query query) const {
  return query.add("teamId", team).on(path);
}

std::string Settings::sandboxPath(std::string_view name, vendor::Query query) const {
  query.add("projectId", project);
  return path("/v2/sandboxes/" + vendor::pathSegment(name), query);
}

vendor::Api controlPlane(const Settings& settings) {
  vendor::Api::Settings api;
  api.title = kTitle;
  api.baseUrl = settings.baseUrl;
  api.userAgent = "computesdk-cpp-vercel/" CSDK_VERCEL_VERSION;
  api.secretHeaders = {{"Authorization", "Bearer ${" + std::string(settings.secret) + "}"}};
  api.keyFix = settings.secret == "token"
                   ? "check VERCEL_TOKEN (https://vercel.com/account/settings/tokens), and that VERCEL_TEAM_ID and "
                     "VERCEL_PROJECT_ID belong to it"
                   : "VERCEL_OIDC_TOKEN may have expired, it lasts some hours: get a new one with vercel env pull";
  api.refine = refine;
  return vendor::Api(std::move(api));
}

}  // namespace computesdk::vercel
