#include <computesdk/sandbox.hpp>

#include "commands/run.hpp"
#include "core/errors.hpp"
#include "core/lookup.hpp"
#include "core/sandbox_state.hpp"

#include <algorithm>
#include <array>

namespace computesdk {

using detail::SandboxState;

Sandbox SandboxState::handle(std::shared_ptr<SandboxState> state, bool owned) {
  return Sandbox(std::move(state), owned);
}

Sandbox::Sandbox(std::shared_ptr<SandboxState> state, bool owned) : state_(std::move(state)), owned_(owned) {}

Sandbox::Sandbox(Sandbox&& other) noexcept
    : state_(std::move(other.state_)), owned_(std::exchange(other.owned_, false)) {}

Sandbox& Sandbox::operator=(Sandbox&& other) noexcept {
  if (this != &other) {
    Sandbox ending(std::move(*this));
    state_ = std::move(other.state_);
    owned_ = std::exchange(other.owned_, false);
  }
  return *this;
}

Sandbox::~Sandbox() {
  if (state_ && owned_ && !state_->destroyed()) state_->destroyWithin(state_->setup().seams().destructorPatience);
}

const std::string& Sandbox::sandboxId() const noexcept { return state_->id(); }
const std::string& Sandbox::provider() const noexcept { return state_->provider().name(); }
const std::string& Sandbox::name() const noexcept { return state_->naming().name; }
const std::string& Sandbox::namespace_() const noexcept { return state_->naming().namespace_; }
bool Sandbox::owned() const noexcept { return owned_; }
void Sandbox::adopt() noexcept { owned_ = true; }
std::string Sandbox::release() noexcept {
  owned_ = false;
  return state_->id();
}

Result<CommandResult> Sandbox::runCommand(Nothrow, const CommandLine& command, const RunOptions& options) {
  return detail::runCommand(*state_, command, options);
}
Result<Command> Sandbox::runCommandAsync(Nothrow, const CommandLine& command, const RunOptions& options) {
  auto started = detail::startCommand(state_, command, options);
  if (!started) return std::move(started).error();
  return Command(std::move(*started));
}
Result<CodeResult> Sandbox::runCode(Nothrow, std::string_view code, const CodeOptions& options) {
  return detail::runCode(*state_, filesystem(), code, options);
}

Result<SandboxInfo> Sandbox::getInfo(Nothrow, std::stop_token stop) { return state_->refresh(stop); }
SandboxInfo Sandbox::lastInfo() const { return state_->info(); }

Result<std::string> Sandbox::native(Nothrow, std::stop_token stop) {
  auto info = state_->refresh(stop);
  if (!info) return std::move(info).error();
  return std::move(info->nativeJson);
}

Result<PortUrl> Sandbox::getPortUrl(Nothrow, const UrlOptions& options) {
  static constexpr std::array<std::string_view, 5> kProtocols = {"", "http", "https", "ws", "wss"};
  if (options.port == 0)
    return detail::invalidArgument("cannot get a URL", "0 is not a port", "give a port from 1 to 65535");
  if (std::ranges::find(kProtocols, options.protocol) == kProtocols.end()) {
    return detail::invalidArgument("cannot get a URL", "the protocol is none of http, https, ws, wss",
                                   "give one of them, or none for the provider's own");
  }
  if (!state_->features().url) {
    return detail::methodUnsupported(provider(), "getUrl", "it gives no way to reach a port from outside");
  }
  return state_->call(options.stop, detail::deadlineIn(detail::kControlTime),
                      [&](const registry::Target& target, const registry::CallContext& context) {
                        return state_->provider().url(target, options.port, options.protocol, context);
                      });
}

Result<std::string> Sandbox::getUrl(Nothrow, const UrlOptions& options) {
  auto url = getPortUrl(nothrow, options);
  if (!url) return std::move(url).error();
  return std::move(url->url);
}

Filesystem Sandbox::filesystem() const { return Filesystem(state_); }
Processes Sandbox::processes() const { return Processes(state_); }
Capabilities Sandbox::capabilities() const {
  return detail::capabilitiesOf(state_->provider(), state_->setup().config().namedSandboxes);
}

Result<std::string> Sandbox::call(Nothrow, std::string_view operation, std::string_view json, std::stop_token stop) {
  if (operation.empty()) {
    return detail::invalidArgument("cannot call the vendor", "the operation's name is empty", "name an operation");
  }
  if (!state_->features().vendorCall) {
    return detail::methodUnsupported(provider(), operation, "it has no calls of its own");
  }
  return state_->call(stop, detail::deadlineIn(detail::kBootTime),
                      [&](const registry::Target& target, const registry::CallContext& context) {
                        return state_->provider().vendorCall(target, operation, json, context);
                      });
}

Result<SandboxInfo> Sandbox::extendTimeout(Nothrow, std::chrono::milliseconds duration, std::stop_token stop) {
  return state_->extend(duration, stop);
}

Result<void> Sandbox::pause(Nothrow, std::stop_token stop) {
  if (!state_->features().pause) return detail::methodUnsupported(provider(), "pause", "it cannot pause a sandbox");
  return state_->changeLife(&registry::Provider::pause, stop);
}

Result<void> Sandbox::resume(Nothrow, std::stop_token stop) {
  if (state_->features().resume) return state_->changeLife(&registry::Provider::resume, stop);
  if (state_->features().attach) return state_->attach(stop);
  return detail::methodUnsupported(provider(), "resume", "it cannot pause or resume a sandbox");
}

Result<SnapshotInfo> Sandbox::snapshot(Nothrow, const SnapshotOptions& options) {
  if (!state_->features().snapshot) {
    return detail::methodUnsupported(provider(), "snapshots", "it cannot keep a sandbox's disk");
  }
  return state_->call(options.stop, detail::deadlineIn(detail::kBootTime),
                      [&](const registry::Target& target, const registry::CallContext& context) {
                        return state_->provider().snapshotCreate(target, options.name, options.metadata, context);
                      });
}

Result<void> Sandbox::destroy(Nothrow, std::stop_token stop) { return state_->destroy(stop); }

}  // namespace computesdk
