#include "errors.hpp"

#include "values/text.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

namespace computesdk::registry::host {
namespace {

constexpr std::array kByClass = {
    ErrorCode::internal,       ErrorCode::rateLimited, ErrorCode::quota,       ErrorCode::forbidden,
    ErrorCode::sandboxStopped, ErrorCode::sandboxGone, ErrorCode::authMissing, ErrorCode::authFormat,
    ErrorCode::authRejected,   ErrorCode::network,     ErrorCode::tls,         ErrorCode::protocol,
    ErrorCode::diskFull,       ErrorCode::isolation,   ErrorCode::limit,
};

bool onFiles(Op op) { return op >= Op::fsRead && op <= Op::fsRename; }

std::string whatOf(const CallSubject& subject) {
  std::string what = "cannot " + std::string(opInfo(subject.op).phrase);
  if (!subject.label.empty()) what += " (" + printable(subject.label, 200) + ")";
  return what + " on " + std::string(subject.provider);
}

std::string_view plainReason(csdk_status status) {
  switch (status) {
    case CSDK_CANCELLED: return "the call was cancelled";
    case CSDK_INVALID_ARGUMENT: return "the provider refused the arguments";
    case CSDK_DEADLINE_EXCEEDED: return "it took too long";
    case CSDK_NOT_FOUND: return "it does not exist";
    case CSDK_ALREADY_EXISTS: return "it exists already";
    case CSDK_PERMISSION_DENIED: return "permission was denied";
    case CSDK_RESOURCE_EXHAUSTED: return "a limit was reached";
    case CSDK_FAILED_PRECONDITION: return "its state does not allow it";
    case CSDK_ABORTED: return "something else changed it at the same time";
    case CSDK_OUT_OF_RANGE: return "a value is out of range";
    case CSDK_UNIMPLEMENTED: return "the provider does not support it";
    case CSDK_UNAVAILABLE: return "the provider is not available";
    case CSDK_DATA_LOSS: return "data was lost";
    case CSDK_UNAUTHENTICATED: return "the credentials were refused";
    default: return "the provider failed without saying why";
  }
}

std::string fixFor(ErrorCode code, const CallSubject& subject) {
  const std::string provider(subject.provider);
  switch (code) {
    case ErrorCode::notFound:
    case ErrorCode::sandboxGone: return "see which sandboxes there are: computesdk ls --provider " + provider;
    case ErrorCode::authMissing:
    case ErrorCode::authFormat:
    case ErrorCode::authRejected:
    case ErrorCode::forbidden: return "check the provider's credentials: computesdk provider info " + provider;
    case ErrorCode::unsupported: return "see what it can do: computesdk provider info " + provider;
    case ErrorCode::timeout: return "give it more time, or see whether the provider answers: computesdk doctor";
    case ErrorCode::rateLimited: return "wait and try again";
    case ErrorCode::resourceExhausted: return "run fewer calls at once, or try again later";
    case ErrorCode::network:
    case ErrorCode::tls:
    case ErrorCode::unavailable: return "see whether the provider can be reached: computesdk doctor";
    case ErrorCode::pluginDied: return "try again; the plug-in is started anew";
    case ErrorCode::internal:
    case ErrorCode::unknown: return "try again; if it stays, report it to the author of the provider";
    case ErrorCode::conflict: return "try again";
    case ErrorCode::invalidArgument:
    case ErrorCode::outOfRange: return "see what the provider takes: computesdk provider info " + provider;
    default: return {};
  }
}

/// Cancelled by the caller, or out of time, whatever status the plug-in then ended with.
bool outOfTime(const CallContext& context) {
  return !context.stop.stop_requested() && context.deadline && std::chrono::steady_clock::now() >= *context.deadline;
}

void fillFromPlugin(ErrorInfo& error, const CallFailure& failure) {
  error.why = failure.message;
  error.fix = failure.fix;
  error.requestId = failure.requestId;
  error.vendorCode = failure.vendorCode;
  error.vendorText = failure.raw;
  error.vendorHttpStatus = failure.httpStatus;
  error.retryAfter = std::chrono::milliseconds(std::max<std::int64_t>(0, failure.retryAfterMs));
  error.retryable = (failure.flags & CSDK_ERROR_RETRYABLE) != 0;
  error.maybeApplied = (failure.flags & CSDK_ERROR_MAYBE_APPLIED) != 0;
  error.orphanGone = (failure.flags & CSDK_ERROR_ORPHAN_GONE) != 0;
}

void mask(ErrorInfo& error, const CallSubject& subject, const HostContext& host) {
  for (std::string* text :
       {&error.what, &error.why, &error.fix, &error.requestId, &error.vendorCode, &error.vendorText}) {
    host.redact(*text);
    redactOne(*text, subject.token);
  }
}

}  // namespace

ErrorCode codeFor(csdk_status status, std::uint32_t errorClass, std::int32_t httpStatus, Op op) noexcept {
  if (errorClass != CSDK_ERROR_PLAIN && errorClass < kByClass.size()) return kByClass[errorClass];
  switch (status) {
    case CSDK_CANCELLED: return ErrorCode::cancelled;
    case CSDK_INVALID_ARGUMENT: return op == Op::open ? ErrorCode::config : ErrorCode::invalidArgument;
    case CSDK_DEADLINE_EXCEEDED: return ErrorCode::timeout;
    case CSDK_NOT_FOUND: return onFiles(op) ? ErrorCode::fileNotFound : ErrorCode::notFound;
    case CSDK_ALREADY_EXISTS: return ErrorCode::alreadyExists;
    case CSDK_PERMISSION_DENIED:
      return httpStatus == 403 && !onFiles(op) ? ErrorCode::forbidden : ErrorCode::permission;
    case CSDK_RESOURCE_EXHAUSTED: return httpStatus == 429 ? ErrorCode::rateLimited : ErrorCode::resourceExhausted;
    case CSDK_FAILED_PRECONDITION: return ErrorCode::precondition;
    case CSDK_ABORTED: return ErrorCode::conflict;
    case CSDK_OUT_OF_RANGE: return ErrorCode::outOfRange;
    case CSDK_UNIMPLEMENTED: return ErrorCode::unsupported;
    case CSDK_INTERNAL: return ErrorCode::internal;
    case CSDK_UNAVAILABLE: return ErrorCode::unavailable;
    case CSDK_DATA_LOSS: return ErrorCode::dataLoss;
    case CSDK_UNAUTHENTICATED: return ErrorCode::authRejected;
    default: return ErrorCode::unknown;
  }
}

ErrorInfo unsupported(const CallSubject& subject) {
  ErrorInfo error;
  error.code = ErrorCode::unsupported;
  error.what = "Provider '" + std::string(subject.provider) + "' does not support " + opInfo(subject.op).method + ".";
  error.fix = fixFor(error.code, subject);
  error.provider = subject.provider;
  error.sandboxId = subject.sandboxId;
  return error;
}

ErrorInfo missingResult(const CallSubject& subject, std::string_view what, HostContext& host) {
  host.misbehaved(std::string(opInfo(subject.op).method) + " ended well without giving " + std::string(what));
  ErrorInfo error;
  error.code = ErrorCode::pluginMisbehaved;
  error.what = whatOf(subject);
  error.why = "the plug-in reported success without giving " + std::string(what);
  error.fix = "report it to the author of the provider";
  error.provider = subject.provider;
  error.sandboxId = subject.sandboxId;
  error.maybeApplied = true;
  return error;
}

ErrorInfo errorOf(const CallEnd& end, const CallSubject& subject, const CallContext& context, HostContext& host) {
  if (end.status == CSDK_UNIMPLEMENTED && (!subject.present || end.failure.message.empty()))
    return unsupported(subject);
  ErrorInfo error;
  fillFromPlugin(error, end.failure);
  error.what = whatOf(subject);
  error.code = codeFor(end.status, end.failure.errorClass, end.failure.httpStatus, subject.op);
  if (end.failure.pluginDied) error.code = ErrorCode::pluginDied;
  if (end.abandoned) {
    const bool late = outOfTime(context);
    error.code = late ? ErrorCode::timeout : ErrorCode::cancelled;
    error.why = std::string("the plug-in did not ") + (late ? "end" : "stop") + " within 5 s of " +
                (late ? "the deadline" : "being cancelled") + " and was given up";
    error.maybeApplied = true;
  } else if (end.status == CSDK_CANCELLED && outOfTime(context)) {
    error.code = ErrorCode::timeout;
  }
  if (error.why.empty()) {
    if (error.code == ErrorCode::timeout) {
      error.why = "the deadline passed";
    } else {
      error.why = plainReason(end.status);
    }
    const bool ours = end.notStarted || end.abandoned || context.stop.stop_requested() || outOfTime(context) ||
                      end.status == CSDK_UNIMPLEMENTED;
    if (!ours && !end.failure.described) host.misbehaved("a failure without a reason");
  }
  if (end.notStarted && end.status == CSDK_RESOURCE_EXHAUSTED)
    error.why = "too many calls of this provider are waiting";
  if (error.fix.empty()) error.fix = fixFor(error.code, subject);
  error.provider = subject.provider;
  error.sandboxId = subject.sandboxId;
  if (error.requestId.empty()) error.requestId = context.requestId;
  mask(error, subject, host);
  return error;
}

}  // namespace computesdk::registry::host
