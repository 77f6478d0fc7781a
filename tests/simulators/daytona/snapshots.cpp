// Ports and snapshots of the control plane.
#include "control.hpp"

namespace computesdk::simulators {

void DaytonaControl::preview(Exchange& exchange, bool withSignature) {
  const auto live = find(exchange);
  if (!live) return;
  const auto port = numberIn(exchange.request.parts.at(1));
  if (!port || *port < 1 || *port > 65535) return respondApiError(exchange, 400, "Invalid port");
  const std::string head = "https://" + std::to_string(*port) + "-", tail = ".proxy.sim.test";
  JsonObject answer;
  answer.add("sandboxId", live->box.id);
  if (!withSignature) {
    return exchange.respond(200,
                            answer.add("url", head + live->box.id + tail).add("token", live->box.previewToken).text());
  }
  const std::string token = randomText(16);
  {
    const std::lock_guard lock(service_.mutex_);
    service_.signedPorts_[token] = live->box.id;
  }
  exchange.respond(200, answer.add("port", *port).add("token", token).add("url", head + token + tail).text());
}

void DaytonaControl::toolboxUrl(Exchange& exchange) {
  if (find(exchange)) exchange.respond(200, JsonObject().add("url", service_.url_ + "/toolbox").text());
}

void DaytonaControl::snapshot(Exchange& exchange) {
  rapidjson::Document body;
  const auto live = find(exchange);
  if (!live) return;
  if (!parseJson(exchange.request.body, body) || textOf(member(&body, "name")).empty()) {
    return respondApiError(exchange, 400, "name should not be empty");
  }
  if (!live->machine) return respondApiError(exchange, 400, "Sandbox is being destroyed");
  Snapshot made;
  made.name = textOf(member(&body, "name"));
  if (findSnapshot(made.name)) return respondApiError(exchange, 409, "Snapshot " + made.name + " already exists");
  made.id = randomUuid();
  made.sandboxId = live->box.id;
  made.files = service_.fleet_.snapshot(live->box.id);
  made.createdAt = Clock::now();
  {
    const std::lock_guard lock(service_.mutex_);
    service_.snapshots_[made.id] = made;
  }
  service_.change(live->box.id, [](Box& box) {
    box.passing = "snapshotting";
    box.updatedAt = Clock::now();
  });
  respondBox(exchange, live->box.id);
}

namespace {

std::string snapshotJson(const DaytonaSimulator::Snapshot& snapshot) {
  JsonObject object;
  object.add("id", snapshot.id).add("organizationId", kDaytonaOrganization).add("general", snapshot.general);
  object.add("name", snapshot.name).add("state", "active").raw("size", "0.25").raw("entrypoint", "null");
  object.add("cpu", 1).add("gpu", 0).add("mem", 1).add("disk", 3).raw("errorReason", "null");
  object.add("createdAt", daytonaTime(snapshot.createdAt)).add("updatedAt", daytonaTime(snapshot.createdAt));
  object.raw("lastUsedAt", "null");
  return object.raw("sourceSandboxId", snapshot.sandboxId.empty() ? "null" : jsonText(snapshot.sandboxId)).text();
}

}  // namespace

void DaytonaControl::listSnapshots(Exchange& exchange) {
  const std::int64_t limit = numberIn(queryOf(exchange.request, "limit", "100")).value_or(0);
  const std::int64_t page = numberIn(queryOf(exchange.request, "page", "1")).value_or(0);
  if (limit < 1 || limit > 200 || page < 1) return respondApiError(exchange, 400, "page and limit must be at least 1");
  std::vector<std::string> items;
  std::int64_t count = 0;
  {
    const std::lock_guard lock(service_.mutex_);
    for (const auto& [id, snapshot] : service_.snapshots_) {
      if (count / limit == page - 1) items.push_back(snapshotJson(snapshot));
      ++count;
    }
  }
  JsonObject answer;
  answer.raw("items", jsonArray(items)).add("total", count).add("page", page);
  exchange.respond(200, answer.add("totalPages", (count + limit - 1) / limit).text());
}

void DaytonaControl::getSnapshot(Exchange& exchange) {
  const std::string& name = exchange.request.parts.at(0);
  const auto found = findSnapshot(name);
  if (!found) return respondApiError(exchange, 404, "Snapshot with ID or name " + name + " not found");
  exchange.respond(200, snapshotJson(*found));
}

void DaytonaControl::removeSnapshot(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  const auto found = findSnapshot(id);
  if (!found || found->id != id) return respondApiError(exchange, 404, "Snapshot with ID " + id + " not found");
  if (found->general) return respondApiError(exchange, 403, "Snapshot " + id + " is general");
  service_.fleet_.removeSnapshot(found->files);
  {
    const std::lock_guard lock(service_.mutex_);
    service_.snapshots_.erase(id);
  }
  exchange.respond(200, {}, {});
}

}  // namespace computesdk::simulators
