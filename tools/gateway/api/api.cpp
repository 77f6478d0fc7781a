#include "api/api.hpp"

#include "core/json.hpp"
#include "sandboxes/failures.hpp"

#include <any>
#include <memory>

namespace computesdk::gateway {
namespace {

constexpr std::chrono::milliseconds kDefaultExtension = std::chrono::minutes(15);
constexpr std::uint64_t kBodyLimit = 4u << 20;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view keyOf(const serving::Request& request) {
  const std::string_view key = request.header("x-computesdk-api-key");
  return key.empty() ? request.bearer() : key;
}

/// `request` has to outlive what is returned.
Caller callerOf(const serving::Request& request) {
  Caller caller;
  if (const auto* holder = std::any_cast<KeyHolder>(&request.context)) {
    caller.keyId = holder->keyId;
    caller.workspace = holder->workspace;
  }
  caller.providerHeader = lower(request.header("x-provider"));
  caller.headers = [&request](std::string_view name) { return request.header(name); };
  caller.host = request.header("host");
  caller.secure = request.secure;
  return caller;
}

serving::Response success(const std::string& data, int status = 200) {
  return serving::Response::json(status, R"({"success":true,"data":)" + data + "}");
}

serving::Response refused(int status, std::string_view code, std::string_view sentence) {
  JsonWriter json;
  json.beginObject().field("success", false).field("error", sentence).field("code", code).endObject();
  return serving::Response::json(status, json.text());
}

serving::Response tooMany(std::chrono::milliseconds wait, std::string_view sentence) {
  JsonWriter json;
  json.beginObject().field("success", false).field("error", sentence).field("code", "rate_limited");
  json.field("retryable", true).field("retry_after_ms", std::int64_t{wait.count()}).endObject();
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  return serving::Response::json(429, json.text())
      .with("Retry-After", std::to_string(std::max<std::int64_t>(seconds, 1)));
}

SystemTime timeOf(std::int64_t millis) { return SystemTime(std::chrono::milliseconds(millis)); }

std::string snapshotJson(const SnapshotRecord& snapshot) {
  JsonWriter json;
  json.beginObject().field("id", snapshot.id).field("provider", snapshot.provider);
  json.field("sandboxId", snapshot.sandboxId).optionalField("name", snapshot.name);
  json.field("createdAt", timeText(timeOf(snapshot.createdMs)));
  return json.key("metadata").raw(snapshot.metadata).endObject().text();
}

}  // namespace

serving::Response failureAnswer(const ErrorInfo& error, bool missingIsTheSandbox) {
  serving::Response response = serving::Response::json(statusOf(error, missingIsTheSandbox), failureBody(error));
  if (error.retryAfter.count() > 0 || response.status == 429) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(error.retryAfter).count();
    response.headers.set("Retry-After", std::to_string(std::max<std::int64_t>(seconds, 1)));
  }
  return response;
}

// --- who asks --------------------------------------------------------------------------------------------------------

std::optional<serving::Response> Api::checkHead(Request& request) {
  if (!request.path.starts_with("/v1/") || !keyOf(request).empty()) return std::nullopt;
  return refused(401, "unauthorized", "an API key is needed: the header X-ComputeSDK-API-Key");
}

std::optional<serving::Response> Api::checkKey(Request& request) {
  if (!request.path.starts_with("/v1/")) return std::nullopt;
  auto holder = parts_.keys.check(keyOf(request));
  if (!holder) return failureAnswer(holder.error(), false);
  if (!*holder) {
    const auto wait = failures_.fail(request.peer, std::chrono::steady_clock::now());
    if (wait.count() > 0) return tooMany(wait, "too many wrong API keys from this address");
    return refused(401, "unauthorized", "the API key is unknown or was revoked");
  }
  if (parts_.settings.rateLimit > 0) {
    auto answer =
        parts_.sandboxes.store().hit("key:" + (*holder)->keyId, parts_.settings.rateLimit, std::chrono::minutes(1));
    if (!answer) return failureAnswer(answer.error(), false);
    if (!answer->allowed) {
      return tooMany(std::chrono::milliseconds(answer->retryAfterMs),
                     "this API key may ask " + std::to_string(parts_.settings.rateLimit) + " times a minute");
    }
  }
  request.context = std::move(**holder);
  return std::nullopt;
}

