#include "store/keys.hpp"
#include "store/record_text.hpp"
#include "store/store_parts.hpp"

#include <algorithm>

// The way out of the store: marked first, so that nobody finds it and a death in between is noticed; then gone.
namespace computesdk::gateway {
namespace {

/// A record that cannot be read is shown to the reaper no more often than this.
constexpr std::int64_t kDamagedAgainMs = 3'600'000;

void markRemoving(SandboxRecord& record, std::chrono::milliseconds lease, std::vector<Step>& steps) {
  record.state = SandboxState::removing;
  record.lease = newUuid();
  if (!record.name.empty()) steps.push_back({Step::Kind::removeIfEquals, nameKey(nameOf(record)), record.id});
  steps.push_back({Step::Kind::addAfter, keys::kDue, record.id, std::max<std::int64_t>(0, lease.count())});
}

}  // namespace

Result<std::optional<SandboxRecord>> Store::startRemove(const std::string& id, std::chrono::milliseconds lease) {
  return parts_->change(id, [&](SandboxRecord& record, std::int64_t, std::vector<Step>& steps) {
    if (record.state != SandboxState::running) return false;
    markRemoving(record, lease, steps);
    return true;
  });
}

Result<std::optional<SandboxRecord>> Store::remove(const std::string& id) {
  for (;;) {
    auto found = parts_->readSandbox(id);
    if (!found) return std::move(found).error();
    if (!*found) return std::optional<SandboxRecord>();
    SandboxRecord& record = (*found)->record;
    std::vector<Step> steps = {
        {Step::Kind::requireEquals, keys::sandbox(id), (*found)->text},
        {Step::Kind::remove, keys::sandbox(id), {}},
        {Step::Kind::drop, keys::sandboxes(record.workspace), id},
        {Step::Kind::drop, keys::kDue, id},
    };
    if (!record.name.empty()) {
      const NameKey key = nameOf(record);
      steps.push_back({Step::Kind::removeIfEquals, nameKey(key), id});
      steps.push_back({Step::Kind::removeIfEquals, keys::claim(key), id + " " + record.lease});
      steps.push_back({Step::Kind::drop, keys::children(record.parentId), id});
      steps.push_back({Step::Kind::removeIfEmpty, namespaceKey(record.workspace, record.nameSpace),
                       keys::children(record.parentId)});
    }
    auto applied = parts_->engine->apply(steps);
    if (!applied) return std::move(applied).error();
    if (applied->failed) continue;
    parts_->wakeWaiting();
    return std::optional<SandboxRecord>(std::move(record));
  }
}

Result<std::vector<SandboxRecord>> Store::takeDue(std::size_t most, std::chrono::milliseconds lease) {
  auto time = now();
  if (!time) return std::move(time).error();
  auto due = parts_->engine->members(keys::kDue, *time, most);
  if (!due) return std::move(due).error();
  std::vector<SandboxRecord> taken;
  for (const Member& member : *due) {
    const std::string& id = member.name;
    auto known = parts_->readSandbox(id);
    if (!known || !*known) {
      const Step step =
          known ? Step{Step::Kind::drop, keys::kDue, id} : Step{Step::Kind::addAfter, keys::kDue, id, kDamagedAgainMs};
      auto applied = parts_->engine->apply({&step, 1});
      if (!applied) return std::move(applied).error();
      continue;
    }
    auto changed = parts_->change(id, [&](SandboxRecord& record, std::int64_t, std::vector<Step>& steps) {
      // Extended, finished, renewed or taken by another since it was seen: then it is not due any more.
      steps.push_back({Step::Kind::requireDue, keys::kDue, id});
      markRemoving(record, lease, steps);
      return true;
    });
    if (!changed) return std::move(changed).error();
    if (*changed) taken.push_back(std::move(**changed));
  }
  return taken;
}

}  // namespace computesdk::gateway
