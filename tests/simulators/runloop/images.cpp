// What devboxes are made from: disk snapshots and blueprints.
#include <algorithm>

#include "routes.hpp"
#include "views.hpp"

namespace computesdk::simulators {
namespace {

constexpr std::chrono::milliseconds kAsyncTime{50}, kBuildTime{100};
constexpr const char* kBase =
    R"({"id":"bpt_base","name":"base","status":"build_complete","state":"created","create_time_ms":0,)"
    R"("parameters":{"name":"base"}})";

std::optional<std::string> optionalText(const rapidjson::Value* value) {
  if (value == nullptr) return {};
  return textOf(value);
}

}  // namespace

void RunloopImages::snapshot(RunloopSimulator& service, Exchange& exchange, bool async) {
  rapidjson::Document body;
  if (!readRunloopBody(exchange, body)) return;
  const auto live = service.named(exchange);
  if (!live) return;
  if (!live->machine) {
    return respondRunloopError(exchange, 400,
                               "Devbox " + live->box.id + " is not running (status: " + live->box.status + ")");
  }
  Snapshot made;
  made.id = newRunloopId("snp_", 22);
  made.boxId = live->box.id;
  made.name = optionalText(member(&body, "name"));
  made.message = optionalText(member(&body, "commit_message"));
  made.metadata = textMapOf(member(&body, "metadata"));
  made.createTime = epochMs(Clock::now());
  made.readyAt = Clock::now() + (async ? kAsyncTime : std::chrono::milliseconds(0));
  made.files = service.fleet_.snapshot(live->box.id);
  {
    const std::lock_guard lock(service.mutex_);
    made.number = ++service.lastNumber_;
    service.snapshots_[made.id] = made;
  }
  exchange.respond(200, RunloopViews::of(made));
}

void RunloopImages::listSnapshots(RunloopSimulator& service, Exchange& exchange) {
  const std::string box = runloopQuery(exchange.request, "devbox_id");
  std::vector<Snapshot> found;
  {
    const std::lock_guard lock(service.mutex_);
    for (const auto& [id, each] : service.snapshots_) {
      if (box.empty() || each.boxId == box) found.push_back(each);
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.number > b.number; });
  std::vector<ListItem> items;
  for (const Snapshot& each : found) items.push_back({each.id, RunloopViews::of(each)});
  respondPage(exchange, "snapshots", items);
}

void RunloopImages::snapshotStatus(RunloopSimulator& service, Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  std::optional<Snapshot> found;
  {
    const std::lock_guard lock(service.mutex_);
    if (const auto each = service.snapshots_.find(id); each != service.snapshots_.end()) found = each->second;
  }
  if (!found) return respondRunloopError(exchange, 404, "Snapshot with id " + id + " not found");
  const bool ready = Clock::now() >= found->readyAt;
  exchange.respond(200, JsonObject()
                            .add("status", ready ? "complete" : "in_progress")
                            .raw("error_message", "null")
                            .raw("snapshot", ready ? RunloopViews::of(*found) : "null")
                            .text());
}

void RunloopImages::removeSnapshot(RunloopSimulator& service, Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  std::string files;
  {
    const std::lock_guard lock(service.mutex_);
    if (auto node = service.snapshots_.extract(id)) files = node.mapped().files;
  }
  if (files.empty()) return respondRunloopError(exchange, 404, "Snapshot with id " + id + " not found");
  service.fleet_.removeSnapshot(files);
  exchange.respond(200, "{}");
}

void RunloopImages::createBlueprint(RunloopSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readRunloopBody(exchange, body)) return;
  RunloopSimulator::Blueprint made;
  made.name = textOf(member(&body, "name"));
  if (made.name.empty()) return respondRunloopError(exchange, 400, "name: is required");
  made.id = newRunloopId("bpt_", 22);
  made.parametersJson = jsonOf(&body);
  made.files = textMapOf(member(&body, "file_mounts"));
  made.commands = textsOf(member(&body, "system_setup_commands"));
  made.createTime = epochMs(Clock::now());
  made.readyAt = Clock::now() + kBuildTime;
  {
    const std::lock_guard lock(service.mutex_);
    made.number = ++service.lastNumber_;
    service.blueprints_[made.id] = made;
  }
  exchange.respond(200, RunloopViews::of(made));
}

void RunloopImages::listBlueprints(RunloopSimulator& service, Exchange& exchange) {
  const std::string name = runloopQuery(exchange.request, "name");
  std::vector<RunloopSimulator::Blueprint> found;
  {
    const std::lock_guard lock(service.mutex_);
    for (const auto& [id, each] : service.blueprints_) {
      if (name.empty() || each.name == name) found.push_back(each);
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.number > b.number; });
  std::vector<ListItem> items;
  for (const auto& each : found) items.push_back({each.id, RunloopViews::of(each)});
  if (name.empty() || name == "base") items.push_back({"bpt_base", kBase});
  respondPage(exchange, "blueprints", items);
}

void RunloopImages::blueprint(RunloopSimulator& service, Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  if (id == "bpt_base") return exchange.respond(200, kBase);
  std::string view;
  {
    const std::lock_guard lock(service.mutex_);
    const auto found = service.blueprints_.find(id);
    if (found != service.blueprints_.end()) view = RunloopViews::of(found->second);
  }
  if (view.empty()) return respondRunloopError(exchange, 404, "Blueprint with id " + id + " not found");
  exchange.respond(200, view);
}

void RunloopImages::removeBlueprint(RunloopSimulator& service, Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  bool removed = false;
  {
    const std::lock_guard lock(service.mutex_);
    removed = service.blueprints_.erase(id) > 0;
  }
  if (!removed) return respondRunloopError(exchange, 404, "Blueprint with id " + id + " not found");
  exchange.respond(200, "{}");
}

void RunloopImages::addRoutes(RunloopSimulator& service, Server& server) {
  const auto add = [&](const char* method, const char* path, void (*act)(RunloopSimulator&, Exchange&)) {
    service.route(server, method, path, [&service, act](Exchange& exchange) { act(service, exchange); });
  };
  add("GET", "/v1/devboxes/disk_snapshots", listSnapshots);
  add("GET", "/v1/devboxes/disk_snapshots/*/status", snapshotStatus);
  add("POST", "/v1/devboxes/disk_snapshots/*/delete", removeSnapshot);
  service.route(server, "POST", "/v1/devboxes/*/snapshot_disk",
                [&service](Exchange& exchange) { snapshot(service, exchange, false); });
  service.route(server, "POST", "/v1/devboxes/*/snapshot_disk_async",
                [&service](Exchange& exchange) { snapshot(service, exchange, true); });
  add("GET", "/v1/blueprints", listBlueprints);
  add("POST", "/v1/blueprints", createBlueprint);
  add("GET", "/v1/blueprints/*", blueprint);
  add("POST", "/v1/blueprints/*/delete", removeBlueprint);
}

}  // namespace computesdk::simulators
