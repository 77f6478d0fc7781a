#include "vercel.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "harness/carry.hpp"
#include "routes.hpp"

namespace computesdk::simulators {
namespace {

std::string fromEnvironment(const char* name, const char* otherwise) {
  const char* const given = std::getenv(name);
  return given != nullptr && *given != 0 ? given : otherwise;
}

}  // namespace

std::int64_t epochMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch()).count();
}

std::string vercelId(std::string_view prefix, std::size_t length) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string bytes(length, 0);
  if (::getrandom(bytes.data(), length, 0) != static_cast<ssize_t>(length)) throw std::runtime_error("no random bytes");
  std::string id(prefix);
  for (const char byte : bytes) id += kAlphabet[static_cast<unsigned char>(byte) % kAlphabet.size()];
  return id;
}

void respondError(Exchange& exchange, int status, std::string_view code, std::string_view message) {
  exchange.respond(status,
                   JsonObject().raw("error", JsonObject().add("code", code).add("message", message).text()).text());
}

std::string queryText(const Request& request, const std::string& name, const std::string& otherwise) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? otherwise : found->second;
}

bool readObject(Exchange& exchange, rapidjson::Document& body) {
  const std::string& text = exchange.request.body;
  if (parseJson(text.empty() ? "{}" : text, body) && body.IsObject()) return true;
  respondError(exchange, 400, "bad_request", "Invalid request: the body is not a JSON object");
  return false;
}

VercelSimulator::VercelSimulator()
    : token_(fromEnvironment("VERCEL_TOKEN", kVercelDefaultToken)),
      team_(fromEnvironment("VERCEL_TEAM_ID", kVercelDefaultTeam)),
      project_(fromEnvironment("VERCEL_PROJECT_ID", kVercelDefaultProject)),
      fleet_([this](Machine& machine) { return expire(machine); }) {}

void VercelSimulator::serve(Server& server) {
  server.intercept([this](Exchange& exchange) { return carryToPort(exchange); });
  // Fixed words before names: a path is matched by the first route that fits.
  VercelSnapshots::addRoutes(*this, server);
  VercelCommands::addRoutes(*this, server);
  VercelFiles::addRoutes(*this, server);
  VercelControl::addRoutes(*this, server);
}

std::vector<std::string> VercelSimulator::sandboxes() {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, box] : boxes_) names.push_back(name);
  return names;
}

void VercelSimulator::reset() {
  const std::lock_guard order(settling_);
  std::map<std::string, Snapshot> snapshots;
  {
    const std::lock_guard lock(mutex_);
    boxes_.clear();
    runs_.clear();
    commands_.clear();
    snapshots.swap(snapshots_);
  }
  fleet_.clear();
  for (const auto& [id, snapshot] : snapshots) fleet_.removeSnapshot(snapshot.files);
}

bool VercelSimulator::isToken(const std::string& token) const {
  if (token == token_) return true;
  const std::size_t first = token.find('.'), last = token.rfind('.');
  if (first == std::string::npos || first == last) return false;
  std::string payload = token.substr(first + 1, last - first - 1), json;
  std::replace(payload.begin(), payload.end(), '-', '+');
  std::replace(payload.begin(), payload.end(), '_', '/');
  rapidjson::Document claims;
  return unbase64(payload, json) && parseJson(json, claims) && textOf(member(&claims, "owner_id")) == team_ &&
         textOf(member(&claims, "project_id")) == project_ && numberOf(member(&claims, "exp")) * 1000 > epochMs();
}

bool VercelSimulator::mayEnter(Exchange& exchange) const {
  const std::string header = exchange.request.header("authorization");
  if (!header.starts_with("Bearer ") || header.size() == 7) {
    respondError(exchange, 401, "unauthorized", "The request is missing an authentication token");
  } else if (!isToken(header.substr(7))) {
    exchange.respond(
        403,
        JsonObject()
            .raw(
                "error",
                JsonObject().add("code", "forbidden").add("message", "Not authorized").add("invalidToken", true).text())
            .text());
  } else if (queryText(exchange.request, "teamId") != team_) {
    respondError(exchange, 403, "forbidden", "Not authorized: Trying to access resource under another scope");
  } else {
    return true;
  }
  return false;
}

void VercelSimulator::route(Server& server, const char* method, const std::string& path,
                            std::function<void(Exchange&)> act, bool streamed) {
  server.route(
      method, "/api" + path,
      [this, act = std::move(act)](Exchange& exchange) {
        if (!mayEnter(exchange)) return;
        try {
          act(exchange);
        } catch (const MachineError& error) {
          if (error.kind() == MachineError::Kind::gone) return respondStopped(exchange);
          respondError(exchange, 500, "internal_server_error", error.what());
        }
      },
      streamed);
}

std::optional<VercelSimulator::Box> VercelSimulator::box(const std::string& name) {
  fleet_.get("");  // lets go whose time is over
  settle(name);
  const std::lock_guard lock(mutex_);
  const auto found = boxes_.find(name);
  if (found == boxes_.end()) return {};
  return found->second;
}

std::optional<VercelSimulator::Run> VercelSimulator::run(const std::string& id) {
  fleet_.get("");
  const std::lock_guard lock(mutex_);
  const auto found = runs_.find(id);
  if (found == runs_.end()) return {};
  return found->second;
}

