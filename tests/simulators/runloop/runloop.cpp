#include "runloop.hpp"

#include <sys/random.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "harness/carry.hpp"
#include "routes.hpp"

namespace computesdk::simulators {

std::string newRunloopId(std::string_view prefix, std::size_t length) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string bytes(length, 0);
  if (::getrandom(bytes.data(), length, 0) != static_cast<ssize_t>(length)) throw std::runtime_error("no random bytes");
  std::string id(prefix);
  for (const char byte : bytes) id += kAlphabet[static_cast<unsigned char>(byte) % kAlphabet.size()];
  return id;
}

std::int64_t epochMs(Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

void respondRunloopError(Exchange& exchange, int status, std::string_view message, const Headers& headers) {
  if (!exchange.bodyComplete()) exchange.close = true;  // what is left of it is no request
  exchange.respond(status, JsonObject().add("code", status).add("message", message).text(), "application/json",
                   headers);
}

bool readRunloopBody(Exchange& exchange, rapidjson::Document& body) {
  const std::string& text = exchange.request.body;
  if (parseJson(text.empty() ? std::string_view("{}") : std::string_view(text), body) && body.IsObject()) return true;
  respondRunloopError(exchange, 400, "Request body is not a valid JSON object");
  return false;
}

std::string runloopPath(const std::string& path) {
  const std::string whole = path.starts_with('/') ? path : std::string(kRunloopHome) + "/" + path;
  std::string clean = std::filesystem::path(whole).lexically_normal();
  while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
  return clean;
}

std::optional<std::vector<std::string>> readStatuses(Exchange& exchange, const rapidjson::Value& body) {
  std::vector<std::string> statuses = textsOf(member(&body, "statuses"));
  if (!statuses.empty()) return statuses;
  respondRunloopError(exchange, 400, "statuses: at least one is required");
  return {};
}

RunloopSimulator::RunloopSimulator()
    : key_([] {
        const char* const given = std::getenv("RUNLOOP_API_KEY");
        return std::string(given != nullptr && *given != 0 ? given : kRunloopDefaultKey);
      }()),
      fleet_([this](Machine& machine) { return expire(machine); }) {}

void RunloopSimulator::route(Server& server, const char* method, const std::string& path, Act act, bool streamed) {
  const auto guarded = [this, act = std::move(act)](Exchange& exchange) {
    if (exchange.request.header("authorization") != "Bearer " + key_) {
      return respondRunloopError(exchange, 401, "Invalid API key");
    }
    try {
      act(exchange);
    } catch (const MachineError& error) {
      using Kind = MachineError::Kind;
      const bool ours = error.kind() == Kind::other;  // the machine below, not what was asked of it
      respondRunloopError(exchange, ours ? 500 : error.kind() == Kind::notFound ? 404 : 400, error.what());
    }
  };
  server.route(method, path, guarded, streamed);
}

void RunloopSimulator::serve(Server& server) {
  server.intercept([this](Exchange& exchange) { return carryToPort(exchange); });
  RunloopImages::addRoutes(*this, server);  // its paths are more special than those of devboxes
  RunloopExecutions::addRoutes(*this, server);
  RunloopFiles::addRoutes(*this, server);
  RunloopDevboxes::addRoutes(*this, server);
}

void RunloopSimulator::reset() {
  fleet_.clear();
  std::map<std::string, Snapshot> snapshots;
  {
    const std::lock_guard lock(mutex_);
    boxes_.clear();
    executions_.clear();
    commands_.clear();
    shells_.clear();
    blueprints_.clear();
    snapshots.swap(snapshots_);
  }
  for (const auto& [id, snapshot] : snapshots) fleet_.removeSnapshot(snapshot.files);
}

void RunloopSimulator::enter(Box& box, const std::string& status) {
  box.status = status;
  const std::int64_t now = epochMs(Clock::now());
  box.transitions.emplace_back(status, now);
  if (status == "shutdown") box.endTime = now;
}

void RunloopSimulator::settle(Box& box) {
  if (box.status == "initializing" && Clock::now() >= box.readyAt) enter(box, "running");
}

// Called by the fleet, which destroys the machine then.
bool RunloopSimulator::expire(Machine& machine) {
  change(machine.id(), [](Box& box) {
    settle(box);
    enter(box, "shutdown");
    box.shutdownReason = "keep_alive_timeout";
  });
  return false;
}

std::optional<RunloopSimulator::Live> RunloopSimulator::find(const std::string& id) {
  auto machine = fleet_.get(id);
  const std::lock_guard lock(mutex_);
  const auto found = boxes_.find(id);
  if (found == boxes_.end()) return {};
  settle(found->second);
  return Live{found->second, std::move(machine)};
}

std::optional<RunloopSimulator::Live> RunloopSimulator::named(Exchange& exchange) {
  const std::string& id = exchange.request.parts.at(0);
  auto live = find(id);
  if (!live) respondRunloopError(exchange, 404, "Devbox with id " + id + " not found");
  return live;
}

std::optional<RunloopSimulator::Live> RunloopSimulator::running(Exchange& exchange) {
  auto live = named(exchange);
  if (!live || (live->box.status == "running" && live->machine)) return live;
  respondRunloopError(exchange, 400, "Devbox " + live->box.id + " is not running (status: " + live->box.status + ")");
  return {};
}

// What is meant for a port of a program inside, by the host PORT-KEY.tunnel.domain, goes there byte by byte.
bool RunloopSimulator::carryToPort(Exchange& exchange) {
  const std::string host = exchange.request.header("host");
  const std::size_t dash = host.find('-'), dot = host.find(".tunnel.");
  int port = 0;
  if (dash == std::string::npos || dot == std::string::npos || dash > dot ||
      std::from_chars(host.data(), host.data() + dash, port).ptr != host.data() + dash) {
    return false;
  }
  const std::string key = host.substr(dash + 1, dot - dash - 1);
  exchange.close = true;
  std::string id, token;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [each, box] : boxes_) {
      if (box.tunnel && box.tunnel->key == key) id = each, token = box.tunnel->token;
    }
  }
  const auto live = id.empty() ? std::nullopt : find(id);
  if (!live) return respondRunloopError(exchange, 404, "Tunnel not found"), true;
  if (!token.empty() && exchange.request.header("authorization") != "Bearer " + token &&
      exchange.request.header("x-runloop-tunnel-authorization") != "Bearer " + token) {
    return respondRunloopError(exchange, 401, "Tunnel authentication required"), true;
  }
  if (!live->machine || live->box.status != "running") {
    return respondRunloopError(exchange, 502, "Devbox is not running"), true;
  }
  try {
    carry(exchange, live->machine->dial(static_cast<std::uint16_t>(port)));
  } catch (const MachineError&) {
    respondRunloopError(exchange, 502, "Nothing listens on port " + std::to_string(port));
  }
  return true;
}

}  // namespace computesdk::simulators
