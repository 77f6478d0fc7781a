#include "toolbox.hpp"

#include <filesystem>

namespace computesdk::simulators {

std::string daytonaPath(const std::string& path) {
  const std::string whole = path.starts_with('/') ? path : std::string(kDaytonaHome) + "/" + path;
  std::string clean = std::filesystem::path(whole).lexically_normal();
  while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
  return clean;
}

void respondFileError(Exchange& exchange, const MachineError& error) {
  using Kind = MachineError::Kind;
  switch (error.kind()) {
    case Kind::notFound: return respondDaemonError(exchange, 404, "FILE_NOT_FOUND", error.what());
    case Kind::denied: return respondDaemonError(exchange, 403, "FILE_ACCESS_DENIED", error.what());
    case Kind::gone: return respondApiError(exchange, 404, "Sandbox not found");
    case Kind::diskFull: return respondDaemonError(exchange, 500, "INTERNAL_SERVER_ERROR", "no space left on device");
    default: return respondDaemonError(exchange, 400, "BAD_REQUEST", error.what());
  }
}

bool readDaemonObject(Exchange& exchange, rapidjson::Document& body) {
  if (parseJson(exchange.request.body, body) && body.IsObject()) return true;
  respondDaemonError(exchange, 400, "BAD_REQUEST", "invalid request body");
  return false;
}

std::optional<DaytonaToolbox::Live> DaytonaToolbox::enter(DaytonaSimulator& service, Exchange& exchange) {
  if (!service.authorized(exchange)) return {};
  const std::string& id = exchange.request.parts.at(0);
  auto live = service.find(id);
  if (!live || live->box.id != id || live->box.state == "destroyed" || !live->machine) {
    respondApiError(exchange, 404, "Sandbox with ID " + id + " not found");
    return {};
  }
  if (live->box.state != "started") {
    respondDaemonError(exchange, 400, "BAD_REQUEST",
                       "no IP address found. Is the Sandbox started? (state: " + live->box.state + ")");
    return {};
  }
  service.change(id, [](Box& box) { box.lastActivityAt = Clock::now(); });
  exchange.request.parts.erase(exchange.request.parts.begin());
  return live;
}

void DaytonaToolbox::add(DaytonaSimulator& service, Server& server, const char* method, const std::string& path,
                         Act act, bool streamed) {
  server.route(
      method, "/toolbox/*" + path,
      [&service, act = std::move(act)](Exchange& exchange) {
        auto live = enter(service, exchange);
        if (!live) return;
        try {
          DaytonaToolbox toolbox(service, std::move(*live));
          act(toolbox, exchange);
        } catch (const MachineError& error) {
          respondFileError(exchange, error);
        }
      },
      streamed);
}

void DaytonaToolbox::addRoutes(DaytonaSimulator& service, Server& server) {
  for (const char* const path : {"/user-home-dir", "/work-dir"}) {
    add(service, server, "GET", path, [](DaytonaToolbox&, Exchange& exchange) {
      exchange.respond(200, JsonObject().add("dir", kDaytonaHome).text());
    });
  }
  add(service, server, "GET", "/version", [](DaytonaToolbox&, Exchange& exchange) {
    exchange.respond(200, JsonObject().add("version", "0.218.0").text());
  });
  addFileRoutes(service, server);
  addProcessRoutes(service, server);
  addTerminalRoutes(service, server);
}

}  // namespace computesdk::simulators
