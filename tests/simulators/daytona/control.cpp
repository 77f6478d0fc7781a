#include "control.hpp"

#include <algorithm>
#include <tuple>

namespace computesdk::simulators {
namespace {

using rapidjson::Value;

bool readObject(Exchange& exchange, rapidjson::Document& body) {
  const std::string& text = exchange.request.body;
  if (parseJson(text.empty() ? "{}" : text, body) && body.IsObject()) return true;
  respondApiError(exchange, 400, "Unexpected token in JSON");
  return false;
}

double decimalOf(const Value* value, double otherwise) {
  return value != nullptr && value->IsNumber() ? value->GetDouble() : otherwise;
}

// What the body asks for, checked; false when it has answered.
bool readBox(Exchange& exchange, const Value& body, DaytonaSimulator::Box& box) {
  for (const auto& [name, least] : {std::pair{"autoStopInterval", 0}, {"ttlMinutes", 0}, {"autoDeleteInterval", -1}}) {
    const Value* const value = member(&body, name);
    if (value != nullptr && (!value->IsInt64() || value->GetInt64() < least)) {
      respondApiError(exchange, 400, std::string(name) + " must be an integer of at least " + std::to_string(least));
      return false;
    }
  }
  box.name = textOf(member(&body, "name"));
  box.user = textOf(member(&body, "user"), "daytona");
  box.target = textOf(member(&body, "target"), "us");
  box.env = textMapOf(member(&body, "env"));
  box.labels = textMapOf(member(&body, "labels"));
  box.isPublic = truthOf(member(&body, "public"));
  box.networkBlockAll = truthOf(member(&body, "networkBlockAll"));
  box.networkAllowList = textOf(member(&body, "networkAllowList"));
  if (const Value* const volumes = member(&body, "volumes")) box.volumesJson = jsonOf(volumes);
  box.autoStop = numberOf(member(&body, "autoStopInterval"), box.autoStop);
  box.autoArchive = numberOf(member(&body, "autoArchiveInterval"), box.autoArchive);
  box.autoDelete = numberOf(member(&body, "autoDeleteInterval"), box.autoDelete);
  if (const std::int64_t ttl = numberOf(member(&body, "ttlMinutes")); ttl > 0) {
    box.destroyAt = Clock::now() + std::chrono::minutes(ttl);
  }
  box.cpu = decimalOf(member(&body, "cpu"), box.cpu);
  box.memory = decimalOf(member(&body, "memory"), box.memory);
  box.disk = decimalOf(member(&body, "disk"), box.disk);
  box.gpu = decimalOf(member(&body, "gpu"), box.gpu);
  return true;
}

}  // namespace

std::string DaytonaControl::toJson(const Box& box, bool whole) const {
  JsonObject object;
  object.add("id", box.id).add("organizationId", kDaytonaOrganization).add("name", box.name);
  if (!box.snapshot.empty()) object.add("snapshot", box.snapshot);
  object.add("user", box.user);
  if (whole) object.add("env", box.env);
  object.add("labels", box.labels).add("public", box.isPublic).add("networkBlockAll", box.networkBlockAll);
  if (!box.networkAllowList.empty()) object.add("networkAllowList", box.networkAllowList);
  object.add("target", box.target);
  object.add("cpu", box.cpu).add("gpu", box.gpu).add("memory", box.memory).add("disk", box.disk);
  const bool ending = box.state == "destroyed";
  object.add("state", box.passing.empty() ? box.state : box.passing);
  object.add("desiredState", ending ? "destroyed" : box.state).raw("errorReason", "null").add("recoverable", false);
  object.add("backupState", "None").add("autoStopInterval", box.autoStop).add("autoArchiveInterval", box.autoArchive);
  object.add("autoDeleteInterval", box.autoDelete).raw("volumes", box.volumesJson);
  if (box.destroyAt) object.add("autoDestroyAt", daytonaTime(*box.destroyAt));
  object.add("createdAt", daytonaTime(box.createdAt)).add("updatedAt", daytonaTime(box.updatedAt));
  object.add("lastActivityAt", daytonaTime(box.lastActivityAt)).add("daemonVersion", "0.218.0");
  return object.add("runnerId", box.sandboxRunner).add("toolboxProxyUrl", service_.url_ + "/toolbox").text();
}

std::optional<DaytonaControl::Live> DaytonaControl::find(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  auto live = service_.find(id);
  if (live) return live;
  respondApiError(exchange, 404, "Sandbox with ID or name " + id + " not found");
  return {};
}

// Answers with the sandbox; whoever looks next sees it where it was going to.
void DaytonaControl::respondBox(Exchange& exchange, const std::string& id) {
  const auto live = service_.find(id);
  if (!live) return respondApiError(exchange, 404, "Sandbox with ID or name " + id + " not found");
  exchange.respond(200, toJson(live->box, true));
}

std::optional<DaytonaControl::Snapshot> DaytonaControl::findSnapshot(const std::string& idOrName) {
  const std::lock_guard lock(service_.mutex_);
  for (const auto& [id, snapshot] : service_.snapshots_) {
    if (id == idOrName || snapshot.name == idOrName) return snapshot;
  }
  return {};
}

DaytonaControl::Box DaytonaControl::make(Box box, const std::string& files) {
  box.createdAt = box.updatedAt = box.lastActivityAt = Clock::now();
  box.previewToken = randomText(24);
  box.sandboxRunner = randomUuid();
  MachineSpec spec;
  if (box.destroyAt) {
    spec.lifetime = std::chrono::duration_cast<std::chrono::milliseconds>(*box.destroyAt - box.createdAt);
  }
  spec.env = box.env;
  spec.env.insert({{"HOME", kDaytonaHome},
                   {"USER", "daytona"},
                   {"LOGNAME", "daytona"},
                   {"SHELL", "/bin/bash"},
                   {"DAYTONA_SANDBOX_ID", box.id}});
  spec.workDirectory = kDaytonaHome;
  spec.snapshot = files;
  try {
    service_.fleet_.create(box.id, spec);
  } catch (...) {
    const std::lock_guard lock(service_.mutex_);
    service_.boxes_.erase(box.id);
    throw;
  }
  box.updatedAt = Clock::now();
  const std::lock_guard lock(service_.mutex_);
  return service_.boxes_[box.id] = box;
}

void DaytonaControl::create(Exchange& exchange) {
  rapidjson::Document body;
  Box box;
  if (!readObject(exchange, body) || !readBox(exchange, body, box)) return;
  std::string files;
  const std::string from = textOf(member(&body, "snapshot"));
  if (member(&body, "buildInfo") != nullptr) {
    if (textOf(member(member(&body, "buildInfo"), "dockerfileContent")).find("FROM ") == std::string::npos) {
      return respondApiError(exchange, 400, "dockerfileContent has no FROM");
    }
    if (!from.empty()) return respondApiError(exchange, 400, "Cannot specify both a snapshot and a build info entry");
  } else if (member(&body, "cpu") != nullptr || member(&body, "memory") != nullptr ||
             member(&body, "disk") != nullptr) {
    return respondApiError(exchange, 400, "Cannot specify Sandbox resources when using a snapshot");
  } else {
    const auto found = findSnapshot(from.empty() ? kDaytonaSnapshot : from);
    if (!found)
      return respondApiError(exchange, 404,
                             "Snapshot " + from + " not found. Did you add it through the Daytona Dashboard?");
    box.snapshot = found->name;
    files = found->files;
  }
  if (box.cpu > 64) return respondApiError(exchange, 400, "Total CPU limit exceeded. Maximum allowed: 64.");
  box.id = randomUuid();
  if (box.name.empty()) box.name = box.id;
  {  // the name is taken from here on
    const std::lock_guard lock(service_.mutex_);
    const bool taken = std::any_of(service_.boxes_.begin(), service_.boxes_.end(), [&](const auto& entry) {
      return entry.second.name == box.name && entry.second.state != "destroyed";
    });
    if (taken) return respondApiError(exchange, 409, "Sandbox with name " + box.name + " already exists");
    box.createdAt = box.updatedAt = box.lastActivityAt = Clock::now();
    service_.boxes_[box.id] = box;
  }
  exchange.respond(200, toJson(make(box, files), true));
}

void DaytonaControl::get(Exchange& exchange) {
  const auto live = find(exchange);
  if (!live) return;
  exchange.respond(200, toJson(live->box, true));
  const std::lock_guard lock(service_.mutex_);
  const auto found = service_.boxes_.find(live->box.id);
  if (found == service_.boxes_.end()) return;
  found->second.passing.clear();
  if (found->second.state == "destroyed") service_.boxes_.erase(found);
}

std::vector<DaytonaControl::Box> DaytonaControl::matching(const Request& request) {
  rapidjson::Document labels;
  const bool byLabels = parseJson(queryOf(request, "labels", "{}"), labels) && labels.IsObject();
  const auto wanted = byLabels ? textMapOf(&labels) : std::map<std::string, std::string>();
  const std::string name = queryOf(request, "name"), id = queryOf(request, "id");
  const std::string states = queryOf(request, "states");
  std::vector<Box> boxes;
  for (const std::string& each : service_.fleet_.ids()) {
    const auto live = service_.find(each);
    if (!live) continue;
    const Box& box = live->box;
    const bool carries = std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
      const auto found = box.labels.find(pair.first);
      return found != box.labels.end() && found->second == pair.second;
    });
    const bool inState = states.empty() || ("," + states + ",").find("," + box.state + ",") != std::string::npos;
    if (carries && inState && box.name.starts_with(name) && box.id.starts_with(id)) boxes.push_back(box);
  }
  const bool ascending = queryOf(request, "order", "desc") == "asc";
  std::sort(boxes.begin(), boxes.end(), [&](const Box& a, const Box& b) {
    return ascending ? std::tie(a.createdAt, a.id) < std::tie(b.createdAt, b.id)
                     : std::tie(b.createdAt, b.id) < std::tie(a.createdAt, a.id);
  });
  return boxes;
}

