#include "core/setup.hpp"

#include <computesdk/registry/manifest.hpp>

#include "core/errors.hpp"
#include "named/named_store.hpp"

#include <algorithm>
#include <filesystem>

namespace computesdk::detail {
namespace fs = std::filesystem;

Setup::Setup(ComputeConfig config, Seams seams) : config_(std::move(config)), seams_(std::move(seams)) {
  registry_ = seams_.registry;
}

registry::RegistryOptions Setup::registryOptions() const {
  registry::RegistryOptions options;
  if (config_.environment) {
    options.environment.get = [get = config_.environment](std::string_view name) {
      auto value = get(name);
      if (value && value->empty()) value.reset();
      return value;
    };
  }
  for (const auto& [name, variable] : config_.fileVariables) {
    options.fileVariables[name] = {variable.value, variable.origin};
  }
  options.configuredProvider = config_.defaultProvider;
  options.extraPaths = config_.providerPaths;
  options.allow = config_.allowProviders;
  options.deny = config_.denyProviders;
  options.priorities = config_.providerPriorities;
  if (config_.log) {
    options.log = [sink = config_.log](const registry::LogRecord& record) {
      sink({static_cast<LogLevel>(record.level), record.provider, record.message});
    };
  }
  return options;
}

Result<std::shared_ptr<registry::Registry>> Setup::registryLocked() {
  if (!registry_) {
    auto opened = registry::Registry::open(registryOptions());
    if (!opened) return std::move(opened).error();
    registry_ = *opened;
  }
  return registry_;
}

Result<std::shared_ptr<registry::Registry>> Setup::registry() {
  std::lock_guard lock(mutex_);
  return registryLocked();
}

Result<registry::Detection> Setup::detectionLocked() {
  if (!detection_) {
    auto registry = registryLocked();
    if (!registry) return std::move(registry).error();
    std::optional<std::string_view> wanted;
    if (!config_.provider.empty()) wanted = config_.provider;
    detection_ = (*registry)->detect(wanted);
    for (const std::string& warning : detection_->warnings) log(LogLevel::warning, {}, warning);
  }
  return *detection_;
}

Result<registry::Detection> Setup::detection() {
  std::lock_guard lock(mutex_);
  return detectionLocked();
}

const OptionMap& Setup::optionsOf(std::string_view name) const {
  static const OptionMap kNone;
  for (const auto& [provider, options] : config_.providerOptions) {
    if (provider == name) return options;
  }
  return config_.provider == name ? config_.options : kNone;
}

Result<std::shared_ptr<registry::Provider>> Setup::provider(std::string_view name) {
  std::lock_guard lock(mutex_);
  if (auto known = providers_.find(name); known != providers_.end()) return known->second;
  auto registry = registryLocked();
  if (!registry) return std::move(registry).error();
  registry::OpenOptions options{.config = optionsOf(name)};
  if (name == kGatewayProvider) {
    if (!config_.apiKey.empty()) options.config.insert_or_assign("api_key", config_.apiKey);
    if (!config_.gatewayUrl.empty()) options.config.insert_or_assign("gateway_url", config_.gatewayUrl);
    if (detection_ && detection_->gateway && !detection_->gateway->carrier.empty()) {
      options.config.try_emplace("carrier", detection_->gateway->carrier);
    }
  }
  auto opened = (*registry)->openProvider(name, options);
  if (!opened) {
    ErrorInfo error = std::move(opened).error();
    if (error.code == ErrorCode::unknownProvider && error.what.find("Unknown provider: ") == std::string::npos) {
      error.why = error.firstLine();
      error.what = unknownProvider(name, {}).what;
    }
    return error;
  }
  providers_.emplace(std::string(name), *opened);
  return *opened;
}

bool Setup::alwaysReady(std::string_view name) {
  auto found = registry();
  if (!found) return false;
  auto manifest = (*found)->manifest(name);
  return manifest && manifest->detect.always;
}

Result<std::vector<std::string>> Setup::configured(std::string_view explicitName) {
  if (!explicitName.empty()) return std::vector<std::string>{std::string(explicitName)};
  if (!config_.providers.empty()) return config_.providers;
  if (!config_.provider.empty()) return std::vector<std::string>{config_.provider};
  if (!config_.gatewayUrl.empty()) return std::vector<std::string>{std::string(kGatewayProvider)};
  auto found = detection();
  if (!found) return std::move(found).error();
  if (!found->selected) {
    if (found->error && found->error->code != ErrorCode::notConfigured) return *found->error;
    return notConfigured(found->error.value_or(ErrorInfo{}));
  }
  std::vector<std::string> names{*found->selected};
  if (!config_.fallbackOnError) return names;
  for (const registry::Candidate& candidate : found->candidates) {
    if (candidate.state == registry::CandidateState::ready && candidate.name != names.front() &&
        !alwaysReady(candidate.name)) {
      names.push_back(candidate.name);
    }
  }
  return names;
}

Result<std::vector<std::string>> Setup::createOrder(std::string_view explicitName) {
  auto names = configured(explicitName);
  if (!names) return names;
  if (config_.strategy == Strategy::roundRobin && names->size() > 1) {
    auto first = static_cast<std::ptrdiff_t>(turn_.fetch_add(1, std::memory_order_relaxed) % names->size());
    std::rotate(names->begin(), names->begin() + first, names->end());
  }
  if (!config_.fallbackOnError) names->resize(1);
  return names;
}

Result<std::shared_ptr<registry::Provider>> Setup::preferredProvider(std::string_view explicitName) {
  auto names = configured(explicitName);
  if (!names) return std::move(names).error();
  return provider(names->front());
}

Result<std::vector<std::string>> Setup::lookupOrder(std::string_view explicitName) {
  const bool detects =
      explicitName.empty() && config_.providers.empty() && config_.provider.empty() && config_.gatewayUrl.empty();
  auto names = configured(explicitName);
  if (!detects) return names;
  auto found = detection();
  if (!found) return std::move(found).error();
  std::vector<std::string> order;
  for (const registry::Candidate& candidate : found->candidates) {
    if (candidate.state == registry::CandidateState::ready && alwaysReady(candidate.name)) {
      order.push_back(candidate.name);
    }
  }
  if (!names && order.empty()) return names;
  if (names) order.insert(order.end(), names->begin(), names->end());
  return order;
}

std::optional<std::string> Setup::variable(std::string_view name) const {
  if (config_.environment) return config_.environment(name);
  return registry::processEnvironment().get(name);
}

fs::path Setup::stateDirectory() {
  if (!config_.stateDirectory.empty()) return config_.stateDirectory;
  auto state = variable("XDG_STATE_HOME");
  if (state && state->starts_with('/')) return fs::path(*state) / "computesdk";
  const fs::path home = registry::processEnvironment().home;
  return home.is_absolute() ? home / ".local/state/computesdk" : fs::path();
}

const SandboxMemory& Setup::memory() {
  std::lock_guard lock(mutex_);
  if (!memory_) memory_.emplace(stateDirectory());
  return *memory_;
}

Result<std::shared_ptr<NamedStore>> Setup::store() {
  std::lock_guard lock(mutex_);
  if (!store_) {
    const fs::path file = stateDirectory() / "named.db";
    auto opened = seams_.openStore ? seams_.openStore(file) : openModuleStore(file);
    if (!opened) return std::move(opened).error();
    store_ = *opened;
  }
  return store_;
}

bool Setup::storeExists() {
  std::lock_guard lock(mutex_);
  std::error_code error;
  return store_ || fs::exists(stateDirectory() / "named.db", error);
}

void Setup::log(LogLevel level, std::string_view provider, std::string message) const noexcept {
  if (!config_.log) return;
  try {
    config_.log({level, std::string(provider), std::move(message)});
  } catch (...) {  // a sink that throws loses the line and nothing else
  }
}

}  // namespace computesdk::detail
