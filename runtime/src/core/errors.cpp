#include "core/errors.hpp"

#include <utility>

namespace computesdk::detail {

ErrorInfo invalidArgument(std::string what, std::string why, std::string fix) {
  ErrorInfo error;
  error.code = ErrorCode::invalidArgument;
  error.what = std::move(what);
  error.why = std::move(why);
  error.fix = std::move(fix);
  return error;
}

ErrorInfo cancelled(std::string what) {
  ErrorInfo error;
  error.code = ErrorCode::cancelled;
  error.what = std::move(what);
  error.why = "the caller asked to stop";
  return error;
}

ErrorInfo notConfigured(const ErrorInfo& cause) {
  ErrorInfo error = cause;
  error.code = ErrorCode::notConfigured;
  // Promised first lines stay what they are.
  for (std::string_view promised : {"No ComputeSDK configuration found", "is set but no provider detected"}) {
    if (cause.what.find(promised) != std::string::npos) return error;
  }
  error.what = "No ComputeSDK configuration found";
  error.why = cause.what.empty() ? cause.why : cause.firstLine();
  if (auto more = cause.why.find('\n'); more != std::string::npos) error.why += cause.why.substr(more);
  error.fix =
      "zero-config: set a provider's credentials, e.g. E2B_API_KEY, or COMPUTESDK_API_KEY with COMPUTESDK_GATEWAY_URL\n"
      "explicit:    compute.setConfig({.provider = \"e2b\", .options = {{\"apiKey\", key}}})\n"
      "one call:    compute.sandbox().create({.provider = \"local\"}), or computesdk run --provider local …";
  if (!cause.fix.empty()) error.fix = cause.fix + "\n" + error.fix;
  return error;
}

ErrorInfo unknownProvider(std::string_view name, std::string why) {
  ErrorInfo error;
  error.code = ErrorCode::unknownProvider;
  error.what = "Unknown provider: " + std::string(name.substr(0, 64)) + (name.size() > 64 ? "…" : "");
  error.why = std::move(why);
  error.fix = "computesdk provider list";
  return error;
}

ErrorInfo methodUnsupported(std::string_view provider, std::string_view method, std::string why) {
  ErrorInfo error;
  error.code = ErrorCode::unsupported;
  error.provider = provider;
  error.what = "Provider '" + std::string(provider) + "' does not support " + std::string(method) + ".";
  error.why = std::move(why);
  error.fix = "see what it can do: computesdk provider info " + error.provider;
  return error;
}

ErrorInfo namedUnsupported(std::string_view provider, std::string_view method) {
  ErrorInfo error = methodUnsupported(provider, method, "named sandboxes are switched off");
  error.what += "\nThis feature requires gateway provider with named sandbox support.";
  error.fix = "leave ComputeConfig::namedSandboxes on, or use a provider with named/1";
  return error;
}

ErrorInfo extendUnsupported(std::string_view provider) {
  ErrorInfo error =
      methodUnsupported(provider, "extendTimeout", "its API has no way to move the end of a sandbox's life");
  error.what += "\nThis feature requires gateway provider with timeout extension support.";
  error.fix = "give a longer timeout at create: computesdk create --ttl 2h";
  return error;
}

ErrorInfo listUnsupported(std::string_view provider) {
  if (provider != kGatewayProvider) {
    ErrorInfo error = methodUnsupported(provider, "list", "its API cannot list sandboxes");
    error.fix = "use getById with an id that you kept";
    return error;
  }
  ErrorInfo error;
  error.code = ErrorCode::unsupported;
  error.provider = provider;
  error.what = "The gateway does not support listing sandboxes. Use getById() with a known sandbox id instead.";
  error.fix = "use getById with an id that you kept";
  return error;
}

ErrorInfo fileNotFound(std::string_view path) {
  ErrorInfo error;
  error.code = ErrorCode::fileNotFound;
  error.what = "File not found: " + std::string(path);
  return error;
}

ErrorInfo directoryNotFound(std::string_view path) {
  ErrorInfo error;
  error.code = ErrorCode::fileNotFound;
  error.what = "Directory not found: " + std::string(path);
  return error;
}

ErrorInfo apiKeyMissing() {
  ErrorInfo error;
  error.code = ErrorCode::authMissing;
  error.what = "Missing ComputeSDK API key. The 'apiKey' field is required.";
  error.fix = "pass ComputeConfig::apiKey beside gatewayUrl; keys: https://console.computesdk.com";
  return error;
}

ErrorInfo invalidGatewayUrl(std::string_view url, std::string_view variable) {
  ErrorInfo error;
  error.code = ErrorCode::config;
  error.what = "Invalid gateway URL: \"" + std::string(url) + "\"";
  error.why = std::string(variable) + " must hold an address that begins with http:// or https:// and names a host";
  error.fix = "correct " + std::string(variable) + ", e.g. http://127.0.0.1:8080";
  return error;
}

bool mayTryElsewhere(const ErrorInfo& error) noexcept {
  if (error.code == ErrorCode::cancelled) return false;
  return !error.maybeApplied || error.orphanGone;
}

}  // namespace computesdk::detail
