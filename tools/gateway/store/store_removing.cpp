#include "store/keys.hpp"
#include "store/record_text.hpp"
#include "store/store_parts.hpp"

#include <algorithm>

// The way out of the store: marked first, so that nobody finds it and a death in between is noticed; then gone.
namespace computesdk::gateway {
namespace {

/// A record that cannot be read is shown to the reaper no more often than this.
constexpr std::int64_t kDamagedAgainMs = 3'600'000;
/// Several look at the same ones; who comes late finds the next among these.
constexpr std::size_t kCandidates = 16;

void markRemoving(SandboxRecord& record, std::chrono::milliseconds lease, std::vector<Step>& steps) {
  record.state = SandboxState::removing;
  record.lease = newUuid();
  if (!record.name.empty()) steps.push_back({Step::Kind::removeIfEquals, nameKey(nameOf(record)), record.id});
  steps.push_back({Step::Kind::addAfter, keys::kDue, record.id, std::max<std::int64_t>(0, lease.count())});
}

}  // namespace

Result<std::optional<SandboxRecord>> Store::startRemove(const std::string& id, std::chrono::milliseconds lease) {
  return parts_->change(id, [&](SandboxRecord& record, std::int64_t, std::vector<Step>& steps) {
    const bool left = record.state == SandboxState::removing && record.lease.empty();
    if (record.state != SandboxState::running && !left) return false;
    markRemoving(record, lease, steps);
    return true;
  });
}

std::chrono::milliseconds pauseAfter(std::int64_t failures, const RemovePauses& pauses) noexcept {
  std::chrono::milliseconds pause = pauses.first;
  for (std::int64_t i = 1; i < failures && pause < pauses.longest; ++i) pause *= 2;
  return std::min(pause, pauses.longest);
}

Result<bool> Store::removeFailed(const SandboxRecord& record, const RemovePauses& pauses) {
  auto changed = parts_->change(record.id, [&](SandboxRecord& known, std::int64_t, std::vector<Step>& steps) {
    if (known.state != SandboxState::removing || known.lease.empty() || known.lease != record.lease) {
      return false;
    }
    known.lease.clear();
    ++known.failures;
    steps.push_back({Step::Kind::addAfter, keys::kDue, known.id, pauseAfter(known.failures, pauses).count()});
    return true;
  });
  if (!changed) return std::move(changed).error();
  return changed->has_value();
}

Result<std::optional<SandboxRecord>> Store::remove(const std::string& id, const std::string& lease) {
  for (;;) {
    auto found = parts_->readSandbox(id);
    if (!found) return std::move(found).error();
    if (!*found) return std::optional<SandboxRecord>();
    SandboxRecord& record = (*found)->record;
    if (!lease.empty() && record.lease != lease) return std::optional<SandboxRecord>();
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

Result<SandboxRecord> Store::leaveToReaper(const SandboxRecord& made, std::chrono::milliseconds lease) {
  SandboxRecord record = made;
  std::vector<Step> marks;
  markRemoving(record, lease, marks);
  for (;;) {
    auto found = parts_->readSandbox(record.id);
    if (!found) return std::move(found).error();
    const std::string key = keys::sandbox(record.id);
    std::vector<Step> steps = {*found ? Step{Step::Kind::requireEquals, key, (*found)->text}
                                      : Step{Step::Kind::requireAbsent, key, {}}};
    steps.insert(steps.end(), marks.begin(), marks.end());
    steps.push_back({Step::Kind::set, key, encode(record)});
    steps.push_back({Step::Kind::add, keys::sandboxes(record.workspace), record.id, record.createdMs});
    auto applied = parts_->engine->apply(steps);
    if (!applied) return std::move(applied).error();
    if (!applied->failed) return record;
  }
}

/// Nothing when it was not due any more: extended, finished, renewed or taken by another since it was seen.
Result<std::optional<SandboxRecord>> Store::takeOne(const std::string& id, std::chrono::milliseconds lease) {
  auto known = parts_->readSandbox(id);
  if (!known || !*known) {
    const Step step =
        known ? Step{Step::Kind::drop, keys::kDue, id} : Step{Step::Kind::addAfter, keys::kDue, id, kDamagedAgainMs};
    auto applied = parts_->engine->apply({&step, 1});
    if (!applied) return std::move(applied).error();
    return std::optional<SandboxRecord>();
  }
  return parts_->change(id, [&](SandboxRecord& record, std::int64_t, std::vector<Step>& steps) {
    steps.push_back({Step::Kind::requireDue, keys::kDue, id});
    markRemoving(record, lease, steps);
    return true;
  });
}

Result<std::vector<SandboxRecord>> Store::takeDue(std::size_t most, std::chrono::milliseconds lease) {
  std::vector<SandboxRecord> taken;
  for (;;) {
    auto time = now();
    if (!time) return std::move(time).error();
    auto due = parts_->engine->members(keys::kDue, *time, std::max(most, kCandidates));
    if (!due) return std::move(due).error();
    for (std::size_t i = 0; i < due->size() && taken.size() < most; ++i) {
      auto one = takeOne((*due)[i].name, lease);
      if (!one) return std::move(one).error();
      if (*one) taken.push_back(std::move(**one));
    }
    // Others took all of them: there may be more.
    if (!taken.empty() || due->empty() || most == 0) return taken;
  }
}

}  // namespace computesdk::gateway
