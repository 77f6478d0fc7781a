#include <computesdk/compute.hpp>
#include <computesdk/registry/manifest.hpp>

#include "core/compute_state.hpp"
#include "core/create.hpp"
#include "core/errors.hpp"
#include "core/lookup.hpp"
#include "named/named_sandboxes.hpp"

namespace computesdk {

using detail::ComputeState;
using detail::Setup;

std::string_view toString(ProviderState state) noexcept {
  switch (state) {
    case ProviderState::selected: return "selected";
    case ProviderState::ready: return "ready";
    case ProviderState::incomplete: return "incomplete";
    case ProviderState::absent: return "absent";
    case ProviderState::shadowed: return "shadowed";
    case ProviderState::unloadable: return "unloadable";
    case ProviderState::denied: return "denied";
  }
  return "absent";
}

namespace {

ProviderState stateFrom(registry::CandidateState state) {
  switch (state) {
    case registry::CandidateState::selected: return ProviderState::selected;
    case registry::CandidateState::ready: return ProviderState::ready;
    case registry::CandidateState::incomplete: return ProviderState::incomplete;
    case registry::CandidateState::absent: return ProviderState::absent;
    case registry::CandidateState::shadowed: return ProviderState::shadowed;
    case registry::CandidateState::unloadable: return ProviderState::unloadable;
    case registry::CandidateState::denied: return ProviderState::denied;
  }
  return ProviderState::absent;
}

ProviderInfo infoFrom(const registry::Manifest& manifest) {
  ProviderInfo info;
  info.name = manifest.name;
  info.version = manifest.version;
  info.title = manifest.title;
  info.vendor = manifest.vendor;
  info.license = manifest.license;
  info.homepage = manifest.homepage;
  info.description = manifest.description;
  info.manifestPath = manifest.file.string();
  info.libraryPath = manifest.library.string();
  info.placement = registry::toString(manifest.placement);
  for (const registry::ConfigEntry& entry : manifest.config) {
    info.settings.push_back({entry.key, entry.env, entry.secret, entry.required, entry.prefix, entry.help});
  }
  info.capabilities = manifest.capabilities;
  info.setupSteps = manifest.setupSteps;
  info.setupUrl = manifest.setupUrl;
  info.manifestJson = manifest.text;
  return info;
}

}  // namespace

Compute::Compute() : state_(std::make_shared<ComputeState>(detail::Seams{})) {}
Compute::Compute(ComputeConfig config) : Compute() { setConfig(std::move(config)); }
Compute::Compute(std::shared_ptr<ComputeState> state) : state_(std::move(state)) {}
Compute::Compute(Compute&&) noexcept = default;
Compute& Compute::operator=(Compute&&) noexcept = default;
Compute::~Compute() = default;

Result<void> Compute::setConfig(Nothrow, ComputeConfig config) {
  auto setup = std::make_shared<Setup>(std::move(config), state_->seams());
  if (auto checked = setup->check(); !checked) return checked;
  state_->replace(std::move(setup));
  return {};
}

void Compute::clearConfig() { state_->replace(std::make_shared<Setup>(ComputeConfig{}, state_->seams())); }

SandboxManager Compute::sandbox() const { return SandboxManager(state_); }
ProviderHandle Compute::provider(std::string_view name) const { return ProviderHandle(state_, std::string(name)); }

Result<DetectionReport> Compute::detect(Nothrow) {
  auto found = state_->setup()->detection();
  if (!found) return std::move(found).error();
  DetectionReport report;
  report.selected = found->selected;
  report.warnings = found->warnings;
  report.warnings.insert(report.warnings.end(), found->notes.begin(), found->notes.end());
  report.error = found->error;
  for (registry::Candidate& each : found->candidates) {
    report.candidates.push_back({std::move(each.name), stateFrom(each.state), std::move(each.why),
                                 std::move(each.version), each.manifestPath.string(), each.priority, each.trusted,
                                 std::move(each.matched), std::move(each.missing)});
  }
  return report;
}

Result<std::vector<ProviderInfo>> Compute::providers(Nothrow) {
  auto registry = state_->setup()->registry();
  if (!registry) return std::move(registry).error();
  std::vector<ProviderInfo> all;
  for (const auto& manifest : (*registry)->manifests()) all.push_back(infoFrom(*manifest));
  return all;
}

Result<std::vector<ProviderFolder>> Compute::providerFolders(Nothrow) {
  auto registry = state_->setup()->registry();
  if (!registry) return std::move(registry).error();
  std::vector<ProviderFolder> all;
  for (const auto& folder : (*registry)->searchPath()) {
    all.push_back({folder.path.string(), folder.origin, folder.ignored});
  }
  return all;
}

Result<void> Compute::trustProvider(Nothrow, const std::filesystem::path& file) {
  auto registry = state_->setup()->registry();
  if (!registry) return std::move(registry).error();
  return (*registry)->trust(file);
}

Result<Sandbox> SandboxManager::create(Nothrow, const CreateOptions& options) {
  return detail::createSandbox(state_->setup(), options);
}

Result<std::optional<Sandbox>> SandboxManager::getById(Nothrow, std::string_view id, const LookupOptions& options) {
  auto state = detail::lookUp(state_->setup(), id, options);
  if (!state) return std::move(state).error();
  if (!*state) return std::optional<Sandbox>();
  return std::optional(detail::SandboxState::handle(std::move(*state), false));
}

Result<std::vector<SandboxInfo>> SandboxManager::list(Nothrow, const ListOptions& options) {
  return detail::listSandboxes(*state_->setup(), options);
}

Result<void> SandboxManager::destroy(Nothrow, std::string_view id, const LookupOptions& options) {
  return detail::destroyById(state_->setup(), id, options);
}

Result<Sandbox> SandboxManager::findOrCreate(Nothrow, const CreateOptions& options) {
  return detail::findOrCreateNamed(state_->setup(), options);
}

Result<std::optional<Sandbox>> SandboxManager::find(Nothrow, const FindOptions& options) {
  return detail::findNamed(state_->setup(), options);
}

Result<SandboxInfo> SandboxManager::extendTimeout(Nothrow, std::string_view id, std::chrono::milliseconds duration,
                                                  const LookupOptions& options) {
  auto state = detail::lookUp(state_->setup(), id, options);
  if (!state) return std::move(state).error();
  if (*state) return (*state)->extend(duration, options.stop);
  ErrorInfo error;
  error.code = ErrorCode::notFound;
  error.sandboxId = id;
  error.what = "cannot extend the life of sandbox " + std::string(id);
  error.why = "there is no such sandbox";
  error.fix = "computesdk ls shows those that there are";
  return error;
}

Result<std::vector<std::string>> SandboxManager::reap(Nothrow, std::stop_token stop) {
  return detail::reapSandboxes(*state_->setup(), stop);
}

}  // namespace computesdk
