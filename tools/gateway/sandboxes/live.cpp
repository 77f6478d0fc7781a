#include "sandboxes/live.hpp"

#include <computesdk/daemon.hpp>

#include "core/json.hpp"
#include "core/sandbox_state.hpp"
#include "sandboxes/failures.hpp"

namespace computesdk::gateway {
namespace {

std::string textMember(const JsonValue& object, std::string_view key) {
  const JsonValue* value = member(object, key);
  return value != nullptr && value->IsString() ? std::string(textOf(*value)) : std::string();
}

}  // namespace

std::string writeDetails(const SandboxDetails& details) {
  JsonWriter json;
  json.beginObject();
  json.optionalField("directory", details.directory).optionalField("setup", details.setup);
  json.optionalField("url", details.url).optionalField("credentials", details.credentials);
  json.optionalField("extras", details.extras);
  if (!details.daemonHeaders.empty()) {
    json.key("daemonHeaders").beginObject();
    for (const auto& [name, value] : details.daemonHeaders) json.field(name, value);
    json.endObject();
  }
  return json.endObject().text();
}

SandboxDetails readDetails(const std::string& text) {
  SandboxDetails details;
  const auto json = parseJson(text);
  if (!json || !json->IsObject()) return details;
  details.directory = textMember(*json, "directory");
  details.setup = textMember(*json, "setup");
  details.url = textMember(*json, "url");
  details.credentials = textMember(*json, "credentials");
  details.extras = textMember(*json, "extras");
  if (const JsonValue* headers = member(*json, "daemonHeaders"); headers != nullptr && headers->IsObject()) {
    for (const auto& header : headers->GetObject()) {
      if (header.value.IsString()) details.daemonHeaders[std::string(textOf(header.name))] = textOf(header.value);
    }
  }
  return details;
}

std::shared_ptr<LiveSandboxes::Entry> LiveSandboxes::entry(const std::string& id) {
  std::lock_guard lock(mutex_);
  auto& found = entries_[id];
  if (!found) found = std::make_shared<Entry>();
  return found;
}

void LiveSandboxes::adopt(const std::string& id, OpenedPtr opened) {
  const auto known = entry(id);
  std::lock_guard lock(mutex_);
  if (known->opened == opened) return;
  known->opened = std::move(opened);
  known->sandbox.reset();
}

Result<OpenedPtr> LiveSandboxes::provider(const SandboxRecord& record) {
  const auto known = entry(record.id);
  {
    std::lock_guard lock(mutex_);
    if (known->opened) return known->opened;
  }
  if (!readDetails(record.details).credentials.empty()) return credentialsNeeded(record);
  auto opened = pool_.get(record.provider, {});
  if (!opened) return opened;
  std::lock_guard lock(mutex_);
  if (!known->opened) known->opened = *opened;
  return known->opened;
}

Result<std::shared_ptr<detail::SandboxState>> LiveSandboxes::sandbox(const SandboxRecord& record) {
  auto opened = provider(record);
  if (!opened) return std::move(opened).error();
  const auto known = entry(record.id);
  std::lock_guard lock(mutex_);
  if (!known->sandbox || known->sandbox->id() != record.providerId) {
    known->sandbox = (*opened)->sandbox(record.providerId, record.token);
  }
  return known->sandbox;
}

TargetPtr LiveSandboxes::known(const std::string& id, std::uint16_t port) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second->distrusted) return nullptr;
  if (std::chrono::steady_clock::now() - found->second->checked > kFresh) return nullptr;
  const auto target = found->second->targets.find(port);
  return target == found->second->targets.end() ? nullptr : target->second;
}

void LiveSandboxes::distrust(const std::string& id) {
  std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(id); found != entries_.end()) found->second->distrusted = true;
}

void LiveSandboxes::forget(const std::string& id) {
  std::lock_guard lock(mutex_);
  entries_.erase(id);
}

