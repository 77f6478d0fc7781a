#include "blaxel.hpp"

#include <sys/random.h>

#include <cstdlib>
#include <ctime>
#include <stdexcept>

#include "harness/carry.hpp"

namespace computesdk::simulators {
namespace {

std::string fromEnvironment(const char* name, const char* otherwise) {
  const char* const given = std::getenv(name);
  return given != nullptr && *given != 0 ? given : otherwise;
}

int statusOf(const MachineError& error) {
  switch (error.kind()) {
    case MachineError::Kind::notFound:
    case MachineError::Kind::gone: return 404;
    case MachineError::Kind::diskFull:
    case MachineError::Kind::other: return 500;
    default: return 422;
  }
}

}  // namespace

std::string newBlaxelId(std::size_t length) {
  constexpr std::string_view kAlphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::string id(length, 0);
  if (::getrandom(id.data(), length, 0) != static_cast<ssize_t>(length)) throw std::runtime_error("no random bytes");
  for (char& byte : id) byte = kAlphabet[static_cast<unsigned char>(byte) % kAlphabet.size()];
  return id;
}

std::string isoTime(Clock::time_point time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(ms % 1000));
  return text;
}

void respondBlaxelError(Exchange& exchange, int status, std::string_view message, std::string_view code) {
  JsonObject body;
  if (code.empty()) {
    body.add("code", status);
  } else {
    body.add("code", code);
  }
  exchange.respond(status, body.add("error", message).add("message", message).text());
}

void respondSandboxError(Exchange& exchange, int status, std::string_view message) {
  exchange.respond(status, JsonObject().add("error", message).text());
}

bool readBlaxelBody(Exchange& exchange, std::string_view text, rapidjson::Document& body) {
  if (parseJson(text.empty() ? std::string_view("{}") : text, body) && body.IsObject()) return true;
  respondBlaxelError(exchange, 400, "The body is not a JSON object");
  return false;
}

BlaxelSimulator::BlaxelSimulator()
    : key_(fromEnvironment("BL_API_KEY", kBlaxelDefaultKey)),
      workspace_(fromEnvironment("BL_WORKSPACE", kBlaxelDefaultWorkspace)),
      client_(fromEnvironment("BL_CLIENT_CREDENTIALS", kBlaxelDefaultClient)),
      fleet_([this](Machine& machine) {
        forget(machine.id());
        return false;
      }) {}

bool BlaxelSimulator::admitted(Exchange& exchange) {
  std::string given = exchange.request.header("x-blaxel-authorization");
  if (given.empty()) given = exchange.request.header("authorization");
  bool known = given == "Bearer " + key_;
  if (!known && given.starts_with("Bearer ")) {
    const std::lock_guard lock(mutex_);
    known = accessTokens_.contains(given.substr(7));
  }
  if (!known) return respondBlaxelError(exchange, 401, "Unauthorized: invalid API key"), false;
  if (exchange.request.header("x-blaxel-workspace") == workspace_) return true;
  return respondBlaxelError(exchange, 403, "Forbidden: no access to this workspace"), false;
}

void BlaxelSimulator::route(Server& server, const char* method, const std::string& path, Act act) {
  server.route(method, path, [this, act = std::move(act)](Exchange& exchange) {
    if (!admitted(exchange)) return;
    try {
      act(exchange);
    } catch (const MachineError& error) {
      respondBlaxelError(exchange, statusOf(error), error.what());
    }
  });
}

void BlaxelSimulator::sandboxRoute(Server& server, const char* method, const std::string& path, OnMachine act,
                                   bool streamed) {
  server.route(
      method, "/sbx/*" + path,
      [this, act = std::move(act)](Exchange& exchange) {
        if (!admitted(exchange)) return;
        const std::string name = exchange.request.parts.at(0);
        const auto machine = fleet_.get(name);
        if (!machine) return respondBlaxelError(exchange, 404, "Sandbox " + name + " not found");
        try {
          act(exchange, *machine);
        } catch (const MachineError& error) {
          respondSandboxError(exchange, statusOf(error), error.what());
        }
      },
      streamed);
}

void BlaxelSimulator::serve(Server& server) {
  url_ = server.url();
  server.intercept([this](Exchange& exchange) { return carryToPort(exchange); });
  BlaxelControl::addRoutes(*this, server);
  BlaxelSnapshots::addRoutes(*this, server);
  BlaxelProcesses::addRoutes(*this, server);
  BlaxelFiles::addRoutes(*this, server);
}

void BlaxelSimulator::forget(const std::string& name) {
  const std::lock_guard lock(mutex_);
  boxes_.erase(name);
  std::erase_if(uploads_, [&](const auto& each) { return each.second.sandbox == name; });
}

void BlaxelSimulator::reset() {
  fleet_.clear();
  const std::lock_guard lock(mutex_);
  boxes_.clear();
  uploads_.clear();
  snapshots_.clear();
  accessTokens_.clear();
}

// What is meant for a port of a program inside, by the host of its preview, goes there byte by byte.
bool BlaxelSimulator::carryToPort(Exchange& exchange) {
  const std::string host = exchange.request.header("host");
  const std::size_t dot = host.find(".preview.bl.run");
  if (dot == std::string::npos) return false;
  const std::string id = host.substr(0, dot);
  exchange.close = true;
  std::string name;
  Preview preview;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [each, box] : boxes_) {
      for (const auto& [previewName, one] : box->previews) {
        if (one.id == id) name = each, preview = one;
      }
    }
  }
  const auto machine = name.empty() ? nullptr : fleet_.get(name);
  if (!machine) return respondBlaxelError(exchange, 404, "Preview not found"), true;
  std::string token = exchange.request.header("x-blaxel-preview-token");
  if (const auto found = exchange.request.query.find("bl_preview_token"); found != exchange.request.query.end()) {
    token = found->second;
  }
  if (!preview.open && !preview.tokens.contains(token)) {
    return respondBlaxelError(exchange, 401, "This preview needs a token"), true;
  }
  try {
    carry(exchange, machine->dial(static_cast<std::uint16_t>(preview.port)));
  } catch (const MachineError&) {
    respondBlaxelError(exchange, 502, "Nothing listens on port " + std::to_string(preview.port));
  }
  return true;
}

}  // namespace computesdk::simulators
