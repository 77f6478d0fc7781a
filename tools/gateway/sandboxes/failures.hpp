#pragma once

#include <computesdk/error.hpp>

#include "store/records.hpp"

#include <string>
#include <string_view>

// Failures that the gateway itself makes.
namespace computesdk::gateway {

ErrorInfo badRequest(std::string why);
ErrorInfo sandboxMissing(std::string_view id);
ErrorInfo snapshotMissing(std::string_view id);
ErrorInfo stillCreating(std::string_view id);
ErrorInfo credentialsNeeded(const SandboxRecord& record);
ErrorInfo portsUnsupported(std::string_view provider);

/// HTTP status of a failure. 404 says that a sandbox or snapshot is missing, 401 that the API key is wrong, and clients
/// act on these two without reading further: what providers mean by them is another status here.
int statusOf(const ErrorInfo& error, bool missingIsTheSandbox);
/// {"success":false,"error","code","why","fix","retryable","retry_after_ms"}; `error` stands alone.
std::string failureBody(const ErrorInfo& error);

}  // namespace computesdk::gateway
