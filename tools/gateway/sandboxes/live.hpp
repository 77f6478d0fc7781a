#pragma once

#include <computesdk/result.hpp>

#include "providers/provider_pool.hpp"
#include "sandboxes/upstream.hpp"
#include "store/store.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace computesdk::gateway {

/// What the gateway itself keeps about a sandbox in SandboxRecord::details.
struct SandboxDetails {
  std::string directory;    ///< working directory; empty: the provider's
  std::string setup;        ///< JSON for the daemon: overlays and servers; empty: none
  std::string url;          ///< as clients reach it
  std::string credentials;  ///< hash of those a client brought; empty: the gateway's own configuration
  std::string extras;       ///< JSON object of what is echoed beside the metadata; empty: none
  StringMap daemonHeaders;  ///< that requests to daemonUrl must carry; secret
};
std::string writeDetails(const SandboxDetails& details);
SandboxDetails readDetails(const std::string& text);

/// Where requests for a sandbox go. Immutable.
struct Target {
  SandboxRecord record;
  Upstream upstream;
  std::shared_ptr<detail::SandboxState> sandbox;  ///< for Upstream::Kind::dial; may be null for others
};
using TargetPtr = std::shared_ptr<const Target>;

/// What this process knows of sandboxes that it serves: handles to their providers, their daemons' addresses. All of it
/// can be found again; nothing of it decides whether a sandbox exists, the store does. Thread-safe.
class LiveSandboxes {
 public:
  LiveSandboxes(std::shared_ptr<Store> store, ProviderPool& pool, registry::NetworkSettings network)
      : store_(std::move(store)), pool_(pool), network_(std::move(network)) {}

  /// The provider of a sandbox, by which it can be asked and ended. Errors: E_AUTH_MISSING when it was made with
  /// credentials of a client that this process has not seen since it started.
  Result<OpenedPtr> provider(const SandboxRecord& record);
  /// The same, as a handle.
  Result<std::shared_ptr<detail::SandboxState>> sandbox(const SandboxRecord& record);
  /// A request that concerns the sandbox brought these.
  void adopt(const std::string& id, OpenedPtr opened);

  /// Where requests go, if that is known and fresh. Does not block. `port` 0: the daemon.
  TargetPtr known(const std::string& id, std::uint16_t port);
  /// Finds it out: looks into the store, starts the daemon, asks the provider. Blocks. Errors: E_NOT_FOUND when there
  /// is no such sandbox, E_UNAVAILABLE while it is being made, and those of providers.
  Result<TargetPtr> reach(const std::string& id, std::uint16_t port);
  /// What was known may be wrong: the daemon did not answer.
  void distrust(const std::string& id);
  void forget(const std::string& id);

  static constexpr std::chrono::milliseconds kFresh{2000};

 private:
  struct Entry {
    std::mutex making;  ///< held while its daemon is started or asked for
    OpenedPtr opened;
    std::shared_ptr<detail::SandboxState> sandbox;
    std::map<std::uint16_t, TargetPtr> targets;
    std::chrono::steady_clock::time_point checked;
    bool distrusted = false;
  };
  std::shared_ptr<Entry> entry(const std::string& id);
  Result<Upstream> findDaemon(SandboxRecord& record, Entry& entry);
  Result<Upstream> findPort(const SandboxRecord& record, std::uint16_t port);
  Result<Upstream> urlOrDial(const SandboxRecord& record, std::uint16_t port, PortUrl* url);
  void saveToken(SandboxRecord& record, Entry& entry);

  const std::shared_ptr<Store> store_;
  ProviderPool& pool_;
  const registry::NetworkSettings network_;
  std::mutex mutex_;  ///< guards the map and all of the entries but `making`
  std::map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace computesdk::gateway
