#include <computesdk/sandbox.hpp>
#include <computesdk/server.hpp>

#include "core/errors.hpp"
#include "daemon/collection.hpp"

#include <array>

namespace computesdk {

using detail::askFor;
using detail::DaemonCall;
using detail::JsonText;
using detail::JsonView;

namespace {

constexpr detail::Collection kServers{"server", "servers", "/servers", "servers"};
constexpr std::array<std::string_view, 8> kStatusNames = {"unknown", "installing", "starting", "running",
                                                          "ready",   "failed",     "stopped",  "restarting"};

ServerStatus statusFrom(std::string_view name) {
  for (std::size_t i = 0; i < kStatusNames.size(); ++i) {
    if (kStatusNames[i] == name) return static_cast<ServerStatus>(i);
  }
  return ServerStatus::unknown;
}

std::string_view policyName(RestartPolicy policy) {
  switch (policy) {
    case RestartPolicy::onFailure: return "on-failure";
    case RestartPolicy::always: return "always";
    default: return "never";
  }
}

ServerInfo serverFrom(const JsonView& json) {
  ServerInfo info;
  info.slug = json.textOr("slug");
  info.start = json.textOr("start");
  info.install = json.textOr("install");
  info.path = json.textOr("path");
  info.status = statusFrom(json["status"].text());
  const std::int64_t port = json["port"].integerOr(0);
  if (port > 0 && port < 65536) info.port = static_cast<std::uint16_t>(port);
  info.url = json.textOr("url");
  info.pid = json["pid"].integerOr(0);
  info.restartCount = static_cast<int>(json["restart_count"].integerOr(0));
  if (const auto code = json["exit_code"].integer()) info.exitCode = static_cast<int>(*code);
  info.healthy = json["healthy"].boolean();
  info.createdAt = json["created_at"].time();
  info.updatedAt = json["updated_at"].time();
  return info;
}

ServerInfo memberServer(const JsonView& json) { return serverFrom(json["server"]); }

std::string bodyOf(const ServerOptions& options) {
  JsonText text;
  text.beginObject().member("slug", options.slug).member("start", options.start);
  text.memberIfAny("install", options.install).memberIfAny("path", options.path);
  text.memberIfAny("env_file", options.envFile);
  if (!options.environment.empty()) text.member("environment", options.environment);
  if (options.port != 0) text.member("port", std::int64_t{options.port});
  text.member("strict_port", options.strictPort).member("autostart", options.autostart);
  if (!options.dependsOn.empty()) text.member("depends_on", options.dependsOn);
  text.member("restart_policy", policyName(options.restartPolicy));
  text.member("max_restarts", std::int64_t{options.maxRestarts});
  text.member("restart_delay_ms", std::int64_t{options.restartDelay.count()});
  text.member("stop_timeout_ms", std::int64_t{options.stopTimeout.count()});
  if (const auto& health = options.healthCheck) {
    text.key("health_check").beginObject().member("path", health->path);
    text.member("interval_ms", std::int64_t{health->interval.count()});
    text.member("timeout_ms", std::int64_t{health->timeout.count()});
    text.member("delay_ms", std::int64_t{health->delay.count()}).endObject();
  }
  return text.endObject().take();
}

/// A stop waits as long as the server was given, which may be any time.
DaemonCall slowCall(std::string what, std::string method, std::string target, std::stop_token stop) {
  DaemonCall call{std::move(what), std::move(method), std::move(target)};
  call.timeout = std::chrono::minutes(10);
  call.stop = std::move(stop);
  return call;
}

}  // namespace

std::string_view toString(ServerStatus status) noexcept {
  const auto index = static_cast<std::size_t>(status);
  return index < kStatusNames.size() ? kStatusNames[index] : kStatusNames[0];
}

Result<ServerInfo> Servers::start(Nothrow, const ServerOptions& options) {
  const DaemonCall call{.what = "cannot start server '" + options.slug + "'",
                        .method = "POST",
                        .target = std::string(kServers.path),
                        .body = bodyOf(options),
                        .stop = options.stop};
  return askFor<ServerInfo>(*sandbox_, call, memberServer);
}

Result<std::vector<ServerInfo>> Servers::list(Nothrow, std::stop_token stop) {
  return detail::listAll<ServerInfo>(*sandbox_, kServers, std::move(stop), serverFrom);
}

Result<ServerInfo> Servers::retrieve(Nothrow, std::string_view slug, std::stop_token stop) {
  return detail::findOne<ServerInfo>(*sandbox_, kServers, slug, std::move(stop), memberServer);
}

Result<void> Servers::stop(Nothrow, std::string_view slug, std::stop_token stop) {
  return detail::tell(*sandbox_,
                      slowCall("cannot stop the server", "POST", kServers.pathOf(slug) + "/stop", std::move(stop)));
}

Result<void> Servers::remove(Nothrow, std::string_view slug, std::stop_token stop) {
  return detail::tell(*sandbox_,
                      slowCall("cannot remove the server", "DELETE", kServers.pathOf(slug), std::move(stop)));
}

Result<ServerInfo> Servers::restart(Nothrow, std::string_view slug, std::stop_token stop) {
  return askFor<ServerInfo>(
      *sandbox_, slowCall("cannot restart the server", "POST", kServers.pathOf(slug) + "/restart", std::move(stop)),
      memberServer);
}

Result<void> Servers::updateStatus(Nothrow, std::string_view slug, ServerStatus status, std::stop_token stop) {
  JsonText text;
  text.beginObject().member("status", toString(status)).endObject();
  return detail::tell(*sandbox_, {.what = "cannot set the server's status",
                                  .method = "PATCH",
                                  .target = kServers.pathOf(slug) + "/status",
                                  .body = text.take(),
                                  .stop = std::move(stop)});
}

Result<std::string> Servers::logs(Nothrow, std::string_view slug, ServerLogStream stream, std::stop_token stop) {
  const std::string name = stream == ServerLogStream::standardOutput  ? "stdout"
                           : stream == ServerLogStream::standardError ? "stderr"
                                                                      : "combined";
  const DaemonCall call{.what = "cannot read the server's log",
                        .target = kServers.pathOf(slug) + "/logs?stream=" + name,
                        .stop = std::move(stop)};
  return askFor<std::string>(*sandbox_, call, [](const JsonView& json) { return json.textOr("logs"); });
}

Servers Sandbox::server() const { return Servers(state_); }

}  // namespace computesdk
