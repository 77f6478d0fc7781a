#include "sandboxes/sandboxes.hpp"

#include "core/crypto.hpp"
#include "core/json.hpp"
#include "sandboxes/failures.hpp"
#include "sandboxes/provider_call.hpp"

#include <algorithm>

namespace computesdk::gateway {
namespace {

/// Clients give a request up after 30 s; what a provider has not done by then goes on without them.
constexpr auto kProviderTime = std::chrono::minutes(5);

}  // namespace

Sandboxes::Sandboxes(std::shared_ptr<Store> store, ProviderPool& pool, LiveSandboxes& live, const Settings& settings)
    : store_(std::move(store)), pool_(pool), live_(live), settings_(settings) {
  ProviderCalls calls{[this](const SandboxRecord& record) { return alive(record); },
                      [this](const SandboxRecord& record) { return end(record); }};
  named_ = std::make_unique<NamedSandboxes>(store_, calls);
  Reaper::Options options;
  options.report = [this](const SandboxRecord& record, const ErrorInfo* error) {
    (error == nullptr ? counts_.reaped : counts_.reapFailed).fetch_add(1, std::memory_order_relaxed);
    // For the next attempt its provider stays, with the credentials that a request brought.
    if (error != nullptr) return;
    live_.forget(record.id);
    Caller nobody;
    nobody.keyId = "reaper";
    nobody.workspace = record.workspace;
    audit(nobody, "sandbox.reap", record.id, nullptr);
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
  request.metadata.insert_or_assign(std::string(kGatewayLabel), draft.id);
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
    if (made->info.expiresAt) draft.expiresMs = std::min(draft.expiresMs, millisOf(*made->info.expiresAt));
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
    if (!any || !*any || (*any)->workspace != caller.workspace) return record;
    if ((*any)->state == gateway::SandboxState::creating) return std::move(**any);
    record = mine(caller, id);  // made between the two looks, it is there now
    if (!record) return record;
  }
  auto lives = alive(*record);
  // What cannot be told now is no reason to say that it is gone.
  if (!lives || *lives) return record;
  (void)named_->destroy(id);
  live_.forget(id);
  return sandboxMissing(id);
}

Result<std::vector<SandboxRecord>> Sandboxes::list(const Caller& caller) { return store_->list(caller.workspace); }

}  // namespace computesdk::gateway