void DaytonaControl::list(Exchange& exchange) {
  const std::vector<Box> boxes = matching(exchange.request);
  const std::int64_t limit = numberIn(queryOf(exchange.request, "limit", "100")).value_or(0);
  const std::string cursor = queryOf(exchange.request, "cursor");
  const auto begin = cursor.empty()                 ? std::optional<std::int64_t>(0)
                     : cursor.starts_with("after-") ? numberIn(cursor.substr(6))
                                                    : std::nullopt;
  if (limit < 1 || limit > 200) return respondApiError(exchange, 400, "limit must be between 1 and 200");
  if (!begin || *begin < 0) return respondApiError(exchange, 400, "Invalid cursor");
  std::vector<std::string> items;
  const auto count = static_cast<std::int64_t>(boxes.size());
  const std::int64_t end = std::min(*begin + limit, count);
  for (std::int64_t i = *begin; i < end; ++i) items.push_back(toJson(boxes[static_cast<std::size_t>(i)], false));
  JsonObject answer;
  answer.raw("items", jsonArray(items));
  if (end < count) answer.add("nextCursor", "after-" + std::to_string(end));
  if (end >= count) answer.raw("nextCursor", "null");
  exchange.respond(200, answer.text());
}

void DaytonaControl::listPages(Exchange& exchange) {
  const std::vector<Box> boxes = matching(exchange.request);
  const std::int64_t limit = numberIn(queryOf(exchange.request, "limit", "100")).value_or(0);
  const std::int64_t page = numberIn(queryOf(exchange.request, "page", "1")).value_or(0);
  if (limit < 1 || limit > 200 || page < 1) return respondApiError(exchange, 400, "page and limit must be at least 1");
  std::vector<std::string> items;
  const auto count = static_cast<std::int64_t>(boxes.size());
  for (std::int64_t i = (page - 1) * limit; i < std::min(page * limit, count); ++i) {
    items.push_back(toJson(boxes[static_cast<std::size_t>(i)], true));
  }
  JsonObject answer;
  answer.raw("items", jsonArray(items)).add("total", count).add("page", page);
  exchange.respond(200, answer.add("totalPages", (count + limit - 1) / limit).text());
}