std::optional<VercelSimulator::Live> VercelSimulator::enter(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  auto found = run(id);
  if (!found) {
    respondError(exchange, 404, "not_found", "Session \"" + id + "\" not found");
    return {};
  }
  auto machine = found->running ? fleet_.get(id) : nullptr;
  if (!machine) {
    respondStopped(exchange);
    return {};
  }
  return Live{*found, std::move(machine)};
}

VercelSimulator::Run VercelSimulator::start(const Box& box, const std::string& files) {
  Run run;
  run.id = vercelId("sbx_", 24);
  run.sandbox = box.name;
  run.runtime = box.runtime;
  run.image = box.image;
  run.networkJson = box.networkJson;
  run.timeout = box.timeout;
  run.vcpus = box.vcpus;
  MachineSpec spec;
  spec.lifetime = std::chrono::milliseconds(box.timeout);
  spec.env = box.env;
  spec.env.insert({{"HOME", "/home/vercel-sandbox"}, {"USER", "vercel-sandbox"}, {"LOGNAME", "vercel-sandbox"}});
  spec.directories = {"/home/vercel-sandbox"};
  spec.workDirectory = kVercelHome;
  spec.snapshot = files;
  {
    // Known before its machine is: it may be over at once.
    const std::lock_guard lock(mutex_);
    run.createdAt = run.updatedAt = epochMs();
    runs_[run.id] = run;
  }
  fleet_.create(run.id, spec);
  const std::lock_guard lock(mutex_);
  if (const auto found = boxes_.find(box.name); found != boxes_.end()) {
    found->second.currentRun = run.id;
    found->second.statusUpdatedAt = run.createdAt;
    return run;
  }
  runs_[run.id].running = false;  // it was deleted meanwhile
  return run;
}

bool VercelSimulator::expire(Machine& machine) {
  bool keep = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = runs_.find(machine.id());
    if (found == runs_.end() || !found->second.running) return false;
    Run& run = found->second;
    run.running = false;
    run.stoppedAt = run.updatedAt = epochMs();
    const auto owner = boxes_.find(run.sandbox);
    keep = owner != boxes_.end() && owner->second.persistent;
    if (owner != boxes_.end()) owner->second.statusUpdatedAt = run.stoppedAt;
    if (keep) owner->second.unsaved = run.id;
  }
  if (keep) machine.killAll();
  return keep;
}

void VercelSimulator::settle(const std::string& name) {
  const std::lock_guard order(settling_);
  std::string unsaved;
  {
    const std::lock_guard lock(mutex_);
    const auto found = boxes_.find(name);
    if (found == boxes_.end() || found->second.unsaved.empty()) return;
    unsaved = found->second.unsaved;
  }
  Snapshot snapshot;
  snapshot.id = vercelId("snap_", 24);
  snapshot.sandbox = name;
  snapshot.run = unsaved;
  snapshot.createdAt = epochMs();
  snapshot.files = fleet_.snapshot(unsaved);
  fleet_.destroy(unsaved);
  const std::lock_guard lock(mutex_);
  snapshots_[snapshot.id] = snapshot;
  if (const auto found = boxes_.find(name); found != boxes_.end()) {
    found->second.unsaved.clear();
    found->second.currentSnapshot = snapshot.id;
  }
}

std::optional<VercelSimulator::Snapshot> VercelSimulator::stop(const std::string& runId, bool keep) {
  std::string name;
  {
    const std::lock_guard lock(mutex_);
    Run& run = runs_.at(runId);
    run.running = false;
    run.stoppedAt = run.updatedAt = epochMs();
    const auto owner = boxes_.find(run.sandbox);
    if (owner != boxes_.end()) {
      name = run.sandbox;
      owner->second.statusUpdatedAt = run.stoppedAt;
      keep = keep || owner->second.persistent;
      if (keep) owner->second.unsaved = runId;
    }
  }
  if (name.empty() || !keep) {
    fleet_.destroy(runId);
    return {};
  }
  if (const auto machine = fleet_.get(runId)) machine->killAll();
  settle(name);
  const std::lock_guard lock(mutex_);
  const auto found = boxes_.find(name);
  if (found == boxes_.end()) return {};
  return snapshots_[found->second.currentSnapshot];
}

// What is meant for a port of a program inside goes there byte by byte, upgrades and all.
bool VercelSimulator::carryToPort(Exchange& exchange) {
  const std::string host = exchange.request.header("host");
  const std::string subdomain = host.substr(0, host.find('.'));
  if (!subdomain.starts_with("sb-") || host.size() == subdomain.size()) return false;
  std::string runId;
  int port = 0;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, box] : boxes_) {
      for (const Route& each : box.routes) {
        if (each.subdomain == subdomain) runId = box.currentRun, port = each.port;
      }
    }
  }
  exchange.close = true;
  const auto found = run(runId);
  const auto machine = found && found->running ? fleet_.get(runId) : nullptr;
  int fd = -1;
  try {
    if (machine) fd = machine->dial(static_cast<std::uint16_t>(port));
  } catch (const MachineError&) {
    fd = -1;
  }
  if (fd < 0) {
    exchange.respond(502, machine ? "SANDBOX_NOT_LISTENING" : "SANDBOX_NOT_FOUND", "text/plain");
    return true;
  }
  carry(exchange, fd);
  return true;
}

}  // namespace computesdk::simulators
