#include "net/policy.hpp"

#include "host/abi_structs.hpp"
#include "values/text.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace computesdk::registry::net {
namespace {

using host::view;

constexpr std::uint32_t kKnownFlags = CSDK_HTTP_BODY_STREAM | CSDK_HTTP_WEBSOCKET;
constexpr std::size_t kMaxHeaders = 256;
constexpr std::size_t kMaxHeaderBytes = 64 * 1024;
constexpr std::size_t kMaxUrl = 32 * 1024;

std::string_view secretText(const ConfigValue& value) {
  const auto* text = std::get_if<std::string>(&value.value);
  return value.secret && text != nullptr ? std::string_view(*text) : std::string_view{};
}

std::size_t secretBytes(const ResolvedConfig& config) {
  std::size_t bytes = 0;
  for (const ConfigValue& value : config) bytes += secretText(value).size();
  return bytes;
}

bool isToken(std::string_view text) {
  static constexpr std::string_view kOther = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOther.find(c) != std::string_view::npos;
  });
}

bool isHeaderValue(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
  });
}

/// Headers that frame the message or belong to the connection: the host's own business.
bool isReserved(std::string_view lowerName) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "host", "connection", "keep-alive", "transfer-encoding", "upgrade",
      "te",   "trailer",    "expect",     "proxy-connection"};
  return std::find(kNames.begin(), kNames.end(), lowerName) != kNames.end() ||
         lowerName.starts_with("sec-websocket-") || lowerName.starts_with("proxy-");
}

Refusal invalid(std::string why) { return {CSDK_INVALID_ARGUMENT, std::move(why)}; }
Refusal denied(std::string why) { return {CSDK_PERMISSION_DENIED, std::move(why)}; }

void wipe(std::string& text) { ::explicit_bzero(text.data(), text.size()); }

}  // namespace

Approved::~Approved() {
  for (auto& [name, value] : headers) wipe(value);
  for (std::string& one : subprotocols) wipe(one);
}

HttpPolicy::HttpPolicy(const Manifest& manifest, const ResolvedConfig& config, NetworkSettings settings)
    : egress_(manifest, config), store_(secretBytes(config)), settings_(std::move(settings)) {
  for (const ConfigValue& value : config) {
    if (const std::string_view text = secretText(value); !text.empty()) secrets_.emplace(value.key, store_.add(text));
  }
}

Refusal HttpPolicy::putSecrets(std::string_view text, std::string& out) const {
  // Room for all first, so that growing leaves no copy behind.
  std::size_t size = text.size();
  for (const auto& [key, value] : secrets_) size += value.size();
  out.reserve(size);
  while (!text.empty()) {
    const std::size_t at = text.find("${");
    out += text.substr(0, at);
    if (at == std::string_view::npos) break;
    const std::size_t end = text.find('}', at);
    if (end == std::string_view::npos) return invalid("a secret header has a '${' without a '}'");
    const std::string_view key = text.substr(at + 2, end - at - 2);
    const auto found = secrets_.find(key);
    if (found == secrets_.end()) return invalid("there is no secret setting named '" + std::string(key) + "'");
    out += found->second;
    text.remove_prefix(end + 1);
  }
  return {};
}

Refusal HttpPolicy::addHeader(std::string_view name, std::string value, Approved& out) const {
  if (!isToken(name)) return invalid("a header's name is not one");
  const std::string lower = lowerCase(name);
  if (isReserved(lower)) return invalid("the header " + lower + " is set by the host");
  if (!isHeaderValue(value)) {
    wipe(value);
    return invalid("the value of the header " + lower + " holds a control character");
  }
  out.headers.emplace_back(std::string(name), std::move(value));
  return {};
}

Refusal HttpPolicy::approve(const csdk_http_request& request, Approved& out) const {
  if ((request.flags & 0xffff0000U & ~kKnownFlags) != 0) return {CSDK_UNIMPLEMENTED, "the request has an unknown flag"};
  const std::string_view address = view(request.url);
  auto url = address.size() <= kMaxUrl ? parseUrl(address) : std::nullopt;
  if (!url) return invalid("the request's URL is not one");
  out.url = std::move(*url);
  const bool webSocket = (request.flags & CSDK_HTTP_WEBSOCKET) != 0;
  out.url.webSocket = webSocket;
  out.method = view(request.method);
  if (webSocket ? !out.method.empty() && out.method != "GET" : !isToken(out.method)) {
    return invalid("the request's method is not one");
  }
  const std::size_t body = view(request.body).size();
  if ((request.flags & CSDK_HTTP_BODY_STREAM) != 0 && (webSocket || body != 0)) {
    return invalid("a body that is streamed cannot be given at once too");
  }
  out.verdict = egress_.check(out.url);
  if (!out.verdict.allowed) return denied(out.verdict.why);

  const std::size_t count = request.headers.count + request.secret_headers.count;
  std::size_t bytes = 0;
  if (count > kMaxHeaders) return invalid("the request has too many headers");
  bool hasAgent = false;
  for (std::size_t i = 0; i < request.headers.count; ++i) {
    const csdk_pair& pair = request.headers.items[i];
    bytes += view(pair.key).size() + view(pair.value).size();
    const std::string lower = lowerCase(view(pair.key));
    hasAgent = hasAgent || lower == "user-agent";
    if (lower == "content-length" && (request.flags & CSDK_HTTP_BODY_STREAM) == 0) continue;  // counted by the host
    if (Refusal refusal = addHeader(view(pair.key), std::string(view(pair.value)), out); refusal.status != CSDK_OK) {
      return refusal;
    }
  }
  if (!hasAgent) out.headers.emplace_back("User-Agent", "computesdk/" CSDK_HOST_VERSION);
  if (request.secret_headers.count != 0 && !out.verdict.auth) {
    return denied(out.url.origin() + " is not marked \"auth\" in the manifest's egress list, so no secret goes there");
  }
  for (std::size_t i = 0; i < request.secret_headers.count; ++i) {
    const csdk_pair& pair = request.secret_headers.items[i];
    std::string value;
    Refusal refusal = putSecrets(view(pair.value), value);
    bytes += view(pair.key).size() + value.size();
    if (refusal.status == CSDK_OK) refusal = addHeader(view(pair.key), std::move(value), out);
    if (refusal.status != CSDK_OK) return refusal;
  }
  if (bytes > kMaxHeaderBytes) return invalid("the request's headers are too long");
  for (std::size_t i = 0; i < request.subprotocols.count; ++i) {
    const std::string_view text = view(request.subprotocols.items[i]);
    std::string value(text);
    if (text.find("${") != std::string_view::npos) {
      if (!out.verdict.auth) return denied(out.url.origin() + " is not marked \"auth\", so no secret goes there");
      value.clear();
      if (Refusal refusal = putSecrets(text, value); refusal.status != CSDK_OK) return refusal;
    }
    if (!isToken(value)) return invalid("a sub-protocol is no token");
    out.subprotocols.push_back(std::move(value));
  }
  std::string problem;
  out.proxy = proxyFor(out.url, settings_, problem);
  return problem.empty() ? Refusal{} : Refusal{CSDK_FAILED_PRECONDITION, std::move(problem)};
}

}  // namespace computesdk::registry::net
