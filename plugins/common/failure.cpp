#include "common/failure.hpp"

#include "common/json.hpp"
#include "common/text.hpp"
#include "common/time.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>

namespace computesdk::vendor {
namespace {

constexpr std::size_t kMessageMax = 400;
constexpr std::size_t kRawMax = 4096;
constexpr std::size_t kCodeMax = 80;
constexpr std::int64_t kRetryAfterMax = std::int64_t{24} * 3600 * 1000;

struct Meaning {
  int http;
  csdk_status status;
  std::uint32_t errorClass;
  std::string_view words;
};

constexpr std::array kMeanings = {
    Meaning{400, CSDK_INVALID_ARGUMENT, CSDK_ERROR_PLAIN, "Bad Request"},
    Meaning{401, CSDK_UNAUTHENTICATED, CSDK_ERROR_CREDENTIAL_REFUSED, "Unauthorized"},
    Meaning{402, CSDK_PERMISSION_DENIED, CSDK_ERROR_PLAN, "Payment Required"},
    Meaning{403, CSDK_PERMISSION_DENIED, CSDK_ERROR_PLAIN, "Forbidden"},
    Meaning{404, CSDK_NOT_FOUND, CSDK_ERROR_PLAIN, "Not Found"},
    Meaning{405, CSDK_UNIMPLEMENTED, CSDK_ERROR_PLAIN, "Method Not Allowed"},
    Meaning{408, CSDK_DEADLINE_EXCEEDED, CSDK_ERROR_PLAIN, "Request Timeout"},
    Meaning{409, CSDK_ABORTED, CSDK_ERROR_PLAIN, "Conflict"},
    Meaning{410, CSDK_NOT_FOUND, CSDK_ERROR_GONE, "Gone"},
    Meaning{413, CSDK_OUT_OF_RANGE, CSDK_ERROR_PLAIN, "Content Too Large"},
    Meaning{422, CSDK_INVALID_ARGUMENT, CSDK_ERROR_PLAIN, "Unprocessable Content"},
    Meaning{429, CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_RATE_LIMIT, "Too Many Requests"},
    Meaning{500, CSDK_UNAVAILABLE, CSDK_ERROR_PLAIN, "Internal Server Error"},
    Meaning{501, CSDK_UNIMPLEMENTED, CSDK_ERROR_PLAIN, "Not Implemented"},
    Meaning{502, CSDK_UNAVAILABLE, CSDK_ERROR_PLAIN, "Bad Gateway"},
    Meaning{503, CSDK_UNAVAILABLE, CSDK_ERROR_PLAIN, "Service Unavailable"},
    Meaning{504, CSDK_UNAVAILABLE, CSDK_ERROR_PLAIN, "Gateway Timeout"},
    Meaning{507, CSDK_RESOURCE_EXHAUSTED, CSDK_ERROR_DISK_FULL, "Insufficient Storage"},
};

Meaning meaningOf(int status) {
  const auto found =
      std::find_if(kMeanings.begin(), kMeanings.end(), [&](const Meaning& m) { return m.http == status; });
  if (found != kMeanings.end()) return *found;
  if (status >= 500) return {status, CSDK_UNAVAILABLE, CSDK_ERROR_PLAIN, ""};
  if (status >= 400) return {status, CSDK_INVALID_ARGUMENT, CSDK_ERROR_PLAIN, ""};
  // A redirect, or a success where none was possible.
  return {status, CSDK_UNAVAILABLE, CSDK_ERROR_PROTOCOL, ""};
}

std::string scalar(Json value) {
  if (const auto text = value.asText()) return std::string(*text);
  if (const auto number = value.asInteger()) return std::to_string(*number);
  return {};
}

/// Never throws: an error's body may be anything.
void readBody(const std::string& body, Failure& failure) {
  const auto document = JsonDocument::tryParse(body);
  if (!document || !document->root().isObject()) return;
  const Json root = document->root();
  const Json error = root["error"];
  for (const Json from : {root, error}) {
    if (!from.isObject()) continue;
    if (failure.vendorText.empty()) failure.vendorText = scalar(from["message"]);
    // A word says more than a number that repeats the status.
    for (const char* key : {"error_code", "code"}) {
      const std::string code = scalar(from[key]);
      if (!code.empty() && code != std::to_string(failure.httpStatus)) failure.vendorCode = code;
    }
  }
  if (failure.vendorText.empty()) failure.vendorText = scalar(error);
  failure.vendorText = oneLine(failure.vendorText, kMessageMax);
  failure.vendorCode = oneLine(failure.vendorCode, kCodeMax);
}

std::string_view requestIdOf(const Answer& answer) {
  for (const std::string_view name : {"x-request-id", "request-id", "x-vercel-id", "x-amzn-requestid", "cf-ray"}) {
    if (const std::string_view id = answer.header(name); !id.empty()) return id;
  }
  return {};
}

void replaceAll(std::string& text, std::string_view what) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 3)) {
    text.replace(at, what.size(), "***");
  }
}

