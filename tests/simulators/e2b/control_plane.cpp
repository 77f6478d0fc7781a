#include "control_plane.hpp"

#include <algorithm>
#include <tuple>

#include "control_parts.hpp"

namespace computesdk::simulators {
namespace {

using std::chrono::seconds;

template <typename AnyBox>
std::string infoJson(const AnyBox& box, bool whole) {
  JsonObject object;
  object.add("templateID", box.templateId);
  if (!box.alias.empty()) object.add("alias", box.alias);
  object.add("sandboxID", box.id).add("clientID", "sim-node");
  object.add("startedAt", isoTime(box.startedAt)).add("endAt", isoTime(box.endAt));
  object.add("cpuCount", 2).add("memoryMB", 512).add("diskSizeMB", 1024);
  if (!box.metadata.empty()) object.add("metadata", box.metadata);
  object.add("state", box.paused ? "paused" : "running").add("envdVersion", kEnvdVersion);
  if (!whole) return object.text();
  object.add("envdAccessToken", box.token).raw("domain", "null");
  if (!box.networkJson.empty()) object.raw("network", box.networkJson);
  object.raw("lifecycle",
             JsonObject().add("onTimeout", box.autoPause ? "pause" : "kill").add("autoResume", box.autoResume).text());
  return object.text();
}

}  // namespace

std::optional<E2bControl::Live> E2bControl::find(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  auto live = service_.find(id);
  if (!live) respondUnknown(exchange, id);
  return live;
}

// Makes the machine; the sandbox is there when this returns.
E2bControl::Box E2bControl::make(Box box, const std::string& files, seconds timeout) {
  box.id = service_.newId("i", 20);
  box.token = service_.newId("ea_", 40);
  box.startedAt = Clock::now();
  box.endAt = box.startedAt + timeout;
  MachineSpec spec;
  spec.lifetime = std::max<std::chrono::milliseconds>(timeout, std::chrono::milliseconds(1));
  spec.env = box.env;
  spec.env.insert({{"HOME", kHome},
                   {"USER", "user"},
                   {"LOGNAME", "user"},
                   {"SHELL", "/bin/bash"},
                   {"E2B_SANDBOX", "true"},
                   {"E2B_SANDBOX_ID", box.id}});
  spec.workDirectory = kHome;
  spec.snapshot = files;
  {
    const std::lock_guard lock(service_.mutex_);
    service_.boxes_[box.id] = box;
  }
  try {
    service_.fleet_.create(box.id, spec);
  } catch (...) {
    const std::lock_guard lock(service_.mutex_);
    service_.boxes_.erase(box.id);
    throw;
  }
  return box;
}

void E2bControl::create(Exchange& exchange) {
  rapidjson::Document body;
  std::int64_t timeout = kDefaultTimeout;
  if (!readObject(exchange, body) || !readTimeout(exchange, body, timeout)) return;
  const std::string wanted = textOf(member(&body, "templateID"));
  if (wanted.empty()) {
    return respondError(exchange, 400, "request body has an error: Error at \"/templateID\": property is missing");
  }
  Box box;
  std::string files;
  if (const Template* const found = templateNamed(wanted)) {
    box.templateId = found->id;
    box.alias = found->alias;
  } else if (const auto snapshot = findSnapshot(wanted)) {
    box.templateId = snapshot->id;
    box.env = snapshot->env;
    files = snapshot->files;
  } else {
    return respondError(exchange, 404, "template '" + wanted + "' not found");
  }
  box.metadata = textMapOf(member(&body, "metadata"));
  for (const auto& [name, value] : textMapOf(member(&body, "envVars"))) box.env[name] = value;
  box.autoPause = truthOf(member(&body, "autoPause"));
  box.autoResume = truthOf(member(member(&body, "autoResume"), "enabled"));
  const rapidjson::Value* const network = member(&body, "network");
  if (network != nullptr) box.networkJson = jsonOf(network);
  if (!truthOf(member(network, "allowPublicTraffic"), true)) box.trafficToken = service_.newId("ta_", 40);
  exchange.respond(201, createdJson(make(box, files, seconds(timeout))));
}

void E2bControl::connect(Exchange& exchange, bool timeoutRequired) {
  rapidjson::Document body;
  std::int64_t timeout = kDefaultTimeout;
  if (!readObject(exchange, body) || !readTimeout(exchange, body, timeout)) return;
  if (timeoutRequired && member(&body, "timeout") == nullptr) {
    return respondError(exchange, 400, "request body has an error: Error at \"/timeout\": property is missing");
  }
  const auto live = find(exchange);
  if (!live) return;
  const bool wasPaused = live->box.paused;
  if (wasPaused) {
    service_.resume(*live, seconds(timeout));
  } else if (Clock::now() + seconds(timeout) > live->box.endAt) {  // connecting never shortens
    service_.fleet_.setLifetime(live->box.id, seconds(timeout));
    service_.change(live->box.id, [&](Box& box) { box.endAt = Clock::now() + seconds(timeout); });
  }
  exchange.respond(wasPaused ? 201 : 200, createdJson(live->box));
}

void E2bControl::info(Exchange& exchange) {
  if (const auto live = find(exchange)) exchange.respond(200, infoJson(live->box, true));
}

void E2bControl::list(Exchange& exchange) {
  const Request& request = exchange.request;
  const auto wanted = metadataFilter(queryOf(request, "metadata"));
  const std::string states = "," + queryOf(request, "state", "running,paused") + ",";
  const std::string wantedTemplate = queryOf(request, "template"), after = queryOf(request, "startedAfter");
  std::vector<Box> boxes;
  std::int64_t running = 0;
  for (const std::string& id : service_.fleet_.ids()) {
    const auto live = service_.find(id);
    if (!live) continue;
    const Box& box = live->box;
    running += box.paused ? 0 : 1;
    const bool carries = std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
      const auto found = box.metadata.find(pair.first);
      return found != box.metadata.end() && found->second == pair.second;
    });
    const bool isOf = wantedTemplate.empty() || wantedTemplate == box.templateId || wantedTemplate == box.alias;
    const bool inState = states.find(box.paused ? ",paused," : ",running,") != std::string::npos;
    if (carries && isOf && inState && (after.empty() || isoTime(box.startedAt) > after)) boxes.push_back(box);
  }
  const bool ascending = queryOf(request, "order") == "asc";
  std::sort(boxes.begin(), boxes.end(), [&](const Box& a, const Box& b) {
    return ascending ? std::tie(a.startedAt, a.id) < std::tie(b.startedAt, b.id)
                     : std::tie(b.startedAt, b.id) < std::tie(a.startedAt, a.id);
  });
  Headers headers = {{"X-Total-Running", std::to_string(running)}};
  if (!page(exchange, boxes, headers)) return;
  std::vector<std::string> items;
  for (const Box& box : boxes) items.push_back(infoJson(box, false));
  exchange.respond(200, jsonArray(items), "application/json", headers);
}