void DaytonaControl::destroy(Exchange& exchange) {
  const auto live = find(exchange);
  if (!live) return;
  const std::string id = live->box.id;
  service_.fleet_.destroy(id);
  service_.change(id, [](Box& box) {
    box.state = "destroyed";
    box.passing = "destroying";
    box.updatedAt = Clock::now();
    box.sessions.clear();
    box.terminals.clear();
  });
  respondBox(exchange, id);
}

void DaytonaControl::start(Exchange& exchange) {
  const auto live = find(exchange);
  if (!live) return;
  const std::string& state = live->box.state;
  if (state == "started") return respondApiError(exchange, 400, "Sandbox is already started");
  if (state != "stopped" && state != "paused" && state != "archived") {
    return respondApiError(exchange, 400, "Sandbox is not in valid state");
  }
  if (state == "paused") live->machine->thaw();
  service_.change(live->box.id, [&](Box& box) {
    box.passing = state == "paused" ? "resuming" : state == "archived" ? "restoring" : "starting";
    box.state = "started";
    box.updatedAt = box.lastActivityAt = Clock::now();
  });
  respondBox(exchange, live->box.id);
}

void DaytonaControl::stop(Exchange& exchange) {
  const auto live = find(exchange);
  if (!live) return;
  if (live->box.state != "started") return respondApiError(exchange, 400, "Sandbox is not started");
  live->machine->killAll();
  service_.change(live->box.id, [](Box& box) {
    box.state = "stopped";
    box.passing = "stopping";
    box.updatedAt = Clock::now();
    box.sessions.clear();
    box.terminals.clear();
  });
  respondBox(exchange, live->box.id);
}

