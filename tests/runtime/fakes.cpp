#include "fakes.hpp"

#include "core/compute_state.hpp"

#include <unistd.h>

#include <algorithm>

namespace computesdk {

class ComputeTestAccess {
 public:
  static Compute make(std::shared_ptr<detail::ComputeState> state) { return Compute(std::move(state)); }
};

namespace test {

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "computesdk-runtime-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}
TempFolder::~TempFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

ErrorInfo failure(ErrorCode code, std::string why) {
  ErrorInfo error;
  error.code = code;
  error.what = "cannot do it";
  error.why = std::move(why);
  return error;
}

void FakeRegistry::add(std::shared_ptr<FakeProvider> provider) {
  const std::string name = provider->name();
  registry::Candidate candidate;
  candidate.name = name;
  candidate.state = detection.selected ? registry::CandidateState::ready : registry::CandidateState::selected;
  if (!detection.selected) detection.selected = name;
  detection.candidates.push_back(candidate);
  providers_[name] = std::move(provider);
}

std::vector<std::shared_ptr<const registry::Manifest>> FakeRegistry::manifests() const {
  std::vector<std::shared_ptr<const registry::Manifest>> all;
  for (const auto& [name, provider] : providers_) all.push_back(manifest(name));
  return all;
}

std::shared_ptr<const registry::Manifest> FakeRegistry::manifest(std::string_view name) const {
  auto found = providers_.find(std::string(name));
  if (found == providers_.end()) return nullptr;
  return {found->second, &found->second->manifest_};
}

registry::Detection FakeRegistry::detect(std::optional<std::string_view> name) const {
  registry::Detection answer = detection;
  if (name) answer.selected = std::string(*name);
  return answer;
}

Result<std::shared_ptr<registry::Provider>> FakeRegistry::openProvider(std::string_view name,
                                                                       const registry::OpenOptions& options) {
  opened[std::string(name)] = options.config;
  if (auto why = broken.find(std::string(name)); why != broken.end()) return why->second;
  auto found = providers_.find(std::string(name));
  if (found == providers_.end()) {
    ErrorInfo error = failure(ErrorCode::unknownProvider, "installed is nothing of that name");
    error.what = "Unknown provider: " + std::string(name);
    return error;
  }
  return std::shared_ptr<registry::Provider>(found->second);
}

Result<std::optional<std::string>> FakeStore::get(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(key);
  return found == entries_.end() ? std::optional<std::string>() : std::optional(found->second);
}

Result<FakeStore::Entries> FakeStore::list(const std::string& prefix) {
  std::lock_guard lock(mutex_);
  Entries all;
  for (const auto& entry : entries_) {
    if (entry.first.starts_with(prefix)) all.push_back(entry);
  }
  return all;
}

Result<bool> FakeStore::claim(const std::string& key, const std::string& owner, std::int64_t now, std::int64_t until) {
  std::lock_guard lock(mutex_);
  auto found = claims_.find(key);
  if (found != claims_.end() && found->second.first != owner && found->second.second > now) return false;
  claims_[key] = {owner, until};
  return true;
}

Result<bool> FakeStore::apply(std::span<const detail::StoreStep> steps) {
  using Kind = detail::StoreStep::Kind;
  std::lock_guard lock(mutex_);
  auto entries = entries_;
  auto claims = claims_;
  for (const auto& [kind, key, value] : steps) {
    auto begins = [&prefix = value](const auto& each) { return each.first.starts_with(prefix); };
    switch (kind) {
      case Kind::set: entries[key] = value; break;
      case Kind::setIfAbsent: entries.emplace(key, value); break;
      case Kind::remove: entries.erase(key); break;
      case Kind::requireEquals:
        if (!entries.contains(key) || entries[key] != value) return false;
        break;
      case Kind::requireClaim:
        if (!claims.contains(key) || claims[key].first != value) return false;
        break;
      case Kind::removeUnlessAny:
        if (std::ranges::none_of(entries, begins) && std::ranges::none_of(claims, begins)) entries.erase(key);
        break;
      case Kind::dropClaim:
        if (claims.contains(key) && claims[key].first == value) claims.erase(key);
        break;
    }
  }
  entries_ = std::move(entries);
  claims_ = std::move(claims);
  return true;
}

Compute computeOver(detail::Seams seams) {
  return ComputeTestAccess::make(std::make_shared<detail::ComputeState>(std::move(seams)));
}

World::World(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    providers[name] = std::make_shared<FakeProvider>(name);
    registry->add(providers[name]);
  }
  seams.registry = registry;
  seams.openStore = [this](const std::filesystem::path&) -> Result<std::shared_ptr<detail::NamedStore>> {
    return std::shared_ptr<detail::NamedStore>(store);
  };
}

Compute World::compute() { return compute({}); }

Compute World::compute(ComputeConfig config) {
  config.stateDirectory = folder.path() / "state";
  config.environment = [](std::string_view) { return std::nullopt; };
  config.log = [this](const LogMessage& message) {
    std::lock_guard lock(logMutex);
    log.push_back(message.message);
  };
  Compute compute = computeOver(seams);
  compute.setConfig(std::move(config));
  return compute;
}

}  // namespace test
}  // namespace computesdk
