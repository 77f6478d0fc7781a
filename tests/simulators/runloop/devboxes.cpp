// The life of devboxes.
#include <algorithm>

#include "routes.hpp"
#include "views.hpp"

namespace computesdk::simulators {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kBootTime{80};

// launch_parameters as they were asked for, with what is at its default.
std::string launchJson(const rapidjson::Value* given, std::chrono::seconds& keepAlive) {
  JsonObject all;
  bool named = false;
  if (given != nullptr && given->IsObject()) {
    for (const auto& each : given->GetObject()) {
      named = named || textOf(&each.name) == "keep_alive_time_seconds";
      all.raw(textOf(&each.name), jsonOf(&each.value));
    }
  }
  keepAlive = std::chrono::seconds(numberOf(member(given, "keep_alive_time_seconds"), keepAlive.count()));
  if (!named) all.add("keep_alive_time_seconds", static_cast<std::int64_t>(keepAlive.count()));
  return all.text();
}

template <typename AnyTunnel>
AnyTunnel tunnelFrom(const rapidjson::Value* given) {
  AnyTunnel tunnel;
  tunnel.key = newRunloopId("", 12);
  tunnel.mode = textOf(member(given, "auth_mode"), "open");
  if (tunnel.mode == "authenticated") tunnel.token = newRunloopId("tt_", 32);
  tunnel.createTime = epochMs(Clock::now());
  tunnel.keepAlive = truthOf(member(given, "http_keep_alive"), true);
  tunnel.wake = truthOf(member(given, "wake_on_http"));
  return tunnel;
}

}  // namespace

// Blueprint or snapshot that the new devbox is made from. False: it has answered.
bool RunloopDevboxes::readOrigin(RunloopSimulator& service, Exchange& exchange, const rapidjson::Value& body, Box& box,
                                 std::string& files, RunloopSimulator::Blueprint& blueprint) {
  const std::string id = textOf(member(&body, "blueprint_id")), name = textOf(member(&body, "blueprint_name"));
  const std::string snapshot = textOf(member(&body, "snapshot_id"));
  if (!id.empty() + !name.empty() + !snapshot.empty() > 1) {
    respondRunloopError(exchange, 400, "Only one of blueprint_id, blueprint_name and snapshot_id can be given");
    return false;
  }
  const std::lock_guard lock(service.mutex_);
  if (!snapshot.empty()) {
    const auto found = service.snapshots_.find(snapshot);
    if (found == service.snapshots_.end()) {
      respondRunloopError(exchange, 404, "Snapshot with id " + snapshot + " not found");
      return false;
    }
    box.snapshotId = snapshot;
    files = found->second.files;
  }
  if ((id.empty() && name.empty()) || id == "bpt_base" || name == "base") {
    if (!id.empty() || !name.empty()) box.blueprintId = "bpt_base";
    return true;
  }
  for (const auto& [each, found] : service.blueprints_) {
    const bool wanted = id.empty() ? found.name == name : each == id;
    if (wanted && found.number > blueprint.number) blueprint = found;  // of one name the newest
  }
  if (blueprint.id.empty()) {
    respondRunloopError(exchange, 404, "Blueprint " + (id.empty() ? "named " + name : "with id " + id) + " not found");
    return false;
  }
  if (Clock::now() < blueprint.readyAt) {
    respondRunloopError(exchange, 400, "Blueprint " + blueprint.id + " is not ready (status: building)");
    return false;
  }
  box.blueprintId = blueprint.id;
  return true;
}

