// Snapshots and templates of the control plane, and what is made of them.
#include "control_parts.hpp"
#include "control_plane.hpp"

namespace computesdk::simulators {
namespace {

using std::chrono::seconds;

std::string snapshotJson(const std::string& id, const std::string& name) {
  std::vector<std::string> names;
  if (!name.empty()) names.push_back("sim-team/" + name + ":default");
  return JsonObject().add("snapshotID", id).raw("names", jsonStrings(names)).text();
}

}  // namespace

std::optional<E2bControl::Snapshot> E2bControl::findSnapshot(const std::string& text) {
  const std::lock_guard lock(service_.mutex_);
  for (const auto& [id, each] : service_.snapshots_) {
    const std::string tagged = each.name + ":default";
    const bool named = !each.name.empty() && (text == each.name || text == tagged || text == "sim-team/" + tagged);
    if (text == id || text + ":default" == id || named) return each;
  }
  return {};
}

E2bControl::Snapshot E2bControl::keep(const Live& live, const std::string& name) {
  Snapshot made{service_.newId("snap-", 12) + ":default", name,        live.box.id, live.box.templateId,
                service_.fleet_.snapshot(live.box.id),    live.box.env};
  const std::lock_guard lock(service_.mutex_);
  service_.snapshots_[made.id] = made;
  return made;
}

void E2bControl::snapshot(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto live = find(exchange);
  if (!live) return;
  const Snapshot made = keep(*live, textOf(member(&body, "name")));
  exchange.respond(201, snapshotJson(made.id, made.name));
}

void E2bControl::listSnapshots(Exchange& exchange) {
  const std::string sandbox = queryOf(exchange.request, "sandboxID"), name = queryOf(exchange.request, "name");
  std::vector<std::string> items;
  {
    const std::lock_guard lock(service_.mutex_);
    for (const auto& [id, each] : service_.snapshots_) {
      const bool named = name.empty() || name == each.name || name == "sim-team/" + each.name + ":default";
      if ((sandbox.empty() || sandbox == each.sandboxId) && named) items.push_back(snapshotJson(id, each.name));
    }
  }
  Headers headers;
  if (page(exchange, items, headers)) exchange.respond(200, jsonArray(items), "application/json", headers);
}

void E2bControl::removeTemplate(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  const auto found = findSnapshot(id);
  if (!found) return respondError(exchange, 404, "template '" + id + "' not found");
  {
    const std::lock_guard lock(service_.mutex_);
    service_.snapshots_.erase(found->id);
  }
  service_.fleet_.removeSnapshot(found->files);
  exchange.respond(204);
}

void E2bControl::listTemplates(Exchange& exchange) {
  std::vector<std::string> items;
  for (const Template& each : kTemplates) {
    items.push_back(JsonObject()
                        .add("templateID", each.id)
                        .add("buildID", "00000000-0000-4000-8000-000000000001")
                        .add("cpuCount", 2)
                        .add("memoryMB", 512)
                        .add("diskSizeMB", 1024)
                        .add("public", true)
                        .raw("aliases", jsonStrings({each.alias}))
                        .raw("names", jsonStrings({each.alias}))
                        .add("createdAt", "2026-01-01T00:00:00.000Z")
                        .add("updatedAt", "2026-01-01T00:00:00.000Z")
                        .raw("createdBy", "null")
                        .raw("lastSpawnedAt", "null")
                        .add("spawnCount", 0)
                        .add("buildCount", 1)
                        .add("envdVersion", kEnvdVersion)
                        .add("buildStatus", "ready")
                        .text());
  }
  exchange.respond(200, jsonArray(items));
}

void E2bControl::alias(Exchange& exchange) {
  const std::string& name = exchange.request.parts.at(0);
  const Template* const found = templateNamed(name);
  if (found == nullptr) return respondError(exchange, 404, "template alias '" + name + "' not found");
  exchange.respond(200, JsonObject().add("templateID", found->id).add("public", true).text());
}

void E2bControl::fork(Exchange& exchange) {
  rapidjson::Document body;
  std::int64_t timeout = kDefaultTimeout;
  if (!readObject(exchange, body) || !readTimeout(exchange, body, timeout)) return;
  const auto live = find(exchange);
  if (!live) return;
  const std::int64_t count = numberOf(member(&body, "count"), 1);
  if (count < 1 || count > 16) return respondError(exchange, 400, "Invalid count");
  const std::string files = service_.fleet_.snapshot(live->box.id);
  std::vector<std::string> made;
  for (std::int64_t i = 0; i < count; ++i) {
    made.push_back(JsonObject().raw("sandbox", createdJson(make(live->box, files, seconds(timeout)))).text());
  }
  service_.fleet_.removeSnapshot(files);
  exchange.respond(201, jsonArray(made));
}

}  // namespace computesdk::simulators
