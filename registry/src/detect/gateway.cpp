#include "detect/choice.hpp"
#include "values/text.hpp"

#include <algorithm>

namespace computesdk::registry {
namespace {

/// The URL without user and password.
std::string withoutUser(const std::string& url) {
  auto scheme = url.find("://");
  if (scheme == std::string::npos) return url;
  auto start = scheme + 3;
  auto end = std::min(url.find_first_of("/?#", start), url.size());
  auto at = url.rfind('@', end);
  return at == std::string::npos || at < start || at >= end ? url : url.substr(0, start) + url.substr(at + 1);
}

bool isUsable(const std::string& url) {
  std::string lower = lowerCase(url.substr(0, 8));
  std::size_t start = lower.starts_with("https://") ? 8 : lower.starts_with("http://") ? 7 : 0;
  if (start == 0 || url.size() <= start || url.size() > 2048) return false;
  if (std::any_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; })) {
    return false;
  }
  auto bare = withoutUser(url);
  return bare.size() > start && std::string_view("/?#:").find(bare[start]) == std::string_view::npos;
}

}  // namespace

std::optional<GatewayRequest> gatewayRequest(const Variables& variables) {
  if (!variables.isSet("COMPUTESDK_API_KEY")) return std::nullopt;
  for (const char* name : {"COMPUTESDK_GATEWAY_URL", "COMPUTESDK_TRIBUTARY_URL"}) {
    auto url = variables.get(name);
    if (!url) continue;
    GatewayRequest out;
    out.mode.url = withoutUser(*url);
    out.mode.urlVariable = name;
    if (!isUsable(*url)) {
      ErrorInfo error;
      error.code = ErrorCode::config;
      error.what = "Invalid gateway URL: \"" + printable(out.mode.url) + "\"";
      error.why = std::string(name) + " must be http:// or https:// with a host";
      error.fix =
          std::string("export ") + name + "=https://gateway.example.com\nor use providers directly: unset " + name;
      out.error = std::move(error);
    }
    return out;
  }
  return std::nullopt;
}

}  // namespace computesdk::registry