void E2bControl::kill(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  if (!service_.fleet_.destroy(id)) return respondUnknown(exchange, id);
  const std::lock_guard lock(service_.mutex_);
  service_.boxes_.erase(id);
  exchange.respond(204);
}

void E2bControl::setTimeout(Exchange& exchange) {
  rapidjson::Document body;
  std::int64_t timeout = -1;
  if (!readObject(exchange, body) || !readTimeout(exchange, body, timeout)) return;
  if (timeout < 0) {
    return respondError(exchange, 400, "request body has an error: Error at \"/timeout\": property is missing");
  }
  const auto live = find(exchange);
  if (!live) return;
  if (live->box.paused) return respondUnknown(exchange, live->box.id);
  service_.change(live->box.id, [&](Box& box) { box.endAt = Clock::now() + seconds(timeout); });
  service_.fleet_.setLifetime(live->box.id,
                              std::max(std::chrono::milliseconds(seconds(timeout)), std::chrono::milliseconds(1)));
  exchange.respond(204);
}

void E2bControl::pause(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto live = find(exchange);
  if (!live) return;
  if (live->box.paused) return respondError(exchange, 409, "sandbox '" + live->box.id + "' is already paused");
  service_.fleet_.setLifetime(live->box.id, std::chrono::milliseconds(0));
  service_.change(live->box.id, [](Box& box) { box.paused = true; });
  if (truthOf(member(&body, "memory"), true)) {
    live->machine->freeze();
  } else {
    live->machine->killAll();
  }
  exchange.respond(204);
}

