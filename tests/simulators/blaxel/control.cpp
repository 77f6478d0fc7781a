// The control plane: sandboxes, previews of their ports, tokens of client credentials.
#include <algorithm>
#include <charconv>
#include <ctime>

#include "blaxel.hpp"

namespace computesdk::simulators {
namespace {

constexpr std::int64_t kDefaultMemory = 4096;
constexpr std::size_t kPage = 50;

bool isName(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 63 && name.front() != '-' && std::ranges::all_of(name, plain);
}

/// "300s", "2h": nothing for what is none.
std::optional<std::chrono::seconds> ttlOf(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end + 1 != text.data() + text.size() || number <= 0) return {};
  constexpr std::string_view kUnits = "smhdw";
  constexpr std::int64_t kSeconds[] = {1, 60, 3600, 86400, 604800};
  const std::size_t unit = kUnits.find(*end);
  if (unit == std::string_view::npos) return {};
  return std::chrono::seconds(number * kSeconds[unit]);
}

std::optional<Clock::time_point> timeOf(const std::string& iso) {
  std::tm parts{};
  if (::strptime(iso.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr) return {};
  return Clock::from_time_t(::timegm(&parts));
}

/// When a sandbox of this specification ends; false: what it says is no time, and it has answered.
bool readEnd(Exchange& exchange, const rapidjson::Value* runtime, Clock::time_point createdAt,
             std::optional<Clock::time_point>& end) {
  end.reset();
  if (const std::string ttl = textOf(member(runtime, "ttl")); !ttl.empty()) {
    const auto seconds = ttlOf(ttl);
    if (!seconds) return respondBlaxelError(exchange, 400, "ttl must be a number and one of s, m, h, d, w"), false;
    end = createdAt + *seconds;
  }
  if (const std::string expires = textOf(member(runtime, "expires")); !expires.empty()) {
    const auto time = timeOf(expires);
    if (!time) return respondBlaxelError(exchange, 400, "expires is not a time"), false;
    end = end ? std::min(*end, *time) : *time;
  }
  return true;
}

std::chrono::milliseconds lifetimeOf(const std::optional<Clock::time_point>& end) {
  if (!end) return std::chrono::milliseconds(0);
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*end - Clock::now());
  return std::max(left, std::chrono::milliseconds(1));
}

StringMap variablesOf(const rapidjson::Value* runtime) {
  StringMap variables;
  const rapidjson::Value* const envs = member(runtime, "envs");
  if (envs == nullptr || !envs->IsArray()) return variables;
  for (const auto& each : envs->GetArray()) variables[textOf(member(&each, "name"))] = textOf(member(&each, "value"));
  return variables;
}

std::string queryOf(const Exchange& exchange, const std::string& name) {
  const auto found = exchange.request.query.find(name);
  return found == exchange.request.query.end() ? std::string() : found->second;
}

void respondUnknown(Exchange& exchange, const std::string& name) {
  respondBlaxelError(exchange, 404, "Sandbox " + name + " not found");
}

}  // namespace

std::string BlaxelControl::view(const BlaxelSimulator& service, const Box& box, std::string_view status) {
  JsonObject view;
  view.raw("metadata", JsonObject()
                           .add("name", box.name)
                           .add("displayName", box.name)
                           .add("workspace", service.workspace_)
                           .add("labels", box.labels)
                           .add("createdAt", isoTime(box.createdAt))
                           .add("updatedAt", isoTime(box.updatedAt))
                           .add("url", service.url_ + "/sbx/" + box.name)
                           .text());
  view.raw("spec", box.specJson).add("status", status).add("state", "RUNNING").raw("events", "[]");
  view.add("lastUsedAt", isoTime(box.updatedAt));
  if (box.endsAt) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(*box.endsAt - Clock::now());
    view.add("expiresIn", static_cast<std::int64_t>(left.count()));
  }
  return view.text();
}

bool BlaxelControl::begin(BlaxelSimulator& service, const std::shared_ptr<Box>& box, const rapidjson::Value* runtime,
                          const std::string& files) {
  {
    const std::lock_guard lock(service.mutex_);
    box->number = ++service.lastNumber_;
    if (!service.boxes_.try_emplace(box->name, box).second) return false;
  }
  MachineSpec machine;
  machine.lifetime = lifetimeOf(box->endsAt);
  machine.env = variablesOf(runtime);
  machine.directories = {kBlaxelHome};
  machine.workDirectory = kBlaxelHome;
  machine.memoryBytes = numberOf(member(runtime, "memory"), kDefaultMemory) << 20;
  machine.snapshot = files;
  try {
    service.fleet_.create(box->name, machine);
  } catch (...) {
    service.forget(box->name);
    throw;
  }
  return true;
}