void RunloopDevboxes::create(RunloopSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  Box box;
  std::string files;
  RunloopSimulator::Blueprint blueprint;
  if (!readRunloopBody(exchange, body) || !readOrigin(service, exchange, body, box, files, blueprint)) return;
  for (const auto& [name, secret] : textMapOf(member(&body, "secrets"))) {
    return respondRunloopError(exchange, 404, "Secret " + secret + " not found");  // the account has none
  }
  box.id = newRunloopId("dbx_", 22);
  if (const auto* const name = member(&body, "name")) box.name = textOf(name);
  box.metadata = textMapOf(member(&body, "metadata"));
  box.launchJson = launchJson(member(&body, "launch_parameters"), box.keepAlive);
  if (box.keepAlive.count() < 1) return respondRunloopError(exchange, 400, "keep_alive_time_seconds: must be positive");
  if (const auto* const tunnel = member(&body, "tunnel")) {
    box.tunnel = tunnelFrom<RunloopSimulator::Tunnel>(tunnel);
  }
  box.createTime = epochMs(Clock::now());
  box.transitions = {{"provisioning", box.createTime}, {"initializing", box.createTime}};
  MachineSpec spec;
  spec.lifetime = box.keepAlive;
  spec.env = textMapOf(member(&body, "environment_variables"));
  spec.env.insert({{"HOME", kRunloopHome}, {"USER", "user"}, {"LOGNAME", "user"}, {"SHELL", "/bin/bash"}});
  spec.env.insert({{"RUNLOOP_DEVBOX_ID", box.id}});
  spec.workDirectory = kRunloopHome;
  spec.snapshot = files;
  const auto machine = service.fleet_.create(box.id, spec);
  for (const auto& [path, text] : blueprint.files) machine->write(runloopPath(path), text);
  for (const std::string& line : blueprint.commands) machine->run(line);
  for (const auto& [path, text] : textMapOf(member(&body, "file_mounts"))) machine->write(runloopPath(path), text);
  const std::string entrypoint = textOf(member(&body, "entrypoint"));
  if (!entrypoint.empty()) machine->start({.argv = {"/bin/bash", "-c", entrypoint}, .keepBytes = 0, .hidden = true});
  box.readyAt = Clock::now() + kBootTime;
  {
    const std::lock_guard lock(service.mutex_);
    box.number = ++service.lastNumber_;
    service.boxes_[box.id] = box;
  }
  exchange.respond(200, RunloopViews::of(box));
}

void RunloopDevboxes::list(RunloopSimulator& service, Exchange& exchange) {
  const std::string status = runloopQuery(exchange.request, "status");
  service.fleet_.ids();  // so that what is over has ended
  std::vector<Box> boxes;
  {
    const std::lock_guard lock(service.mutex_);
    for (auto& [id, box] : service.boxes_) {
      RunloopSimulator::settle(box);
      if (status.empty() || box.status == status) boxes.push_back(box);
    }
  }
  std::sort(boxes.begin(), boxes.end(), [](const Box& a, const Box& b) { return a.number > b.number; });
  std::vector<ListItem> items;
  for (const Box& box : boxes) items.push_back({box.id, RunloopViews::of(box)});
  respondPage(exchange, "devboxes", items);
}

void RunloopDevboxes::update(RunloopSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  const auto live = service.named(exchange);
  if (!live || !readRunloopBody(exchange, body)) return;
  service.change(live->box.id, [&](Box& box) {
    if (member(&body, "name") != nullptr) box.name = textOf(member(&body, "name"));
    if (member(&body, "metadata") != nullptr) box.metadata = textMapOf(member(&body, "metadata"));
  });
  exchange.respond(200, RunloopViews::of(service.find(live->box.id)->box));
}

void RunloopDevboxes::wait(RunloopSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readRunloopBody(exchange, body)) return;
  const auto statuses = readStatuses(exchange, body);
  if (!statuses) return;
  const auto until = Steady::now() + kRunloopHold;
  for (;;) {
    const auto live = service.named(exchange);
    if (!live) return;
    if (std::find(statuses->begin(), statuses->end(), live->box.status) != statuses->end()) {
      return exchange.respond(200, RunloopViews::of(live->box));
    }
    if (Steady::now() >= until) return respondRunloopError(exchange, 408, "Timed out waiting for status");
    if (!exchange.stream.pause(10)) return exchange.cut();
  }
}

