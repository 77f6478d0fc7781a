#include "routes.hpp"

namespace computesdk::simulators {

std::string VercelSimulator::json(const Snapshot& snapshot) {
  JsonObject object;
  object.add("id", snapshot.id).add("sourceSessionId", snapshot.run).add("region", kVercelRegion);
  object.add("status", snapshot.removed ? "deleted" : "created").add("sizeBytes", 4096);
  if (snapshot.expiresAt != 0) object.add("expiresAt", snapshot.expiresAt);
  return object.add("createdAt", snapshot.createdAt).add("updatedAt", snapshot.createdAt).text();
}

void VercelSnapshots::listRuns(Exchange& exchange) {
  if (!checkProject(exchange, queryText(exchange.request, "project"), service_.project_)) return;
  const std::string name = queryText(exchange.request, "name");
  std::vector<std::string> items;
  const std::lock_guard lock(service_.mutex_);
  for (const auto& [id, run] : service_.runs_) {
    if (name.empty() || run.sandbox == name) items.push_back(VercelSimulator::json(run));
  }
  respondPage(exchange, "sessions", items);
}

void VercelSnapshots::getRun(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  const auto run = service_.run(id);
  if (!run) return respondError(exchange, 404, "not_found", "Session \"" + id + "\" not found");
  const auto owner = service_.box(run->sandbox);
  exchange.respond(200, JsonObject()
                            .raw("session", VercelSimulator::json(*run))
                            .raw("routes", owner ? VercelSimulator::routesJson(*owner) : "[]")
                            .text());
}

void VercelSnapshots::stop(Exchange& exchange) {
  const auto live = service_.enter(exchange);
  if (!live) return;
  const auto kept = service_.stop(live->run.id, false);
  JsonObject answer;
  answer.raw("session", VercelSimulator::json(*service_.run(live->run.id)));
  if (const auto owner = service_.box(live->run.sandbox)) answer.raw("sandbox", service_.json(*owner));
  if (kept) answer.raw("snapshot", VercelSimulator::json(*kept));
  exchange.respond(200, answer.text());
}

void VercelSnapshots::extend(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const std::int64_t duration = numberOf(member(&body, "duration"));
  if (duration < 1000) {
    return respondError(exchange, 400, "bad_request", "Invalid request: `duration` should be at least 1000");
  }
  const auto live = service_.enter(exchange);
  if (!live) return;
  constexpr std::int64_t kLongest = 18000000;
  if (live->run.timeout + duration > kLongest) {
    return respondError(exchange, 400, "bad_request",
                        "Invalid request: the timeout would be longer than 18000000 ms, the limit of the plan");
  }
  {
    const std::lock_guard lock(service_.mutex_);
    auto& run = service_.runs_.at(live->run.id);
    run.timeout += duration;
    run.updatedAt = epochMs();
  }
  const auto run = service_.run(live->run.id);
  service_.fleet_.setLifetime(run->id, std::chrono::milliseconds(run->createdAt + run->timeout - epochMs()));
  exchange.respond(200, JsonObject().raw("session", VercelSimulator::json(*run)).text());
}

void VercelSnapshots::setNetwork(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto live = service_.enter(exchange);
  if (!live) return;
  {
    const std::lock_guard lock(service_.mutex_);
    service_.runs_.at(live->run.id).networkJson = jsonOf(&body);
  }
  exchange.respond(200, JsonObject().raw("session", VercelSimulator::json(*service_.run(live->run.id))).text());
}

// What the WebSocket behind it speaks is not public: there is none here.
void VercelSnapshots::interactive(Exchange& exchange) {
  const auto live = service_.enter(exchange);
  if (!live) return;
  exchange.respond(200, JsonObject()
                            .add("url", "wss://" + vercelId("sb-", 12) + ".vercel.run/interactive")
                            .add("token", vercelId("", 40))
                            .text());
}

void VercelSnapshots::snapshot(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto live = service_.enter(exchange);
  if (!live) return;
  auto kept = service_.stop(live->run.id, true);
  if (!kept) return respondStopped(exchange);
  if (const std::int64_t expiration = numberOf(member(&body, "expiration")); expiration > 0) {
    kept->expiresAt = kept->createdAt + expiration;
    const std::lock_guard lock(service_.mutex_);
    service_.snapshots_[kept->id].expiresAt = kept->expiresAt;
  }
  exchange.respond(201, JsonObject()
                            .raw("snapshot", VercelSimulator::json(*kept))
                            .raw("session", VercelSimulator::json(*service_.run(live->run.id)))
                            .text());
}

void VercelSnapshots::list(Exchange& exchange) {
  if (!checkProject(exchange, queryText(exchange.request, "project"), service_.project_)) return;
  const std::string name = queryText(exchange.request, "name");
  std::vector<std::string> items;
  const std::lock_guard lock(service_.mutex_);
  for (const auto& [id, snapshot] : service_.snapshots_) {
    if (!snapshot.removed && (name.empty() || snapshot.sandbox == name)) {
      items.push_back(VercelSimulator::json(snapshot));
    }
  }
  respondPage(exchange, "snapshots", items);
}

void VercelSnapshots::get(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  const std::lock_guard lock(service_.mutex_);
  const auto found = service_.snapshots_.find(id);
  if (found == service_.snapshots_.end()) {
    return respondError(exchange, 404, "not_found", "Snapshot \"" + id + "\" not found");
  }
  exchange.respond(200, JsonObject().raw("snapshot", VercelSimulator::json(found->second)).text());
}

void VercelSnapshots::remove(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  VercelSimulator::Snapshot removed;
  {
    const std::lock_guard lock(service_.mutex_);
    const auto found = service_.snapshots_.find(id);
    if (found == service_.snapshots_.end() || found->second.removed) {
      return respondError(exchange, 404, "not_found", "Snapshot \"" + id + "\" not found");
    }
    found->second.removed = true;
    removed = found->second;
    for (auto& [name, box] : service_.boxes_) {
      if (box.currentSnapshot == id) box.currentSnapshot.clear();
    }
  }
  service_.fleet_.removeSnapshot(removed.files);
  exchange.respond(200, JsonObject().raw("snapshot", VercelSimulator::json(removed)).text());
}

void VercelSnapshots::addRoutes(VercelSimulator& service, Server& server) {
  const auto add = [&](const char* method, const char* path, void (*act)(VercelSnapshots, Exchange&)) {
    service.route(server, method, path,
                  [&service, act](Exchange& exchange) { act(VercelSnapshots(service), exchange); });
  };
  using Self = VercelSnapshots;
  const std::string session = "/v2/sandboxes/sessions/*";
  add("GET", "/v2/sandboxes/sessions", [](Self self, Exchange& exchange) { self.listRuns(exchange); });
  add("GET", "/v2/sandboxes/snapshots", [](Self self, Exchange& exchange) { self.list(exchange); });
  add("GET", session.c_str(), [](Self self, Exchange& exchange) { self.getRun(exchange); });
  add("POST", (session + "/stop").c_str(), [](Self self, Exchange& exchange) { self.stop(exchange); });
  add("POST", (session + "/extend-timeout").c_str(), [](Self self, Exchange& exchange) { self.extend(exchange); });
  add("POST", (session + "/network-policy").c_str(), [](Self self, Exchange& exchange) { self.setNetwork(exchange); });
  add("POST", (session + "/interactive").c_str(), [](Self self, Exchange& exchange) { self.interactive(exchange); });
  add("POST", (session + "/snapshot").c_str(), [](Self self, Exchange& exchange) { self.snapshot(exchange); });
  add("GET", "/v2/sandboxes/snapshots/*", [](Self self, Exchange& exchange) { self.get(exchange); });
  add("DELETE", "/v2/sandboxes/snapshots/*", [](Self self, Exchange& exchange) { self.remove(exchange); });
}

}  // namespace computesdk::simulators
