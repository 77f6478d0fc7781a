#include "sandboxes/failures.hpp"
#include "sandboxes/provider_call.hpp"
#include "sandboxes/sandboxes.hpp"

#include <algorithm>

// The end of a sandbox: whether it has come, bringing it about, putting it off.
namespace computesdk::gateway {
namespace {

SystemTime clockNow() {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

bool hasExpired(const SandboxRecord& record) {
  return record.expiresMs != 0 && millisOf(clockNow()) >= record.expiresMs;
}

}  // namespace

Result<bool> Sandboxes::alive(const SandboxRecord& record) {
  auto opened = live_.provider(record);
  if (!opened) {
    if (opened.error().code == ErrorCode::authMissing) return true;
    return std::move(opened).error();
  }
  if (!(*opened)->provider->features().inspect) return true;
  const CallNumber number;
  auto found = (*opened)->provider->inspect({record.providerId, record.token}, contextFor(number, kShortTime));
  if (found) return found->info.status != SandboxStatus::error;
  if (isGone(found.error())) return false;
  return std::move(found).error();
}

/// Whether there is a way to its provider now. Without one it goes on as it is, rather than being left half ended.
Result<void> Sandboxes::mayEnd(const SandboxRecord& record) {
  if (record.state == gateway::SandboxState::creating || hasExpired(record)) return {};
  auto opened = live_.provider(record);
  if (!opened && opened.error().code == ErrorCode::authMissing) return std::move(opened).error();
  return {};
}

Result<void> Sandboxes::destroy(const Caller& caller, const std::string& id) {
  if (id.empty() || id.size() > kMaxId) return {};
  auto record = store_->peek(id);
  if (!record) return std::move(record).error();
  if (!*record || (*record)->workspace != caller.workspace) return {};
  adoptCredentials(caller, **record);
  if (auto able = mayEnd(**record); !able) {
    audit(caller, "sandbox.destroy", id, &able.error());
    return able;
  }
  auto gone = named_->destroy(id);
  audit(caller, "sandbox.destroy", id, gone ? nullptr : &gone.error());
  // What was left to the reaper keeps its provider: the credentials may have come with this request.
  if (!gone) return std::move(gone).error();
  live_.forget(id);
  if (*gone) counts_.destroyed.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Result<void> Sandboxes::endByLabel(const SandboxRecord& record) {
  auto opened = live_.provider(record);
  if (!opened) return std::move(opened).error();
  registry::Provider& provider = *(*opened)->provider;
  if (!provider.features().list) return {};
  std::vector<registry::SandboxRecord> left;
  const CallNumber number;
  auto listed = provider.list(
      0, {{std::string(kGatewayLabel), record.id}},
      [&](registry::SandboxRecord found) {
        const auto label = found.info.metadata.find(std::string(kGatewayLabel));
        if (label != found.info.metadata.end() && label->second == record.id) left.push_back(std::move(found));
        return true;
      },
      contextFor(number, kShortTime));
  if (!listed) return listed;
  for (const registry::SandboxRecord& each : left) {
    auto ended = provider.destroy({each.info.id, each.token}, contextFor(number, kShortTime));
    if (!ended && !isGone(ended.error())) return ended;
  }
  return {};
}

Result<void> Sandboxes::end(const SandboxRecord& record) {
  Result<void> ended;
  if (record.providerId.empty()) {
    ended = endByLabel(record);
  } else if (auto opened = live_.provider(record); !opened) {
    ended = std::move(opened).error();
  } else {
    const CallNumber number;
    ended = (*opened)->provider->destroy({record.providerId, record.token}, contextFor(number, kShortTime));
    if (!ended && isGone(ended.error())) ended = {};
  }
  // Its client's credentials are gone with a restart; the provider was told its lifetime and ends it by itself.
  if (!ended && ended.error().code == ErrorCode::authMissing && hasExpired(record)) ended = {};
  if (ended) live_.forget(record.id);
  return ended;
}

Result<std::int64_t> Sandboxes::extend(const Caller& caller, const std::string& id,
                                       std::chrono::milliseconds duration) {
  auto record = mine(caller, id);
  if (!record) return std::move(record).error();
  const SystemTime begun = clockNow();
  std::int64_t wanted = std::max(record->expiresMs, millisOf(begun + duration));
  if (settings_.maxTimeout.count() != 0) {
    wanted = std::min(wanted, std::max(record->expiresMs, record->createdMs + settings_.maxTimeout.count()));
  }
  if (record->expiresMs != 0 && wanted > record->expiresMs) {
    auto state = live_.sandbox(*record);
    if (!state) return std::move(state).error();
    auto extended = (*state)->extend(std::chrono::milliseconds(wanted - millisOf(begun)), {});
    if (!extended) {
      audit(caller, "sandbox.extend", id, &extended.error());
      return std::move(extended).error();
    }
  }
  auto expires = store_->extend(id, duration, settings_.maxTimeout);
  if (!expires) return std::move(expires).error();
  if (!*expires) return sandboxMissing(id);
  audit(caller, "sandbox.extend", id, nullptr);
  return **expires;
}

}  // namespace computesdk::gateway
