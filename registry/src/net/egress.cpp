#include "net/egress.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace computesdk::registry::net {
namespace {

constexpr std::size_t kMaxNames = 4096;
constexpr std::size_t kMaxNameLength = 253;

const ConfigValue* findValue(const ResolvedConfig& config, std::string_view key) {
  const auto found = std::find_if(config.begin(), config.end(), [&](const ConfigValue& one) { return one.key == key; });
  return found == config.end() ? nullptr : &*found;
}

struct Expanded {
  std::string text;
  bool fromUser = false;
};

/// `${config.key}` replaced. Nothing when a value is not set.
std::optional<Expanded> expand(std::string_view origin, const Manifest& manifest, const ResolvedConfig& config) {
  Expanded out;
  while (!origin.empty()) {
    const std::size_t at = origin.find("${config.");
    out.text += origin.substr(0, at);
    if (at == std::string_view::npos) break;
    const std::size_t end = origin.find('}', at);
    if (end == std::string_view::npos) return {};
    const std::string_view key = origin.substr(at + 9, end - at - 9);
    const ConfigValue* value = findValue(config, key);
    const auto* text = value == nullptr || value->secret ? nullptr : std::get_if<std::string>(&value->value);
    if (text == nullptr || text->empty()) return {};
    const ConfigEntry* entry = manifest.findConfig(key);
    out.fromUser = out.fromUser || entry == nullptr || *text != entry->defaultValue;
    out.text += *text;
    origin.remove_prefix(end + 1);
  }
  return out;
}

bool isNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/// At least two labels, and a last one with a letter: no number, no version, no address.
bool isHostName(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (name.size() > kMaxNameLength || dot == std::string_view::npos || dot == 0 || dot + 2 >= name.size()) return false;
  const std::string_view last = name.substr(dot + 1);
  return std::any_of(last.begin(), last.end(), [](char c) { return c > '9'; });
}

}  // namespace

Egress::Egress(const Manifest& manifest, const ResolvedConfig& config) {
  for (const EgressRule& written : manifest.egress) {
    auto expanded = expand(written.origin, manifest, config);
    if (!expanded) continue;
    Rule rule;
    rule.auth = written.auth;
    rule.fromUser = expanded->fromUser;
    if (const std::size_t star = expanded->text.find("://*."); star != std::string::npos) {
      rule.wildcard = true;
      expanded->text.erase(star + 3, 2);
    }
    auto origin = parseUrl(expanded->text);
    // A whole top-level domain is nobody's own.
    if (!origin || (rule.wildcard && origin->host.find('.') == std::string::npos && origin->host != "localhost"))
      continue;
    rule.origin = std::move(*origin);
    rules_.push_back(std::move(rule));
  }
}

bool Egress::matches(const Rule& rule, const Url& url) {
  // What serves a loopback base URL may spread over several ports: a stand-in of the vendor, on the user's own machine.
  if (rule.fromUser && isLoopbackHost(rule.origin.host)) return isLoopbackHost(url.host);
  if (rule.origin.tls != url.tls || rule.origin.port != url.port) return false;
  if (!rule.wildcard) return rule.origin.host == url.host;
  return url.host.size() > rule.origin.host.size() + 1 && url.host.ends_with(rule.origin.host) &&
         url.host[url.host.size() - rule.origin.host.size() - 1] == '.';
}

Egress::Verdict Egress::check(const Url& url) const {
  Verdict verdict;
  for (const Rule& rule : rules_) {
    if (!matches(rule, url)) continue;
    verdict.allowed = true;
    verdict.auth = verdict.auth || rule.auth;
    verdict.privateOk = verdict.privateOk || rule.fromUser;
  }
  if (!verdict.allowed && url.tls && url.port == 443) verdict.allowed = learnt(url.host);
  if (!verdict.allowed) {
    verdict.why = url.origin() + " is not in the egress list of the plug-in's manifest";
  } else if (!url.tls && !isLoopbackHost(url.host)) {
    verdict = {};
    verdict.why = url.origin() + " is not encrypted; plain HTTP is for loopback addresses only";
  } else if (isLoopbackHost(url.host) && !verdict.privateOk) {
    verdict = {};
    verdict.why = url.origin() + " is a loopback address, and no base URL of the configuration is one";
  }
  return verdict;
}

bool Egress::learnt(std::string_view host) const {
  std::lock_guard lock(mutex_);
  if (names_.contains(std::string(host))) return true;
  // Or a name right below one that was given: "49983-ID.DOMAIN" of a sandbox whose DOMAIN an answer says.
  const std::size_t dot = host.find('.');
  return dot != std::string_view::npos && names_.contains(std::string(host.substr(dot + 1)));
}

void Egress::learn(std::string_view text) {
  while (!text.empty()) {
    const auto begin = std::find_if(text.begin(), text.end(), isNameCharacter);
    const auto end = std::find_if_not(begin, text.end(), isNameCharacter);
    std::string_view name(begin, end);
    if (name.ends_with('.')) name.remove_suffix(1);
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
    if (!isHostName(name)) continue;
    std::string lower(name);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    std::lock_guard lock(mutex_);
    if (!names_.insert(lower).second) continue;
    order_.push_back(std::move(lower));
    if (order_.size() <= kMaxNames) continue;
    names_.erase(order_.front());
    order_.pop_front();
  }
}

}  // namespace computesdk::registry::net
