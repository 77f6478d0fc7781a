#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

#include "routes.hpp"

namespace computesdk::simulators {
namespace {

constexpr std::int64_t kDefaultTimeout = 300000, kLongestTimeout = 18000000;
constexpr std::size_t kMostPorts = 15;
constexpr std::array<std::string_view, 4> kRuntimes = {"node26", "node24", "node22", "python3.13"};

bool bad(Exchange& exchange, const std::string& message) {
  respondError(exchange, 400, "bad_request", "Invalid request: " + message);
  return false;
}

// What is not given stays; false when it is no number within bounds.
bool readNumber(const rapidjson::Value* value, std::int64_t least, std::int64_t most, std::int64_t& into) {
  if (value == nullptr) return true;
  if (!value->IsInt64() || value->GetInt64() < least || value->GetInt64() > most) return false;
  into = value->GetInt64();
  return true;
}

}  // namespace

void respondStopped(Exchange& exchange) {
  respondError(exchange, 410, "sandbox_stopped", "Sandbox has stopped execution and is no longer available");
}

bool checkProject(Exchange& exchange, const std::string& given, const std::string& project) {
  if (given == project) return true;
  if (given.empty()) return bad(exchange, "the project is missing");
  respondError(exchange, 404, "not_found", "Project not found");
  return false;
}

void respondPage(Exchange& exchange, std::string_view name, const std::vector<std::string>& items) {
  std::size_t limit = 20, begin = 0;
  const auto number = [](const std::string& text, std::size_t& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return error == std::errc() && end == text.data() + text.size();
  };
  const std::string cursor = queryText(exchange.request, "cursor"), most = queryText(exchange.request, "limit");
  if (!cursor.empty() && (!cursor.starts_with("next-") || !number(cursor.substr(5), begin))) {
    bad(exchange, "`cursor` is not valid");
    return;
  }
  if (!most.empty() && (!number(most, limit) || limit < 1 || limit > 100)) {
    bad(exchange, "`limit` should be between 1 and 100");
    return;
  }
  begin = std::min(begin, items.size());
  const std::size_t end = std::min(begin + limit, items.size());
  const std::vector<std::string> page(items.begin() + static_cast<std::ptrdiff_t>(begin),
                                      items.begin() + static_cast<std::ptrdiff_t>(end));
  JsonObject pagination;
  pagination.add("count", static_cast<std::int64_t>(page.size()));
  pagination.raw("next", end < items.size() ? jsonText("next-" + std::to_string(end)) : "null");
  exchange.respond(200, JsonObject().raw(name, jsonArray(page)).raw("pagination", pagination.text()).text());
}

std::string VercelSimulator::json(const Box& box) {
  const auto current = run(box.currentRun);
  JsonObject object;
  object.add("name", box.name).add("persistent", box.persistent).add("region", kVercelRegion);
  object.add("vcpus", box.vcpus).add("memory", box.vcpus * 2048);
  if (!box.runtime.empty()) object.add("runtime", box.runtime);
  if (!box.image.empty()) object.add("image", box.image);
  object.add("timeout", box.timeout);
  if (!box.networkJson.empty()) object.raw("networkPolicy", box.networkJson);
  object.add("createdAt", box.createdAt).add("updatedAt", box.updatedAt).add("currentSessionId", box.currentRun);
  if (!box.currentSnapshot.empty()) object.add("currentSnapshotId", box.currentSnapshot);
  object.add("status", current && current->running ? "running" : "stopped");
  return object.add("statusUpdatedAt", box.statusUpdatedAt).add("cwd", kVercelHome).add("tags", box.tags).text();
}

std::string VercelSimulator::json(const Run& run) {
  JsonObject object;
  object.add("id", run.id).add("memory", run.vcpus * 2048).add("vcpus", run.vcpus).add("region", kVercelRegion);
  if (!run.runtime.empty()) object.add("runtime", run.runtime);
  object.add("timeout", run.timeout).add("status", run.running ? "running" : "stopped");
  object.add("requestedAt", run.createdAt).add("startedAt", run.createdAt).add("createdAt", run.createdAt);
  object.add("updatedAt", run.updatedAt).add("cwd", kVercelHome);
  if (!run.networkJson.empty()) object.raw("networkPolicy", run.networkJson);
  if (run.running) return object.text();
  object.add("requestedStopAt", run.stoppedAt).add("stoppedAt", run.stoppedAt);
  return object.add("duration", run.stoppedAt - run.createdAt).text();
}

std::string VercelSimulator::routesJson(const Box& box) {
  std::vector<std::string> routes;
  for (const Route& each : box.routes) {
    routes.push_back(JsonObject()
                         .add("url", "https://" + each.subdomain + ".vercel.run")
                         .add("subdomain", each.subdomain)
                         .add("port", each.port)
                         .text());
  }
  return jsonArray(routes);
}

std::optional<VercelControl::Box> VercelControl::find(Exchange& exchange) {
  const std::string& name = exchange.request.parts.at(0);
  if (!checkProject(exchange, queryText(exchange.request, "projectId"), service_.project_)) return {};
  auto found = service_.box(name);
  if (!found) respondError(exchange, 404, "not_found", "Sandbox \"" + name + "\" not found");
  return found;
}

std::string VercelControl::answerJson(const Box& box, const Run& run, bool resumed) {
  JsonObject answer;
  answer.raw("sandbox", service_.json(box)).raw("session", VercelSimulator::json(run));
  answer.raw("routes", VercelSimulator::routesJson(box));
  if (resumed) answer.add("resumed", true);
  return answer.text();
}

// What create, fork and update have in common.
bool VercelControl::readBox(Exchange& exchange, const rapidjson::Value& body, Box& box) {
  if (!readNumber(member(&body, "timeout"), 1000, kLongestTimeout, box.timeout)) {
    return bad(exchange, "`timeout` should be between 1000 and 18000000");
  }
  if (!readNumber(member(member(&body, "resources"), "vcpus"), 1, 8, box.vcpus)) {
    return bad(exchange, "`resources.vcpus` should be between 1 and 8");
  }
  if (const auto* ports = member(&body, "ports")) {
    if (!ports->IsArray() || ports->Size() > kMostPorts) return bad(exchange, "`ports` should be at most 15 ports");
    std::vector<VercelSimulator::Route> routes;
    for (const auto& port : ports->GetArray()) {
      if (!port.IsInt() || port.GetInt() < 1 || port.GetInt() > 65535) return bad(exchange, "`ports` has no port");
      const auto same = std::find_if(box.routes.begin(), box.routes.end(),
                                     [&](const auto& route) { return route.port == port.GetInt(); });
      routes.push_back(same != box.routes.end() ? *same : VercelSimulator::Route{vercelId("sb-", 12), port.GetInt()});
    }
    box.routes = std::move(routes);
  }
  box.persistent = truthOf(member(&body, "persistent"), box.persistent);
  if (const auto* tags = member(&body, "tags")) box.tags = textMapOf(tags);
  if (const auto* env = member(&body, "env")) box.env = textMapOf(env);
  if (const auto* policy = member(&body, "networkPolicy")) {
    if (!policy->IsObject()) return bad(exchange, "`networkPolicy` should be an object");
    box.networkJson = jsonOf(policy);
  }
  return true;
}

bool VercelControl::readSource(Exchange& exchange, const rapidjson::Value& body, Box& box, std::string& files) {
  const rapidjson::Value* const source = member(&body, "source");
  if (source == nullptr) return true;
  const std::string type = textOf(member(source, "type")), id = textOf(member(source, "snapshotId"));
  if (type != "snapshot")
    return bad(exchange, "there is nothing to be fetched from here for the source \"" + type + "\"");
  const std::lock_guard lock(service_.mutex_);
  const auto found = service_.snapshots_.find(id);
  if (found == service_.snapshots_.end() || found->second.removed) {
    respondError(exchange, 410, "snapshot_not_found", "Snapshot \"" + id + "\" not found or expired");
    return false;
  }
  files = found->second.files;
  box.currentSnapshot = id;
  return true;
}

void VercelControl::makeAndRespond(Exchange& exchange, Box box, const std::string& files) {
  if (box.name.empty()) box.name = vercelId("sandbox-", 8);
  box.createdAt = box.updatedAt = box.statusUpdatedAt = epochMs();
  {
    const std::lock_guard lock(service_.mutex_);
    if (!service_.boxes_.emplace(box.name, box).second) {
      return respondError(exchange, 409, "conflict", "A sandbox named \"" + box.name + "\" already exists");
    }
  }
  try {
    const Run run = service_.start(box, files);
    box.currentRun = run.id;
    exchange.respond(200, answerJson(box, run, false));
  } catch (const MachineError&) {
    const std::lock_guard lock(service_.mutex_);
    service_.boxes_.erase(box.name);
    throw;
  }
}

void VercelControl::create(Exchange& exchange, bool withRuntime) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  if (!checkProject(exchange, textOf(member(&body, "projectId")), service_.project_)) return;
  Box box;
  box.timeout = kDefaultTimeout;
  box.name = textOf(member(&body, "name"));
  box.runtime = textOf(member(&body, "runtime"));
  box.image = textOf(member(&body, "image"));
  const bool known = std::find(kRuntimes.begin(), kRuntimes.end(), box.runtime) != kRuntimes.end();
  if (withRuntime ? !known : !box.runtime.empty()) {
    bad(exchange, "`runtime` should be equal to one of the allowed values");
    return;
  }
  if (withRuntime && !box.image.empty()) {
    bad(exchange, "there should be either `runtime` or `image`");
    return;
  }
  std::string files;
  if (!readBox(exchange, body, box) || !readSource(exchange, body, box, files)) return;
  makeAndRespond(exchange, std::move(box), files);
}