void DaytonaControl::pause(Exchange& exchange) {
  const auto live = find(exchange);
  if (!live) return;
  if (live->box.state != "started") return respondApiError(exchange, 400, "Sandbox is not started");
  live->machine->freeze();
  service_.change(live->box.id, [](Box& box) {
    box.state = "paused";
    box.passing = "pausing";
    box.updatedAt = Clock::now();
  });
  respondBox(exchange, live->box.id);
}

void DaytonaControl::archive(Exchange& exchange) {
  const auto live = find(exchange);
  if (!live) return;
  if (live->box.state != "stopped") return respondApiError(exchange, 400, "Sandbox is not stopped");
  service_.change(live->box.id, [](Box& box) {
    box.state = "archived";
    box.passing = "archiving";
    box.updatedAt = Clock::now();
  });
  respondBox(exchange, live->box.id);
}

void DaytonaControl::resize(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto live = find(exchange);
  if (!live) return;
  service_.change(live->box.id, [&](Box& box) {
    box.cpu = decimalOf(member(&body, "cpu"), box.cpu);
    box.memory = decimalOf(member(&body, "memory"), box.memory);
    box.disk = decimalOf(member(&body, "disk"), box.disk);
    box.passing = "resizing";
    box.updatedAt = Clock::now();
  });
  respondBox(exchange, live->box.id);
}

void DaytonaControl::fork(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto live = find(exchange);
  if (!live) return;
  const std::string files = service_.fleet_.snapshot(live->box.id);
  Box copy = live->box;
  copy.id = randomUuid();
  copy.name = textOf(member(&body, "name"), copy.id);
  copy.sessions.clear();
  copy.terminals.clear();
  copy.passing = "creating";
  copy = make(copy, files);
  service_.fleet_.removeSnapshot(files);
  exchange.respond(200, toJson(copy, true));
}

void DaytonaControl::setNumber(Exchange& exchange, const std::string& what) {
  const auto live = find(exchange);
  if (!live) return;
  const auto minutes = numberIn(exchange.request.parts.at(1));
  if (!minutes || *minutes < (what == "autodelete" ? -1 : 0)) {
    return respondApiError(exchange, 400, "Validation failed (numeric string is expected)");
  }
  if (what == "ttl") {
    service_.fleet_.setLifetime(live->box.id, std::chrono::minutes(*minutes));
  }
  service_.change(live->box.id, [&](Box& box) {
    if (what == "autostop") box.autoStop = *minutes;
    if (what == "autoarchive") box.autoArchive = *minutes;
    if (what == "autodelete") box.autoDelete = *minutes;
    if (what == "ttl") box.destroyAt.reset();
    if (what == "ttl" && *minutes > 0) box.destroyAt = Clock::now() + std::chrono::minutes(*minutes);
    box.lastActivityAt = Clock::now();
  });
  respondBox(exchange, live->box.id);
}

void DaytonaControl::setPublic(Exchange& exchange) {
  const auto live = find(exchange);
  if (!live) return;
  service_.change(live->box.id, [&](Box& box) { box.isPublic = exchange.request.parts.at(1) == "true"; });
  respondBox(exchange, live->box.id);
}

