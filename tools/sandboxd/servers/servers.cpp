#include "servers/servers.hpp"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "core/answer.hpp"

namespace computesdk::sandboxd {
namespace {

using std::chrono::milliseconds;

/// How soon to look for ports again: at once while somebody has just started, seldom when all is known.
constexpr milliseconds kEager{50}, kUsual{400}, kSettled{1500};
constexpr std::chrono::seconds kEagerFor{5};

/// Servers of a sandbox, stopped ones included.
constexpr std::size_t kMostServers = 256;

using Found = std::vector<std::pair<std::shared_ptr<ManagedServer>, std::shared_ptr<Process>>>;

}  // namespace

Result<void> Servers::reserve(const std::string& slug) {
  const auto server = find(slug);
  if (closed_ || reserved_.contains(slug) || (server && server->live())) {
    return conflicting("a server called " + slug + " runs already", "stop it first, restart it, or take another slug");
  }
  if (!server && servers_.size() + reserved_.size() >= kMostServers) {
    ErrorInfo info = conflicting("too many servers", "delete some with DELETE /servers/:slug");
    info.code = ErrorCode::resourceExhausted;
    return info;
  }
  reserved_.insert(slug);
  return {};
}

std::optional<std::uint16_t> Servers::freePort(std::uint16_t from, bool strict, std::string_view slug) const {
  std::set<std::uint16_t> promised;
  for (const auto& server : servers_) {
    if (server->live() && server->spec().slug != slug && server->port()) promised.insert(*server->port());
  }
  for (std::uint32_t port = from; port <= 65535; ++port) {
    const auto candidate = static_cast<std::uint16_t>(port);
    if (!promised.contains(candidate) && portIsFree(candidate)) return candidate;
    if (strict) return std::nullopt;
  }
  return std::nullopt;
}

Result<std::shared_ptr<ManagedServer>> Servers::add(ServerSpec spec, bool start) {
  if (closed_) return conflicting("the sandbox is being closed");
  if (spec.port) {
    const auto port = freePort(*spec.port, spec.strictPort, spec.slug);
    if (!port) {
      return conflicting("port " + std::to_string(*spec.port) + " is taken",
                         "choose another port, or leave out strict_port to get the next free one");
    }
    spec.port = port;
  }
  release(spec.slug);
  auto server = std::make_shared<ManagedServer>(context_, std::move(spec));
  const auto old = std::find_if(servers_.begin(), servers_.end(),
                                [&](const auto& each) { return each->spec().slug == server->spec().slug; });
  if (old == servers_.end()) {
    servers_.push_back(server);
  } else {
    *old = server;
  }
  if (start) server->begin();
  watchPorts();
  return server;
}

std::shared_ptr<ManagedServer> Servers::find(std::string_view slug) const {
  const auto found =
      std::find_if(servers_.begin(), servers_.end(), [&](const auto& each) { return each->spec().slug == slug; });
  return found == servers_.end() ? nullptr : *found;
}

void Servers::restart(const std::shared_ptr<ManagedServer>& server, std::function<void()> then) {
  server->restart(std::move(then));
  watchPorts();
}

void Servers::watchPorts() {
  if (scanning_ || closed_) return;
  const auto now = std::chrono::steady_clock::now();
  auto delay = milliseconds::max();
  for (const auto& server : servers_) {
    if (!server->live()) continue;
    // One that is being installed, or waits for its next start, has no process to look at yet.
    const bool young = server->serving() && now - server->launchedAt() < kEagerFor;
    delay = std::min(delay, server->reachable() ? kSettled : young ? kEager : kUsual);
  }
  if (delay == milliseconds::max()) return;
  scanTimer_ = context_.loop().after(delay, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->scan();
  });
}

void Servers::scan() {
  Found found;
  for (const auto& server : servers_) {
    if (auto process = server->serving()) found.emplace_back(server, std::move(process));
  }
  scanning_ = true;
  // Reading /proc takes as long as the machine has processes: not on the loop.
  context_.workers().run(
      [found = std::move(found), scanner = scanner_, weak = weak_from_this(), &loop = context_.loop()]() mutable {
        std::vector<std::set<std::uint16_t>> ports;
        const SocketPorts sockets = found.empty() ? SocketPorts() : scanner.listening();
        for (const auto& each : found) ports.push_back(scanner.portsOf(each.second->members(), sockets));
        loop.post([found = std::move(found), ports = std::move(ports), weak] {
          for (std::size_t at = 0; at < found.size(); ++at) found[at].first->portsFound(found[at].second, ports[at]);
          if (const auto self = weak.lock()) self->scanned();
        });
      });
}

void Servers::scanned() {
  scanning_ = false;
  watchPorts();
}

void Servers::stopAll() {
  const auto done = std::make_shared<std::promise<void>>();
  auto future = done->get_future();
  context_.loop().post([self = shared_from_this(), done] {
    self->closed_ = true;
    self->scanTimer_.cancel();
    // The last one who lets go of it has seen its server end.
    const std::shared_ptr<void> all(nullptr, [done](void*) { done->set_value(); });
    for (const auto& server : self->servers_) server->kill([all] {});
  });
  future.wait_for(std::chrono::seconds(10));
}

}  // namespace computesdk::sandboxd
