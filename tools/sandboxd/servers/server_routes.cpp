// /servers…: programs that the daemon starts, watches and starts again.
#include <computesdk/serving/router.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/answer.hpp"
#include "core/context.hpp"
#include "core/rooms.hpp"
#include "servers/servers.hpp"

namespace computesdk::sandboxd {
namespace {

using ServersPtr = std::shared_ptr<Servers>;
using ServerPtr = std::shared_ptr<ManagedServer>;

serving::Response serverAnswer(std::string_view message, const ManagedServer& server) {
  return envelope(message, JsonObject().raw("server", server.json()).str(), true);
}

serving::Response unknownServer(const std::string& slug) {
  return failure(missing("Server not found: " + slug, "list them with GET /servers"));
}

serving::Response listServers(const Servers& servers) {
  std::vector<std::string> all;
  for (const ServerPtr& server : servers.all()) all.push_back(server->json());
  return envelope("Servers", JsonObject().raw("servers", jsonArray(all)).str(), true);
}

/// Back on the loop after a preparation: the server starts, or its slug is free again.
void finishStart(const ServersPtr& servers, ServerSpec spec, const Result<void>& prepared,
                 const serving::Reply& reply) {
  const std::string slug = spec.slug;
  if (!prepared) {
    servers->release(slug);
    reply.send(failure(prepared.error()));
    return;
  }
  const auto server = servers->add(std::move(spec), true);
  if (server) {
    reply.send(serverAnswer("Server started", **server));
  } else {
    servers->release(slug);
    reply.send(failure(server.error()));
  }
}

void startServer(Context& context, const ServersPtr& servers, const serving::Request& request,
                 const serving::Reply& reply) {
  const auto body = bodyOf(request);
  auto spec = body ? serverSpecOf(context, *body) : Result<ServerSpec>(body.error());
  if (!spec) {
    reply.send(failure(spec.error()));
    return;
  }
  if (const auto reserved = servers->reserve(spec->slug); !reserved) {
    reply.send(failure(reserved.error()));
    return;
  }
  // The owner of the request is held as long as the answer is owed: the sandbox outlives the preparation.
  context.workers().run([&context, servers, spec = std::move(*spec), reply, owner = request.context]() mutable {
    auto prepared = prepareServer(context, spec);
    context.loop().post([servers, spec = std::move(spec), prepared = std::move(prepared), reply, owner]() mutable {
      finishStart(servers, std::move(spec), prepared, reply);
    });
  });
}

void stopServer(const ServersPtr& servers, const serving::Request& request, const serving::Reply& reply, bool remove) {
  const std::string& slug = request.capture("slug");
  const ServerPtr server = servers->find(slug);
  if (!server) {
    reply.send(unknownServer(slug));
    return;
  }
  server->stop([servers, server, slug, reply, remove] {
    if (remove) {
      servers->remove(server);
      reply.send(serving::Response::noContent());
    } else {
      reply.send(envelope("Server stopped", JsonObject().text("slug", slug).str(), true));
    }
  });
}

void restartServer(const ServersPtr& servers, const serving::Request& request, const serving::Reply& reply) {
  const std::string& slug = request.capture("slug");
  const ServerPtr server = servers->find(slug);
  if (!server) {
    reply.send(unknownServer(slug));
    return;
  }
  if (server->ending()) {
    reply.send(failure(conflicting("server " + slug + " is being stopped", "ask again when it has stopped")));
    return;
  }
  servers->restart(server, [server, reply] { reply.send(serverAnswer("Server restarted", *server)); });
}

serving::Response patchStatus(const Servers& servers, const serving::Request& request) {
  const std::string& slug = request.capture("slug");
  const ServerPtr server = servers.find(slug);
  if (!server) return unknownServer(slug);
  const auto body = bodyOf(request);
  const auto name = body ? requiredText(*body, "status") : Result<std::string>(body.error());
  if (!name) return failure(name.error());
  const auto status = statusFromName(*name);
  if (!status) {
    return failure(invalid("status must be installing, starting, running, ready, failed, stopped or restarting"));
  }
  server->override(*status);
  return envelope("Server status updated", JsonObject().text("slug", slug).text("status", *name).str(), true);
}

serving::Response serverLogs(const Servers& servers, const serving::Request& request) {
  const std::string& slug = request.capture("slug");
  const ServerPtr server = servers.find(slug);
  if (!server) return unknownServer(slug);
  const std::string stream = request.queryValue("stream").value_or("combined");
  if (stream != "stdout" && stream != "stderr" && stream != "combined") {
    return failure(invalid("stream must be stdout, stderr or combined"));
  }
  return envelope("Server logs",
                  JsonObject().text("slug", slug).text("stream", stream).text("logs", server->log(stream)).str(), true);
}

}  // namespace

void addServerRoutes(serving::Router& router, Context& context) {
  const auto servers = std::make_shared<Servers>(context);
  context.provide(servers);
  context.onStop([servers] { servers->stopAll(); });
  using serving::Reply;
  using serving::Request;
  router.on("GET", "/servers", [servers](const Request&) { return listServers(*servers); });
  router.onAsync("POST", "/servers", [servers, &context](const Request& request, const Reply& reply) {
    startServer(context, servers, request, reply);
  });
  router.on("GET", "/servers/:slug", [servers](const Request& request) {
    const ServerPtr server = servers->find(request.capture("slug"));
    return server ? serverAnswer("Server", *server) : unknownServer(request.capture("slug"));
  });
  router.onAsync("POST", "/servers/:slug/stop",
                 [servers](const Request& request, const Reply& reply) { stopServer(servers, request, reply, false); });
  router.onAsync("DELETE", "/servers/:slug",
                 [servers](const Request& request, const Reply& reply) { stopServer(servers, request, reply, true); });
  router.onAsync("POST", "/servers/:slug/restart",
                 [servers](const Request& request, const Reply& reply) { restartServer(servers, request, reply); });
  router.on("PATCH", "/servers/:slug/status",
            [servers](const Request& request) { return patchStatus(*servers, request); });
  router.on("GET", "/servers/:slug/logs", [servers](const Request& request) { return serverLogs(*servers, request); });
}

}  // namespace computesdk::sandboxd