void DaytonaControl::setLabels(Exchange& exchange) {
  rapidjson::Document body;
  if (!readObject(exchange, body)) return;
  const auto live = find(exchange);
  if (!live) return;
  const auto labels = textMapOf(member(&body, "labels"));
  service_.change(live->box.id, [&](Box& box) { box.labels = labels; });
  exchange.respond(200, JsonObject().add("labels", labels).text());
}

void DaytonaControl::activity(Exchange& exchange) {
  const auto live = find(exchange);
  if (!live) return;
  service_.change(live->box.id, [](Box& box) { box.lastActivityAt = Clock::now(); });
  exchange.respond(201, {}, {});
}

void DaytonaControl::addRoutes(DaytonaSimulator& service, Server& server) {
  const auto add = [&](const char* method, const std::string& path, auto act) {
    server.route(method, "/api" + path, [&service, act](Exchange& exchange) {
      if (!service.authorized(exchange)) return;
      try {
        DaytonaControl control(service);
        act(control, exchange);
      } catch (const MachineError& error) {
        respondApiError(exchange, error.kind() == MachineError::Kind::gone ? 404 : 500, error.what());
      }
    });
  };
  using Self = DaytonaControl;
  add("POST", "/sandbox", [](Self& self, Exchange& exchange) { self.create(exchange); });
  add("GET", "/sandbox", [](Self& self, Exchange& exchange) { self.list(exchange); });
  add("GET", "/sandbox/paginated", [](Self& self, Exchange& exchange) { self.listPages(exchange); });
  add("GET", "/sandbox/*", [](Self& self, Exchange& exchange) { self.get(exchange); });
  add("DELETE", "/sandbox/*", [](Self& self, Exchange& exchange) { self.destroy(exchange); });
  add("POST", "/sandbox/*/start", [](Self& self, Exchange& exchange) { self.start(exchange); });
  add("POST", "/sandbox/*/stop", [](Self& self, Exchange& exchange) { self.stop(exchange); });
  add("POST", "/sandbox/*/pause", [](Self& self, Exchange& exchange) { self.pause(exchange); });
  add("POST", "/sandbox/*/archive", [](Self& self, Exchange& exchange) { self.archive(exchange); });
  add("POST", "/sandbox/*/resize", [](Self& self, Exchange& exchange) { self.resize(exchange); });
  add("POST", "/sandbox/*/fork", [](Self& self, Exchange& exchange) { self.fork(exchange); });
  add("POST", "/sandbox/*/recover", [](Self& self, Exchange& exchange) {
    if (self.find(exchange)) respondApiError(exchange, 400, "Sandbox is not in a recoverable error state");
  });
  add("POST", "/sandbox/*/snapshot", [](Self& self, Exchange& exchange) { self.snapshot(exchange); });
  for (const std::string what : {"autostop", "autoarchive", "autodelete", "ttl"}) {
    add("POST", "/sandbox/*/" + what + "/*",
        [what](Self& self, Exchange& exchange) { self.setNumber(exchange, what); });
  }
  add("POST", "/sandbox/*/public/*", [](Self& self, Exchange& exchange) { self.setPublic(exchange); });
  add("POST", "/sandbox/*/last-activity", [](Self& self, Exchange& exchange) { self.activity(exchange); });
  add("PUT", "/sandbox/*/labels", [](Self& self, Exchange& exchange) { self.setLabels(exchange); });
  add("GET", "/sandbox/*/toolbox-proxy-url", [](Self& self, Exchange& exchange) { self.toolboxUrl(exchange); });
  add("GET", "/sandbox/*/ports/*/preview-url", [](Self& self, Exchange& exchange) { self.preview(exchange, false); });
  add("GET", "/sandbox/*/ports/*/signed-preview-url",
      [](Self& self, Exchange& exchange) { self.preview(exchange, true); });
  add("GET", "/snapshots", [](Self& self, Exchange& exchange) { self.listSnapshots(exchange); });
  add("GET", "/snapshots/*", [](Self& self, Exchange& exchange) { self.getSnapshot(exchange); });
  add("DELETE", "/snapshots/*", [](Self& self, Exchange& exchange) { self.removeSnapshot(exchange); });
}

}  // namespace computesdk::simulators
