#include "core/daemon.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <computesdk/serving/server.hpp>
#include <cstdio>
#include <cstring>
#include <future>

#include "core/answer.hpp"
#include "core/unique_fd.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::size_t kWorkers = 8;
constexpr std::chrono::milliseconds kDrain{1500};

ErrorInfo listenError(const Config& config, const char* why) {
  ErrorInfo info;
  info.code = ErrorCode::network;
  info.what = "cannot listen on " + config.listen + ":" + std::to_string(config.port);
  info.why = why;
  info.fix = "choose another --port, or 0 for any free one";
  return info;
}

/// Listening before the rooms are built, since they tell clients the port.
Result<UniqueFd> listenOn(Config& config) {
  sockaddr_in6 six{};
  sockaddr_in four{};
  const bool isSix = ::inet_pton(AF_INET6, config.listen.c_str(), &six.sin6_addr) == 1;
  if (!isSix && ::inet_pton(AF_INET, config.listen.c_str(), &four.sin_addr) != 1) {
    return listenError(config, "the address is not numeric");
  }
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(config.port);
  four.sin_family = AF_INET;
  four.sin_port = htons(config.port);
  auto* address = isSix ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
  socklen_t size = isSix ? sizeof six : sizeof four;
  UniqueFd socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.get(), address, size) != 0 || ::listen(socket.get(), SOMAXCONN) != 0 ||
      ::getsockname(socket.get(), address, &size) != 0) {
    return listenError(config, std::strerror(errno));
  }
  config.port = ntohs(isSix ? six.sin6_port : four.sin_port);
  return socket;
}

std::string ownUrl(const Config& config) {
  if (config.listen.empty()) return "http://localhost";
  std::string host = config.listen == "0.0.0.0" || config.listen == "::" ? "127.0.0.1" : config.listen;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return "http://" + host + ":" + std::to_string(config.port);
}

void printAccess(const serving::AccessRecord& record) {
  const auto line = serving::formatAccess(record) + "\n";
  if (::write(2, line.data(), line.size()) < 0) return;  // nobody reads the log
}

}  // namespace

struct Daemon::Parts {
  Parts(Config config, Environment environment, Limits limits)
      : workers(kWorkers), processes(loop), shared{std::move(config), limits, loop,    workers,
                                                   processes,         {},     nullptr, {}} {
    shared.environment = std::move(environment);
  }

  serving::Loop loop;
  Workers workers;
  Processes processes;
  Shared shared;
  std::unique_ptr<RoutedSandboxes> sandboxes;
  serving::Router unused;  ///< the server wants one; every request is given that of its sandbox
  std::unique_ptr<serving::Server> server;
  Context* main = nullptr;
  bool stopped = false;
};

Daemon::Daemon(Config config, Environment environment, Limits limits)
    : parts_(std::make_unique<Parts>(std::move(config), std::move(environment), limits)) {}

Daemon::~Daemon() { stop(); }

Result<void> Daemon::open(std::vector<RoomBuilder> rooms) {
  auto& config = parts_->shared.config;
  serving::ServerOptions options;
  if (!config.listen.empty()) {
    auto listening = listenOn(config);
    if (!listening) return std::move(listening).error();
    serving::Endpoint endpoint;
    endpoint.descriptor = listening->release();  // the server's from here on
    options.endpoints.push_back(endpoint);
  }
  if (!config.unixSocket.empty()) {
    serving::Endpoint endpoint;
    endpoint.unixPath = config.unixSocket;
    options.endpoints.push_back(endpoint);
  }
  if (config.baseUrl.empty()) config.baseUrl = ownUrl(config);
  options.bodyLimit = parts_->shared.limits.body;
  options.bodyBudget = parts_->shared.limits.bodies;
  options.cors = true;
  options.workers = kWorkers;
  if (config.verbose) options.accessLog = printAccess;

  parts_->sandboxes = std::make_unique<RoutedSandboxes>(parts_->shared, std::move(rooms));
  parts_->main = &parts_->sandboxes->open();
  parts_->server = std::make_unique<serving::Server>(parts_->loop, parts_->unused, std::move(options));
  parts_->server->select([sandboxes = parts_->sandboxes.get()](serving::Request& request) -> serving::Router& {
    return sandboxes->route(request);
  });
  parts_->loop.start();
  return parts_->server->start();
}

std::uint16_t Daemon::port() const { return parts_->shared.config.listen.empty() ? 0 : parts_->shared.config.port; }

Shared& Daemon::shared() { return parts_->shared; }

Context& Daemon::main() { return *parts_->main; }

void Daemon::stop() {
  if (parts_->stopped) return;
  parts_->stopped = true;
  std::promise<void> drained;
  const bool serving = parts_->server != nullptr;
  if (serving) parts_->server->stop(kDrain, [&drained] { drained.set_value(); });
  if (parts_->main != nullptr) parts_->sandboxes->stop();
  parts_->processes.stop(5);
  if (serving) drained.get_future().wait();
  parts_->workers.stop();
  parts_->server.reset();
  parts_->loop.stop();
  parts_->sandboxes.reset();
}

}  // namespace computesdk::sandboxd
