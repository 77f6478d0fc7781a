#include "runloop/settings.hpp"

#include "common/settings.hpp"
#include "common/text.hpp"

#include <algorithm>

namespace computesdk::runloop {
namespace {

using plugin::Error;
using vendor::Answer;
using vendor::Failure;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool isHeaderName(std::string_view name) {
  const auto allowed = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), allowed);
}

/// As Runloop's own client reads them: a line without a colon is skipped.
vendor::Headers headersOf(std::string_view lines) {
  vendor::Headers headers;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trimmed(line.substr(0, colon)), value = trimmed(line.substr(colon + 1));
    const bool printable =
        std::none_of(value.begin(), value.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
    if (!isHeaderName(name) || !printable) {
      throw Error(CSDK_INVALID_ARGUMENT, "RUNLOOP_CUSTOM_HEADERS has a line that is no header")
          .fix("write one header a line, as in 'X-Team: blue'");
    }
    if (vendor::lowerCase(name) == "authorization") {
      throw Error(CSDK_INVALID_ARGUMENT, "RUNLOOP_CUSTOM_HEADERS must not hold the header Authorization")
          .fix("put the key into RUNLOOP_API_KEY");
    }
    headers.emplace_back(name, value);
  }
  return headers;
}

/// What a failure means beyond its status.
void refine(const Answer& answer, Failure& failure) {
  const bool aboutALimit = failure.says("quota") || failure.says("limit") || failure.says("concurrent");
  if ((answer.status == 402 || answer.status == 403) && aboutALimit) {
    failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_QUOTA);
  }
  if (answer.status == 429 && failure.says("concurrent")) {
    failure.is(CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_QUOTA).retryable = false;
  }
  if (failure.errorClass == CSDK_ERROR_QUOTA) {
    failure.fix =
        "destroy devboxes that are not needed (computesdk ls --provider runloop), or ask Runloop for a higher limit";
  }
  const std::string_view shouldRetry = answer.header("x-should-retry");
  if (shouldRetry == "true") failure.retryable = true;
  if (shouldRetry == "false") failure.retryable = false;
}

}  // namespace

Settings Settings::of(const plugin::Options& config) {
  Settings settings;
  settings.baseUrl = vendor::urlSetting(config, "base_url", "RUNLOOP_BASE_URL", "https://api.runloop.ai");
  if (settings.baseUrl.empty()) settings.baseUrl = "https://api.runloop.ai";
  settings.headers = headersOf(config.text("custom_headers").value_or(""));
  // Never sent from here; whoever opens the provider without a key learns it now and not at the first request.
  config.require("api_key", true);
  return settings;
}

std::string Settings::tunnelDomain() const {
  std::string_view host = vendor::hostOf(baseUrl);
  if (!host.starts_with('[')) host = host.substr(0, host.rfind(':'));
  if (host.starts_with("api.")) host.remove_prefix(4);
  return "tunnel." + std::string(host);
}

vendor::Api apiOf(const Settings& settings) {
  vendor::Api::Settings api;
  api.title = kTitle;
  api.baseUrl = settings.baseUrl;
  api.userAgent = "computesdk-cpp-runloop/" CSDK_RUNLOOP_VERSION;
  api.headers = settings.headers;
  api.headers.emplace_back("Accept", "application/json");
  api.secretHeaders = {{"Authorization", "Bearer ${api_key}"}};
  api.keyFix = "check RUNLOOP_API_KEY: https://platform.runloop.ai/settings";
  api.refine = refine;
  return vendor::Api(std::move(api));
}

}  // namespace computesdk::runloop
