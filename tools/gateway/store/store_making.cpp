#include "store/keys.hpp"
#include "store/record_text.hpp"
#include "store/store_parts.hpp"

#include <algorithm>

// From the draft of a sandbox to its record, and what happens to names on the way.
namespace computesdk::gateway {
namespace {

// A draft's lease begins with how it takes part in names.
constexpr std::string_view kClaims = "claim-";
constexpr std::string_view kReplaces = "new-";

/// Waiting callers look this often whether another gateway has finished.
constexpr std::chrono::milliseconds kFirstLook{10};
constexpr std::chrono::milliseconds kLongestLook{150};

bool hasClaim(const SandboxRecord& draft) { return draft.lease.starts_with(kClaims); }
/// What the claim's entry holds.
std::string claimText(const SandboxRecord& draft) { return draft.id + " " + draft.lease; }

std::int64_t atLeastOne(std::chrono::milliseconds lease) { return std::max<std::int64_t>(1, lease.count()); }

/// What begin() has to know of the store.
struct Outlook {
  std::int64_t nowMs = 0;
  bool idTaken = false;
  std::string claim;   ///< of another; empty: none
  std::string holder;  ///< id that the name means; empty: none
  std::string parent;  ///< of the namespace; empty: none
};

Result<Outlook> lookAround(Engine& engine, const SandboxRecord& draft) {
  std::vector<std::string> wanted = {keys::sandbox(draft.id)};
  if (!draft.name.empty()) {
    wanted.push_back(keys::claim(nameOf(draft)));
    wanted.push_back(nameKey(nameOf(draft)));
    wanted.push_back(namespaceKey(draft.workspace, draft.nameSpace));
  }
  auto found = engine.read(wanted);
  if (!found) return std::move(found).error();
  auto& values = found->values;
  Outlook outlook;
  outlook.nowMs = found->nowMs;
  outlook.idTaken = values[0].has_value();
  if (!draft.name.empty()) {
    outlook.claim = values[1].value_or(std::string());
    outlook.holder = values[2].value_or(std::string());
    outlook.parent = values[3].value_or(std::string());
  }
  return outlook;
}

/// The steps that write the draft, if what was seen around still is so.
std::vector<Step> beginSteps(const SandboxRecord& draft, const Outlook& outlook, const BeginOptions& options) {
  const std::int64_t lease = atLeastOne(options.lease);
  const std::string record = keys::sandbox(draft.id);
  std::vector<Step> conditions = {{Step::Kind::requireAbsent, record, {}}};
  std::vector<Step> effects = {
      {Step::Kind::set, record, encode(draft)},
      {Step::Kind::add, keys::sandboxes(draft.workspace), draft.id, draft.createdMs},
      {Step::Kind::addAfter, keys::kDue, draft.id, lease},
  };
  if (options.workspaceLimit > 0) {
    conditions.push_back({Step::Kind::requireBelow, keys::sandboxes(draft.workspace), {}, options.workspaceLimit});
  }
  if (!draft.name.empty()) {
    const std::string parent = namespaceKey(draft.workspace, draft.nameSpace);
    const bool there = !outlook.parent.empty();
    conditions.push_back({there ? Step::Kind::requireEquals : Step::Kind::requireAbsent, parent, outlook.parent});
    if (!there) effects.push_back({Step::Kind::set, parent, draft.parentId});
    effects.push_back({Step::Kind::add, keys::children(draft.parentId), draft.id, draft.createdMs});
  }
  if (hasClaim(draft)) {
    conditions.push_back({Step::Kind::requireAbsent, keys::claim(nameOf(draft)), {}});
    conditions.push_back({Step::Kind::requireAbsent, nameKey(nameOf(draft)), {}});
    effects.push_back({Step::Kind::setFor, keys::claim(nameOf(draft)), claimText(draft), lease});
  }
  conditions.insert(conditions.end(), effects.begin(), effects.end());
  return conditions;
}

ErrorInfo idTaken(const std::string& id) {
  ErrorInfo error;
  error.code = ErrorCode::alreadyExists;
  error.what = "cannot make a sandbox";
  error.why = "there is one with the id " + id;
  error.fix = "choose another id";
  return error;
}

}  // namespace

Result<Begun> Store::begin(SandboxRecord draft, const BeginOptions& options) {
  if (auto fine = parts_->checkText({draft.id, draft.workspace, draft.nameSpace, draft.name}); !fine) {
    return std::move(fine).error();
  }
  const bool claiming = options.mode == NameMode::claim;
  if (claiming && draft.name.empty()) return parts_->checkText({draft.name}).error();
  if (draft.name.empty()) draft.nameSpace.clear();
  draft.state = SandboxState::creating;
  draft.lease = std::string(claiming ? kClaims : kReplaces) + newUuid();
  const std::string ownParent = newUuid();
  for (;;) {
    auto outlook = lookAround(*parts_->engine, draft);
    if (!outlook) return std::move(outlook).error();
    if (claiming && !outlook->holder.empty()) {
      auto holder = get(outlook->holder);
      if (!holder) return std::move(holder).error();
      if (*holder) return Begun{Begun::Kind::exists, std::move(**holder)};
      if (auto freed = freeName(nameOf(draft), outlook->holder); !freed) return std::move(freed).error();
      continue;
    }
    if (claiming && !outlook->claim.empty()) {
      auto other = parts_->readSandbox(outlook->claim.substr(0, outlook->claim.find(' ')));
      if (!other) return std::move(other).error();
      if (*other && (*other)->record.state == SandboxState::creating) {
        return Begun{Begun::Kind::held, std::move((*other)->record)};
      }
      // Given up, or taken from a maker that fell silent: the claim is worth nothing.
      const Step step = {Step::Kind::removeIfEquals, keys::claim(nameOf(draft)), outlook->claim};
      if (auto freed = parts_->engine->apply({&step, 1}); !freed) return std::move(freed).error();
      continue;
    }
    if (outlook->idTaken) return idTaken(draft.id);
    if (options.workspaceLimit > 0) {
      auto used = count(draft.workspace);
      if (!used) return std::move(used).error();
      if (*used >= options.workspaceLimit) return Begun{Begun::Kind::full, {}};
    }
    draft.createdMs = outlook->nowMs;
    draft.parentId = draft.name.empty() ? std::string() : outlook->parent.empty() ? ownParent : outlook->parent;
    auto applied = parts_->engine->apply(beginSteps(draft, *outlook, options));
    if (!applied) return std::move(applied).error();
    if (!applied->failed) return Begun{Begun::Kind::begun, std::move(draft)};
  }
}

/// The name means a sandbox that is not to be found: that sandbox is due, and the name free.
Result<void> Store::freeName(const NameKey& key, const std::string& id) {
  auto removed = startRemove(id, std::chrono::milliseconds{0});
  if (!removed) return std::move(removed).error();
  const Step step = {Step::Kind::removeIfEquals, nameKey(key), id};
  auto applied = parts_->engine->apply({&step, 1});
  if (!applied) return std::move(applied).error();
  return {};
}

Result<bool> Store::renew(const SandboxRecord& draft, std::chrono::milliseconds lease) {
  auto changed = parts_->change(draft.id, [&](SandboxRecord& record, std::int64_t, std::vector<Step>& steps) {
    if (record.state != SandboxState::creating || record.lease != draft.lease) return false;
    const std::int64_t length = atLeastOne(lease);
    if (hasClaim(record)) {
      const std::string claim = keys::claim(nameOf(record));
      steps.push_back({Step::Kind::requireEquals, claim, claimText(record)});
      steps.push_back({Step::Kind::setFor, claim, claimText(record), length});
    }
    steps.push_back({Step::Kind::addAfter, keys::kDue, record.id, length});
    return true;
  });
  if (!changed) return std::move(changed).error();
  return changed->has_value();
}

Result<bool> Store::finish(const SandboxRecord& made) {
  auto changed = parts_->change(made.id, [&](SandboxRecord& record, std::int64_t, std::vector<Step>& steps) {
    if (record.state != SandboxState::creating || record.lease != made.lease) return false;
    const SandboxRecord draft = record;
    record = made;
    record.workspace = draft.workspace;
    record.name = draft.name;
    record.nameSpace = draft.nameSpace;
    record.parentId = draft.parentId;
    record.createdMs = draft.createdMs;
    record.state = SandboxState::running;
    record.lease.clear();
    if (hasClaim(draft)) {
      steps.push_back({Step::Kind::requireEquals, keys::claim(nameOf(draft)), claimText(draft)});
      steps.push_back({Step::Kind::requireAbsent, nameKey(nameOf(draft)), {}});
      steps.push_back({Step::Kind::remove, keys::claim(nameOf(draft)), {}});
    }
    if (!record.name.empty()) steps.push_back({Step::Kind::set, nameKey(nameOf(record)), record.id});
    steps.push_back(record.expiresMs == 0 ? Step{Step::Kind::drop, keys::kDue, record.id}
                                          : Step{Step::Kind::add, keys::kDue, record.id, record.expiresMs});
    return true;
  });
  parts_->wakeWaiting();
  if (!changed) return std::move(changed).error();
  return changed->has_value();
}

Result<void> Store::abandon(const SandboxRecord& draft) {
  auto found = parts_->readSandbox(draft.id);
  if (!found) return std::move(found).error();
  if (!*found || (*found)->record.lease != draft.lease) return {};
  auto removed = remove(draft.id);
  if (!removed) return std::move(removed).error();
  return {};
}

Result<void> Store::waitForName(const NameKey& key, std::chrono::steady_clock::time_point until) {
  const std::string claim = keys::claim(key);
  auto pause = kFirstLook;
  for (;;) {
    std::uint64_t seen = 0;
    {
      std::lock_guard lock(parts_->mutex);
      seen = parts_->frees;
    }
    auto found = parts_->engine->read({&claim, 1});
    if (!found) return std::move(found).error();
    const auto now = std::chrono::steady_clock::now();
    if (!found->values.front() || now >= until) return {};
    std::unique_lock lock(parts_->mutex);
    parts_->freed.wait_until(lock, std::min(until, now + pause), [&] { return parts_->frees != seen; });
    pause = std::min(pause * 2, kLongestLook);
  }
}

}  // namespace computesdk::gateway
