#pragma once

#include <computesdk/result.hpp>

#include "config/settings.hpp"
#include "providers/carriers.hpp"
#include "providers/provider_pool.hpp"
#include "sandboxes/create_options.hpp"
#include "sandboxes/live.hpp"
#include "store/named_sandboxes.hpp"
#include "store/reaper.hpp"
#include "store/store.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::gateway {

/// Who asks, and what came with the request besides its body.
struct Caller {
  std::string keyId;
  std::string workspace;
  std::string providerHeader;  ///< X-Provider
  HeaderLookup headers;
  std::string host;  ///< Host header, for URLs when the gateway was told none
  bool secure = false;
};

/// Numbers of what happened, for whoever shows them.
struct SandboxCounts {
  std::atomic<std::uint64_t> created{0}, createFailed{0}, destroyed{0}, reaped{0}, reapFailed{0};
};

/// The sandboxes of this gateway: made, found, ended. Every call blocks, and may be called from any thread. A sandbox
/// of another workspace is one that is not there. Errors: E_INVALID_ARGUMENT for input, E_NOT_FOUND for a sandbox or
/// snapshot that is not there, E_QUOTA at the workspace's limit, E_STORE, and those of providers.
class Sandboxes {
 public:
  Sandboxes(std::shared_ptr<Store> store, ProviderPool& pool, LiveSandboxes& live, const Settings& settings);
  ~Sandboxes();
  Sandboxes(const Sandboxes&) = delete;
  Sandboxes& operator=(const Sandboxes&) = delete;

  /// A draft with the options checked and the provider chosen: what create and findOrCreate go on with.
  struct Order {
    SandboxRecord draft;
    SandboxOptions options;
    OpenedPtr opened;
    std::chrono::milliseconds timeout{0};  ///< 0: no end
    /// The provider was asked for it: its id will mean a sandbox, unless that fails.
    std::shared_ptr<std::atomic<bool>> making = std::make_shared<std::atomic<bool>>(false);
  };
  Result<Order> prepare(const Caller& caller, SandboxOptions options);
  Result<SandboxRecord> create(const Caller& caller, const Order& order);
  /// Waits for another that makes it until `until`, then answers the draft (state creating).
  Result<SandboxRecord> findOrCreate(const Caller& caller, const Order& order,
                                     std::chrono::steady_clock::time_point until);
  Result<std::optional<SandboxRecord>> find(const Caller& caller, const std::string& nameSpace,
                                            const std::string& name);
  Result<SandboxRecord> get(const Caller& caller, const std::string& id);
  Result<std::vector<SandboxRecord>> list(const Caller& caller);
  /// One that is gone is a success.
  Result<void> destroy(const Caller& caller, const std::string& id);
  /// The new expiry, milliseconds since 1970; 0: never.
  Result<std::int64_t> extend(const Caller& caller, const std::string& id, std::chrono::milliseconds duration);

  Result<SnapshotRecord> createSnapshot(const Caller& caller, const std::string& sandboxId, const std::string& name,
                                        const std::string& metadata, const StringMap& metadataTexts);
  Result<std::vector<SnapshotRecord>> listSnapshots(const Caller& caller);
  Result<void> removeSnapshot(const Caller& caller, const std::string& id);

  /// Ends what expired and what was left over, from now on.
  void startReaper();
  void stopReaper();
  [[nodiscard]] const SandboxCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] Store& store() noexcept { return *store_; }

 private:
  Result<std::string> providerOf(const Caller& caller, SandboxOptions& options);
  Result<OpenedPtr> openFor(const Caller& caller, const std::string& provider);
  /// Takes over credentials that the caller brought for a sandbox that is there.
  void adoptCredentials(const Caller& caller, const SandboxRecord& record);
  Result<SandboxRecord> mine(const Caller& caller, const std::string& id);
  NamedSandboxes::Make maker(const Order& order);
  Result<SandboxRecord> make(const Order& order, SandboxRecord draft);
  Result<bool> alive(const SandboxRecord& record);
  Result<void> mayEnd(const SandboxRecord& record);
  Result<void> end(const SandboxRecord& record);
  Result<void> endByLabel(const SandboxRecord& record);
  [[nodiscard]] std::string urlOf(const Caller& caller, const std::string& id) const;
  [[nodiscard]] BeginOptions beginOptions(NameMode mode) const;
  void audit(const Caller& caller, std::string action, std::string target, const ErrorInfo* error);

  const std::shared_ptr<Store> store_;
  ProviderPool& pool_;
  LiveSandboxes& live_;
  const Settings& settings_;
  SandboxCounts counts_;
  std::unique_ptr<NamedSandboxes> named_;
  std::unique_ptr<Reaper> reaper_;
};

}  // namespace computesdk::gateway
