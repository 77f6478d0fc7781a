#include "e2b/control.hpp"

#include "common/time.hpp"

#include <algorithm>
#include <array>
#include <unordered_set>

namespace computesdk::e2b {
namespace {

using plugin::Error;
using plugin::view;
using vendor::Answer;
using vendor::Json;
using vendor::JsonDocument;
using vendor::JsonValue;

constexpr std::size_t kPages = 10000;

/// Refuses what was asked for by name and cannot be had.
void refuseWhatCannotBe(const csdk_create_args& args) {
  if ((args.flags & CSDK_CREATE_LIMITS) != 0) {
    throw Error(CSDK_UNIMPLEMENTED, "an E2B sandbox has the CPU, memory and disk of its template")
        .errorClass(CSDK_ERROR_LIMIT)
        .fix("choose a template of the size that you need (--template); E2B's command line builds them");
  }
  if (args.image.size != 0) {
    throw Error(CSDK_UNIMPLEMENTED, "E2B makes sandboxes of templates, not of images")
        .fix("build a template from the image with E2B's command line and name it with --template");
  }
  if (args.timeout_ms < 0) {
    throw Error(CSDK_UNIMPLEMENTED, "an E2B sandbox always ends after some time")
        .fix("give a timeout (an hour at most, a day with a paid plan) and extend it while you need the sandbox");
  }
  if (args.template_id.size != 0 && args.snapshot_id.size != 0) {
    throw Error(CSDK_INVALID_ARGUMENT, "both a template and a snapshot were given").fix("give one of them");
  }
}

/// An older installation does not know the path at all; one that misses the thing asked for answers with a code.
bool pathUnknown(const Answer& answer) {
  if (answer.status != 404 && answer.status != 405) return false;
  const auto body = vendor::JsonDocument::tryParse(answer.body);
  return !body || !body->root().isObject() || !body->root()["code"];
}

}  // namespace

JsonValue createBody(const csdk_create_args& args) {
  refuseWhatCannotBe(args);
  JsonValue body = JsonValue::object();
  const csdk_str& from = args.snapshot_id.size != 0 ? args.snapshot_id : args.template_id;
  body.set("templateID", from.size != 0 ? view(from) : std::string_view("base"));
  JsonValue metadata = JsonValue::of(args.metadata);
  if (args.name.size != 0 && metadata.find("name") == nullptr) metadata.set("name", view(args.name));
  if (args.idempotency_key.size != 0) metadata.set(kCreateLabel, view(args.idempotency_key));
  body.set("metadata", std::move(metadata));
  if (args.env.count != 0) body.set("envVars", JsonValue::of(args.env));
  if (args.timeout_ms > 0) body.set("timeout", vendor::ceilSeconds(args.timeout_ms));
  if ((args.flags & CSDK_CREATE_NETWORK) != 0) body.set("allow_internet_access", args.network != CSDK_NETWORK_NONE);
  body.setOptions(args.options, {"user"});
  return body;
}

Answer postV2(vendor::Session& session, const vendor::Api& control, std::string_view path, const JsonValue& body,
              const JsonValue& older, std::initializer_list<int> alsoGood) {
  const Answer answer = control.send(session, control.post("/v2" + std::string(path), body), {404, 405});
  if (answer.ok()) return answer;
  if (pathUnknown(answer)) return control.send(session, control.post(path, older), alsoGood);
  if (std::find(alsoGood.begin(), alsoGood.end(), answer.status) != alsoGood.end()) return answer;
  throw control.failure(session, answer, false).error();
}

vendor::SandboxResult resultOf(Json sandbox) {
  vendor::SandboxResult result;
  result.id = sandbox.text("sandboxID");
  result.templateId = sandbox.textOr("templateID");
  const std::string_view state = sandbox.textOr("state", "running");
  result.status = state == "running"  ? CSDK_SANDBOX_RUNNING
                  : state == "paused" ? CSDK_SANDBOX_PAUSED
                                      : CSDK_SANDBOX_UNKNOWN;
  result.createdMs = vendor::timeOr0(sandbox.textOr("startedAt"));
  result.expiresMs = vendor::timeOr0(sandbox.textOr("endAt"));
  result.cpuMilli = sandbox.integerOr("cpuCount", 0) * 1000;
  result.memoryBytes = sandbox.integerOr("memoryMB", 0) << 20;
  result.diskBytes = sandbox.integerOr("diskSizeMB", 0) << 20;
  result.isolation = "virtual machine";
  result.limits = {{"memory", "hard"}, {"cpu", "hard"}, {"disk", "hard"}};
  for (const auto& [key, value] : sandbox["metadata"].members()) {
    if (key == kCreateLabel) continue;
    const std::string text(value.asText().value_or(""));
    if (key == "name") result.name = text;
    result.metadata.emplace_back(key, text);
  }
  return result;
}

std::string nativeOf(Json sandbox) {
  JsonValue native = JsonValue::of(sandbox);
  for (const char* secret : {"envdAccessToken", "trafficAccessToken"}) native.erase(secret);
  return native.write();
}

bool listPages(vendor::Session& session, const vendor::Api& control, const std::string& path,
               const vendor::Query& query, std::string_view operation, const std::function<bool(Json)>& each) {
  std::unordered_set<std::string> seen;
  std::string next;
  do {
    vendor::Query page = query;
    page.addText("nextToken", next);
    const Answer answer = control.send(session, control.get(page.on(path)), {404, 405});
    if (pathUnknown(answer)) return false;
    if (!answer.ok()) throw control.failure(session, answer, false).error();
    const JsonDocument items = control.json(answer, operation);
    for (const Json item : items.root().items()) {
      if (!each(item)) return true;
    }
    next = answer.header("x-next-token");
    // A service that gives the same mark again would keep us here for ever.
    if (!next.empty() && (!seen.insert(next).second || seen.size() > kPages)) {
      throw Error(CSDK_UNAVAILABLE, "E2B's list does not come to an end").errorClass(CSDK_ERROR_PROTOCOL);
    }
  } while (!next.empty());
  return true;
}

void listSandboxes(vendor::Session& session, const vendor::Api& control, csdk_pairs metadata,
                   const std::function<bool(Json)>& each) {
  vendor::Query filter;
  for (const csdk_pair& pair : view(metadata)) filter.add(view(pair.key), view(pair.value));
  vendor::Query query;
  query.addText("metadata", filter.text());  // a query inside of a query
  vendor::Query older = query;
  query.add("state", "running,paused").add("limit", "100");
  if (listPages(session, control, "/v2/sandboxes", query, "list", each)) return;
  listPages(session, control, "/sandboxes", older, "list", each);
}

void destroySandbox(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  if (id != "." && id != "..") control.send(session, control.remove("/sandboxes/" + vendor::pathSegment(id)), {404});
}

void createSnapshot(vendor::Session& session, const vendor::Api& control, const csdk_snapshot_args& args) {
  JsonValue body = JsonValue::object();
  body.setText("name", view(args.name));
  const std::string path = "/sandboxes/" + vendor::pathSegment(view(args.target.id)) + "/snapshots";
  vendor::Request request = control.post(path, body);
  request.headTimeoutMs = 300000;  // a machine's memory and disk are written
  const Answer answer = control.send(session, request, {404});
  if (answer.status == 404) throw vendor::goneError(kTitle, view(args.target.id));
  const JsonDocument made = control.json(answer, "snapshot");
  const plugin::Host& host = session.call().host();
  csdk_snapshot snapshot{};
  snapshot.id = plugin::str(made.root().text("snapshotID"));
  snapshot.name = args.name;
  snapshot.sandbox_id = args.target.id;
  snapshot.created_ms = host.table().now_wall_ms(host.self());
  snapshot.size_bytes = -1;
  session.call().emit(snapshot);
}

void listSnapshots(vendor::Session& session, const vendor::Api& control, const csdk_snapshot_args& args) {
  vendor::Query query;
  query.addText("sandboxID", view(args.target.id)).add("limit", "100");
  listPages(session, control, "/snapshots", query, "list snapshots", [&](Json item) {
    std::string name;
    for (const Json one : item["names"].items()) {
      if (name.empty()) name = one.asText().value_or("");
    }
    csdk_snapshot snapshot{};
    snapshot.id = plugin::str(item.text("snapshotID"));
    snapshot.name = plugin::str(name);
    snapshot.sandbox_id = plugin::str(item.textOr("sandboxID", view(args.target.id)));
    snapshot.created_ms = vendor::timeOr0(item.textOr("createdAt"));
    snapshot.size_bytes = -1;
    session.call().emit(snapshot);
    return true;
  });
}

void removeTemplate(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  control.send(session, control.remove("/templates/" + vendor::pathSegment(id)), {404});
}

void listTemplates(vendor::Session& session, const vendor::Api& control, std::string_view id) {
  const Answer answer = control.send(session, control.get("/templates"));
  const JsonDocument list = control.json(answer, "list templates");
  bool found = false;
  for (const Json item : list.root().items()) {
    const std::string_view own = item.text("templateID");
    std::string name;
    bool wanted = id.empty() || own == id;
    for (const char* key : {"names", "aliases"}) {
      for (const Json alias : item[key].items()) {
        const std::string_view text = alias.asText().value_or("");
        if (name.empty()) name = text;
        wanted = wanted || text == id;
      }
    }
    if (!wanted) continue;
    found = true;
    const std::string_view build = item.textOr("buildStatus", "ready");
    csdk_template one{};
    one.id = plugin::str(own);
    one.name = plugin::str(name);
    one.state = build == "error"                            ? CSDK_SANDBOX_ERROR
                : build == "building" || build == "waiting" ? CSDK_SANDBOX_STARTING
                                                            : CSDK_SANDBOX_RUNNING;
    one.created_ms = vendor::timeOr0(item.textOr("createdAt"));
    session.call().emit(one);
  }
  if (!id.empty() && !found) throw Error(CSDK_NOT_FOUND, "E2B has no template " + vendor::oneLine(id, 80));
}

}  // namespace computesdk::e2b
