#include "proxy/sandbox_proxy.hpp"

#include "api/api.hpp"
#include "proxy/dialled_stream.hpp"
#include "proxy/tls_dialler.hpp"
#include "sandboxes/failures.hpp"

#include <atomic>
#include <utility>

namespace computesdk::gateway {
namespace {

constexpr std::chrono::milliseconds kDialTime = std::chrono::seconds(10);
/// Clients ask again after half a second and more; longer than this nobody waits for a daemon to start.
constexpr std::chrono::milliseconds kStartTime = std::chrono::seconds(15);
/// The daemon keeps idle connections open much longer than this.
constexpr auto kIdleTime = std::chrono::seconds(20);
constexpr std::size_t kIdleStreams = 8;
/// Stands where a token was that the daemon must not see; it opens nothing.
constexpr std::string_view kRefusedToken = "refused-by-the-gateway";

ErrorInfo nothingListens(const SandboxAddress& address, const std::string& why) {
  ErrorInfo error;
  error.code = ErrorCode::network;
  error.sandboxId = address.id;
  error.what = address.port == 0 ? "the sandbox's daemon does not answer"
                                 : "nothing listens on port " + std::to_string(address.port) + " of the sandbox";
  error.why = why;
  error.retryable = true;
  return error;
}

ErrorInfo busy() {
  ErrorInfo error;
  error.code = ErrorCode::unavailable;
  error.what = "the gateway has too much to do";
  error.retryable = true;
  error.retryAfter = std::chrono::seconds(1);
  return error;
}

}  // namespace

SandboxProxy::SandboxProxy(Parts parts)
    : parts_(std::move(parts)), tls_(std::make_unique<TlsDialler>(parts_.loop, parts_.extraAuthorities)) {
  sweep_ = parts_.loop.every(std::chrono::seconds(5), [this] { dropStale(); });
}

SandboxProxy::~SandboxProxy() = default;

void SandboxProxy::addPathRoutes(serving::Router& router) {
  const auto handler = [this](serving::Request request, serving::Reply reply) {
    auto address = addressOfPath(request.path);
    if (!address) return void(reply.send(failureAnswer(sandboxMissing(request.capture("id")), true)));
    serve(std::move(request), std::move(reply), std::move(*address));
  };
  router.onAsync("*", "/s/:id", handler).streamBody().open();
  router.onAsync("*", "/s/:id/**", handler).streamBody().open();
}

void SandboxProxy::addHostRoutes(serving::Router& router, std::string domain) {
  router
      .onAsync("*", "/**",
               [this, domain = std::move(domain)](serving::Request request, serving::Reply reply) {
                 auto address = addressOfHost(request.host(), domain);
                 if (!address) return void(reply.send(failureAnswer(sandboxMissing(request.host()), true)));
                 address->path = request.path;
                 serve(std::move(request), std::move(reply), std::move(*address));
               })
      .streamBody()
      .open();
}

void SandboxProxy::suspect(const serving::Request& request, const std::string& domain) {
  auto address = addressOfHost(request.host(), domain);
  if (!address) address = addressOfPath(request.path);
  if (address && address->port == 0) parts_.live.distrust(address->id);
}

void SandboxProxy::warm(const std::string& id) {
  parts_.loop.post([this, id] {
    if (!parts_.live.known(id, 0)) find({id, 0}, [](const Result<TargetPtr>&) {});
  });
}

// --- where it goes ---------------------------------------------------------------------------------------------------

void SandboxProxy::serve(serving::Request request, serving::Reply reply, SandboxAddress address) {
  if (const TargetPtr target = parts_.live.known(address.id, address.port)) {
    return forward(std::move(request), std::move(reply), address, target, true);
  }
  struct Waiting {
    serving::Request request;
    serving::Reply reply;
    SandboxAddress address;
    serving::Timer timer;
    bool over = false;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->request = std::move(request);
  waiting->reply = std::move(reply);
  waiting->address = std::move(address);
  waiting->timer = parts_.loop.after(kStartTime, [weak = std::weak_ptr(waiting)] {
    const auto late = weak.lock();
    if (!late || std::exchange(late->over, true)) return;
    late->reply.send(failureAnswer(stillCreating(late->address.id), true));
  });
  find({waiting->address.id, waiting->address.port}, [this, waiting](const Result<TargetPtr>& target) {
    if (std::exchange(waiting->over, true)) return;
    waiting->timer.cancel();
    if (!target) return void(waiting->reply.send(failureAnswer(target.error(), true)));
    forward(std::move(waiting->request), std::move(waiting->reply), waiting->address, *target, true);
  });
}

void SandboxProxy::find(const Key& key, Found found) {
  auto& waiting = waiting_[key];
  waiting.push_back(std::move(found));
  if (waiting.size() > 1) return;
  const auto finish = [this, key](const Result<TargetPtr>& target) {
    const auto all = waiting_.extract(key);
    if (all.empty()) return;
    for (const Found& each : all.mapped()) each(target);
  };
  const bool taken = parts_.work([this, key, finish] {
    auto target = std::make_shared<Result<TargetPtr>>(parts_.live.reach(key.first, key.second));
    parts_.loop.post([finish, target] { finish(*target); });
  });
  if (!taken) finish(busy());
}

void SandboxProxy::connect(const TargetPtr& target, serving::DialHandler handler) {
  const Upstream& upstream = target->upstream;
  if (upstream.kind == Upstream::Kind::dial) {
    return dialSandbox(parts_.loop, target->sandbox, upstream.port, std::move(handler));
  }
  if (upstream.kind == Upstream::Kind::tls) {
    handler = [this, name = upstream.name, handler = std::move(handler)](Result<serving::StreamPtr> plain) {
      plain ? tls_->secure(*plain, name, kDialTime, handler) : handler(std::move(plain));
    };
  }
  if (upstream.tunnel) return dialTunnel(parts_.loop, *upstream.tunnel, kDialTime, std::move(handler));
  serving::dialTcp(parts_.loop, upstream.address, upstream.port, kDialTime, std::move(handler));
}

// --- passing it on ---------------------------------------------------------------------------------------------------

void SandboxProxy::forward(serving::Request request, serving::Reply reply, const SandboxAddress& address,
                           const TargetPtr& target, bool mayRetry) {
  if (address.port == 0 && !request.wantsUpgrade()) {
    if (auto stream = takeIdle(address.id)) {
      return pass(std::move(request), std::move(reply), address, target, std::move(stream), true, mayRetry);
    }
  }
  auto kept = std::make_shared<serving::Request>(std::move(request));
  connect(target, [this, kept, reply, address, target, mayRetry](Result<serving::StreamPtr> stream) {
    if (stream) return pass(std::move(*kept), reply, address, target, std::move(*stream), false, mayRetry);
    parts_.live.distrust(address.id);
    const ErrorInfo error = nothingListens(address, stream.error().why);
    if (!mayRetry) return void(reply.send(failureAnswer(error, false)));
    find({address.id, address.port}, [this, kept, reply, address](const Result<TargetPtr>& again) {
      if (!again) return void(reply.send(failureAnswer(again.error(), true)));
      forward(std::move(*kept), reply, address, *again, false);
    });
  });
}

std::string SandboxProxy::daemonToken(std::string_view given, const Target& target) const {
  if (AccessTokens::looksLikeToken(given)) {
    const auto verdict = parts_.tokens.check(given, target.record.id, std::chrono::system_clock::now());
    return verdict == TokenVerdict::good ? target.record.daemonToken : std::string(kRefusedToken);
  }
  // A key of the account opens every sandbox of it; no sandbox may see one.
  return parts_.keys.looksLikeKey(given) ? std::string(kRefusedToken) : std::string(given);
}

serving::ProxyOptions SandboxProxy::optionsFor(const serving::Request& request, const SandboxAddress& address,
                                               const Target& target) {
  serving::ProxyOptions options;
  std::string query = request.query;
  if (address.port == 0) {
    if (!request.header("authorization").empty()) {
      const std::string_view bearer = request.bearer();
      options.set.set("Authorization",
                      "Bearer " + (bearer.empty() ? std::string(kRefusedToken) : daemonToken(bearer, target)));
    }
    if (const auto token = request.queryValue("token")) {
      query = withToken(query, serving::percentEncode(daemonToken(*token, target)));
    }
  }
  options.target = target.upstream.basePath + address.path + (query.empty() ? "" : "?" + query);
  if (!target.upstream.host.empty()) options.host = target.upstream.host;
  for (const auto& [name, value] : target.upstream.headers) options.set.set(name, value);
  for (const CredentialHeader& each : credentialHeaders()) options.remove.emplace_back(each.header);
  if (!address.prefix.empty()) options.set.set("X-Forwarded-Prefix", address.prefix);
  // Without a host of its own a program in the sandbox shares its origin with the gateway and with other sandboxes.
  if (address.port != 0 && !address.prefix.empty()) {
    options.onHead = [prefix = address.prefix](serving::Response& head) {
      head.headers.remove("Service-Worker-Allowed");
      std::vector<std::string> cookies;
      for (const auto& [name, value] : head.headers) {
        if (serving::equalNames(name, "Set-Cookie")) cookies.push_back(narrowCookie(value, prefix));
      }
      head.headers.remove("Set-Cookie");
      for (std::string& cookie : cookies) head.headers.add("Set-Cookie", std::move(cookie));
    };
  }
  return options;
}

void SandboxProxy::pass(serving::Request request, serving::Reply reply, const SandboxAddress& address,
                        const TargetPtr& target, serving::StreamPtr stream, bool pooled, bool mayRetry) {
  serving::ProxyOptions options = optionsFor(request, address, *target);
  if (address.port == 0) {
    options.onReusable = [this, id = address.id](serving::StreamPtr idle) { keepIdle(id, std::move(idle)); };
    // A connection that served before has ended meanwhile, or the daemon has died: it is tried again, once each.
    options.onStale = [this, address, target, pooled, mayRetry](serving::Request again, serving::Reply to) {
      if (pooled) {
        idle_.erase(address.id);
        forward(std::move(again), std::move(to), address, target, mayRetry);
        return true;
      }
      if (!mayRetry) return false;
      parts_.live.distrust(address.id);
      auto kept = std::make_shared<serving::Request>(std::move(again));
      find({address.id, 0}, [this, kept, to, address](const Result<TargetPtr>& found) {
        if (!found) return void(to.send(failureAnswer(found.error(), true)));
        forward(std::move(*kept), to, address, *found, false);
      });
      return true;
    };
  }
  serving::proxy(std::move(request), std::move(reply), std::move(stream), std::move(options));
}

// --- connections that wait -------------------------------------------------------------------------------------------

serving::StreamPtr SandboxProxy::takeIdle(const std::string& id) {
  const auto found = idle_.find(id);
  while (found != idle_.end() && !found->second.empty()) {
    const serving::StreamPtr stream = std::move(found->second.back().stream);
    found->second.pop_back();
    // One that has ended meanwhile is left before a byte of the request is on its way: not every request can be sent
    // a second time.
    if (stream->quiet()) return stream;
    stream->close();
  }
  return nullptr;
}

void SandboxProxy::keepIdle(const std::string& id, serving::StreamPtr stream) {
  auto& streams = idle_[id];
  if (streams.size() >= kIdleStreams) return stream->close();
  streams.push_back({std::move(stream), std::chrono::steady_clock::now()});
}

void SandboxProxy::dropStale() {
  const auto oldest = std::chrono::steady_clock::now() - kIdleTime;
  for (auto& [id, streams] : idle_) {
    std::erase_if(streams, [&](const Idle& each) {
      if (each.since >= oldest) return false;
      each.stream->close();
      return true;
    });
  }
  std::erase_if(idle_, [](const auto& each) { return each.second.empty(); });
}

}  // namespace computesdk::gateway
