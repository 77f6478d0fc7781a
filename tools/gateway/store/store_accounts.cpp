#include "store/keys.hpp"
#include "store/record_text.hpp"
#include "store/store_parts.hpp"

#include <algorithm>

// API keys, snapshots, limits, secrets and the audit log.
namespace computesdk::gateway {
namespace {

constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kEvery = std::numeric_limits<std::int32_t>::max();
/// Entries of the log that are looked through at once.
constexpr std::size_t kLogPage = 500;

ErrorInfo taken(std::string what) {
  ErrorInfo error;
  error.code = ErrorCode::alreadyExists;
  error.what = std::move(what);
  error.why = "there is one with that id";
  error.fix = "choose another";
  return error;
}

/// All records of a set.
template <typename Record>
Result<std::vector<Record>> readAll(Engine& engine, const std::string& set, std::string (*keyOf)(const std::string&)) {
  auto members = engine.members(set, kEver, kEvery);
  if (!members) return std::move(members).error();
  std::vector<std::string> wanted;
  for (const Member& member : *members) wanted.push_back(keyOf(member.name));
  auto texts = engine.read(wanted);
  if (!texts) return std::move(texts).error();
  std::vector<Record> records;
  for (const auto& text : texts->values) {
    Record record;
    if (text && decode(*text, record)) records.push_back(std::move(record));
  }
  return records;
}

/// The record in an entry; one that is damaged is an error.
template <typename Record>
Result<std::optional<Record>> readOne(Engine& engine, const std::string& key) {
  auto found = engine.read({&key, 1});
  if (!found) return std::move(found).error();
  if (!found->values.front()) return std::optional<Record>();
  Record record;
  if (decode(*found->values.front(), record)) return std::optional<Record>(std::move(record));
  ErrorInfo error;
  error.code = ErrorCode::store;
  error.what = "cannot use the store " + engine.where();
  error.why = "the entry " + key + " is damaged";
  error.fix = "see what it holds, and remove it if that cannot be mended";
  return error;
}

}  // namespace

Result<ApiKey> Store::addKey(ApiKey key) {
  if (auto fine = parts_->checkText({key.id, key.hash, key.workspace}); !fine) return std::move(fine).error();
  if (auto fine = parts_->checkText({key.hash}); !fine) return std::move(fine).error();
  auto time = now();
  if (!time) return std::move(time).error();
  key.createdMs = *time;
  key.revokedMs = 0;
  const std::vector<Step> steps = {
      {Step::Kind::requireAbsent, keys::apiKey(key.id), {}},
      {Step::Kind::requireAbsent, keys::apiKeyHash(key.hash), {}},
      {Step::Kind::set, keys::apiKey(key.id), key.hash},
      {Step::Kind::set, keys::apiKeyHash(key.hash), encode(key)},
      {Step::Kind::add, keys::kApiKeys, key.hash, key.createdMs},
  };
  auto applied = parts_->engine->apply(steps);
  if (!applied) return std::move(applied).error();
  if (applied->failed) return taken("cannot add the API key");
  return key;
}

Result<std::vector<ApiKey>> Store::keys(const std::string& workspace) {
  auto all = readAll<ApiKey>(*parts_->engine, keys::kApiKeys, keys::apiKeyHash);
  if (!all || workspace.empty()) return all;
  std::erase_if(*all, [&](const ApiKey& key) { return key.workspace != workspace; });
  return all;
}

Result<bool> Store::revokeKey(const std::string& id) {
  const std::string own = keys::apiKey(id);
  auto hash = parts_->engine->read({&own, 1});
  if (!hash) return std::move(hash).error();
  if (!hash->values.front()) return false;
  for (;;) {
    auto known = keyByHash(*hash->values.front());
    if (!known) return std::move(known).error();
    if (!*known) return false;
    ApiKey key = **known;
    if (key.revokedMs != 0) return true;
    key.revokedMs = hash->nowMs;
    const std::string entry = keys::apiKeyHash(key.hash);
    const std::vector<Step> steps = {{Step::Kind::requireEquals, entry, encode(**known)},
                                     {Step::Kind::set, entry, encode(key)}};
    auto applied = parts_->engine->apply(steps);
    if (!applied) return std::move(applied).error();
    if (!applied->failed) return true;
  }
}

Result<std::optional<ApiKey>> Store::keyByHash(const std::string& hash) {
  return readOne<ApiKey>(*parts_->engine, keys::apiKeyHash(hash));
}

Result<SnapshotRecord> Store::addSnapshot(SnapshotRecord snapshot) {
  if (auto fine = parts_->checkText({snapshot.id, snapshot.workspace}); !fine) return std::move(fine).error();
  auto time = now();
  if (!time) return std::move(time).error();
  snapshot.createdMs = *time;
  const std::string entry = keys::snapshot(snapshot.id);
  const std::vector<Step> steps = {
      {Step::Kind::requireAbsent, entry, {}},
      {Step::Kind::set, entry, encode(snapshot)},
      {Step::Kind::add, keys::snapshots(snapshot.workspace), snapshot.id, snapshot.createdMs},
  };
  auto applied = parts_->engine->apply(steps);
  if (!applied) return std::move(applied).error();
  if (applied->failed) return taken("cannot add the snapshot");
  return snapshot;
}

Result<std::optional<SnapshotRecord>> Store::snapshot(const std::string& id) {
  return readOne<SnapshotRecord>(*parts_->engine, keys::snapshot(id));
}

Result<std::vector<SnapshotRecord>> Store::snapshots(const std::string& workspace) {
  return readAll<SnapshotRecord>(*parts_->engine, keys::snapshots(workspace), keys::snapshot);
}

Result<bool> Store::removeSnapshot(const std::string& id) {
  auto known = snapshot(id);
  if (!known) return std::move(known).error();
  if (!*known) return false;
  const std::string entry = keys::snapshot(id);
  const std::vector<Step> steps = {
      {Step::Kind::requireEquals, entry, encode(**known)},
      {Step::Kind::remove, entry, {}},
      {Step::Kind::drop, keys::snapshots((*known)->workspace), id},
  };
  auto applied = parts_->engine->apply(steps);
  if (!applied) return std::move(applied).error();
  return !applied->failed;
}

Result<RateAnswer> Store::hit(const std::string& key, std::int64_t limit, std::chrono::milliseconds window) {
  if (auto fine = parts_->checkText({key}); !fine) return std::move(fine).error();
  return parts_->engine->hit(keys::rate(key), limit, std::max(window, std::chrono::milliseconds{1}));
}

Result<std::string> Store::sharedSecret(const std::string& name, const std::string& candidate) {
  const std::string entry = keys::secret(name);
  const std::vector<Step> steps = {{Step::Kind::requireAbsent, entry, {}}, {Step::Kind::set, entry, toHex(candidate)}};
  auto applied = parts_->engine->apply(steps);
  if (!applied) return std::move(applied).error();
  if (!applied->failed) return candidate;
  auto known = parts_->engine->read({&entry, 1});
  if (!known) return std::move(known).error();
  auto bytes = fromHex(known->values.front().value_or(std::string("?")));
  if (!bytes) return parts_->error("the entry " + entry + " is damaged", "remove it: access tokens become invalid");
  return std::move(*bytes);
}

Result<void> Store::audit(const AuditEntry& entry) {
  auto time = now();
  if (!time) return std::move(time).error();
  AuditEntry stamped = entry;
  stamped.timeMs = *time;
  const Step step = {Step::Kind::append, keys::kAudit, encode(stamped), parts_->options.auditKeep};
  auto applied = parts_->engine->apply({&step, 1});
  if (!applied) return std::move(applied).error();
  return {};
}

Result<std::vector<AuditEntry>> Store::auditTail(std::size_t most, const std::string& workspace) {
  std::vector<AuditEntry> found;
  std::string before;
  while (found.size() < most) {
    auto page = parts_->engine->tail(keys::kAudit, before, kLogPage);
    if (!page) return std::move(page).error();
    for (const auto& item : *page) {
      AuditEntry entry;
      if (!decode(item.text, entry) || (!workspace.empty() && entry.workspace != workspace)) continue;
      found.push_back(std::move(entry));
      if (found.size() == most) break;
    }
    if (page->size() < kLogPage) break;
    before = page->back().position;
  }
  return found;
}

}  // namespace computesdk::gateway
