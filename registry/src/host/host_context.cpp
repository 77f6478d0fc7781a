#include "host_context.hpp"

#include "futex.hpp"
#include "net/http_call.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace computesdk::registry::host {
namespace {

constexpr double kLogBurst = 200;
constexpr double kLogPerSecond = 50;
constexpr std::size_t kLongestLine = 4096;

std::string oneLine(std::string_view text) {
  std::string line(text.substr(0, kLongestLine));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return line;
}

}  // namespace

HostContext::HostContext(std::string provider, bool async, HostHooks hooks, std::shared_ptr<const SecretStore> secrets)
    : table_(hostFunctions()),
      provider_(std::move(provider)),
      async_(async),
      hooks_(std::move(hooks)),
      secrets_(std::move(secrets)),
      tokens_(kLogBurst),
      refilledNs_(monotonicNs()) {
  table_.ctx = this;
}

bool HostContext::mayLog(std::uint64_t& dropped) {
  const std::int64_t now = monotonicNs();
  tokens_ = std::min(kLogBurst, tokens_ + static_cast<double>(now - refilledNs_) * 1e-9 * kLogPerSecond);
  refilledNs_ = now;
  if (tokens_ < 1) {
    ++dropped_;
    return false;
  }
  tokens_ -= 1;
  dropped = std::exchange(dropped_, 0);
  return true;
}

void HostContext::log(std::uint32_t level, std::string_view message) {
  std::function<void(const LogRecord&)> sink;
  std::uint64_t dropped = 0;
  {
    std::lock_guard lock(mutex_);
    if (!hooks_.log || !mayLog(dropped)) return;
    sink = hooks_.log;
  }
  const int known = static_cast<int>(std::clamp<std::uint32_t>(level, CSDK_LOG_DEBUG, CSDK_LOG_ERROR));
  if (dropped != 0) sink({CSDK_LOG_WARN, provider_, std::to_string(dropped) + " log lines were dropped: too many"});
  // Masked before it is cut, so that no part of a secret is left at the end.
  std::string text(message.substr(0, 2 * kLongestLine));
  redact(text);
  sink({known, provider_, oneLine(text)});
}

void HostContext::misbehaved(std::string_view what) {
  misbehaviour.fetch_add(1, std::memory_order_relaxed);
  log(CSDK_LOG_WARN, "misbehaviour of the plug-in: " + std::string(what));
}

csdk_status HostContext::stale(std::string_view function, csdk_call call) {
  misbehaved(std::string(function) + " for call " + std::to_string(call) + ", which is over");
  return CSDK_CANCELLED;
}

void HostContext::redact(std::string& text) const {
  std::shared_ptr<const SecretStore> secrets;
  {
    std::lock_guard lock(mutex_);
    secrets = secrets_;
  }
  if (secrets) secrets->redact(text);
}

std::int64_t HostContext::wallMs() const {
  std::function<std::int64_t()> clock;
  {
    std::lock_guard lock(mutex_);
    clock = hooks_.wallMs;
  }
  if (clock) return clock();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void HostContext::setHttp(std::shared_ptr<net::HttpCarrier> carrier) {
  std::lock_guard lock(mutex_);
  http_ = std::move(carrier);
  hasHttp_.store(http_ != nullptr, std::memory_order_release);
}

std::shared_ptr<net::HttpCarrier> HostContext::http() const {
  if (!hasHttp()) return nullptr;
  std::lock_guard lock(mutex_);
  return http_;
}

void HostContext::close() {
  // Let go outside the lock: the application's objects may call back.
  HostHooks hooks;
  std::shared_ptr<const SecretStore> secrets;
  std::shared_ptr<net::HttpCarrier> carrier;
  {
    std::lock_guard lock(mutex_);
    carrier = std::exchange(http_, nullptr);
    hooks = std::exchange(hooks_, HostHooks{});
    secrets = std::exchange(secrets_, nullptr);
  }
}

}  // namespace computesdk::registry::host
