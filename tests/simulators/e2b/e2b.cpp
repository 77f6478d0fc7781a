#include "e2b.hpp"

#include <sys/random.h>

#include <charconv>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

#include "control_plane.hpp"
#include "envd.hpp"
#include "harness/carry.hpp"
#include "harness/json.hpp"

namespace computesdk::simulators {

std::string isoTime(Clock::time_point time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(ms % 1000));
  return text;
}

void respondError(Exchange& exchange, int status, std::string_view message) {
  exchange.respond(status, JsonObject().add("code", status).add("message", message).text());
}

// "E2b-Sandbox-Id" and "E2b-Sandbox-Port", or the host "PORT-ID.domain".
E2bTarget targetOf(const Request& request) {
  E2bTarget target;
  target.id = request.header("e2b-sandbox-id");
  std::string port = request.header("e2b-sandbox-port");
  if (target.id.empty()) {
    const std::string host = request.header("host");
    const std::size_t dash = host.find('-'), dot = host.find('.');
    if (dash == std::string::npos || dot == std::string::npos || dash > dot) return target;
    port = host.substr(0, dash);
    target.id = host.substr(dash + 1, dot - dash - 1);
  }
  const char* const end = port.data() + port.size();
  if (port.empty() || std::from_chars(port.data(), end, target.port).ptr != end) target = {};
  return target;
}

E2bSimulator::E2bSimulator()
    : key_([] {
        const char* const given = std::getenv("E2B_API_KEY");
        return std::string(given != nullptr && *given != 0 ? given : kE2bDefaultKey);
      }()),
      fleet_([this](Machine& machine) { return expire(machine); }) {}

void E2bSimulator::serve(Server& server) {
  server.intercept([this](Exchange& exchange) { return carryToPort(exchange); });
  E2bControl::addRoutes(*this, server);
  E2bProcesses::addRoutes(*this, server);
  E2bFiles::addRoutes(*this, server);
  server.route("POST", "/execute", [this](Exchange& exchange) { executeCode(exchange); });
}

void E2bSimulator::reset() {
  fleet_.clear();
  std::map<std::string, Snapshot> snapshots;
  {
    const std::lock_guard lock(mutex_);
    boxes_.clear();
    snapshots.swap(snapshots_);
  }
  for (const auto& [id, snapshot] : snapshots) fleet_.removeSnapshot(snapshot.files);
}

std::optional<E2bSimulator::Live> E2bSimulator::find(const std::string& id) {
  auto machine = fleet_.get(id);
  if (!machine) return {};
  const std::lock_guard lock(mutex_);
  const auto found = boxes_.find(id);
  if (found == boxes_.end()) return {};
  return Live{found->second, std::move(machine)};
}

void E2bSimulator::resume(const Live& live, std::chrono::seconds timeout) {
  live.machine->thaw();
  change(live.box.id, [&](Box& box) {
    box.paused = false;
    box.endAt = Clock::now() + timeout;
  });
  fleet_.setLifetime(live.box.id, timeout);
}

bool E2bSimulator::expire(Machine& machine) {
  const std::lock_guard lock(mutex_);
  const auto found = boxes_.find(machine.id());
  if (found == boxes_.end()) return false;
  if (!found->second.autoPause) {
    boxes_.erase(found);
    return false;
  }
  machine.freeze();
  found->second.paused = true;
  return true;
}

std::string E2bSimulator::newId(std::string_view prefix, std::size_t length) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string bytes(length, 0);
  if (::getrandom(bytes.data(), length, 0) != static_cast<ssize_t>(length)) throw std::runtime_error("no random bytes");
  std::string id(prefix);
  for (const char byte : bytes) id += kAlphabet[static_cast<unsigned char>(byte) % kAlphabet.size()];
  return id;
}

std::optional<E2bSimulator::Live> E2bSimulator::enter(Exchange& exchange, bool signedPath) {
  const E2bTarget target = targetOf(exchange.request);
  auto live = target.id.empty() ? std::nullopt : find(target.id);
  if (live && live->box.paused && live->box.autoResume) {
    resume(*live, std::chrono::seconds(300));
    live = find(target.id);
  }
  if (!live || live->box.paused) {
    exchange.respond(
        502,
        JsonObject().add("sandboxId", target.id).add("message", "The sandbox was not found").add("code", 502).text());
    return {};
  }
  const bool open = exchange.request.path == "/health" || signedPath;
  if (!open && exchange.request.header("x-access-token") != live->box.token) {
    respondError(exchange, 401,
                 "unauthorized access, please provide a valid access token or method signing if supported");
    return {};
  }
  return live;
}

// What is meant for a port of a program inside goes there byte by byte, upgrades and all.
bool E2bSimulator::carryToPort(Exchange& exchange) {
  const E2bTarget target = targetOf(exchange.request);
  if (target.id.empty() || target.port == kEnvdPort) return false;
  if (target.port == kCodePort && exchange.request.path == "/execute") return false;
  const auto live = find(target.id);
  exchange.close = true;
  if (!live || live->box.paused) {
    exchange.respond(
        502,
        JsonObject().add("sandboxId", target.id).add("message", "The sandbox was not found").add("code", 502).text());
    return true;
  }
  const std::string& token = live->box.trafficToken;
  if (!token.empty() && exchange.request.header("e2b-traffic-access-token") != token) {
    respondError(exchange, 403, "Sandbox is secured with traffic access token. Token header is missing or wrong");
    return true;
  }
  int fd = -1;
  try {
    fd = live->machine->dial(static_cast<std::uint16_t>(target.port));
  } catch (const MachineError&) {
    exchange.respond(502, JsonObject()
                              .add("sandboxId", target.id)
                              .add("message", "The sandbox is running but port is not open")
                              .add("port", target.port)
                              .add("code", 502)
                              .text());
    return true;
  }
  carry(exchange, fd);
  return true;
}

}  // namespace computesdk::simulators
