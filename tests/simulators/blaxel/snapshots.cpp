// Snapshots: they belong to the workspace and outlive the sandbox that they were taken of.
#include "blaxel.hpp"

namespace computesdk::simulators {

std::string BlaxelSnapshots::view(const BlaxelSimulator& service, const Snapshot& snapshot, std::string_view status) {
  JsonObject source;
  source.add("name", snapshot.source).add("kind", "sandbox").add("deleted", !service.boxes_.contains(snapshot.source));
  JsonObject view;
  view.add("id", snapshot.id).add("name", snapshot.name).add("status", status).add("workspace", service.workspace_);
  view.add("createdAt", isoTime(snapshot.createdAt)).add("sandboxName", snapshot.source);
  return view.raw("source", source.text()).raw("spec", snapshot.specJson).text();
}

std::optional<BlaxelSnapshots::Snapshot> BlaxelSnapshots::find(BlaxelSimulator& service, Exchange& exchange,
                                                               const std::string& id) {
  {
    const std::lock_guard lock(service.mutex_);
    if (const auto found = service.snapshots_.find(id); found != service.snapshots_.end()) return found->second;
  }
  respondBlaxelError(exchange, 404, "Snapshot " + id + " not found");
  return {};
}

void BlaxelSnapshots::take(BlaxelSimulator& service, Exchange& exchange, const std::string& source,
                           const std::string& name) {
  Snapshot made;
  made.id = "snap-" + newBlaxelId(12);
  made.name = name.empty() ? "snapshot-" + newBlaxelId(6) : name;
  made.source = source;
  made.createdAt = Clock::now();
  made.specJson = service.with(source, [](const Box* box) { return box == nullptr ? std::string() : box->specJson; });
  if (made.specJson.empty() || !service.fleet_.get(source)) {
    return respondBlaxelError(exchange, 404, "Sandbox " + source + " not found");
  }
  made.files = service.fleet_.snapshot(source);
  const std::lock_guard lock(service.mutex_);
  made.number = ++service.lastNumber_;
  service.snapshots_[made.id] = made;
  exchange.respond(200, view(service, made, "pending"));
}

void BlaxelSnapshots::get(BlaxelSimulator& service, Exchange& exchange) {
  const auto found = find(service, exchange, exchange.request.parts.at(0));
  if (!found) return;
  const std::lock_guard lock(service.mutex_);
  exchange.respond(200, view(service, *found, "ready"));
}

void BlaxelSnapshots::list(BlaxelSimulator& service, Exchange& exchange) {
  std::map<std::int64_t, std::string> items;
  {
    const std::lock_guard lock(service.mutex_);
    for (const auto& [id, snapshot] : service.snapshots_) items[snapshot.number] = view(service, snapshot, "ready");
  }
  BlaxelControl::respondPage(exchange, items);
}

void BlaxelSnapshots::remove(BlaxelSimulator& service, Exchange& exchange, const std::string& id) {
  const auto found = find(service, exchange, id);
  if (!found) return;
  service.fleet_.removeSnapshot(found->files);
  {
    const std::lock_guard lock(service.mutex_);
    service.snapshots_.erase(id);
  }
  exchange.respond(204);
}

void BlaxelSnapshots::fork(BlaxelSimulator& service, Exchange& exchange, const std::string& files,
                           const std::string& specJson, const std::string& snapshotId) {
  rapidjson::Document body, spec;
  if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
  const auto box = std::make_shared<Box>();
  box->name = textOf(member(&body, "targetName"));
  if (box->name.empty()) return respondBlaxelError(exchange, 400, "targetName is required");
  if (textOf(member(&body, "targetType"), "sandbox") != "sandbox") {
    return respondBlaxelError(exchange, 400, "only sandboxes can be forked into here");
  }
  if (!parseJson(specJson, spec)) return respondBlaxelError(exchange, 500, "the snapshot is damaged");
  auto& memory = spec.GetAllocator();
  if (!spec.HasMember("runtime")) spec.AddMember("runtime", rapidjson::Value(rapidjson::kObjectType), memory);
  rapidjson::Value& runtime = spec["runtime"];
  runtime.RemoveMember("ttl");
  if (const rapidjson::Value* const envs = member(&body, "envs"); envs != nullptr && envs->IsArray()) {
    if (!runtime.HasMember("envs")) runtime.AddMember("envs", rapidjson::Value(rapidjson::kArrayType), memory);
    for (const auto& each : envs->GetArray()) runtime["envs"].PushBack(rapidjson::Value(each, memory), memory);
  }
  box->specJson = jsonOf(&spec);
  box->createdAt = box->updatedAt = Clock::now();
  if (!BlaxelControl::begin(service, box, &runtime, files)) {
    return respondBlaxelError(exchange, 409, "Sandbox " + box->name + " already exists", "SANDBOX_ALREADY_EXISTS");
  }
  JsonObject answer;
  answer.add("name", box->name).add("type", "sandbox");
  if (!snapshotId.empty()) answer.add("snapshotId", snapshotId);
  exchange.respond(200, answer.text());
}

void BlaxelSnapshots::forkSandbox(BlaxelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
  const std::string source = exchange.request.parts.at(0), wanted = textOf(member(&body, "snapshotId"));
  if (!wanted.empty()) {
    if (const auto found = find(service, exchange, wanted))
      fork(service, exchange, found->files, found->specJson, wanted);
    return;
  }
  const std::string spec =
      service.with(source, [](const Box* box) { return box == nullptr ? std::string() : box->specJson; });
  if (spec.empty()) return respondBlaxelError(exchange, 404, "Sandbox " + source + " not found");
  const std::string files = service.fleet_.snapshot(source);
  fork(service, exchange, files, spec, {});
  service.fleet_.removeSnapshot(files);
}

void BlaxelSnapshots::restore(BlaxelSimulator& service, Exchange& exchange) {
  const std::string name = exchange.request.parts.at(0);
  const auto found = find(service, exchange, exchange.request.parts.at(1));
  if (!found) return;
  std::shared_ptr<Box> box;
  {
    const std::lock_guard lock(service.mutex_);
    if (const auto there = service.boxes_.find(name); there != service.boxes_.end()) box = there->second;
  }
  if (!box || found->source != name) return respondBlaxelError(exchange, 404, "Sandbox " + name + " not found");
  rapidjson::Document spec;
  if (!parseJson(box->specJson, spec)) return respondBlaxelError(exchange, 500, "the sandbox is damaged");
  service.fleet_.destroy(name);
  service.forget(name);
  box->processes.clear();
  if (!BlaxelControl::begin(service, box, member(&spec, "runtime"), found->files)) {
    return respondBlaxelError(exchange, 409, "Sandbox " + name + " already exists", "SANDBOX_ALREADY_EXISTS");
  }
  exchange.respond(200, service.with(name, [&](const Box* made) {
    return made == nullptr ? std::string("{}") : BlaxelControl::view(service, *made);
  }));
}

void BlaxelSnapshots::addRoutes(BlaxelSimulator& service, Server& server) {
  const auto add = [&](const char* method, const std::string& path, auto act) {
    service.route(server, method, "/v0" + path, [&service, act](Exchange& exchange) { act(service, exchange); });
  };
  add("POST", "/snapshots", [](BlaxelSimulator& each, Exchange& exchange) {
    rapidjson::Document body;
    if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
    take(each, exchange, textOf(member(member(&body, "source"), "name")), textOf(member(&body, "name")));
  });
  add("GET", "/snapshots", list);
  add("GET", "/snapshots/*", get);
  add("DELETE", "/snapshots/*",
      [](BlaxelSimulator& each, Exchange& exchange) { remove(each, exchange, exchange.request.parts.at(0)); });
  add("POST", "/snapshots/*/fork", [](BlaxelSimulator& each, Exchange& exchange) {
    const std::string id = exchange.request.parts.at(0);
    if (const auto found = find(each, exchange, id)) fork(each, exchange, found->files, found->specJson, id);
  });
  add("POST", "/sandboxes/*/snapshots", [](BlaxelSimulator& each, Exchange& exchange) {
    rapidjson::Document body;
    if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
    take(each, exchange, exchange.request.parts.at(0), textOf(member(&body, "name")));
  });
  add("GET", "/sandboxes/*/snapshots", [](BlaxelSimulator& each, Exchange& exchange) {
    std::vector<std::string> items;
    {
      const std::lock_guard lock(each.mutex_);
      for (const auto& [id, snapshot] : each.snapshots_) {
        if (snapshot.source == exchange.request.parts.at(0)) items.push_back(view(each, snapshot, "ready"));
      }
    }
    exchange.respond(200, jsonArray(items));
  });
  add("DELETE", "/sandboxes/*/snapshots/*",
      [](BlaxelSimulator& each, Exchange& exchange) { remove(each, exchange, exchange.request.parts.at(1)); });
  add("POST", "/sandboxes/*/snapshots/*/restore", restore);
  add("POST", "/sandboxes/*/fork", forkSandbox);
}

}  // namespace computesdk::simulators