void Api::addRoutes(serving::Router& router) {
  router.before([this](Request& request) { return checkHead(request); });
  router.beforeBlocking([this](Request& request) { return checkKey(request); });
  const auto bind = [this](Response (Api::*call)(const Request&)) {
    return [this, call](const Request& request) { return (this->*call)(request); };
  };
  router
      .onBlockingAsync("POST", "/v1/sandboxes",
                       [this](const Request& request, const serving::Reply& reply) { create(request, reply); })
      .bodyLimit(kBodyLimit);
  router
      .onBlockingAsync("POST", "/v1/sandboxes/find-or-create",
                       [this](const Request& request, const serving::Reply& reply) { findOrCreate(request, reply); })
      .bodyLimit(kBodyLimit);
  router.onBlocking("POST", "/v1/sandboxes/find", bind(&Api::find));
  router.onBlocking("GET", "/v1/sandboxes", bind(&Api::list));
  router.onBlocking("GET", "/v1/sandboxes/:id", bind(&Api::get));
  router.onBlocking("DELETE", "/v1/sandboxes/:id", bind(&Api::destroy));
  router.onBlocking("POST", "/v1/sandboxes/:id/extend", bind(&Api::extend));
  router.onBlocking("POST", "/v1/snapshots", bind(&Api::createSnapshot));
  router.onBlocking("GET", "/v1/snapshots", bind(&Api::listSnapshots));
  router.onBlocking("DELETE", "/v1/snapshots/:id", bind(&Api::removeSnapshot));
  // Clients read 404 as "no such sandbox", so a call that there is not is something else.
  router.onBlocking("*", "/v1/**", [](const Request& request) {
    return refused(400, "unknown_endpoint", "there is no call " + request.method + " " + request.path);
  });
}

// --- answers ---------------------------------------------------------------------------------------------------------

std::string Api::sandboxJson(const SandboxRecord& record) const {
  const SandboxDetails details = readDetails(record.details);
  const auto given = parseJson(record.metadata);
  JsonWriter json;
  json.beginObject().field("sandboxId", record.id).field("url", details.url);
  json.field("token", parts_.tokens.issue(record.id, std::chrono::system_clock::now()));
  json.field("provider", record.provider);
  json.field("status", record.state == gateway::SandboxState::creating ? "creating" : "running");
  json.key("metadata").beginObject();
  if (given && given->IsObject()) {
    for (const auto& each : given->GetObject()) {
      const std::string_view name = textOf(each.name);
      const bool ours = name == "name" || name == "namespace" || name == "parent_sandbox_id";
      if (record.name.empty() || !ours) json.key(name).raw(toText(each.value));
    }
  }
  if (!record.name.empty()) {
    json.field("name", record.name).field("namespace", record.nameSpace);
    json.optionalField("parent_sandbox_id", record.parentId);
  }
  json.endObject();
  if (!record.name.empty()) json.field("name", record.name).field("namespace", record.nameSpace);
  if (const auto extras = parseJson(details.extras); extras && extras->IsObject()) {
    for (const auto& each : extras->GetObject()) json.key(textOf(each.name)).raw(toText(each.value));
  }
  if (record.createdMs != 0) json.field("createdAt", timeText(timeOf(record.createdMs)));
  if (record.expiresMs != 0) json.field("expiresAt", timeText(timeOf(record.expiresMs)));
  return json.endObject().text();
}

serving::Response Api::sandboxAnswer(const SandboxRecord& record) const {
  if (record.state == gateway::SandboxState::running && parts_.warm) parts_.warm(record.id);
  return success(sandboxJson(record));
}

// --- sandboxes -------------------------------------------------------------------------------------------------------

void Api::create(const Request& request, const serving::Reply& reply) {
  const auto body = readBody(request.body);
  if (!body) return void(reply.send(failureAnswer(body.error(), false)));
  auto options = readSandboxOptions(*body);
  if (!options) return void(reply.send(failureAnswer(options.error(), false)));
  const Caller caller = callerOf(request);
  auto order = parts_.sandboxes.prepare(caller, std::move(*options));
  if (!order) return void(reply.send(failureAnswer(order.error(), false)));
  // A provider that takes its time: the sandbox has its address already, and clients ask there until it is ready.
  const auto early = reply.loop().after(parts_.settings.patience,
                                        [reply, answer = sandboxAnswer(order->draft)] { reply.send(answer); });
  auto made = parts_.sandboxes.create(caller, *order);
  reply.send(made ? sandboxAnswer(*made) : failureAnswer(made.error(), false));
}

