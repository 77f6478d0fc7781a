#include "daytona.hpp"

#include <sys/random.h>

#include <charconv>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

#include "control.hpp"
#include "harness/carry.hpp"
#include "toolbox.hpp"

namespace computesdk::simulators {
namespace {

std::string environmentOr(const char* name, const char* otherwise) {
  const char* const given = std::getenv(name);
  return given != nullptr && *given != 0 ? given : otherwise;
}

std::string randomBytes(std::size_t length) {
  std::string bytes(length, 0);
  if (::getrandom(bytes.data(), length, 0) != static_cast<ssize_t>(length)) throw std::runtime_error("no random bytes");
  return bytes;
}

const char* reasonOf(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 409: return "Conflict";
    default: return "Error";
  }
}

}  // namespace

std::string daytonaTime(Clock::time_point time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(ms % 1000));
  return text;
}

std::string randomText(std::size_t length) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string text = randomBytes(length);
  for (char& byte : text) byte = kAlphabet[static_cast<unsigned char>(byte) % kAlphabet.size()];
  return text;
}

std::string randomUuid() {
  std::string bytes = randomBytes(16), text;
  bytes[6] = static_cast<char>((static_cast<unsigned char>(bytes[6]) & 0x0fU) | 0x40U);
  bytes[8] = static_cast<char>((static_cast<unsigned char>(bytes[8]) & 0x3fU) | 0x80U);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char hex[4];
    std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned char>(bytes[i]));
    text += hex;
  }
  return text;
}

std::string queryOf(const Request& request, const std::string& name, const std::string& otherwise) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? otherwise : found->second;
}

std::optional<std::int64_t> numberIn(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

void respondApiError(Exchange& exchange, int status, std::string_view message) {
  JsonObject body;
  body.add("path", exchange.request.path).add("timestamp", daytonaTime(Clock::now())).add("statusCode", status);
  exchange.respond(status, body.add("error", reasonOf(status)).add("message", message).text());
}

void respondDaemonError(Exchange& exchange, int status, std::string_view code, std::string_view message) {
  JsonObject body;
  body.add("statusCode", status).add("source", "DAYTONA_DAEMON").add("code", code).add("message", message);
  body.add("timestamp", daytonaTime(Clock::now())).add("path", exchange.request.path);
  exchange.respond(status, body.add("method", exchange.request.method).text());
}

DaytonaSimulator::DaytonaSimulator(std::chrono::milliseconds passing)
    : key_(environmentOr("DAYTONA_API_KEY", kDaytonaDefaultKey)),
      token_(environmentOr("DAYTONA_JWT_TOKEN", kDaytonaDefaultToken)),
      passing_(passing),
      fleet_([this](Machine& machine) { return expire(machine); }) {
  Snapshot general;
  general.id = randomUuid();
  general.name = kDaytonaSnapshot;
  general.general = true;
  general.createdAt = Clock::now();
  snapshots_[general.id] = general;
}

void DaytonaSimulator::serve(Server& server) {
  url_ = server.url();
  server.intercept([this](Exchange& exchange) { return carryToPort(exchange); });
  DaytonaControl::addRoutes(*this, server);
  DaytonaToolbox::addRoutes(*this, server);
}

void DaytonaSimulator::reset() {
  fleet_.clear();
  std::vector<std::string> files;
  {
    const std::lock_guard lock(mutex_);
    boxes_.clear();
    signedPorts_.clear();
    std::erase_if(snapshots_, [&](const auto& entry) {
      if (!entry.second.general) files.push_back(entry.second.files);
      return !entry.second.general;
    });
  }
  for (const std::string& one : files) fleet_.removeSnapshot(one);
}

std::optional<DaytonaSimulator::Live> DaytonaSimulator::find(const std::string& idOrName) {
  arrive();
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, box] : boxes_) {
      if (key == idOrName || (id.empty() && box.name == idOrName)) id = key;
    }
  }
  if (id.empty()) return {};
  auto machine = fleet_.get(id);
  if (machine) stopIdle(id);
  const std::lock_guard lock(mutex_);
  const auto found = boxes_.find(id);
  if (found == boxes_.end()) return {};
  return Live{found->second, std::move(machine)};
}

void DaytonaSimulator::arrive() {
  const std::lock_guard lock(mutex_);
  for (auto at = boxes_.begin(); at != boxes_.end();) {
    Box& box = at->second;
    const bool due = !box.passing.empty() && Clock::now() - box.updatedAt >= passing_;
    if (due) box.passing.clear();
    at = due && box.state == "destroyed" ? boxes_.erase(at) : std::next(at);
  }
}

void DaytonaSimulator::stopIdle(const std::string& id) {
  bool due = false, last = false;
  change(id, [&](const Box& box) {
    due = box.state == "started" && box.autoStop > 0 &&
          Clock::now() - box.lastActivityAt >= std::chrono::minutes(box.autoStop);
    last = box.autoDelete == 0;
  });
  if (!due) return;
  if (last) {
    fleet_.destroy(id);
    const std::lock_guard lock(mutex_);
    boxes_.erase(id);
    return;
  }
  if (const auto machine = fleet_.get(id)) machine->killAll();
  change(id, [](Box& box) { box.state = "stopped"; });
}

bool DaytonaSimulator::expire(Machine& machine) {
  const std::lock_guard lock(mutex_);
  boxes_.erase(machine.id());
  return false;
}

bool DaytonaSimulator::authorized(Exchange& exchange) const {
  const std::string given = exchange.request.header("authorization");
  if (given == "Bearer " + key_) return true;
  if (given == "Bearer " + token_) {
    if (exchange.request.header("x-daytona-organization-id") == kDaytonaOrganization) return true;
    respondApiError(exchange, 403, "The header X-Daytona-Organization-ID names no organization of this user");
    return false;
  }
  respondApiError(exchange, 401, "Invalid credentials");
  return false;
}

// "PORT-ID.domain" or, signed, "PORT-TOKEN.domain".
bool DaytonaSimulator::carryToPort(Exchange& exchange) {
  const std::string host = exchange.request.header("host");
  const std::size_t dash = host.find('-'), dot = host.find('.');
  if (dash == std::string::npos || dot == std::string::npos || dash > dot) return false;
  const auto port = numberIn(host.substr(0, dash));
  std::string id = host.substr(dash + 1, dot - dash - 1);
  if (!port || *port < 1 || *port > 65535) return false;
  bool allowed = false;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = signedPorts_.find(id); found != signedPorts_.end()) id = found->second, allowed = true;
  }
  const auto live = find(id);
  exchange.close = true;
  if (!live || !live->machine || live->box.state != "started") {
    respondApiError(exchange, 404, "Sandbox not found or not started");
    return true;
  }
  allowed =
      allowed || live->box.isPublic || exchange.request.header("x-daytona-preview-token") == live->box.previewToken;
  if (!allowed) {
    respondApiError(exchange, 401, "Unauthorized: the preview token is missing or wrong");
    return true;
  }
  change(id, [](Box& box) { box.lastActivityAt = Clock::now(); });
  int fd = -1;
  try {
    fd = live->machine->dial(static_cast<std::uint16_t>(*port));
  } catch (const MachineError&) {
    respondApiError(exchange, 502, "No application is listening on port " + std::to_string(*port));
    return true;
  }
  carry(exchange, fd);
  return true;
}

}  // namespace computesdk::simulators
