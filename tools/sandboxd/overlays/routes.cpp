#include <computesdk/serving/router.hpp>
#include <memory>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "overlays/overlays.hpp"

namespace computesdk::sandboxd {
namespace {

using serving::Request;
using serving::Response;

Response createOverlay(Overlays& overlays, const Request& request) {
  const Result<rapidjson::Document> body = bodyOf(request);
  if (!body) return failure(body.error());
  const Result<OverlayOptions> options = overlayOptionsOf(*body);
  if (!options) return failure(options.error());
  const Result<OverlayInfo> overlay = overlays.create(*options);
  return overlay ? plain(overlay->json(), 201) : failure(overlay.error());
}

Response listOverlays(const Overlays& overlays) {
  std::vector<std::string> all;
  for (const OverlayInfo& overlay : overlays.list()) all.push_back(overlay.json());
  return plain(JsonObject().raw("overlays", jsonArray(all)).str());
}

ErrorInfo noOverlay(const Request& request) { return missing("Overlay not found: " + request.capture("id")); }

}  // namespace

void addOverlayRoutes(serving::Router& router, Context& context) {
  const auto overlays = std::make_shared<Overlays>(context.workingDirectory());
  context.provide(overlays);
  context.onStop([overlays] { overlays->stop(); });
  router.onBlocking("POST", "/filesystem/overlays",
                    [overlays](const Request& request) { return createOverlay(*overlays, request); });
  router.on("GET", "/filesystem/overlays", [overlays](const Request&) { return listOverlays(*overlays); });
  router.on("GET", "/filesystem/overlays/:id", [overlays](const Request& request) {
    const std::optional<OverlayInfo> overlay = overlays->find(request.capture("id"));
    return overlay ? plain(overlay->json()) : failure(noOverlay(request));
  });
  router.onBlocking("DELETE", "/filesystem/overlays/:id", [overlays](const Request& request) {
    return overlays->remove(request.capture("id")) ? Response::noContent() : failure(noOverlay(request));
  });
}

}  // namespace computesdk::sandboxd