std::optional<std::int64_t> digits(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

}  // namespace

std::string_view Answer::header(std::string_view lowerName) const noexcept {
  for (const auto& [name, value] : headers) {
    if (name == lowerName) return value;
  }
  return {};
}

bool Failure::says(std::string_view lowerWords) const { return containsNoCase(vendorText, lowerWords); }

plugin::Error Failure::error() const {
  plugin::Error error(status, message);
  error.errorClass(errorClass).fix(fix).vendorCode(vendorCode).raw(raw).requestId(requestId).httpStatus(httpStatus);
  if (retryAfterMs > 0) error.retryAfter(std::chrono::milliseconds(retryAfterMs));
  if (retryable) error.retryable();
  if (maybeApplied) error.maybeApplied();
  return error;
}

std::int64_t retryAfterOf(const Answer& answer, std::int64_t nowMs) {
  if (const auto ms = digits(answer.header("retry-after-ms"))) return std::min(*ms, kRetryAfterMax);
  const std::string_view text = answer.header("retry-after");
  if (const auto seconds = digits(text)) return std::min(*seconds, kRetryAfterMax / 1000) * 1000;
  if (const auto date = parseHttpDate(text)) return std::clamp<std::int64_t>(*date - nowMs, 0, kRetryAfterMax);
  return 0;
}

Failure failureOf(std::string_view vendorTitle, const Answer& answer, std::int64_t nowMs) {
  const Meaning meaning = meaningOf(answer.status);
  Failure failure;
  failure.is(meaning.status, meaning.errorClass);
  failure.httpStatus = answer.status;
  readBody(answer.body, failure);
  failure.raw = answer.body.substr(0, kRawMax);
  failure.requestId = oneLine(requestIdOf(answer), kCodeMax);
  failure.retryAfterMs = retryAfterOf(answer, nowMs);
  if (answer.status == 429 && failure.retryAfterMs == 0 &&
      (containsNoCase(failure.vendorText, "quota") || containsNoCase(failure.vendorText, "concurrent"))) {
    failure.errorClass = CSDK_ERROR_QUOTA;
  }
  failure.retryable = failure.errorClass == CSDK_ERROR_RATE_LIMIT || answer.status == 503;
  failure.message = std::string(vendorTitle) + " answered " + std::to_string(answer.status);
  if (!meaning.words.empty()) failure.message += " " + std::string(meaning.words);
  if (!failure.vendorText.empty()) failure.message += ": " + failure.vendorText;
  return failure;
}

void hide(Failure& failure, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    if (secret.size() < 4) continue;
    for (std::string* text :
         {&failure.message, &failure.fix, &failure.vendorText, &failure.vendorCode, &failure.raw, &failure.requestId}) {
      replaceAll(*text, secret);
    }
  }
}

bool mayHaveApplied(const plugin::Error& error) noexcept {
  const csdk_error described = error.abi();
  return (described.flags & CSDK_ERROR_MAYBE_APPLIED) != 0 || error.status() == CSDK_CANCELLED ||
         error.status() == CSDK_DEADLINE_EXCEEDED || described.error_class == CSDK_ERROR_PROTOCOL;
}

plugin::Error goneError(std::string_view vendorTitle, std::string_view id) {
  plugin::Error error(CSDK_NOT_FOUND, std::string(vendorTitle) + " has no sandbox " + oneLine(id, 80));
  error.errorClass(CSDK_ERROR_GONE);
  return error;
}

}  // namespace computesdk::vendor
