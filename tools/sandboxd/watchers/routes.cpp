#include <chrono>
#include <computesdk/serving/loop.hpp>
#include <computesdk/serving/reply.hpp>
#include <computesdk/serving/router.hpp>
#include <memory>
#include <string>
#include <utility>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "watchers/watchers.hpp"

namespace computesdk::sandboxd {
namespace {

using serving::Reply;
using serving::Request;
using serving::Response;

constexpr std::chrono::milliseconds kHeadStart{50};

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

// A client forgets who listens as soon as it has the answer, so whoever hears the channel gets the message first.
void removeWatcher(Context& context, Watchers& watchers, Request request, const Reply& reply) {
  const std::string id = request.capture("id");
  if (!watchers.remove(id)) {
    reply.send(failure(noWatcher(request)));
    return;
  }
  context.loop().dispatch([&context, reply, id, owner = std::move(request)] {
    if (!context.hub().subscribed("watcher:" + id)) {
      reply.send(Response::noContent());
      return;
    }
    context.loop().after(kHeadStart, [reply] { reply.send(Response::noContent()); }).detach();
  });
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
  router.onBlockingAsync("DELETE", "/watchers/:id", [&context, watchers](Request request, const Reply& reply) {
    removeWatcher(context, *watchers, std::move(request), reply);
  });
}

}  // namespace computesdk::sandboxd
