#pragma once

#include "secrets.hpp"

#include <computesdk/plugin.h>
#include <computesdk/registry/loader.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace computesdk::registry::net {
class HttpCarrier;
}

namespace computesdk::registry::host {

/// The host as one provider sees it: its csdk_host table and what is counted against it. Never destroyed, because a
/// plug-in's thread may outlive the provider; what it holds of the application is let go by close().
class HostContext {
 public:
  /// `async`: write never blocks.
  HostContext(std::string provider, bool async, HostHooks hooks, std::shared_ptr<const SecretStore> secrets);
  HostContext(const HostContext&) = delete;
  HostContext& operator=(const HostContext&) = delete;

  [[nodiscard]] const csdk_host& table() const noexcept { return table_; }
  [[nodiscard]] const std::string& provider() const noexcept { return provider_; }
  [[nodiscard]] bool async() const noexcept { return async_; }

  /// Logs one line: secrets masked, control characters replaced, at most 4 KiB, 200 lines at once and 50 a second.
  void log(std::uint32_t level, std::string_view message);
  /// Counts something the plug-in must not do, and logs it.
  void misbehaved(std::string_view what);
  /// Counts a push or completion for a call that is over. Always CSDK_CANCELLED.
  csdk_status stale(std::string_view function, csdk_call call);
  void redact(std::string& text) const;
  [[nodiscard]] std::int64_t wallMs() const;

  /// Gives the provider csdk.http/1. Before the plug-in sees the table.
  void setHttp(std::shared_ptr<net::HttpCarrier> carrier);
  /// What carries its requests; null when it has no csdk.http/1, or no longer.
  [[nodiscard]] std::shared_ptr<net::HttpCarrier> http() const;
  [[nodiscard]] bool hasHttp() const noexcept { return hasHttp_.load(std::memory_order_acquire); }

  /// Drops log function, clock, secrets and csdk.http/1.
  void close();

  std::atomic<std::uint64_t> misbehaviour{0}, abandoned{0}, deaths{0};

 private:
  bool mayLog(std::uint64_t& dropped);

  csdk_host table_;
  const std::string provider_;
  const bool async_;
  mutable std::mutex mutex_;
  HostHooks hooks_;
  std::shared_ptr<const SecretStore> secrets_;
  std::shared_ptr<net::HttpCarrier> http_;
  std::atomic<bool> hasHttp_{false};
  double tokens_;
  std::int64_t refilledNs_;
  std::uint64_t dropped_ = 0;
};

/// The context whose table `host` is.
inline HostContext& contextOf(const csdk_host* host) noexcept { return *static_cast<HostContext*>(host->ctx); }

/// The functions of csdk_host, with `ctx` still to be set.
csdk_host hostFunctions() noexcept;

}  // namespace computesdk::registry::host
