#include "gateway.hpp"

#include <computesdk/compute.hpp>
#include <computesdk/serving/server.hpp>
#include <computesdk/serving/tls.hpp>

#include "access/access_tokens.hpp"
#include "access/api_keys.hpp"
#include "api/api.hpp"
#include "core/json.hpp"
#include "net/proxy.hpp"
#include "proxy/sandbox_proxy.hpp"
#include "sandboxes/failures.hpp"
#include "sandboxes/sandboxes.hpp"

#include <optional>

namespace computesdk::gateway {
namespace {

constexpr std::string_view kSecretName = "access-token-key";

serving::Response plainError(int status, std::string_view code, std::string_view sentence) {
  JsonWriter json;
  json.beginObject().field("success", false).field("error", sentence).field("code", code).endObject();
  return serving::Response::json(status, json.text());
}

SystemTime now() { return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now()); }

/// Pages that need no key.
void addOpenRoutes(serving::Router& router, std::function<bool()> ready) {
  router
      .on("GET", "/health",
          [](const serving::Request&) {
            JsonWriter json;
            json.beginObject().field("status", "ok").field("timestamp", timeText(now())).endObject();
            return serving::Response::json(200, json.text());
          })
      .open();
  router
      .onBlocking("GET", "/ready",
                  [ready = std::move(ready)](const serving::Request&) {
                    const bool good = ready();
                    return serving::Response::json(good ? 200 : 503, good ? R"({"ready":true})" : R"({"ready":false})");
                  })
      .open();
  router
      .on("GET", "/openapi.json",
          [](const serving::Request&) { return serving::Response::json(200, std::string(openApiDocument())); })
      .open();
}

}  // namespace

struct Gateway::Parts {
  explicit Parts(Options given) : options(std::move(given)) {}

  Options options;
  std::shared_ptr<Store> store;
  std::unique_ptr<ProviderPool> pool;
  registry::NetworkSettings network;  ///< proxies and authorities, as the providers' own requests have them
  std::unique_ptr<LiveSandboxes> live;
  std::unique_ptr<Sandboxes> sandboxes;
  std::unique_ptr<ApiKeys> keys;
  std::unique_ptr<AccessTokens> tokens;
  serving::Loop loop;
  serving::Router router, hostRouter;
  std::unique_ptr<Api> api;
  std::unique_ptr<SandboxProxy> proxy;
  std::optional<serving::Tls> tls;
  std::unique_ptr<serving::Server> server;
  std::string basePath;  ///< of the public URL
  bool started = false;

  Result<void> open();
  void buildRoutes();
  Result<serving::ServerOptions> serverOptions();
  serving::Router& choose(serving::Request& request);
  serving::Response metrics(const serving::Request& request);
  void addNumbers();
};

Result<void> Gateway::Parts::open() {
  const Settings& settings = options.settings;
  auto opened = Store::open(settings.store);
  if (!opened) return std::move(opened).error();
  store = std::move(*opened);
  auto concerns = store->concerns();
  if (concerns && options.log) {
    for (const std::string& each : *concerns) options.log(static_cast<int>(LogLevel::warning), "store: " + each);
  }

  auto pem = store->sharedSecret(std::string(kSecretName), SigningKey::generate().pem());
  if (!pem) return std::move(pem).error();
  auto key = SigningKey::fromPem(*pem);
  if (!key) return std::move(key).error();
  tokens = std::make_unique<AccessTokens>(std::move(*key), TokenRules{});

  PoolOptions poolOptions;
  poolOptions.providerOptions = settings.providerOptions;
  poolOptions.providerPaths = settings.providerPaths;
  poolOptions.allow = settings.allowProviders;
  poolOptions.deny = settings.denyProviders;
  if (options.log) {
    poolOptions.log = [log = options.log](int level, std::string_view provider, std::string_view message) {
      log(level, provider.empty() ? std::string(message) : std::string(provider) + ": " + std::string(message));
    };
  }
  auto providers = ProviderPool::open(std::move(poolOptions));
  if (!providers) return std::move(providers).error();
  pool = std::move(*providers);
  if (!pool->loaded(settings.defaultProvider)) {
    ErrorInfo error;
    error.code = ErrorCode::unknownProvider;
    error.what = "Unknown provider: " + settings.defaultProvider;
    error.why = "it is the default provider of this gateway, and there is none of that name";
    error.fix = "computesdk provider list shows those that there are";
    return error;
  }
  network = registry::net::networkSettings(registry::processEnvironment());
  live = std::make_unique<LiveSandboxes>(store, *pool, network);
  sandboxes = std::make_unique<Sandboxes>(store, *pool, *live, settings);
  keys = std::make_unique<ApiKeys>(store, options.keys);
  if (const std::size_t scheme = settings.publicUrl.find("://"); scheme != std::string::npos) {
    const std::size_t slash = settings.publicUrl.find('/', scheme + 3);
    if (slash != std::string::npos) basePath = settings.publicUrl.substr(slash);
  }
  return {};
}

void Gateway::Parts::buildRoutes() {
  proxy = std::make_unique<SandboxProxy>(
      SandboxProxy::Parts{loop, *live, *tokens, *keys, network.extraCaFile,
                          [this](std::function<void()> job) { return server->work(std::move(job)); }});
  api = std::make_unique<Api>(
      Api::Parts{*sandboxes, *keys, *tokens, options.settings, [this](const std::string& id) { proxy->warm(id); }});
  api->addRoutes(router);
  proxy->addPathRoutes(router);
  addOpenRoutes(router, [this] { return store->now().has_value(); });
  router.onBlocking("GET", "/metrics", [this](const serving::Request& request) { return metrics(request); }).open();
  if (!options.settings.publicDomain.empty()) proxy->addHostRoutes(hostRouter, options.settings.publicDomain);
}

