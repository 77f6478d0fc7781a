// Snapshots of the control plane. What is kept of a sandbox and what sandboxes are made of is the same at Daytona.
#include "common/time.hpp"
#include "daytona/control.hpp"

namespace computesdk::daytona {
namespace {

using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::int64_t kSnapshotPages = 1000;

std::string pathOf(std::string_view id) { return "/snapshots/" + vendor::pathSegment(id); }

void eachSnapshot(vendor::Session& session, const vendor::Api& control, const std::function<void(Json)>& each) {
  for (std::int64_t page = 1; page <= kSnapshotPages; ++page) {
    vendor::Query query;
    query.add("page", std::to_string(page)).add("limit", "100");
    const Answer answer = control.send(session, control.get(query.on("/snapshots")));
    const JsonDocument list = control.json(answer, "list snapshots");
    for (const Json item : list["items"].items()) each(item);
    if (page >= list.root().integerOr("totalPages", 0)) return;
  }
  throw plugin::Error(CSDK_UNAVAILABLE, "Daytona's list does not come to an end").errorClass(CSDK_ERROR_PROTOCOL);
}

/// Nothing when there is none of that id or name.
std::optional<JsonDocument> lookUp(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  const Answer answer = control.send(session, control.get(pathOf(id)), {404});
  if (answer.status == 404) return {};
  return control.json(answer, "inspect a snapshot");
}

void emitSnapshot(vendor::Session& session, Json item, std::string_view sandboxId) {
  csdk_snapshot snapshot{};
  snapshot.id = plugin::str(item.text("id"));
  snapshot.name = plugin::str(item.textOr("name"));
  snapshot.sandbox_id = plugin::str(item.textOr("sourceSandboxId", sandboxId));
  snapshot.created_ms = vendor::timeOr0(item.textOr("createdAt"));
  const auto size = item["size"].asNumber();  // GiB
  snapshot.size_bytes = size ? static_cast<std::int64_t>(*size * static_cast<double>(std::int64_t{1} << 30)) : -1;
  session.call().emit(snapshot);
}

void emitTemplate(vendor::Session& session, Json item) {
  const std::string_view state = item.textOr("state", "active");
  csdk_template one{};
  one.id = plugin::str(item.text("id"));
  one.name = plugin::str(item.textOr("name"));
  one.state = state == "active" || state == "inactive"      ? CSDK_SANDBOX_RUNNING
              : state == "error" || state == "build_failed" ? CSDK_SANDBOX_ERROR
              : state == "removing"                         ? CSDK_SANDBOX_STOPPED
                                                            : CSDK_SANDBOX_STARTING;
  one.created_ms = vendor::timeOr0(item.textOr("createdAt"));
  session.call().emit(one);
}

}  // namespace

void createSnapshot(vendor::Session& session, const vendor::Api& control, const csdk_snapshot_args& args) {
  const std::string name = args.name.size != 0 ? std::string(view(args.name)) : "computesdk-" + randomWord();
  const std::string_view id = view(args.target.id);
  JsonValue body = JsonValue::object();
  body.set("name", name);
  vendor::Request request = control.post("/sandbox/" + vendor::pathSegment(id) + "/snapshot", body);
  request.headTimeoutMs = 300000;
  const Answer answer = control.send(session, request, {404});
  if (answer.status == 404) throw vendor::goneError(kTitle, id);
  const JsonDocument sandbox =
      untilNot(session, control, id, [](std::string_view state) { return state == "snapshotting"; });
  if (sandbox.root().textOr("state") == "error") {
    throw plugin::Error(CSDK_UNAVAILABLE, "the snapshot could not be made: " +
                                              vendor::oneLine(sandbox.root().textOr("errorReason"), 300));
  }
  const auto made = lookUp(session, control, name);
  if (made) return emitSnapshot(session, made->root(), id);
  csdk_snapshot snapshot{};  // an installation that knows them by name only
  snapshot.id = plugin::str(name);
  snapshot.name = plugin::str(name);
  snapshot.sandbox_id = args.target.id;
  snapshot.size_bytes = -1;
  session.call().emit(snapshot);
}

void listSnapshots(vendor::Session& session, const vendor::Api& control, std::string_view sandboxId) {
  eachSnapshot(session, control, [&](Json item) {
    const bool wanted = sandboxId.empty() || item.textOr("sourceSandboxId") == sandboxId;
    if (wanted && !item.booleanOr("general", false)) emitSnapshot(session, item, {});
  });
}

void removeSnapshot(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  const Answer answer = control.send(session, control.remove(pathOf(id)), {404});
  if (answer.status != 404) return;
  const auto named = lookUp(session, control, id);
  if (named && named->root().text("id") != id) {
    control.send(session, control.remove(pathOf(named->root().text("id"))), {404});
  }
}

void listTemplates(vendor::Session& session, const vendor::Api& control) {
  eachSnapshot(session, control, [&](Json item) { emitTemplate(session, item); });
}

void inspectTemplate(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  const auto found = lookUp(session, control, id);
  if (!found) throw plugin::Error(CSDK_NOT_FOUND, "Daytona has no snapshot " + vendor::oneLine(id, 80));
  emitTemplate(session, found->root());
}

}  // namespace computesdk::daytona
