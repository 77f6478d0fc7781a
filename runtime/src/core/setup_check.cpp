#include <computesdk/registry/manifest.hpp>

#include "core/errors.hpp"
#include "core/setup.hpp"

#include <algorithm>

// What setConfig can say about a configuration before any library is opened.
namespace computesdk::detail {
namespace {

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += separator;
    out += word;
  }
  return out;
}

/// "apiKey (E2B_API_KEY)" for a variable that a setting reads, else the variable.
std::string describe(const registry::Manifest& manifest, const std::string& variable) {
  for (const registry::ConfigEntry& entry : manifest.config) {
    if (std::ranges::find(entry.env, variable) != entry.env.end()) {
      return registry::camelCase(entry.key) + " (" + variable + ")";
    }
  }
  return variable;
}

ErrorInfo missingConfiguration(const registry::Manifest& manifest, const std::vector<std::string>& alternatives) {
  ErrorInfo error;
  error.code = ErrorCode::authMissing;
  error.provider = manifest.name;
  error.what = "Missing " + manifest.name + " configuration";
  error.why = "it needs " + joined(alternatives, ", or ");
  int step = 1;
  for (const std::string& text : manifest.setupSteps) {
    if (!error.fix.empty()) error.fix += '\n';
    error.fix += std::to_string(step++) + ". " + text;
  }
  if (!manifest.setupUrl.empty()) error.fix += (error.fix.empty() ? "" : "\n") + ("see " + manifest.setupUrl);
  return error;
}

bool given(const OptionMap& options, const registry::ConfigEntry& entry) {
  for (const std::string& key : {entry.key, registry::camelCase(entry.key)}) {
    auto found = options.find(key);
    if (found == options.end()) continue;
    const auto* text = std::get_if<std::string>(&found->second);
    if (text == nullptr || !text->empty()) return true;
  }
  return false;
}

}  // namespace

bool validGatewayUrl(std::string_view url) noexcept {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!url.starts_with(scheme)) continue;
    std::string_view host = url.substr(scheme.size(), url.find_first_of("/?#", scheme.size()) - scheme.size());
    return !host.empty() && host.front() != ':' &&
           std::ranges::none_of(url, [](unsigned char c) { return c <= ' ' || c == 127; });
  }
  return false;
}

Result<void> Setup::checkProvider(registry::Registry& registry, const std::string& name, bool complete) {
  auto manifest = registry.manifest(name);
  if (!manifest) {
    std::vector<std::string> known;
    for (const auto& each : registry.manifests()) known.push_back(each->name);
    return unknownProvider(name, known.empty() ? "no provider is installed" : "known here: " + joined(known, ", "));
  }
  const OptionMap& options = optionsOf(name);
  for (const auto& [key, value] : options) {
    if (manifest->findConfig(key) != nullptr) continue;
    std::vector<std::string> keys;
    for (const auto& entry : manifest->config) keys.push_back(registry::camelCase(entry.key));
    ErrorInfo error = invalidArgument("cannot configure provider '" + name + "'", "it has no setting '" + key + "'",
                                      keys.empty() ? "" : "its settings: " + joined(keys, ", "));
    error.provider = name;
    return error;
  }
  if (!complete) return {};
  auto isSet = [&](const std::string& variableName) {
    if (!variable(variableName).value_or("").empty() || config_.fileVariables.contains(variableName)) return true;
    return std::ranges::any_of(manifest->config, [&](const registry::ConfigEntry& entry) {
      return std::ranges::find(entry.env, variableName) != entry.env.end() && given(options, entry);
    });
  };
  std::vector<std::string> alternatives;
  for (const registry::DetectGroup& group : manifest->detect.anyOf) {
    std::vector<std::string> missing;
    for (const std::string& each : group) {
      if (!isSet(each)) missing.push_back(describe(*manifest, each));
    }
    if (missing.empty()) return {};
    alternatives.push_back(joined(missing, " and "));
  }
  if (alternatives.empty() || manifest->detect.always) return {};
  return missingConfiguration(*manifest, alternatives);
}

Result<void> Setup::check() {
  if (!config_.gatewayUrl.empty() && !validGatewayUrl(config_.gatewayUrl)) {
    return invalidGatewayUrl(config_.gatewayUrl, "gatewayUrl");
  }
  if (!config_.gatewayUrl.empty() && config_.apiKey.empty()) return apiKeyMissing();
  if (!config_.provider.empty() && !config_.providers.empty()) {
    return invalidArgument("cannot use this configuration", "both provider and providers are given",
                           "give one of them");
  }
  if (config_.provider.empty() && !config_.options.empty()) {
    return invalidArgument("cannot use this configuration", "options are given without a provider",
                           "name the provider, or use providerOptions");
  }
  if (config_.provider.empty() && config_.providers.empty() && config_.providerOptions.empty() &&
      config_.gatewayUrl.empty()) {
    return {};
  }
  auto found = registry();
  if (!found) return std::move(found).error();
  std::vector<std::string> names = config_.providers;
  if (!config_.provider.empty()) names.push_back(config_.provider);
  if (names.empty() && !config_.gatewayUrl.empty()) names.emplace_back(kGatewayProvider);
  for (const std::string& name : names) {
    if (auto checked = checkProvider(**found, name, true); !checked) return checked;
  }
  // Settings alone choose no provider, so the others of its settings may be missing.
  for (const auto& [name, options] : config_.providerOptions) {
    if (auto checked = checkProvider(**found, name, false); !checked) return checked;
  }
  return {};
}

}  // namespace computesdk::detail