serving::Response Gateway::Parts::metrics(const serving::Request& request) {
  if (options.settings.metricsNeedKey) {
    const std::string_view given = request.header("x-computesdk-api-key");
    auto holder = keys->check(given.empty() ? request.bearer() : given);
    if (!holder || !*holder) return plainError(401, "unauthorized", "an API key is needed");
  }
  return serving::metricsHandler(server->metrics())(request);
}

serving::Router& Gateway::Parts::choose(serving::Request& request) {
  const Settings& settings = options.settings;
  if (!settings.publicDomain.empty() && request.host().ends_with("." + settings.publicDomain)) return hostRouter;
  if (!basePath.empty() && request.path.starts_with(basePath) && request.path.size() > basePath.size() &&
      request.path[basePath.size()] == '/') {
    request.path.erase(0, basePath.size());
  }
  return router;
}

Result<serving::ServerOptions> Gateway::Parts::serverOptions() {
  const Settings& settings = options.settings;
  serving::ServerOptions wanted;
  serving::Endpoint endpoint;
  endpoint.address = settings.listenAddress;
  endpoint.port = settings.listenPort;
  if (!settings.tlsCertificate.empty()) {
    auto loaded = serving::Tls::load(loop, settings.tlsCertificate, settings.tlsKey);
    if (!loaded) return std::move(loaded).error();
    tls = std::move(*loaded);
    endpoint.handshake = tls->handshake();
  }
  wanted.endpoints.push_back(std::move(endpoint));
  wanted.workers = static_cast<std::size_t>(settings.workers);
  wanted.workerQueue = 1024;
  wanted.collapseLeadingSlashes = true;
  wanted.serverName = "computesdk-gateway";
  // What sandboxes answer passes as it is; the gateway's own answers get theirs from the decorator.
  wanted.securityHeaders = false;
  wanted.errorBody = plainError;
  if (options.accessLog) {
    wanted.accessLog = [log = options.accessLog](const serving::AccessRecord& record) {
      log(serving::formatAccess(record));
    };
  }
  return wanted;
}

void Gateway::Parts::addNumbers() {
  serving::Metrics& all = server->metrics();
  const SandboxCounts& counts = sandboxes->counts();
  const auto show = [&](std::string_view name, std::string_view help, const std::atomic<std::uint64_t>& value) {
    all.gauge(name, help, [&value] { return static_cast<double>(value.load(std::memory_order_relaxed)); });
  };
  show("computesdk_gateway_sandboxes_created", "Sandboxes made since the start.", counts.created);
  show("computesdk_gateway_creates_failed", "Sandboxes that a provider did not make.", counts.createFailed);
  show("computesdk_gateway_sandboxes_destroyed", "Sandboxes that clients ended.", counts.destroyed);
  show("computesdk_gateway_sandboxes_reaped", "Sandboxes that expired or were left over.", counts.reaped);
  show("computesdk_gateway_reaps_failed", "Attempts to end one of these that failed.", counts.reapFailed);
}

Gateway::Gateway(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Gateway::~Gateway() { stop(); }

Result<std::unique_ptr<Gateway>> Gateway::open(Options options) {
  auto parts = std::make_unique<Parts>(std::move(options));
  if (auto opened = parts->open(); !opened) return std::move(opened).error();
  return std::unique_ptr<Gateway>(new Gateway(std::move(parts)));
}

Result<void> Gateway::start() {
  auto wanted = parts_->serverOptions();
  if (!wanted) return std::move(wanted).error();
  parts_->buildRoutes();
  parts_->server = std::make_unique<serving::Server>(parts_->loop, parts_->router, std::move(*wanted));
  parts_->server->select([this](serving::Request& request) -> serving::Router& { return parts_->choose(request); });
  parts_->server->decorate([this](const serving::Request& request, serving::Response& response) {
    if (response.status == 502) parts_->proxy->suspect(request, parts_->options.settings.publicDomain);
    if (request.route.empty() || request.route.starts_with("/s/") || request.route == "/**") return;
    response.headers.set("X-Content-Type-Options", "nosniff");
    response.headers.set("X-Frame-Options", "DENY");
    response.headers.set("Referrer-Policy", "no-referrer");
    response.headers.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    response.headers.set("Cache-Control", "no-store");
  });
  parts_->addNumbers();
  if (auto listening = parts_->server->start(); !listening) return listening;
  parts_->options.settings.listenPort = port();
  parts_->loop.start();
  parts_->started = true;
  parts_->sandboxes->startReaper();
  return {};
}

std::uint16_t Gateway::port() const noexcept {
  const auto ports = parts_->server->ports();
  return ports.empty() ? 0 : ports.front();
}

std::vector<std::string> Gateway::patterns() const { return parts_->router.patterns(); }

Result<void> Gateway::reload() {
  if (parts_->tls) return parts_->tls->reload();
  return {};
}

void Gateway::stop() {
  if (!std::exchange(parts_->started, false)) return;
  parts_->server->stop(parts_->options.settings.drain);
  parts_->sandboxes->stopReaper();
  parts_->server.reset();
  parts_->loop.stop();
}

}  // namespace computesdk::gateway
