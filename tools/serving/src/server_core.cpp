#include "server_core.hpp"

#include "connection.hpp"
#include "handed_stream.hpp"
#include "listener.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cstdio>

namespace computesdk::serving {
namespace {

/// How often deadlines are looked at: often enough for the shortest.
std::chrono::milliseconds sweepPeriod(const ServerOptions& options) {
  const auto shortest =
      std::min({options.headTimeout, options.bodyTimeout, options.writeTimeout, options.idleTimeout}) / 8;
  return std::clamp(shortest, std::chrono::milliseconds(10), std::chrono::milliseconds(1000));
}

}  // namespace

Server::Core::Core(Loop& theLoop, Router& theRouter, ServerOptions theOptions)
    : loop(theLoop),
      router(theRouter),
      options(std::move(theOptions)),
      bodies(std::make_shared<BodyBudget>(options.bodyBudget)),
      workers(options.workers, options.workerQueue),
      bytesIn(metrics.counter("computesdk_bytes_total", "Bytes of client connections.", {{"direction", "in"}})),
      bytesOut(metrics.counter("computesdk_bytes_total", "Bytes of client connections.", {{"direction", "out"}})),
      accepts(metrics.counter("computesdk_connections_total", "Connections accepted.")),
      refusals(metrics.counter("computesdk_bad_requests_total", "Requests that were malformed, too slow or too big.")),
      openConnections(metrics.gauge("computesdk_connections", "Open connections.")),
      openWebSockets(metrics.gauge("computesdk_websockets", "Open WebSockets that end here.")),
      openTunnels(
          metrics.gauge("computesdk_tunnels", "Open connections that were given away: tunnels and WebSockets.")) {
  metrics.gauge("computesdk_worker_queue", "Requests that wait for a worker.",
                [this] { return static_cast<double>(workers.waiting()); });
  metrics.gauge("computesdk_body_bytes", "Bytes of request bodies in memory.",
                [held = bodies] { return static_cast<double>(held->held()); });
  unsigned char random[6] = {};
  if (::getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) random[0] = 1;
  char text[2 * sizeof random + 2];
  std::snprintf(text, sizeof text, "%02x%02x%02x%02x%02x%02x-", random[0], random[1], random[2], random[3], random[4],
                random[5]);
  idPrefix_ = text;
}

Server::Core::~Core() = default;

std::string Server::Core::newRequestId() { return idPrefix_ + std::to_string(++ids_); }

Result<void> Server::Core::start() {
  for (const Endpoint& endpoint : options.endpoints) {
    auto listener = std::make_unique<Listener>(endpoint);
    if (auto opened = listener->open(); !opened) {
      listeners_.clear();
      ports.clear();
      return opened;
    }
    ports.push_back(listener->port());
    listeners_.push_back(std::move(listener));
  }
  loop.dispatch([self = shared_from_this()] {
    for (const auto& listener : self->listeners_) listener->start(*self);
  });
  return {};
}

void Server::Core::accepted(StreamPtr stream, const Endpoint& endpoint, ConnectionOrigin origin) {
  accepts.add();
  if (!endpoint.handshake) return serve(std::move(stream), std::move(origin));
  origin.secure = true;
  // Counts while it shakes hands, so that the limit holds.
  adjust(1);
  endpoint.handshake(std::move(stream), [self = shared_from_this(), origin](Result<StreamPtr> secured) {
    self->adjust(-1);
    if (!secured) {
      self->refusals.add();
      return;
    }
    if (self->stopping_) return (*secured)->close();
    self->serve(std::move(*secured), origin);
  });
}

void Server::Core::serve(StreamPtr stream, ConnectionOrigin origin) {
  const auto connection = std::make_shared<Connection>(shared_from_this(), std::move(stream), std::move(origin));
  connections_.emplace(connection.get(), connection);
  adjust(1);
  if (!sweeper_.active()) {
    sweeper_ = loop.every(sweepPeriod(options), [this] { sweep(); });
  }
  connection->start();
}

void Server::Core::adjust(int by) {
  const std::size_t before = open_.fetch_add(static_cast<std::size_t>(by), std::memory_order_relaxed);
  openConnections.add(by);
  if (by < 0 && before == options.maxConnections && !stopping_) {
    for (const auto& listener : listeners_) listener->resume();
  }
}

void Server::Core::sweep() {
  // Nothing to look at: no reason to wake up.
  if (connections_.empty()) return sweeper_.cancel();
  const auto now = Connection::Clock::now();
  std::vector<std::shared_ptr<Connection>> all;
  all.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->sweep(now);
}

void Server::Core::forget(Connection& connection) {
  const auto found = connections_.find(&connection);
  if (found == connections_.end()) return;
  const auto kept = std::move(found->second);  // not destroyed in the middle of its own function
  connections_.erase(found);
  loop.post([kept] {});
  adjust(-1);
  checkDone();
}

void Server::Core::handed(HandedStream& stream) {
  handed_.insert(&stream);
  adjust(1);
  openTunnels.add(1);
}

void Server::Core::forget(HandedStream& stream) {
  if (handed_.erase(&stream) == 0) return;
  adjust(-1);
  openTunnels.add(-1);
  checkDone();
}

void Server::Core::stop(std::chrono::milliseconds deadline, std::function<void()> done) {
  done_.push_back(std::move(done));
  if (finished_) return finish();
  if (stopping_) return;
  stopping_ = true;
  for (const auto& listener : listeners_) listener->stop();
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->drain();
  const std::vector<HandedStream*> streams(handed_.begin(), handed_.end());
  for (HandedStream* stream : streams) {
    if (handed_.contains(stream)) stream->goodbye();
  }
  deadline_ = loop.after(deadline, [self = shared_from_this()] {
    self->cut();
    self->finish();
  });
  checkDone();
}

/// When only tunnels are left, they are closed: no one else will.
void Server::Core::checkDone() {
  if (!stopping_ || finished_ || !connections_.empty()) return;
  const bool talking =
      std::any_of(handed_.begin(), handed_.end(), [](const HandedStream* s) { return s->saysGoodbye(); });
  if (talking) return;
  finished_ = true;
  // Later: this may be called by the destructor of a stream.
  loop.post([self = shared_from_this()] {
    self->cut();
    self->finish();
  });
}

void Server::Core::finish() {
  finished_ = true;
  deadline_.cancel();
  for (const auto& done : std::exchange(done_, {})) {
    if (done) done();
  }
}

void Server::Core::cut() {
  stopping_ = finished_ = true;
  sweeper_.cancel();
  deadline_.cancel();
  for (const auto& listener : listeners_) listener->stop();
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->cut();
  const std::vector<HandedStream*> streams(handed_.begin(), handed_.end());
  for (HandedStream* stream : streams) {
    if (handed_.contains(stream)) stream->close();
  }
}

// Answers -----------------------------------------------------------------------------------------------------------

Response Server::Core::errorBody(int status, std::string_view code, std::string_view sentence) const {
  return options.errorBody ? options.errorBody(status, code, sentence) : Response::error(status, code, sentence);
}

void Server::Core::complete(Response& response, const Request& request, bool asItIs) const {
  if (!options.serverName.empty() && !response.headers.has("Server"))
    response.headers.add("Server", options.serverName);
  if (options.requestIdHeader && !response.headers.has("X-Request-Id")) {
    response.headers.add("X-Request-Id", request.id);
  }
  if (asItIs) return;
  if (options.cors) {
    if (const std::string* origin = request.headers.find("Origin"); origin != nullptr) {
      response.headers.set("Access-Control-Allow-Origin", *origin);
      response.headers.add("Vary", "Origin");
      response.headers.set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
      if (request.method == "OPTIONS") {
        response.headers.set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        response.headers.set("Access-Control-Allow-Headers", options.corsHeaders);
        response.headers.set("Access-Control-Max-Age", "600");
      }
    }
  }
  if (options.securityHeaders) {
    static constexpr std::pair<const char*, const char*> kFields[] = {{"X-Content-Type-Options", "nosniff"},
                                                                      {"X-Frame-Options", "DENY"},
                                                                      {"Referrer-Policy", "no-referrer"},
                                                                      {"Cache-Control", "no-store"}};
    for (const auto& [name, value] : kFields) {
      if (!response.headers.has(name)) response.headers.add(name, value);
    }
  }
  if (decorator) decorator(request, response);
}

void Server::Core::log(AccessRecord& record) {
  const auto found = numbers_.try_emplace(record.route).first;
  RouteNumbers& numbers = found->second;
  const std::string route = record.route.empty() ? "none" : record.route;
  Counter*& counter = numbers.byStatus[record.status];
  if (counter == nullptr) {
    counter =
        &metrics.counter("computesdk_http_requests_total", "Requests by route and status; 0: the client went away.",
                         {{"route", route}, {"status", std::to_string(record.status)}});
  }
  if (numbers.durations == nullptr) {
    numbers.durations = &metrics.histogram("computesdk_http_request_duration_seconds",
                                           "From the first byte of a request to its answer.", {{"route", route}});
  }
  counter->add();
  numbers.durations->observe(static_cast<double>(record.duration.count()) / 1e6);
  if (options.accessLog) options.accessLog(record);
}

}  // namespace computesdk::serving