void VercelControl::get(Exchange& exchange) {
  auto found = find(exchange);
  if (!found) return;
  auto run = service_.run(found->currentRun);
  if (!run) return respondError(exchange, 404, "not_found", "Sandbox \"" + found->name + "\" not found");
  const bool wake = queryText(exchange.request, "resume") == "true" && !run->running;
  if (wake) {
    if (found->currentSnapshot.empty()) return respondStopped(exchange);
    std::string files;
    {
      const std::lock_guard lock(service_.mutex_);
      files = service_.snapshots_[found->currentSnapshot].files;
    }
    run = service_.start(*found, files);
    found->currentRun = run->id;
  }
  exchange.respond(200, answerJson(*found, *run, wake));
}

void VercelControl::list(Exchange& exchange) {
  if (!checkProject(exchange, queryText(exchange.request, "project"), service_.project_)) return;
  const std::string tag = queryText(exchange.request, "tags"), prefix = queryText(exchange.request, "namePrefix");
  const std::string by = queryText(exchange.request, "sortBy", "createdAt");
  const std::size_t colon = tag.find(':');
  if (!tag.empty() && colon == std::string::npos) {
    bad(exchange, "`tags` should be key:value");
    return;
  }
  std::vector<Box> boxes;
  for (const std::string& name : service_.sandboxes()) {
    const auto each = service_.box(name);
    if (!each || !name.starts_with(prefix)) continue;
    if (!tag.empty()) {
      const auto found = each->tags.find(tag.substr(0, colon));
      if (found == each->tags.end() || found->second != tag.substr(colon + 1)) continue;
    }
    boxes.push_back(*each);
  }
  const bool ascending = queryText(exchange.request, "sortOrder") == "asc";
  std::sort(boxes.begin(), boxes.end(), [&](const Box& a, const Box& b) {
    const std::int64_t first = by == "name" ? 0 : by == "statusUpdatedAt" ? a.statusUpdatedAt : a.createdAt;
    const std::int64_t second = by == "name" ? 0 : by == "statusUpdatedAt" ? b.statusUpdatedAt : b.createdAt;
    return ascending ? std::tie(first, a.name) < std::tie(second, b.name)
                     : std::tie(second, b.name) < std::tie(first, a.name);
  });
  std::vector<std::string> items;
  for (const Box& each : boxes) items.push_back(service_.json(each));
  respondPage(exchange, "sandboxes", items);
}

