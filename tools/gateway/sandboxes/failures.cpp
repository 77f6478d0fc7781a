#include "sandboxes/failures.hpp"

#include "core/json.hpp"

namespace computesdk::gateway {
namespace {

ErrorInfo failure(ErrorCode code, std::string what, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = code;
  error.what = std::move(what);
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

}  // namespace

ErrorInfo badRequest(std::string why) {
  return failure(ErrorCode::invalidArgument, "the request cannot be used", std::move(why), {});
}

ErrorInfo sandboxMissing(std::string_view id) {
  ErrorInfo error = failure(ErrorCode::notFound, "there is no sandbox " + std::string(id.substr(0, 80)),
                            "it never was, it ended, or it belongs to another workspace", {});
  return error;
}

ErrorInfo snapshotMissing(std::string_view id) {
  return failure(ErrorCode::notFound, "there is no snapshot " + std::string(id.substr(0, 80)),
                 "it never was, it was deleted, or it belongs to another workspace", {});
}

ErrorInfo stillCreating(std::string_view id) {
  ErrorInfo error = failure(ErrorCode::unavailable, "sandbox " + std::string(id) + " is not ready",
                            "it is still being made", "ask again in a moment");
  error.retryable = true;
  error.retryAfter = std::chrono::seconds(1);
  return error;
}

ErrorInfo credentialsNeeded(const SandboxRecord& record) {
  ErrorInfo error = failure(ErrorCode::authMissing, "cannot ask " + record.provider + " about sandbox " + record.id,
                            "it was made with credentials that came with a request, and these are kept in memory alone",
                            "ask for the sandbox once by its id, with the provider's credential headers");
  error.provider = record.provider;
  error.sandboxId = record.id;
  return error;
}

ErrorInfo portsUnsupported(std::string_view provider) {
  ErrorInfo error = failure(ErrorCode::unsupported, "Provider '" + std::string(provider) + "' does not support ports.",
                            "it gives no way to reach a port of a sandbox from outside", {});
  error.provider = provider;
  return error;
}

int statusOf(const ErrorInfo& error, bool missingIsTheSandbox) {
  switch (error.code) {
    case ErrorCode::notFound:
    case ErrorCode::sandboxGone: return missingIsTheSandbox ? 404 : 400;
    case ErrorCode::fileNotFound:
    case ErrorCode::authMissing:
    case ErrorCode::authFormat: return 400;
    case ErrorCode::authRejected: return 502;
    case ErrorCode::cancelled:
    case ErrorCode::store: return 503;
    default: return httpStatus(error.code);
  }
}

std::string failureBody(const ErrorInfo& error) {
  JsonWriter json;
  json.beginObject().field("success", false).field("error", error.firstLine());
  json.field("code", wireName(error.code)).optionalField("why", error.why).optionalField("fix", error.fix);
  json.optionalField("provider", error.provider).optionalField("sandbox_id", error.sandboxId);
  json.optionalField("request_id", error.requestId).field("retryable", error.retryable);
  if (error.retryAfter.count() > 0) json.field("retry_after_ms", std::int64_t{error.retryAfter.count()});
  return json.endObject().text();
}

}  // namespace computesdk::gateway
