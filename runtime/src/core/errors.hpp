#pragma once

#include <computesdk/error.hpp>

#include <string>
#include <string_view>

// Errors that the runtime itself makes. The wording of the promised ones is ComputeSDK's and part of the API.
namespace computesdk::detail {

inline constexpr std::string_view kGatewayProvider = "gateway";

ErrorInfo invalidArgument(std::string what, std::string why, std::string fix = {});
ErrorInfo cancelled(std::string what);

/// "No ComputeSDK configuration found". `cause`: what detection says.
ErrorInfo notConfigured(const ErrorInfo& cause);
/// "Unknown provider: <name>". `why` may name the known ones.
ErrorInfo unknownProvider(std::string_view name, std::string why);
/// findOrCreate and find without named sandboxes.
ErrorInfo namedUnsupported(std::string_view provider, std::string_view method);
/// extendTimeout without lifetime/1.
ErrorInfo extendUnsupported(std::string_view provider);
/// "Provider '<name>' does not support <method>."
ErrorInfo methodUnsupported(std::string_view provider, std::string_view method, std::string why);
/// list, where the answer is that there is none.
ErrorInfo listUnsupported(std::string_view provider);
/// "File not found: <path>"
ErrorInfo fileNotFound(std::string_view path);
/// "Directory not found: <path>"
ErrorInfo directoryNotFound(std::string_view path);
/// "Missing ComputeSDK API key"
ErrorInfo apiKeyMissing();
/// "Invalid gateway URL". `variable`: where it came from.
ErrorInfo invalidGatewayUrl(std::string_view url, std::string_view variable);

/// Whether a failed create may be tried elsewhere: nothing was left behind, and nobody asked to stop.
bool mayTryElsewhere(const ErrorInfo& error) noexcept;

}  // namespace computesdk::detail
