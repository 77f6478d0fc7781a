#include "signals/signal_service.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/answer.hpp"
#include "core/process_tree.hpp"

namespace computesdk::sandboxd {
namespace {

constexpr std::chrono::milliseconds kEvery{500};

/// Programs of the sandbox. Where the processes of a sandbox have a namespace of their own, that is all of them,
/// however they were started; elsewhere (no isolation, a whole machine) those that this daemon started.
std::vector<pid_t> sandboxProcesses(const PortScanner& scanner) {
  std::vector<pid_t> pids;
  const pid_t self = ::getpid();
  for (const ProcessEntry& entry : descendantsOf(scanner.inOwnNamespace() ? 0 : self)) {
    if (entry.pid != self) pids.push_back(entry.pid);
  }
  return pids;
}

}  // namespace

void SignalService::start() {
  if (active_) return;
  active_ = true;
  ++round_;
  seen_ = {};
  lookLater();
}

void SignalService::stop() {
  active_ = false;
  timer_.cancel();
}

void SignalService::lookLater() {
  timer_ = context_.loop().after(kEvery, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look();
  });
}

void SignalService::look() {
  context_.workers().run([weak = weak_from_this(), round = round_, before = seen_, &loop = context_.loop()] {
    const PortScanner scanner;
    Seen now{scanner.listening(), before.ports};
    // As long as the same sockets listen, nobody's ports have changed: the costly half is left out.
    if (now.sockets != before.sockets) now.ports = scanner.portsOf(sandboxProcesses(scanner), now.sockets);
    loop.post([weak, round, now = std::move(now)]() mutable {
      const auto self = weak.lock();
      if (!self || !self->active_ || self->round_ != round) return;
      self->seen(std::move(now));
      self->lookLater();
    });
  });
}

void SignalService::seen(Seen now) {
  for (const std::uint16_t port : seen_.ports) {
    if (!now.ports.contains(port)) tellPort(port, "close", context_.portUrl(port));
  }
  for (const std::uint16_t port : now.ports) {
    if (!seen_.ports.contains(port)) tellPort(port, "open", context_.portUrl(port));
  }
  seen_ = std::move(now);
}

void SignalService::tellPort(int port, std::string_view type, std::string_view url) {
  if (!active_) return;
  JsonObject data;
  data.text("signal", "port").number("port", port).text("url", url).text("type", type);
  context_.hub().publish(kChannel, "signal", data.str());
}

void SignalService::tellServerReady(int port, std::string_view url) {
  if (!active_) return;
  JsonObject data;
  data.text("signal", "server-ready").number("port", port).text("url", url).text("type", "open");
  context_.hub().publish(kChannel, "signal", data.str());
}

void SignalService::tellError(std::string_view message) {
  if (!active_) return;
  context_.hub().publish(kChannel, "signal", JsonObject().text("signal", "error").text("message", message).str());
}

}  // namespace computesdk::sandboxd
