#pragma once

#include <computesdk/compute.hpp>
#include <computesdk/registry/registry.hpp>

#include "core/seams.hpp"
#include "memory/sandbox_memory.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::detail {

/// One configuration and what was opened for it: registry, providers, memory, store. Handles keep the one they were
/// made with. Everything is opened on first use. Thread-safe.
class Setup {
 public:
  Setup(ComputeConfig config, Seams seams);

  [[nodiscard]] const ComputeConfig& config() const noexcept { return config_; }
  [[nodiscard]] const Seams& seams() const noexcept { return seams_; }

  Result<std::shared_ptr<registry::Registry>> registry();
  /// Made once; its warnings are logged once.
  Result<registry::Detection> detection();
  /// Loads and opens; the same object for the same name.
  Result<std::shared_ptr<registry::Provider>> provider(std::string_view name);

  /// Providers that a create tries, in order; all but the first only with fallbackOnError.
  Result<std::vector<std::string>> createOrder(std::string_view explicitName);
  /// The first of them, without taking a turn.
  Result<std::shared_ptr<registry::Provider>> preferredProvider(std::string_view explicitName);
  /// Providers that lookups and list ask, in order: those that are configured; with detection, those that need no
  /// configuration first, since they know their own without a network.
  Result<std::vector<std::string>> lookupOrder(std::string_view explicitName);
  /// Whether the provider needs no credentials and is always ready, as `local`: it finds its sandboxes itself, and
  /// nothing falls back to it unasked.
  bool alwaysReady(std::string_view name);

  [[nodiscard]] const SandboxMemory& memory();
  Result<std::shared_ptr<NamedStore>> store();
  /// Whether a store of names exists already; opens nothing.
  bool storeExists();

  void log(LogLevel level, std::string_view provider, std::string message) const noexcept;
  /// Checks what can be known without opening a library. Errors: those of Compute::setConfig.
  Result<void> check();

 private:
  Result<std::vector<std::string>> configured(std::string_view explicitName);
  std::filesystem::path stateDirectory();
  registry::RegistryOptions registryOptions() const;
  /// Its settings; and with `complete` that none is missing which it needs.
  Result<void> checkProvider(registry::Registry& registry, const std::string& name, bool complete);
  [[nodiscard]] const OptionMap& optionsOf(std::string_view name) const;
  [[nodiscard]] std::optional<std::string> variable(std::string_view name) const;
  Result<std::shared_ptr<registry::Registry>> registryLocked();
  Result<registry::Detection> detectionLocked();

  const ComputeConfig config_;
  const Seams seams_;
  std::atomic<std::size_t> turn_{0};  ///< of round-robin
  std::mutex mutex_;                  ///< guards all below
  std::shared_ptr<registry::Registry> registry_;
  std::optional<registry::Detection> detection_;
  std::map<std::string, std::shared_ptr<registry::Provider>, std::less<>> providers_;
  std::optional<SandboxMemory> memory_;
  std::shared_ptr<NamedStore> store_;
};

/// Checks a gateway's address: http or https and a host.
bool validGatewayUrl(std::string_view url) noexcept;

}  // namespace computesdk::detail