void RunloopDevboxes::shutdown(RunloopSimulator& service, Exchange& exchange) {
  const auto live = service.named(exchange);
  if (!live) return;
  service.change(live->box.id, [](Box& box) {
    if (box.status == "shutdown") return;
    RunloopSimulator::enter(box, "shutdown");
    box.shutdownReason = "api_shutdown";
  });
  service.fleet_.destroy(live->box.id);
  exchange.respond(200, RunloopViews::of(service.find(live->box.id)->box));
}

void RunloopDevboxes::suspend(RunloopSimulator& service, Exchange& exchange) {
  const auto live = service.running(exchange);
  if (!live) return;
  service.fleet_.setLifetime(live->box.id, std::chrono::milliseconds(0));
  live->machine->killAll();
  service.change(live->box.id, [](Box& box) { RunloopSimulator::enter(box, "suspended"); });
  exchange.respond(200, RunloopViews::of(service.find(live->box.id)->box));
}

void RunloopDevboxes::resume(RunloopSimulator& service, Exchange& exchange) {
  const auto live = service.named(exchange);
  if (!live) return;
  if (live->box.status != "suspended") {
    return respondRunloopError(exchange, 400,
                               "Devbox " + live->box.id + " is not suspended (status: " + live->box.status + ")");
  }
  service.fleet_.setLifetime(live->box.id, live->box.keepAlive);
  service.change(live->box.id, [](Box& box) {
    RunloopSimulator::enter(box, "initializing");
    box.readyAt = Clock::now() + kBootTime;
  });
  exchange.respond(200, RunloopViews::of(service.find(live->box.id)->box));
}

void RunloopDevboxes::keepAlive(RunloopSimulator& service, Exchange& exchange) {
  const auto live = service.running(exchange);
  if (!live) return;
  service.fleet_.setLifetime(live->box.id, live->box.keepAlive);
  exchange.respond(200, "{}");
}

void RunloopDevboxes::enableTunnel(RunloopSimulator& service, Exchange& exchange) {
  rapidjson::Document body;
  if (!readRunloopBody(exchange, body)) return;
  const auto live = service.running(exchange);
  if (!live) return;
  std::string view;
  service.change(live->box.id, [&](Box& box) {
    if (!box.tunnel) box.tunnel = tunnelFrom<RunloopSimulator::Tunnel>(&body);
    view = RunloopViews::of(*box.tunnel);
  });
  exchange.respond(200, view);
}

void RunloopDevboxes::addRoutes(RunloopSimulator& service, Server& server) {
  const auto add = [&](const char* method, const char* path, void (*act)(RunloopSimulator&, Exchange&)) {
    service.route(server, method, path, [&service, act](Exchange& exchange) { act(service, exchange); });
  };
  add("POST", "/v1/devboxes", create);
  add("GET", "/v1/devboxes", list);
  add("POST", "/v1/devboxes/create_and_await_running", create);
  add("POST", "/v1/devboxes/*/wait_for_status", wait);
  add("POST", "/v1/devboxes/*/shutdown", shutdown);
  add("POST", "/v1/devboxes/*/suspend", suspend);
  add("POST", "/v1/devboxes/*/resume", resume);
  add("POST", "/v1/devboxes/*/keep_alive", keepAlive);
  add("POST", "/v1/devboxes/*/enable_tunnel", enableTunnel);
  add("POST", "/v1/devboxes/*/remove_tunnel", [](RunloopSimulator& service, Exchange& exchange) {
    const auto live = service.named(exchange);
    if (!live) return;
    service.change(live->box.id, [](Box& box) { box.tunnel.reset(); });
    exchange.respond(200, "{}");
  });
  add("POST", "/v1/devboxes/*", update);
  add("GET", "/v1/devboxes/*", [](RunloopSimulator& service, Exchange& exchange) {
    if (const auto live = service.named(exchange)) exchange.respond(200, RunloopViews::of(live->box));
  });
}

}  // namespace computesdk::simulators
