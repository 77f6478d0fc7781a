#include <computesdk/serving/server.hpp>

#include "connection.hpp"
#include "handed_stream.hpp"
#include "listener.hpp"

#include <future>

namespace computesdk::serving {
namespace {

constexpr int kRounds = 8;

}  // namespace

Server::Server(Loop& loop, Router& router, ServerOptions options)
    : core_(std::make_shared<Core>(loop, router, std::move(options))) {}

Server::~Server() {
  core_->workers.stop();
  Core& core = *core_;
  if (!core.loop.running()) {
    core.cut();
    return;
  }
  core.loop.post([&core] { core.cut(); });
  // What was broken off ends in handlers that are posted, and those post again; they hold what they serve.
  for (int round = 0; round < kRounds; ++round) {
    std::promise<void> over;
    core.loop.post([&over] { over.set_value(); });
    over.get_future().wait();
  }
}

void Server::select(std::function<Router&(Request&)> chooser) { core_->chooser = std::move(chooser); }
void Server::decorate(std::function<void(const Request&, Response&)> decorator) {
  core_->decorator = std::move(decorator);
}
Result<void> Server::start() { return core_->start(); }
std::vector<std::uint16_t> Server::ports() const { return core_->ports; }

void Server::stop(std::chrono::milliseconds deadline, std::function<void()> done) {
  core_->loop.dispatch([core = core_, deadline, done = std::move(done)] { core->stop(deadline, done); });
}

void Server::stop(std::chrono::milliseconds deadline) {
  auto gone = std::make_shared<std::promise<void>>();
  stop(deadline, [gone] { gone->set_value(); });
  gone->get_future().wait();
}

bool Server::work(std::function<void()> job) { return core_->workers.add(std::move(job)); }
Metrics& Server::metrics() noexcept { return core_->metrics; }
Loop& Server::loop() noexcept { return core_->loop; }
std::size_t Server::connections() const noexcept { return core_->open(); }

}  // namespace computesdk::serving