Result<TargetPtr> LiveSandboxes::reach(const std::string& id, std::uint16_t port) {
  auto record = store_->get(id);
  if (!record) return std::move(record).error();
  if (!*record) {
    auto any = store_->peek(id);
    if (!any) return std::move(any).error();
    if (*any && (*any)->state == gateway::SandboxState::creating) return stillCreating(id);
    // Made between the two looks, it is there now.
    if (*any) record = store_->get(id);
    if (!record) return std::move(record).error();
    if (!*record) {
      forget(id);
      return sandboxMissing(id);
    }
  }
  const auto known = entry(id);
  // One at a time finds out; those that waited then find it known.
  std::lock_guard making(known->making);
  {
    std::lock_guard lock(mutex_);
    const auto target = known->targets.find(port);
    if (!known->distrusted && target != known->targets.end()) {
      known->checked = std::chrono::steady_clock::now();
      return target->second;
    }
    if (known->distrusted) known->targets.clear();
  }
  auto upstream = port == 0 ? findDaemon(**record, *known) : findPort(**record, port);
  if (!upstream) return std::move(upstream).error();
  auto target = std::make_shared<Target>();
  if (upstream->kind == Upstream::Kind::dial) {
    auto handle = sandbox(**record);
    if (!handle) return std::move(handle).error();
    target->sandbox = std::move(*handle);
  }
  saveToken(**record, *known);
  target->record = std::move(**record);
  target->upstream = std::move(*upstream);
  std::lock_guard lock(mutex_);
  known->targets[port] = target;
  known->checked = std::chrono::steady_clock::now();
  known->distrusted = false;
  return TargetPtr(std::move(target));
}

/// The address by a URL where the provider has those, else by its streams. `url` takes what the provider said.
Result<Upstream> LiveSandboxes::urlOrDial(const SandboxRecord& record, std::uint16_t port, PortUrl* url) {
  auto state = sandbox(record);
  if (!state) return std::move(state).error();
  ErrorInfo refused;
  if ((*state)->features().url) {
    Sandbox handle = detail::SandboxState::handle(*state, false);
    auto found = handle.getPortUrl(nothrow, {.port = port});
    if (found) {
      if (url != nullptr) *url = *found;
      return upstreamOf(*found, network_);
    }
    refused = std::move(found).error();
  }
  if (!(*state)->features().port) {
    return refused.what.empty() ? portsUnsupported(record.provider) : refused;
  }
  Upstream upstream;
  upstream.kind = Upstream::Kind::dial;
  upstream.port = port;
  return upstream;
}

Result<Upstream> LiveSandboxes::findDaemon(SandboxRecord& record, Entry& entry) {
  SandboxDetails details = readDetails(record.details);
  auto state = sandbox(record);
  if (!state) {
    // Without the provider the address of before is all there is; requests carry what it asked for.
    if (state.error().code != ErrorCode::authMissing || record.daemonUrl.empty()) return std::move(state).error();
    return upstreamOf({record.daemonUrl, details.daemonHeaders, {}}, network_);
  }
  // One that nobody could reach is not started.
  if (!(*state)->features().url && !(*state)->features().port) return portsUnsupported(record.provider);
  Sandbox handle = detail::SandboxState::handle(*state, false);
  Daemon daemon = handle.daemon();
  {
    std::lock_guard lock(mutex_);
    if (entry.distrusted) daemon.forget();
  }
  DaemonOptions options;
  options.directory = details.directory;
  options.env = record.envs;
  options.baseUrl = details.url;
  options.setup = details.setup;
  options.token = record.daemonToken;
  auto address = daemon.ensure(nothrow, options);
  if (!address) return std::move(address).error();
  PortUrl url;
  url.url = address->url;
  auto upstream = url.url.empty() ? urlOrDial(record, address->port, &url) : upstreamOf(url, network_);
  if (!upstream) return upstream;
  SandboxChanges changes;
  if (record.daemonUrl != url.url) changes.daemonUrl = record.daemonUrl = url.url;
  if (record.daemonToken != address->token) changes.daemonToken = record.daemonToken = address->token;
  if (details.daemonHeaders != url.headers) {
    details.daemonHeaders = url.headers;
    changes.details = record.details = writeDetails(details);
  }
  if (changes.daemonUrl || changes.daemonToken || changes.details) {
    if (auto saved = store_->update(record.id, changes); !saved) return std::move(saved).error();
  }
  return upstream;
}

Result<Upstream> LiveSandboxes::findPort(const SandboxRecord& record, std::uint16_t port) {
  return urlOrDial(record, port, nullptr);
}

void LiveSandboxes::saveToken(SandboxRecord& record, Entry& entry) {
  std::string token;
  {
    std::lock_guard lock(mutex_);
    if (!entry.sandbox) return;
    token = entry.sandbox->token();
  }
  if (token.empty() || token == record.token) return;
  SandboxChanges changes;
  changes.token = record.token = token;
  // A failure costs nothing now: the next look saves it.
  (void)store_->update(record.id, changes);
}

}  // namespace computesdk::gateway