void E2bControl::metrics(Exchange& exchange) {
  const auto live = find(exchange);
  if (!live) return;
  const auto now = std::chrono::duration_cast<seconds>(Clock::now().time_since_epoch()).count();
  exchange.respond(200, jsonArray({JsonObject()
                                       .add("timestamp", isoTime(Clock::now()))
                                       .add("timestampUnix", static_cast<std::int64_t>(now))
                                       .add("cpuCount", 2)
                                       .add("cpuUsedPct", 0.5)
                                       .add("memUsed", std::int64_t{64} << 20)
                                       .add("memTotal", std::int64_t{512} << 20)
                                       .add("memCache", std::int64_t{16} << 20)
                                       .add("diskUsed", std::int64_t{128} << 20)
                                       .add("diskTotal", std::int64_t{1024} << 20)
                                       .text()}));
}

void E2bControl::setNetwork(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto live = find(exchange);
  if (!live) return;
  service_.change(live->box.id, [&](Box& box) { box.networkJson = jsonOf(&body); });
  exchange.respond(204);
}

void E2bControl::addRoutes(E2bSimulator& service, Server& server) {
  const auto add = [&](const char* method, const char* path, void (*act)(E2bControl, Exchange&)) {
    server.route(method, path, [&service, act](Exchange& exchange) {
      const std::string key = exchange.request.header("x-api-key");
      if (key.empty()) return respondError(exchange, 401, "Missing API key: the header X-API-Key is required");
      if (key != service.key_) return respondError(exchange, 401, "Invalid API key format or unknown key");
      try {
        act(E2bControl(service), exchange);
      } catch (const MachineError& error) {
        respondError(exchange, error.kind() == MachineError::Kind::gone ? 404 : 500, error.what());
      }
    });
  };
  add("POST", "/v2/sandboxes", [](E2bControl self, Exchange& exchange) { self.create(exchange); });
  add("POST", "/sandboxes", [](E2bControl self, Exchange& exchange) { self.create(exchange); });
  add("POST", "/v2/sandboxes/*/connect", [](E2bControl self, Exchange& exchange) { self.connect(exchange, false); });
  add("POST", "/sandboxes/*/connect", [](E2bControl self, Exchange& exchange) { self.connect(exchange, true); });
  add("GET", "/v2/sandboxes", [](E2bControl self, Exchange& exchange) { self.list(exchange); });
  add("GET", "/sandboxes", [](E2bControl self, Exchange& exchange) { self.list(exchange); });
  add("GET", "/sandboxes/*/metrics", [](E2bControl self, Exchange& exchange) { self.metrics(exchange); });
  add("GET", "/sandboxes/*", [](E2bControl self, Exchange& exchange) { self.info(exchange); });
  add("DELETE", "/sandboxes/*", [](E2bControl self, Exchange& exchange) { self.kill(exchange); });
  add("POST", "/sandboxes/*/timeout", [](E2bControl self, Exchange& exchange) { self.setTimeout(exchange); });
  add("POST", "/sandboxes/*/pause", [](E2bControl self, Exchange& exchange) { self.pause(exchange); });
  add("POST", "/sandboxes/*/fork", [](E2bControl self, Exchange& exchange) { self.fork(exchange); });
  add("PUT", "/sandboxes/*/network", [](E2bControl self, Exchange& exchange) { self.setNetwork(exchange); });
  add("POST", "/sandboxes/*/snapshots", [](E2bControl self, Exchange& exchange) { self.snapshot(exchange); });
  add("GET", "/snapshots", [](E2bControl self, Exchange& exchange) { self.listSnapshots(exchange); });
  add("GET", "/templates/aliases/*", [](E2bControl, Exchange& exchange) { alias(exchange); });
  add("GET", "/templates", [](E2bControl, Exchange& exchange) { listTemplates(exchange); });
  add("DELETE", "/templates/*", [](E2bControl self, Exchange& exchange) { self.removeTemplate(exchange); });
}

}  // namespace computesdk::simulators
