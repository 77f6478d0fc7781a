#include "providers/provider_pool.hpp"

#include <computesdk/compute.hpp>
#include <computesdk/registry/manifest.hpp>

#include "core/crypto.hpp"
#include "core/json.hpp"
#include "core/sandbox_state.hpp"
#include "core/setup.hpp"

#include <algorithm>
#include <cstdio>

namespace computesdk::gateway {
namespace {

// A gateway that used another gateway as its provider could end up asking itself.
constexpr std::string_view kNotHere = "gateway";

std::string optionText(const OptionValue& value) {
  struct Visitor {
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const {
      char text[32];
      std::snprintf(text, sizeof text, "%a", number);
      return text;
    }
    std::string operator()(const std::string& text) const { return text; }
    std::string operator()(const Json& json) const { return json.text; }
  };
  return std::visit(Visitor{}, value);
}

/// Lengths stand before the parts, so that two sets of parts never give one text.
void appendPart(std::string& text, std::string_view part) {
  text += std::to_string(part.size()) + ":" + std::string(part);
}

}  // namespace

std::shared_ptr<detail::SandboxState> OpenedProvider::sandbox(const std::string& providerId,
                                                              const std::string& token) const {
  registry::SandboxRecord record;
  record.info.id = providerId;
  record.info.provider = provider->name();
  record.token = token;
  return std::make_shared<detail::SandboxState>(setup, provider, std::move(record), detail::Naming{});
}

Result<std::unique_ptr<ProviderPool>> ProviderPool::open(PoolOptions options) {
  registry::RegistryOptions wanted;
  for (const std::string& path : options.providerPaths) wanted.extraPaths.emplace_back(path);
  wanted.allow = options.allow;
  wanted.deny = options.deny;
  wanted.deny.emplace_back(kNotHere);
  if (options.log) {
    wanted.log = [log = options.log](const registry::LogRecord& record) {
      log(record.level, record.provider, record.message);
    };
  }
  auto opened = registry::Registry::open(std::move(wanted));
  if (!opened) return std::move(opened).error();
  return std::make_unique<ProviderPool>(std::move(options), std::move(*opened));
}

ProviderPool::ProviderPool(PoolOptions options, std::shared_ptr<registry::Registry> registry)
    : options_(std::move(options)), registry_(std::move(registry)), hashKey_(randomBytes(32)) {}

bool ProviderPool::loaded(std::string_view name) const {
  if (name == kNotHere || std::ranges::find(options_.deny, name) != options_.deny.end()) return false;
  if (!options_.allow.empty() && std::ranges::find(options_.allow, name) == options_.allow.end()) return false;
  return registry_->manifest(name) != nullptr;
}

std::vector<std::string> ProviderPool::names() const {
  std::vector<std::string> names;
  for (const auto& manifest : registry_->manifests()) {
    if (loaded(manifest->name)) names.push_back(manifest->name);
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> ProviderPool::secretKeys(std::string_view name) const {
  std::vector<std::string> keys;
  const auto manifest = registry_->manifest(name);
  if (!manifest) return keys;
  for (const registry::ConfigEntry& entry : manifest->config) {
    if (entry.secret) keys.push_back(entry.key);
  }
  return keys;
}

bool ProviderPool::standIns(std::string_view name, const OptionMap& credentials) const {
  const auto manifest = registry_->manifest(name);
  return manifest && std::ranges::any_of(credentials, [&](const auto& credential) {
           const auto* value = std::get_if<std::string>(&credential.second);
           const registry::ConfigEntry* entry = manifest->findConfig(credential.first);
           if (value == nullptr || entry == nullptr || !entry->secret) return false;
           return *value == "any" || (entry->prefixStrict && !value->starts_with(entry->prefix));
         });
}

OptionMap ProviderPool::knownOptions(std::string_view name, const OptionMap& options) const {
  const auto manifest = registry_->manifest(name);
  if (!manifest || options.empty() || manifest->optionsSchema.empty()) return options;
  const auto schema = parseJson(manifest->optionsSchema);
  const JsonValue* properties = schema ? member(*schema, "properties") : nullptr;
  OptionMap known;
  for (const auto& [key, value] : options) {
    if (properties != nullptr && member(*properties, key) != nullptr) known.emplace(key, value);
  }
  return known;
}

Result<OpenedPtr> ProviderPool::openNew(const std::string& name, const OptionMap& credentials) {
  ComputeConfig config;
  config.provider = name;
  config.namedSandboxes = false;
  if (const auto own = options_.providerOptions.find(name); own != options_.providerOptions.end()) {
    config.options = own->second;
  }
  for (const auto& [key, value] : credentials) {
    config.options.erase(registry::camelCase(key));
    config.options.insert_or_assign(key, value);
  }
  if (options_.log) {
    config.log = [log = options_.log](const LogMessage& message) {
      log(static_cast<int>(message.level), message.provider, message.message);
    };
  }
  detail::Seams seams;
  seams.registry = registry_;
  auto opened = std::make_shared<OpenedProvider>();
  opened->setup = std::make_shared<detail::Setup>(std::move(config), std::move(seams));
  opened->clientCredentials = !credentials.empty();
  auto provider = opened->setup->provider(name);
  if (!provider) return std::move(provider).error();
  opened->provider = std::move(*provider);
  return opened;
}

Result<OpenedPtr> ProviderPool::get(const std::string& name, const OptionMap& credentials) {
  std::string fingerprint;
  if (!credentials.empty()) {
    std::string parts;
    appendPart(parts, name);
    for (const auto& [key, value] : credentials) {
      appendPart(parts, key);
      appendPart(parts, optionText(value));
    }
    fingerprint = hmacSha256Hex(hashKey_, parts);
  }
  {
    std::lock_guard lock(mutex_);
    if (fingerprint.empty()) {
      if (const auto known = own_.find(name); known != own_.end()) return known->second;
    } else {
      const auto known = std::ranges::find(withClients_, fingerprint, &Entry::fingerprint);
      if (known != withClients_.end()) {
        withClients_.splice(withClients_.begin(), withClients_, known);
        return known->opened;
      }
    }
  }
  // Without the lock: opening may start a process. Of two that open the same at once one is let go.
  auto opened = openNew(name, credentials);
  if (!opened) return opened;
  std::lock_guard lock(mutex_);
  if (fingerprint.empty()) return own_.try_emplace(name, std::move(*opened)).first->second;
  withClients_.push_front({std::move(fingerprint), *opened});
  if (withClients_.size() > options_.keep) withClients_.pop_back();
  return opened;
}

}  // namespace computesdk::gateway
