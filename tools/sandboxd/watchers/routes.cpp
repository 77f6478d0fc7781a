#include <computesdk/serving/router.hpp>
#include <memory>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "watchers/watchers.hpp"

namespace computesdk::sandboxd {
namespace {

using serving::Request;
using serving::Response;

Response createWatcher(const Context& context, Watchers& watchers, const Request& request) {
  const Result<rapidjson::Document> body = bodyOf(request);
  if (!body) return failure(body.error());
  const Result<WatcherOptions> options = watcherOptionsOf(context.workingDirectory(), *body);
  if (!options) return failure(options.error());
  const Result<std::string> watcher = watchers.create(*options);
  return watcher ? envelope("Watcher created", *watcher, false, 201) : failure(watcher.error());
}

ErrorInfo noWatcher(const Request& request) { return missing("Watcher not found: " + request.capture("id")); }

Response showWatcher(const Watchers& watchers, const Request& request) {
  const std::optional<std::string> watcher = watchers.find(request.capture("id"));
  return watcher ? envelope("Watcher retrieved", *watcher) : failure(noWatcher(request));
}

}  // namespace

void addWatcherRoutes(serving::Router& router, Context& context) {
  const auto watchers = std::make_shared<Watchers>(context);
  context.onStop([watchers] { watchers->stop(); });
  router.onBlocking("POST", "/watchers", [&context, watchers](const Request& request) {
    return createWatcher(context, *watchers, request);
  });
  router.on("GET", "/watchers", [watchers](const Request&) {
    return envelope("Watchers retrieved", JsonObject().raw("watchers", watchers->list()).str());
  });
  router.on("GET", "/watchers/:id", [watchers](const Request& request) { return showWatcher(*watchers, request); });
  router.onBlocking("DELETE", "/watchers/:id", [watchers](const Request& request) {
    return watchers->remove(request.capture("id")) ? Response::noContent() : failure(noWatcher(request));
  });
}

}  // namespace computesdk::sandboxd
