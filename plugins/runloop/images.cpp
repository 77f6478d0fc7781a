#include "runloop/images.hpp"

#include "common/text.hpp"

namespace computesdk::runloop {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::int64_t kBuildMs = 600000;  // as Runloop's own client has it
constexpr std::int64_t kLookMs = 1000;

void emitSnapshotOf(const plugin::Call& call, Json item) {
  vendor::Pairs metadata;
  for (const auto& [key, value] : item["metadata"].members()) {
    metadata.emplace_back(key, value.asText().value_or(""));
  }
  const std::vector<csdk_pair> lent = vendor::lend(metadata);
  csdk_snapshot snapshot{};
  snapshot.id = plugin::str(item.text("id"));
  snapshot.name = plugin::str(item.textOr("name"));
  snapshot.sandbox_id = plugin::str(item.textOr("source_devbox_id"));
  snapshot.created_ms = item.integerOr("create_time_ms", 0);
  snapshot.size_bytes = item.integerOr("size_bytes", -1);
  snapshot.metadata = {lent.data(), lent.size()};
  call.emit(snapshot);
}

std::uint32_t stateOf(Json blueprint) {
  const std::string_view status = blueprint.textOr("status", "build_complete");
  if (status == "build_complete") return CSDK_SANDBOX_RUNNING;
  return status == "failed" ? CSDK_SANDBOX_ERROR : CSDK_SANDBOX_STARTING;
}

void emitBlueprintOf(const plugin::Call& call, Json blueprint) {
  csdk_template one{};
  one.id = plugin::str(blueprint.text("id"));
  one.name = plugin::str(blueprint.textOr("name"));
  one.state = stateOf(blueprint);
  one.created_ms = blueprint.integerOr("create_time_ms", 0);
  call.emit(one);
}

void removeBy(vendor::Session& session, const vendor::Api& api, const std::string& path) {
  vendor::Request request = api.request("POST", path + "/delete");
  request.retry = vendor::Retry::idempotent;
  api.send(session, request, {404});
}

}  // namespace

void createSnapshot(Devbox& devbox, const csdk_snapshot_args& args) {
  JsonValue body = JsonValue::object();
  body.setText("name", view(args.name));
  if (args.metadata.count != 0) body.set("metadata", JsonValue::of(args.metadata));
  vendor::Request request = devbox.api().post(devbox.path("snapshot_disk"), body);
  request.headTimeoutMs = kBuildMs;
  emitSnapshotOf(devbox.call(), devbox.api().json(devbox.send(request), "snapshot_disk").root());
}

void listSnapshots(vendor::Session& session, const vendor::Api& api, const csdk_snapshot_args& args) {
  std::string query;
  if (args.target.id.size != 0) query = "devbox_id=" + vendor::percentEncode(view(args.target.id));
  listPages(session, api, "/v1/devboxes/disk_snapshots", query, "snapshots", [&](Json item) {
    emitSnapshotOf(session.call(), item);
    return true;
  });
}

void removeSnapshot(vendor::Session& session, const vendor::Api& api, std::string_view id) {
  removeBy(session, api, "/v1/devboxes/disk_snapshots/" + vendor::pathSegment(id));
}

void listBlueprints(vendor::Session& session, const vendor::Api& api) {
  listPages(session, api, "/v1/blueprints", {}, "blueprints", [&](Json item) {
    if (item.textOr("state") != "deleted") emitBlueprintOf(session.call(), item);
    return true;
  });
}

void emitBlueprint(vendor::Session& session, const vendor::Api& api, std::string_view id) {
  const Error missing(CSDK_NOT_FOUND, "Runloop has no blueprint " + vendor::oneLine(id, 80));
  if (id.starts_with("bpt_")) {
    const Answer answer = api.send(session, api.get("/v1/blueprints/" + vendor::pathSegment(id)), {404});
    if (answer.status == 404) throw missing;
    const JsonDocument blueprint = api.json(answer, "inspect a blueprint");
    if (blueprint.root().textOr("state") == "deleted") throw missing;
    return emitBlueprintOf(session.call(), blueprint.root());
  }
  bool found = false;
  const std::string query = "name=" + vendor::percentEncode(id);
  listPages(session, api, "/v1/blueprints", query, "blueprints", [&](Json item) {
    if (item.textOr("name") != id || item.textOr("state") == "deleted") return true;
    emitBlueprintOf(session.call(), item);
    found = true;
    return false;
  });
  if (!found) throw missing;
}

void buildBlueprint(vendor::Session& session, const vendor::Api& api, const csdk_template_args& args) {
  JsonValue body = JsonValue::object();
  body.set("name", view(args.name));
  body.setOptions(args.options);
  JsonDocument blueprint = api.json(api.send(session, api.post("/v1/blueprints", body)), "build a blueprint");
  const std::string path = "/v1/blueprints/" + vendor::pathSegment(blueprint.root().text("id"));
  while (stateOf(blueprint.root()) == CSDK_SANDBOX_STARTING) {
    session.call().progress("build", blueprint.root().textOr("status"));
    session.pause(kLookMs);
    blueprint = api.json(api.send(session, api.get(path)), "build a blueprint");
  }
  if (stateOf(blueprint.root()) == CSDK_SANDBOX_ERROR) {
    throw Error(CSDK_FAILED_PRECONDITION,
                "the blueprint " + vendor::oneLine(blueprint.root().text("id"), 80) + " could not be built: " +
                    vendor::oneLine(blueprint.root().textOr("failure_reason", "no reason was given"), 80));
  }
  emitBlueprintOf(session.call(), blueprint.root());
}

void removeBlueprint(vendor::Session& session, const vendor::Api& api, std::string_view id) {
  removeBy(session, api, "/v1/blueprints/" + vendor::pathSegment(id));
}

}  // namespace computesdk::runloop
