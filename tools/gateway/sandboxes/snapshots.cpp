#include "sandboxes/failures.hpp"
#include "sandboxes/provider_call.hpp"
#include "sandboxes/sandboxes.hpp"

// Snapshots of sandboxes.
namespace computesdk::gateway {

Result<SnapshotRecord> Sandboxes::createSnapshot(const Caller& caller, const std::string& sandboxId,
                                                 const std::string& name, const std::string& metadata,
                                                 const StringMap& metadataTexts) {
  auto record = mine(caller, sandboxId);
  if (!record) return std::move(record).error();
  auto state = live_.sandbox(*record);
  if (!state) return std::move(state).error();
  Sandbox handle = detail::SandboxState::handle(*state, false);
  auto made = handle.snapshot(nothrow, {.name = name, .metadata = metadataTexts});
  audit(caller, "snapshot.create", sandboxId, made ? nullptr : &made.error());
  if (!made) return std::move(made).error();
  SnapshotRecord snapshot;
  snapshot.id = newId("snap");
  snapshot.workspace = caller.workspace;
  snapshot.provider = record->provider;
  snapshot.providerId = made->id;
  snapshot.sandboxId = sandboxId;
  snapshot.name = name;
  snapshot.metadata = metadata;
  return store_->addSnapshot(std::move(snapshot));
}

Result<std::vector<SnapshotRecord>> Sandboxes::listSnapshots(const Caller& caller) {
  return store_->snapshots(caller.workspace);
}

Result<void> Sandboxes::removeSnapshot(const Caller& caller, const std::string& id) {
  auto record = store_->snapshot(id);
  if (!record) return std::move(record).error();
  if (!*record || (*record)->workspace != caller.workspace) return snapshotMissing(id);
  auto opened = openFor(caller, (*record)->provider);
  if (!opened) return std::move(opened).error();
  const CallNumber number;
  auto removed = (*opened)->provider->snapshotRemove((*record)->providerId, contextFor(number, kShortTime));
  if (!removed && !isGone(removed.error())) return removed;
  audit(caller, "snapshot.delete", id, nullptr);
  auto forgotten = store_->removeSnapshot(id);
  if (!forgotten) return std::move(forgotten).error();
  return {};
}

}  // namespace computesdk::gateway
