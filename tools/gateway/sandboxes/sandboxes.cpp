#include "sandboxes/sandboxes.hpp"

#include "core/crypto.hpp"
#include "core/json.hpp"
#include "core/sandbox_state.hpp"
#include "sandboxes/failures.hpp"

#include <algorithm>

namespace computesdk::gateway {
namespace {

/// Metadata by which a sandbox is found at its provider when the gateway that was making it died.
constexpr std::string_view kLabel = "computesdk_gateway_id";
/// Clients give a request up after 30 s; what a provider has not done by then goes on without them.
constexpr auto kProviderTime = std::chrono::minutes(5);
constexpr auto kShortTime = std::chrono::seconds(20);
constexpr std::size_t kMaxId = 64;

/// A number of a call, for the provider's log.
struct CallNumber {
  CallNumber() { detail::nextRequestId(text); }
  detail::RequestId text;
};

registry::CallContext contextFor(const CallNumber& number, std::chrono::milliseconds time) {
  registry::CallContext context;
  context.deadline = detail::deadlineIn(time);
  context.requestId = number.text;
  return context;
}

std::int64_t millis(SystemTime time) { return time.time_since_epoch().count(); }

bool isGone(const ErrorInfo& error) {
  return error.code == ErrorCode::notFound || error.code == ErrorCode::sandboxGone;
}

/// An id that is one segment of a path and one label of a host, and has no dash: what follows a dash is a port.
std::string newId(std::string_view prefix) { return std::string(prefix) + randomHex(12); }

}  // namespace

Sandboxes::Sandboxes(std::shared_ptr<Store> store, ProviderPool& pool, LiveSandboxes& live, const Settings& settings)
    : store_(std::move(store)), pool_(pool), live_(live), settings_(settings) {
  ProviderCalls calls{[this](const SandboxRecord& record) { return alive(record); },
                      [this](const SandboxRecord& record) { return end(record); }};
  named_ = std::make_unique<NamedSandboxes>(store_, calls);
  Reaper::Options options;
  options.report = [this](const SandboxRecord& record, const ErrorInfo* error) {
    (error == nullptr ? counts_.reaped : counts_.reapFailed).fetch_add(1, std::memory_order_relaxed);
    live_.forget(record.id);
    Caller nobody;
    nobody.keyId = "reaper";
    nobody.workspace = record.workspace;
    if (error == nullptr) audit(nobody, "sandbox.reap", record.id, nullptr);
  };
  reaper_ = std::make_unique<Reaper>(store_, std::move(calls), std::move(options));
}

Sandboxes::~Sandboxes() { reaper_->stop(); }

void Sandboxes::startReaper() { reaper_->start(); }
void Sandboxes::stopReaper() { reaper_->stop(); }

void Sandboxes::audit(const Caller& caller, std::string action, std::string target, const ErrorInfo* error) {
  AuditEntry entry;
  entry.workspace = caller.workspace;
  entry.actor = caller.keyId;
  entry.action = std::move(action);
  entry.target = std::move(target);
  entry.outcome = error == nullptr ? "ok" : wireName(error->code);
  // What was done is done whether or not the line about it could be written; the store counts its own failures.
  (void)store_->audit(entry);
}

std::string Sandboxes::urlOf(const Caller& caller, const std::string& id) const {
  const bool secure = !settings_.tlsCertificate.empty();
  std::string base = settings_.publicUrl;
  if (base.empty()) {
    const std::string& address = settings_.listenAddress;
    const bool any = address == "0.0.0.0" || address == "::";
    const bool v6 = address.find(':') != std::string::npos;
    base = secure || caller.secure ? "https://" : "http://";
    base += any && !caller.host.empty()
                ? caller.host
                : (v6 ? "[" + address + "]" : address) + ":" + std::to_string(settings_.listenPort);
  }
  if (settings_.publicDomain.empty()) return base + "/s/" + id;
  const std::size_t scheme = base.find("://") + 3;
  const std::string authority = base.substr(scheme, base.find('/', scheme) - scheme);
  const std::size_t colon = authority.rfind(':');
  const bool port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  return base.substr(0, scheme) + id + "." + settings_.publicDomain + (port ? authority.substr(colon) : "");
}

BeginOptions Sandboxes::beginOptions(NameMode mode) const {
  BeginOptions options;
  options.mode = mode;
  options.workspaceLimit = settings_.maxSandboxes;
  return options;
}

// --- which provider, with which credentials --------------------------------------------------------------------------

Result<std::string> Sandboxes::providerOf(const Caller& caller, SandboxOptions& options) {
  if (!options.snapshotId.empty()) {
    auto known = store_->snapshot(options.snapshotId);
    if (!known) return std::move(known).error();
    if (*known && (*known)->workspace == caller.workspace) {
      if (!options.provider.empty() && options.provider != (*known)->provider) {
        return badRequest("the snapshot is one of " + (*known)->provider + ", not of " + options.provider);
      }
      options.snapshotId = (*known)->providerId;
      return (*known)->provider;
    }
    return badRequest("there is no snapshot " + options.snapshotId);
  }
  ProviderChoice choice;
  choice.body = options.provider;
  choice.header = caller.providerHeader;
  if (choice.body.empty()) {
    const auto secrets = pool_.secretKeys(choice.header);
    const auto given = credentialsFrom(caller.headers, choice.header, secrets, settings_.clientUrls);
    choice.standIns = given && pool_.standIns(choice.header, *given);
  }
  choice.fallback = settings_.defaultProvider;
  choice.aliases = settings_.providerAliases;
  choice.loaded = [this](std::string_view name) { return pool_.loaded(name); };
  choice.loadedNames = pool_.names();
  return resolveProvider(choice);
}

Result<OpenedPtr> Sandboxes::openFor(const Caller& caller, const std::string& provider) {
  const auto secrets = pool_.secretKeys(provider);
  auto credentials = credentialsFrom(caller.headers, provider, secrets, settings_.clientUrls);
  if (!credentials) return std::move(credentials).error();
  return pool_.get(provider, *credentials);
}

void Sandboxes::adoptCredentials(const Caller& caller, const SandboxRecord& record) {
  if (readDetails(record.details).credentials.empty()) return;
  auto opened = openFor(caller, record.provider);
  if (opened && (*opened)->clientCredentials) live_.adopt(record.id, std::move(*opened));
}

// --- making ----------------------------------------------------------------------------------------------------------

Result<Sandboxes::Order> Sandboxes::prepare(const Caller& caller, SandboxOptions options) {
  Order order;
  order.timeout = options.timeout.value_or(settings_.defaultTimeout);
  const auto most = settings_.maxTimeout;
  if (most.count() != 0 && (order.timeout > most || order.timeout.count() == 0)) {
    return badRequest("\"timeout\" must be from 1 to " + std::to_string(most.count()) + " ms on this gateway");
  }
  auto provider = providerOf(caller, options);
  if (!provider) return std::move(provider).error();
  auto opened = openFor(caller, *provider);
  if (!opened) return std::move(opened).error();
  order.opened = std::move(*opened);

  SandboxRecord& draft = order.draft;
  draft.id = newId("sb");
  draft.workspace = caller.workspace;
  draft.provider = *provider;
  draft.metadata = options.metadata;
  draft.envs = options.envs;
  draft.name = options.name;
  if (!draft.name.empty()) draft.nameSpace = options.nameSpace.empty() ? "default" : options.nameSpace;
  draft.daemonToken = base64Url(randomBytes(32));
  SandboxDetails details;
  details.directory = options.directory;
  details.setup = options.setup;
  details.extras = options.extras;
  details.url = urlOf(caller, draft.id);
  if (order.opened->clientCredentials) details.credentials = "client";
  draft.details = writeDetails(details);
  options.options = pool_.knownOptions(*provider, options.options);
  order.options = std::move(options);
  return order;
}

Result<SandboxRecord> Sandboxes::make(const Order& order, SandboxRecord draft) {
  const SandboxOptions& options = order.options;
  registry::CreateRequest request;
  request.templateId = options.templateId;
  request.image = options.image;
  request.snapshotId = options.snapshotId;
  request.runtime = options.runtime;
  request.env = options.envs;
  request.metadata = options.metadataTexts;
  request.metadata.insert_or_assign(std::string(kLabel), draft.id);
  if (!draft.name.empty()) {
    request.metadata.insert_or_assign("name", draft.name);
    request.metadata.insert_or_assign("namespace", draft.nameSpace);
  }
  request.timeout = order.timeout.count() == 0 ? std::chrono::milliseconds(-1) : order.timeout;
  request.idempotencyKey = draft.id;
  request.options = options.options;

  live_.adopt(draft.id, order.opened);
  order.making->store(true, std::memory_order_release);
  const CallNumber number;
  const auto begun = std::chrono::steady_clock::now();
  auto made = order.opened->provider->create(request, contextFor(number, kProviderTime));
  if (!made) {
    counts_.createFailed.fetch_add(1, std::memory_order_relaxed);
    ErrorInfo error = std::move(made).error();
    if (error.provider.empty()) error.provider = draft.provider;
    if (error.requestId.empty()) error.requestId = number.text;
    live_.forget(draft.id);
    return error;
  }
  counts_.created.fetch_add(1, std::memory_order_relaxed);
  draft.providerId = made->info.id;
  draft.token = made->token;
  if (order.timeout.count() != 0) {
    // By the store's clock, which the draft was stamped with: all gateways measure lifetimes by it.
    const auto took = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    draft.expiresMs = draft.createdMs + (took + order.timeout).count();
    // A provider may allow less than was asked for.
    if (made->info.expiresAt) draft.expiresMs = std::min(draft.expiresMs, millis(*made->info.expiresAt));
  }
  return draft;
}

NamedSandboxes::Make Sandboxes::maker(const Order& order) {
  return [this, &order](SandboxRecord draft) { return make(order, std::move(draft)); };
}

Result<SandboxRecord> Sandboxes::create(const Caller& caller, const Order& order) {
  auto made = named_->create(order.draft, maker(order), beginOptions(NameMode::replace));
  audit(caller, "sandbox.create", order.draft.id, made ? nullptr : &made.error());
  return made;
}

Result<SandboxRecord> Sandboxes::findOrCreate(const Caller& caller, const Order& order,
                                              std::chrono::steady_clock::time_point until) {
  auto found = named_->findOrCreate(order.draft, maker(order), beginOptions(NameMode::claim), until);
  if (!found || found->id == order.draft.id) {
    audit(caller, "sandbox.create", order.draft.id, found ? nullptr : &found.error());
  } else {
    adoptCredentials(caller, *found);
  }
  return found;
}

// --- finding ---------------------------------------------------------------------------------------------------------

Result<std::optional<SandboxRecord>> Sandboxes::find(const Caller& caller, const std::string& nameSpace,
                                                     const std::string& name) {
  return named_->find({caller.workspace, nameSpace.empty() ? "default" : nameSpace, name});
}

Result<SandboxRecord> Sandboxes::mine(const Caller& caller, const std::string& id) {
  if (id.empty() || id.size() > kMaxId) return sandboxMissing(id);
  auto record = store_->get(id);
  if (!record) return std::move(record).error();
  if (!*record || (*record)->workspace != caller.workspace) return sandboxMissing(id);
  adoptCredentials(caller, **record);
  return std::move(**record);
}

Result<SandboxRecord> Sandboxes::get(const Caller& caller, const std::string& id) {
  auto record = mine(caller, id);
  if (!record) {
    // One that is being made has an address already, and its maker may have been given no other answer.
    if (record.error().code != ErrorCode::notFound) return record;
    auto any = store_->peek(id);
    if (any && *any && (*any)->workspace == caller.workspace && (*any)->state == gateway::SandboxState::creating) {
      return std::move(**any);
    }
    return record;
  }
  auto lives = alive(*record);
  // What cannot be told now is no reason to say that it is gone.
  if (!lives || *lives) return record;
  (void)named_->destroy(id);
  live_.forget(id);
  return sandboxMissing(id);
}

Result<std::vector<SandboxRecord>> Sandboxes::list(const Caller& caller) { return store_->list(caller.workspace); }

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

// --- ending ----------------------------------------------------------------------------------------------------------

Result<void> Sandboxes::destroy(const Caller& caller, const std::string& id) {
  if (id.empty() || id.size() > kMaxId) return {};
  auto record = store_->peek(id);
  if (!record) return std::move(record).error();
  if (!*record || (*record)->workspace != caller.workspace) return {};
  adoptCredentials(caller, **record);
  auto gone = named_->destroy(id);
  live_.forget(id);
  audit(caller, "sandbox.destroy", id, gone ? nullptr : &gone.error());
  if (!gone) return std::move(gone).error();
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
      0, {{std::string(kLabel), record.id}},
      [&](registry::SandboxRecord found) {
        const auto label = found.info.metadata.find(std::string(kLabel));
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
  if (!ended && ended.error().code == ErrorCode::authMissing && record.expiresMs != 0) {
    // Its client's credentials are gone with a restart; the provider was told its lifetime and ends it by itself.
    const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    if (millis(now) >= record.expiresMs) ended = {};
  }
  if (ended) live_.forget(record.id);
  return ended;
}

Result<std::int64_t> Sandboxes::extend(const Caller& caller, const std::string& id,
                                       std::chrono::milliseconds duration) {
  auto record = mine(caller, id);
  if (!record) return std::move(record).error();
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  std::int64_t wanted = std::max(record->expiresMs, millis(now + duration));
  if (settings_.maxTimeout.count() != 0) {
    wanted = std::min(wanted, std::max(record->expiresMs, record->createdMs + settings_.maxTimeout.count()));
  }
  if (record->expiresMs != 0 && wanted > record->expiresMs) {
    auto state = live_.sandbox(*record);
    if (!state) return std::move(state).error();
    auto extended = (*state)->extend(std::chrono::milliseconds(wanted - millis(now)), {});
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

// --- snapshots -------------------------------------------------------------------------------------------------------

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