void BlaxelControl::create(BlaxelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
  const rapidjson::Value* const metadata = member(&body, "metadata");
  const rapidjson::Value* const spec = member(&body, "spec");
  const rapidjson::Value* const runtime = member(spec, "runtime");
  const auto box = std::make_shared<Box>();
  box->name = textOf(member(metadata, "name"), "sandbox-" + newBlaxelId(8));
  if (!isName(box->name)) return respondBlaxelError(exchange, 400, "name must be of a-z, 0-9 and -");
  const std::string image = textOf(member(runtime, "image"), "blaxel/base-image:latest");
  if (!image.starts_with("blaxel/") && !image.starts_with("sandbox/")) {
    return respondBlaxelError(exchange, 400, "Image " + image + " not found");
  }
  const std::int64_t memory = numberOf(member(runtime, "memory"), kDefaultMemory);
  if (memory < 128 || memory > 65536) return respondBlaxelError(exchange, 400, "memory is out of range");
  box->labels = textMapOf(member(metadata, "labels"));
  box->specJson = spec != nullptr ? jsonOf(spec) : "{}";
  box->createdAt = box->updatedAt = Clock::now();
  if (!readEnd(exchange, runtime, box->createdAt, box->endsAt)) return;
  if (!begin(service, box, runtime)) {
    const std::string there = service.with(box->name, [&](const Box* other) {
      return other == nullptr || queryOf(exchange, "createIfNotExist") != "true" ? std::string()
                                                                                 : view(service, *other);
    });
    if (!there.empty()) return exchange.respond(200, there);
    return respondBlaxelError(exchange, 409, "Sandbox " + box->name + " already exists", "SANDBOX_ALREADY_EXISTS");
  }
  exchange.respond(200, view(service, *box));
}

// The whole object comes back, changed; only the labels and the specification can be.
void BlaxelControl::update(BlaxelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
  const std::string name = exchange.request.parts.at(0);
  const rapidjson::Value* const spec = member(&body, "spec");
  if (spec == nullptr) return respondBlaxelError(exchange, 400, "spec is required");
  std::optional<Clock::time_point> end;
  const auto created = service.with(name, [](const Box* box) { return box ? box->createdAt : Clock::time_point{}; });
  if (!readEnd(exchange, member(spec, "runtime"), created, end)) return;
  if (!service.fleet_.setLifetime(name, lifetimeOf(end))) return respondUnknown(exchange, name);
  const std::string answer = service.with(name, [&](Box* box) {
    if (box == nullptr) return std::string();
    box->specJson = jsonOf(spec);
    box->labels = textMapOf(member(member(&body, "metadata"), "labels"));
    box->endsAt = end;
    box->updatedAt = Clock::now();
    return view(service, *box);
  });
  answer.empty() ? respondUnknown(exchange, name) : exchange.respond(200, answer);
}

void BlaxelControl::list(BlaxelSimulator& service, Exchange& exchange) {
  std::map<std::int64_t, std::string> items;
  {
    const std::lock_guard lock(service.mutex_);
    for (const auto& [name, box] : service.boxes_) items[box->number] = view(service, *box);
  }
  respondPage(exchange, items);
}

void BlaxelControl::respondPage(Exchange& exchange, const std::map<std::int64_t, std::string>& all) {
  std::int64_t after = 0;
  std::size_t limit = kPage;
  const std::string cursor = queryOf(exchange, "cursor"), wanted = queryOf(exchange, "limit");
  std::from_chars(wanted.data(), wanted.data() + wanted.size(), limit);
  if (!cursor.empty()) {
    const auto [end, failed] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), after);
    if (failed != std::errc()) return respondBlaxelError(exchange, 400, "cursor is not one of this list");
  }
  // Clients of before the versions know no pages.
  const bool paged = exchange.request.header("blaxel-version") >= "2026-04-28";
  std::vector<std::string> page;
  bool more = false;
  for (auto item = all.upper_bound(after); item != all.end(); ++item) {
    more = paged && page.size() == std::clamp<std::size_t>(limit, 1, 200);
    if (more) break;
    page.push_back(item->second);
    after = item->first;
  }
  if (!paged) return exchange.respond(200, jsonArray(page));
  JsonObject meta;
  meta.add("hasMore", more);
  if (more) meta.add("nextCursor", std::to_string(after));
  meta.add("total", static_cast<std::int64_t>(all.size()));
  exchange.respond(200, JsonObject().raw("data", jsonArray(page)).raw("meta", meta.text()).text());
}

void BlaxelControl::destroy(BlaxelSimulator& service, Exchange& exchange) {
  const std::string name = exchange.request.parts.at(0);
  const std::string answer = service.with(
      name, [&](const Box* box) { return box == nullptr ? std::string() : view(service, *box, "DELETING"); });
  if (answer.empty() || !service.fleet_.destroy(name)) return respondUnknown(exchange, name);
  service.forget(name);
  exchange.respond(200, answer);
}

