#include "blaxel/snapshots.hpp"

#include "common/text.hpp"
#include "common/time.hpp"

namespace computesdk::blaxel {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::int64_t kLookMs = 500;
/// Looks at a sandbox that was just made and that Blaxel does not know yet.
constexpr int kUnknownLooks = 6;

std::string pathOf(std::string_view id) { return "/snapshots/" + vendor::pathSegment(id); }

void emitSnapshot(const vendor::Session& session, Json item) {
  csdk_snapshot snapshot{};
  snapshot.id = plugin::str(item.text("id"));
  snapshot.name = plugin::str(item.textOr("name"));
  snapshot.sandbox_id = plugin::str(item["source"].textOr("name", item.textOr("sandboxName")));
  snapshot.created_ms = vendor::timeOr0(item.textOr("createdAt"));
  snapshot.size_bytes = -1;
  session.call().emit(snapshot);
}

Error noSnapshot(std::string_view id) {
  return Error(CSDK_NOT_FOUND, "Blaxel has no snapshot " + vendor::oneLine(id, 80));
}

void refuseWhatAForkCannotBe(const csdk_create_args& args) {
  if (args.image.size != 0 || args.template_id.size != 0) {
    throw Error(CSDK_INVALID_ARGUMENT, "both a snapshot and an image were given").fix("give one of them");
  }
  if (args.memory_bytes != 0) {
    throw Error(CSDK_UNIMPLEMENTED, "a sandbox of a snapshot has the memory of the one that the snapshot was made of")
        .errorClass(CSDK_ERROR_LIMIT);
  }
  for (std::size_t i = 0; i < args.options.count; ++i) {
    const std::string_view key = view(args.options.items[i].key);
    if (key == "name") continue;
    throw Error(CSDK_INVALID_ARGUMENT, "the vendor option '" + vendor::oneLine(key, 60) +
                                           "' cannot be given to a sandbox of a snapshot, which has that snapshot's");
  }
}

}  // namespace

void createSnapshot(vendor::Session& session, const vendor::Api& control, const csdk_snapshot_args& args) {
  JsonValue source = JsonValue::object(), body = JsonValue::object();
  source.set("name", view(args.target.id)).set("kind", "sandbox");
  body.setText("name", view(args.name)).set("source", std::move(source));
  vendor::Request request = control.post("/snapshots", body);
  request.headTimeoutMs = 300000;
  const Answer answer = control.send(session, request, {404});
  if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
  JsonDocument made = control.json(answer, "create a snapshot");
  const std::string id(made.root().text("id"));
  while (made.root().textOr("status") == "pending") {
    session.pause(kLookMs);
    const Answer look = control.send(session, control.get(pathOf(id)));
    made = control.json(look, "inspect a snapshot");
  }
  if (made.root().textOr("status") == "failed") throw Error(CSDK_UNAVAILABLE, "Blaxel could not make the snapshot");
  emitSnapshot(session, made.root());
}

void listSnapshots(vendor::Session& session, const vendor::Api& control, std::string_view sandbox) {
  listPages(session, control, "/snapshots", "snapshots", [&](Json item) {
    if (sandbox.empty() || item["source"].textOr("name", item.textOr("sandboxName")) == sandbox) {
      emitSnapshot(session, item);
    }
    return true;
  });
}

void removeSnapshot(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  if (id != "." && id != "..") control.send(session, control.remove(pathOf(id)), {404});
}

JsonDocument forkSnapshot(vendor::Session& session, const vendor::Api& control, const csdk_create_args& args,
                          const JsonValue& body, const std::string& name, std::optional<std::string>& id) {
  refuseWhatAForkCannotBe(args);
  JsonValue fork = JsonValue::object();
  fork.set("targetName", name).set("targetType", "sandbox");
  const JsonValue& runtime = *body.find("spec")->find("runtime");
  if (const JsonValue* envs = runtime.find("envs")) fork.set("envs", *envs);
  vendor::Request request = control.post(pathOf(view(args.snapshot_id)) + "/fork", fork);
  request.headTimeoutMs = 300000;
  const Answer answer = control.send(session, request, {404});
  if (answer.status == 404) throw noSnapshot(view(args.snapshot_id));
  id = name;
  const std::string path = "/sandboxes/" + vendor::pathSegment(name);
  Answer look = control.send(session, control.get(path), {404});
  for (int looks = 0; look.status == 404 && looks < kUnknownLooks; ++looks) {
    session.pause(kLookMs);
    look = control.send(session, control.get(path), {404});
  }
  JsonValue whole = JsonValue::of(control.json(look, "inspect").root());
  whole.at("metadata").set("labels", *body.find("metadata")->find("labels"));
  JsonValue& its = whole.at("spec").at("runtime");
  if (const JsonValue* ttl = runtime.find("ttl")) its.erase("expires").set("ttl", *ttl);
  if (const JsonValue* ports = runtime.find("ports")) its.set("ports", *ports);
  vendor::Request update = control.withBody("PUT", path, whole);
  update.retry = vendor::Retry::idempotent;  // the object is replaced by the same
  return control.json(control.send(session, update), "update");
}

}  // namespace computesdk::blaxel
