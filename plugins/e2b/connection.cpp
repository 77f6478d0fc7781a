#include "e2b/connection.hpp"

#include "common/text.hpp"

#include <computesdk/provider/views.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace computesdk::e2b {
namespace {

/// E2B's own domains serve every sandbox under one name; others have a name for each.
constexpr std::array<std::string_view, 4> kOwnDomains = {"e2b.app", "e2b.dev", "e2b.pro", "e2b-staging.dev"};

}  // namespace

std::optional<Connection> Connection::of(const csdk_target& target) {
  const auto token = vendor::SandboxToken::parse(target.token);
  if (!token) return {};
  Connection out;
  out.id = plugin::view(target.id);
  out.domain = token->get("domain");
  out.access = token->get("access");
  out.traffic = token->get("traffic");
  out.version = token->get("envd");
  out.directory = token->get("dir");
  out.life = token->get("life");
  return out;
}

Connection Connection::of(vendor::Json answer, const Connection& before) {
  Connection out = before;
  out.id = answer.text("sandboxID");
  out.domain = answer.textOr("domain");
  out.access = answer.textOr("envdAccessToken");
  if (const std::string_view traffic = answer.textOr("trafficAccessToken"); !traffic.empty()) out.traffic = traffic;
  out.version = answer.textOr("envdVersion", before.version);
  return out;
}

std::string Connection::token() const {
  vendor::SandboxToken token;
  token.set("domain", domain).set("access", access).set("traffic", traffic).set("envd", version).set("dir", directory);
  return token.set("life", life).write();
}

std::string Connection::baseUrl(const Settings& settings) const {
  if (!settings.sandboxUrl.empty()) return settings.sandboxUrl;
  const std::string& where = domain.empty() ? settings.domain : domain;
  if (std::find(kOwnDomains.begin(), kOwnDomains.end(), where) != kOwnDomains.end()) return "https://sandbox." + where;
  return "https://" + hostOfPort(settings, 49983);
}

std::string Connection::hostOfPort(const Settings& settings, unsigned port) const {
  return std::to_string(port) + "-" + vendor::percentEncode(id) + "." + (domain.empty() ? settings.domain : domain);
}

bool Connection::versionAtLeast(int major, int minor, int patch) const {
  // One that is not known is taken for a new one.
  std::array<int, 3> have = {9999, 0, 0};
  const char* at = version.data();
  const char* const end = at + version.size();
  for (int& number : have) {
    const auto [next, failed] = std::from_chars(at, end, number);
    if (failed != std::errc()) break;
    at = next;
    if (at == end || *at != '.') break;
    ++at;
  }
  return have >= std::array<int, 3>{major, minor, patch};
}

}  // namespace computesdk::e2b