std::string BlaxelControl::view(const BlaxelSimulator& service, const Box& box, const Preview& preview) {
  return JsonObject()
      .raw("metadata", JsonObject()
                           .add("name", preview.name)
                           .add("resourceName", box.name)
                           .add("resourceType", "sandbox")
                           .add("workspace", service.workspace_)
                           .add("createdAt", isoTime(preview.createdAt))
                           .text())
      .raw("spec", JsonObject()
                       .add("port", preview.port)
                       .add("public", preview.open)
                       .add("url", "https://" + preview.id + ".preview.bl.run")
                       .text())
      .add("status", "DEPLOYED")
      .text();
}

void BlaxelControl::createPreview(BlaxelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
  const std::string name = exchange.request.parts.at(0);
  Preview preview;
  preview.name = textOf(member(member(&body, "metadata"), "name"), "preview-" + newBlaxelId(6));
  preview.port = static_cast<int>(numberOf(member(member(&body, "spec"), "port")));
  preview.open = truthOf(member(member(&body, "spec"), "public"));
  preview.id = newBlaxelId(12);
  preview.createdAt = Clock::now();
  if (preview.port < 1 || preview.port > 65535) return respondBlaxelError(exchange, 400, "port is out of range");
  bool taken = false;
  const std::string answer = service.with(name, [&](Box* box) {
    if (box == nullptr) return std::string();
    const auto [there, made] = box->previews.try_emplace(preview.name, preview);
    taken = !made;
    return view(service, *box, there->second);
  });
  if (taken) return respondBlaxelError(exchange, 409, "Preview " + preview.name + " already exists");
  answer.empty() ? respondUnknown(exchange, name) : exchange.respond(200, answer);
}

void BlaxelControl::createPreviewToken(BlaxelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
  const std::string token = newBlaxelId(32);
  const bool made = service.with(exchange.request.parts.at(0), [&](Box* box) {
    if (box == nullptr) return false;
    const auto found = box->previews.find(exchange.request.parts.at(1));
    return found != box->previews.end() && found->second.tokens.insert(token).second;
  });
  if (!made) return respondBlaxelError(exchange, 404, "Preview " + exchange.request.parts.at(1) + " not found");
  const std::string metadata = JsonObject().add("name", textOf(member(member(&body, "metadata"), "name"))).text();
  JsonObject spec;
  spec.add("token", token).add("expiresAt", textOf(member(member(&body, "spec"), "expiresAt"))).add("expired", false);
  exchange.respond(200, JsonObject().raw("metadata", metadata).raw("spec", spec.text()).text());
}

void BlaxelControl::token(BlaxelSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readBlaxelBody(exchange, exchange.request.body, body)) return;
  if (exchange.request.header("authorization") != "Basic " + service.client_ ||
      textOf(member(&body, "grant_type")) != "client_credentials") {
    return respondBlaxelError(exchange, 401, "Unauthorized: invalid client credentials");
  }
  const std::string token = "eyJhbGciOiJub25lIn0." + newBlaxelId(40) + ".";
  {
    const std::lock_guard lock(service.mutex_);
    service.accessTokens_.insert(token);
  }
  exchange.respond(200,
                   JsonObject().add("access_token", token).add("token_type", "Bearer").add("expires_in", 7200).text());
}

void BlaxelControl::addRoutes(BlaxelSimulator& service, Server& server) {
  const auto add = [&](const char* method, const std::string& path, void (*act)(BlaxelSimulator&, Exchange&)) {
    service.route(server, method, "/v0/sandboxes" + path,
                  [&service, act](Exchange& exchange) { act(service, exchange); });
  };
  server.route("POST", "/v0/oauth/token", [&service](Exchange& exchange) { token(service, exchange); });
  add("POST", "", create);
  add("GET", "", list);
  add("PUT", "/*", update);
  add("DELETE", "/*", destroy);
  add("POST", "/*/previews", createPreview);
  add("POST", "/*/previews/*/tokens", createPreviewToken);
  add("GET", "/*", [](BlaxelSimulator& each, Exchange& exchange) {
    const std::string name = exchange.request.parts.at(0);
    const bool alive = each.fleet_.get(name) != nullptr;
    const std::string answer =
        each.with(name, [&](const Box* box) { return box == nullptr || !alive ? std::string() : view(each, *box); });
    answer.empty() ? respondUnknown(exchange, name) : exchange.respond(200, answer);
  });
  add("GET", "/*/previews/*", [](BlaxelSimulator& each, Exchange& exchange) {
    const std::string answer = each.with(exchange.request.parts.at(0), [&](const Box* box) {
      if (box == nullptr) return std::string();
      const auto found = box->previews.find(exchange.request.parts.at(1));
      return found == box->previews.end() ? std::string() : view(each, *box, found->second);
    });
    if (!answer.empty()) return exchange.respond(200, answer);
    respondBlaxelError(exchange, 404, "Preview " + exchange.request.parts.at(1) + " not found");
  });
}

}  // namespace computesdk::simulators
