// /signals…: the signal service, and what programs want to have told.
#include <computesdk/serving/router.hpp>

#include <charconv>
#include <memory>
#include <string>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "signals/signal_service.hpp"

namespace computesdk::sandboxd {
namespace {

serving::Response serviceAnswer(const Context& context, const SignalService& service, std::string_view message) {
  return envelope(message, JsonObject()
                               .text("status", service.active() ? "active" : "stopped")
                               .text("channel", SignalService::kChannel)
                               .text("ws_url", context.socketUrl())
                               .str());
}

Result<int> portIn(const rapidjson::Value& body) {
  const auto port = optionalInteger(body, "port");
  if (!port) return port.error();
  if (!*port || **port < 1 || **port > 65535) return invalid("port must be a number from 1 to 65535");
  return static_cast<int>(**port);
}

Result<int> portIn(std::string_view text) {
  int port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
    return invalid("port must be a number from 1 to 65535");
  }
  return port;
}

serving::Response portAnswer(SignalService& service, int port, const std::string& type, const std::string& url) {
  if (type != "open" && type != "close") return failure(invalid("type must be open or close"));
  service.tellPort(port, type, url);
  return envelope("Port signal sent", JsonObject().number("port", port).text("type", type).text("url", url).str());
}

serving::Response emitPort(const Context& context, SignalService& service, const serving::Request& request) {
  const auto body = bodyOf(request);
  if (!body) return failure(body.error());
  const auto port = portIn(*body);
  if (!port) return failure(port.error());
  const auto type = requiredText(*body, "type");
  if (!type) return failure(type.error());
  const auto url = optionalText(*body, "url");
  if (!url) return failure(url.error());
  return portAnswer(service, *port, *type, url->value_or(context.portUrl(*port)));
}

serving::Response emitPortOfPath(const Context& context, SignalService& service, const serving::Request& request) {
  const auto port = portIn(std::string_view(request.capture("port")));
  if (!port) return failure(port.error());
  return portAnswer(service, *port, request.capture("type"), context.portUrl(*port));
}

serving::Response emitServerReady(const Context& context, SignalService& service, const serving::Request& request) {
  const auto body = bodyOf(request);
  if (!body) return failure(body.error());
  const auto port = portIn(*body);
  if (!port) return failure(port.error());
  const auto given = optionalText(*body, "url");
  if (!given) return failure(given.error());
  const std::string url = given->value_or(context.portUrl(*port));
  service.tellServerReady(*port, url);
  return envelope("Server ready signal sent",
                  JsonObject().number("port", *port).text("type", "open").text("url", url).str());
}

serving::Response emitError(SignalService& service, const serving::Request& request) {
  const auto body = bodyOf(request);
  if (!body) return failure(body.error());
  const auto message = requiredText(*body, "message");
  if (!message) return failure(message.error());
  service.tellError(*message);
  return envelope("Error signal sent", JsonObject().text("message", *message).str());
}

}  // namespace

void addSignalRoutes(serving::Router& router, Context& context) {
  const auto service = std::make_shared<SignalService>(context);
  context.onStop([service, &context] { context.loop().post([service] { service->stop(); }); });
  using serving::Request;
  router.on("POST", "/signals/start", [service, &context](const Request&) {
    service->start();
    return serviceAnswer(context, *service, "Signal service started");
  });
  router.on("POST", "/signals/stop", [service, &context](const Request&) {
    service->stop();
    return serviceAnswer(context, *service, "Signal service stopped");
  });
  router.on("GET", "/signals/status",
            [service, &context](const Request&) { return serviceAnswer(context, *service, "Signal service status"); });
  router.on("POST", "/signals/port",
            [service, &context](const Request& request) { return emitPort(context, *service, request); });
  router.on("POST", "/signals/port/:port/:type",
            [service, &context](const Request& request) { return emitPortOfPath(context, *service, request); });
  router.on("POST", "/signals/server-ready",
            [service, &context](const Request& request) { return emitServerReady(context, *service, request); });
  router.on("POST", "/signals/error", [service](const Request& request) { return emitError(*service, request); });
}

}  // namespace computesdk::sandboxd
