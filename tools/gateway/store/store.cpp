#include "store/store.hpp"

#include "store/keys.hpp"
#include "store/record_text.hpp"
#include "store/store_parts.hpp"

#include <algorithm>

namespace computesdk::gateway {
namespace {

constexpr std::int64_t kAnyTime = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kAll = std::numeric_limits<std::int32_t>::max();

}  // namespace

bool isLive(const SandboxRecord& record, std::int64_t nowMs) {
  return record.state == SandboxState::running && (record.expiresMs == 0 || record.expiresMs > nowMs);
}

NameKey nameOf(const SandboxRecord& record) { return {record.workspace, record.nameSpace, record.name}; }

void Store::Parts::wakeWaiting() {
  {
    std::lock_guard lock(mutex);
    ++frees;
  }
  freed.notify_all();
}

ErrorInfo Store::Parts::error(std::string why, std::string fix) const {
  ErrorInfo info;
  info.code = ErrorCode::store;
  info.what = "cannot use the store " + engine->where();
  info.why = std::move(why);
  info.fix = std::move(fix);
  return info;
}

Result<void> Store::Parts::checkText(std::initializer_list<std::string_view> texts) const {
  const bool empty = texts.begin()->empty();
  const bool nul = std::any_of(texts.begin(), texts.end(), [](auto text) { return text.find('\0') != text.npos; });
  if (!empty && !nul) return {};
  ErrorInfo info;
  info.code = ErrorCode::invalidArgument;
  info.what = "cannot keep it in the store";
  info.why = nul ? "a name, namespace or id holds a NUL character" : "its id or its name is empty";
  info.fix = nul ? "leave the character out" : "give it one";
  return info;
}

Result<std::optional<Store::Parts::Read>> Store::Parts::readSandbox(const std::string& id) {
  const std::string key = keys::sandbox(id);
  auto found = engine->read({&key, 1});
  if (!found) return std::move(found).error();
  auto& text = found->values.front();
  if (!text) return std::optional<Read>();
  Read read;
  if (!decode(*text, read.record)) {
    return error("the entry " + key + " is damaged", "see what it holds, and remove it if that cannot be mended");
  }
  read.text = std::move(*text);
  read.nowMs = found->nowMs;
  return std::optional<Read>(std::move(read));
}

Result<std::optional<SandboxRecord>> Store::Parts::change(const std::string& id, const Plan& plan) {
  for (;;) {
    auto found = readSandbox(id);
    if (!found) return std::move(found).error();
    if (!*found) return std::optional<SandboxRecord>();
    Read& read = **found;
    const std::string key = keys::sandbox(id);
    std::vector<Step> steps = {{Step::Kind::requireEquals, key, read.text}};
    if (!plan(read.record, read.nowMs, steps)) return std::optional<SandboxRecord>();
    steps.push_back({Step::Kind::set, key, encode(read.record)});
    auto applied = engine->apply(steps);
    if (!applied) return std::move(applied).error();
    if (!applied->failed) return std::optional<SandboxRecord>(std::move(read.record));
    if (*applied->failed != 0) return std::optional<SandboxRecord>();
  }
}

Result<std::shared_ptr<Store>> Store::open(const std::string& url, const StoreOptions& options) {
  Result<std::unique_ptr<Engine>> engine = std::unique_ptr<Engine>();
  constexpr std::string_view kSqlite = "sqlite:";
  if (url.starts_with(kSqlite) && url.size() > kSqlite.size()) {
    engine = openSqlite(url.substr(kSqlite.size()), options.patience);
  } else if (url.starts_with("redis://") || url.starts_with("rediss://")) {
    engine = openRedis(url, options.patience, options.connections);
  } else {
    ErrorInfo info;
    info.code = ErrorCode::config;
    info.what = "cannot open the store";
    // What was given is not repeated: it may hold a password.
    info.why = "its url begins neither with sqlite: nor with redis://";
    info.fix = "give sqlite:FILE or redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]";
    return info;
  }
  if (!engine) return std::move(engine).error();
  return std::make_shared<Store>(std::move(*engine), options);
}

Store::Store(std::unique_ptr<Engine> engine, const StoreOptions& options) : parts_(std::make_unique<Parts>()) {
  parts_->engine = std::move(engine);
  parts_->options = options;
}

Store::~Store() = default;

const std::string& Store::where() const noexcept { return parts_->engine->where(); }

Result<std::int64_t> Store::now() {
  auto found = parts_->engine->read({});
  if (!found) return std::move(found).error();
  return found->nowMs;
}

Result<std::vector<std::string>> Store::concerns() { return parts_->engine->concerns(); }

Result<std::optional<SandboxRecord>> Store::get(const std::string& id) {
  auto found = parts_->readSandbox(id);
  if (!found) return std::move(found).error();
  if (!*found || !isLive((*found)->record, (*found)->nowMs)) return std::optional<SandboxRecord>();
  return std::optional<SandboxRecord>(std::move((*found)->record));
}

Result<std::optional<SandboxRecord>> Store::peek(const std::string& id) {
  auto found = parts_->readSandbox(id);
  if (!found) return std::move(found).error();
  if (!*found) return std::optional<SandboxRecord>();
  return std::optional<SandboxRecord>(std::move((*found)->record));
}

Result<std::optional<SandboxRecord>> Store::find(const NameKey& key) {
  const std::string mapping = nameKey(key);
  auto found = parts_->engine->read({&mapping, 1});
  if (!found) return std::move(found).error();
  if (!found->values.front()) return std::optional<SandboxRecord>();
  return get(*found->values.front());
}

Result<std::vector<SandboxRecord>> Store::list(const std::string& workspace) {
  auto ids = parts_->engine->members(keys::sandboxes(workspace), kAnyTime, kAll);
  if (!ids) return std::move(ids).error();
  std::vector<std::string> wanted;
  for (const Member& member : *ids) wanted.push_back(keys::sandbox(member.name));
  auto texts = parts_->engine->read(wanted);
  if (!texts) return std::move(texts).error();
  std::vector<SandboxRecord> records;
  for (const auto& text : texts->values) {
    SandboxRecord record;
    // One that cannot be read keeps nobody from seeing the others; get() names it.
    if (text && decode(*text, record) && isLive(record, texts->nowMs)) records.push_back(std::move(record));
  }
  return records;
}

Result<std::int64_t> Store::count(const std::string& workspace) {
  return parts_->engine->size(keys::sandboxes(workspace));
}

Result<bool> Store::update(const std::string& id, const SandboxChanges& changes) {
  auto changed = parts_->change(id, [&](SandboxRecord& record, std::int64_t nowMs, std::vector<Step>&) {
    if (!isLive(record, nowMs)) return false;
    if (changes.token) record.token = *changes.token;
    if (changes.daemonUrl) record.daemonUrl = *changes.daemonUrl;
    if (changes.daemonToken) record.daemonToken = *changes.daemonToken;
    if (changes.metadata) record.metadata = *changes.metadata;
    if (changes.details) record.details = *changes.details;
    return true;
  });
  if (!changed) return std::move(changed).error();
  return changed->has_value();
}

Result<std::optional<std::int64_t>> Store::extend(const std::string& id, std::chrono::milliseconds duration,
                                                  std::chrono::milliseconds longest) {
  auto changed = parts_->change(id, [&](SandboxRecord& record, std::int64_t nowMs, std::vector<Step>& steps) {
    if (!isLive(record, nowMs)) return false;
    if (record.expiresMs == 0) return true;
    std::int64_t wanted = nowMs + std::min(duration.count(), kAnyTime - nowMs);
    if (longest.count() > 0) wanted = std::min(wanted, record.createdMs + longest.count());
    record.expiresMs = std::max(record.expiresMs, wanted);
    steps.push_back({Step::Kind::add, keys::kDue, id, record.expiresMs});
    return true;
  });
  if (!changed) return std::move(changed).error();
  if (!*changed) return std::optional<std::int64_t>();
  return std::optional<std::int64_t>((*changed)->expiresMs);
}

}  // namespace computesdk::gateway