void VercelControl::update(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  auto found = find(exchange);
  if (!found || !readBox(exchange, body, *found)) return;
  found->updatedAt = epochMs();
  {
    const std::lock_guard lock(service_.mutex_);
    if (const auto there = service_.boxes_.find(found->name); there != service_.boxes_.end()) {
      found->currentRun = there->second.currentRun;
      found->unsaved = there->second.unsaved;
      there->second = *found;
    }
  }
  exchange.respond(
      200,
      JsonObject().raw("sandbox", service_.json(*found)).raw("routes", VercelSimulator::routesJson(*found)).text());
}

void VercelControl::remove(Exchange& exchange) {
  auto found = find(exchange);
  if (!found) return;
  const bool withSnapshots = queryText(exchange.request, "deleteOrphanSnapshots") == "true";
  std::vector<std::string> files;
  {
    const std::lock_guard order(service_.settling_);
    const std::lock_guard lock(service_.mutex_);
    service_.boxes_.erase(found->name);
    const std::int64_t now = epochMs();
    for (auto& [id, run] : service_.runs_) {
      if (run.sandbox == found->name && run.running) run.running = false, run.stoppedAt = run.updatedAt = now;
    }
    for (auto& entry : service_.snapshots_) {
      auto& snapshot = entry.second;
      const bool used = std::any_of(service_.boxes_.begin(), service_.boxes_.end(),
                                    [&](const auto& each) { return each.second.currentSnapshot == snapshot.id; });
      if (!withSnapshots || snapshot.sandbox != found->name || snapshot.removed || used) continue;
      snapshot.removed = true;
      files.push_back(snapshot.files);
    }
    found->statusUpdatedAt = now;
  }
  service_.fleet_.destroy(found->currentRun);
  for (const std::string& each : files) service_.fleet_.removeSnapshot(each);
  exchange.respond(200, JsonObject().raw("sandbox", service_.json(*found)).text());
}