void Api::findOrCreate(const Request& request, const serving::Reply& reply) {
  const auto until = std::chrono::steady_clock::now() + parts_.settings.patience;
  const auto body = readBody(request.body);
  if (!body) return void(reply.send(failureAnswer(body.error(), false)));
  auto options = readSandboxOptions(*body);
  if (!options) return void(reply.send(failureAnswer(options.error(), false)));
  if (options->name.empty()) return void(reply.send(failureAnswer(badRequest("\"name\" must be a text"), false)));
  const Caller caller = callerOf(request);
  auto order = parts_.sandboxes.prepare(caller, std::move(*options));
  if (!order) return void(reply.send(failureAnswer(order.error(), false)));
  // Who waits for another is answered by what that one has written; this is for who makes it.
  const auto early = reply.loop().after(
      parts_.settings.patience * 11 / 10, [reply, answer = sandboxAnswer(order->draft), making = order->making] {
        reply.send(making->load(std::memory_order_acquire) ? answer
                                                           : failureAnswer(stillCreating("of that name"), false));
      });
  auto found = parts_.sandboxes.findOrCreate(caller, *order, until);
  reply.send(found ? sandboxAnswer(*found) : failureAnswer(found.error(), false));
}

serving::Response Api::find(const Request& request) {
  const auto body = readBody(request.body);
  if (!body) return failureAnswer(body.error(), false);
  auto name = textField(*body, "name");
  if (!name) return failureAnswer(name.error(), false);
  auto nameSpace = textField(*body, "namespace");
  if (!nameSpace) return failureAnswer(nameSpace.error(), false);
  if (name->value_or("").empty()) return failureAnswer(badRequest("\"name\" must be a text"), false);
  auto found = parts_.sandboxes.find(callerOf(request), nameSpace->value_or("default"), **name);
  if (!found) return failureAnswer(found.error(), false);
  return *found ? sandboxAnswer(**found) : success("null");
}

serving::Response Api::get(const Request& request) {
  auto record = parts_.sandboxes.get(callerOf(request), request.capture("id"));
  return record ? sandboxAnswer(*record) : failureAnswer(record.error(), true);
}

serving::Response Api::list(const Request& request) {
  auto records = parts_.sandboxes.list(callerOf(request));
  if (!records) return failureAnswer(records.error(), false);
  JsonWriter json;
  json.beginArray();
  for (const SandboxRecord& record : *records) json.raw(sandboxJson(record));
  return success(json.endArray().text());
}

serving::Response Api::destroy(const Request& request) {
  const std::string& id = request.capture("id");
  if (auto gone = parts_.sandboxes.destroy(callerOf(request), id); !gone) return failureAnswer(gone.error(), false);
  return success(JsonWriter().beginObject().field("sandboxId", id).endObject().text());
}

serving::Response Api::extend(const Request& request) {
  const auto body = readBody(request.body);
  if (!body) return failureAnswer(body.error(), false);
  auto duration = durationField(*body, "duration", false);
  if (!duration) return failureAnswer(duration.error(), false);
  const std::string& id = request.capture("id");
  auto expires = parts_.sandboxes.extend(callerOf(request), id, duration->value_or(kDefaultExtension));
  if (!expires) return failureAnswer(expires.error(), true);
  JsonWriter json;
  json.beginObject().field("sandboxId", id).key("expiresAt");
  if (*expires == 0) {
    json.null();
  } else {
    json.string(timeText(timeOf(*expires)));
  }
  return success(json.endObject().text());
}

// --- snapshots -------------------------------------------------------------------------------------------------------

serving::Response Api::createSnapshot(const Request& request) {
  const auto body = readBody(request.body);
  if (!body) return failureAnswer(body.error(), false);
  auto id = textField(*body, "sandboxId");
  if (!id) return failureAnswer(id.error(), false);
  if (id->value_or("").empty()) return failureAnswer(badRequest("\"sandboxId\" must be a text"), false);
  // `name` and `metadata` follow the rules of a sandbox's.
  auto options = readSandboxOptions(*body);
  if (!options) return failureAnswer(options.error(), false);
  auto made = parts_.sandboxes.createSnapshot(callerOf(request), **id, options->name, options->metadata,
                                              options->metadataTexts);
  return made ? success(snapshotJson(*made)) : failureAnswer(made.error(), true);
}

serving::Response Api::listSnapshots(const Request& request) {
  auto snapshots = parts_.sandboxes.listSnapshots(callerOf(request));
  if (!snapshots) return failureAnswer(snapshots.error(), false);
  JsonWriter json;
  json.beginArray();
  for (const SnapshotRecord& each : *snapshots) json.raw(snapshotJson(each));
  return success(json.endArray().text());
}

serving::Response Api::removeSnapshot(const Request& request) {
  const std::string& id = request.capture("id");
  if (auto gone = parts_.sandboxes.removeSnapshot(callerOf(request), id); !gone) {
    return failureAnswer(gone.error(), true);
  }
  return success(JsonWriter().beginObject().field("id", id).endObject().text());
}

}  // namespace computesdk::gateway