void VercelControl::fork(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto found = find(exchange);
  if (!found) return;
  Box copy = *found;
  copy.name = textOf(member(&body, "name"));
  for (auto& route : copy.routes) route.subdomain = vercelId("sb-", 12);
  if (!readBox(exchange, body, copy)) return;
  const auto run = service_.run(found->currentRun);
  std::string files;
  if (run && run->running) {
    files = service_.fleet_.snapshot(run->id);
    copy.currentSnapshot.clear();
    makeAndRespond(exchange, std::move(copy), files);
    service_.fleet_.removeSnapshot(files);
    return;
  }
  {
    const std::lock_guard lock(service_.mutex_);
    files = service_.snapshots_[found->currentSnapshot].files;
  }
  makeAndRespond(exchange, std::move(copy), files);
}

void VercelControl::addRoutes(VercelSimulator& service, Server& server) {
  const auto add = [&](const char* method, const char* path, void (*act)(VercelControl, Exchange&)) {
    service.route(server, method, path, [&service, act](Exchange& exchange) { act(VercelControl(service), exchange); });
  };
  add("POST", "/v3/sandboxes", [](VercelControl self, Exchange& exchange) { self.create(exchange, false); });
  add("POST", "/v2/sandboxes", [](VercelControl self, Exchange& exchange) { self.create(exchange, true); });
  add("GET", "/v2/sandboxes", [](VercelControl self, Exchange& exchange) { self.list(exchange); });
  add("POST", "/v2/sandboxes/*/fork", [](VercelControl self, Exchange& exchange) { self.fork(exchange); });
  add("GET", "/v2/sandboxes/*", [](VercelControl self, Exchange& exchange) { self.get(exchange); });
  add("PATCH", "/v2/sandboxes/*", [](VercelControl self, Exchange& exchange) { self.update(exchange); });
  add("DELETE", "/v2/sandboxes/*", [](VercelControl self, Exchange& exchange) { self.remove(exchange); });
}

}  // namespace computesdk::simulators
