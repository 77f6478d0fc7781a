#pragma once

#include <computesdk/registry/registry.hpp>
#include <computesdk/result.hpp>

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::detail {
class SandboxState;
class Setup;
}  // namespace computesdk::detail

namespace computesdk::gateway {

/// A provider that was opened with some credentials. Keeps them in memory alone. Thread-safe.
struct OpenedProvider {
  std::shared_ptr<detail::Setup> setup;
  std::shared_ptr<registry::Provider> provider;
  bool clientCredentials = false;  ///< they came with a request; otherwise they are the gateway's own

  /// A sandbox that is known by its id and token; asks nobody.
  [[nodiscard]] std::shared_ptr<detail::SandboxState> sandbox(const std::string& providerId,
                                                              const std::string& token) const;
};
using OpenedPtr = std::shared_ptr<OpenedProvider>;

struct PoolOptions {
  std::map<std::string, OptionMap> providerOptions;
  std::vector<std::string> providerPaths, allow, deny;
  std::size_t keep = 256;  ///< opened ones with credentials of clients
  std::function<void(int level, std::string_view provider, std::string_view message)> log;
};

/// Every provider on this machine, opened when it is first needed: once with the gateway's own configuration, and once
/// for each set of credentials that clients bring. Those are told apart by a keyed hash and are in memory as long as
/// they are among the last used. Thread-safe.
class ProviderPool {
 public:
  static Result<std::unique_ptr<ProviderPool>> open(PoolOptions options);
  /// `registry` instead of the machine's.
  ProviderPool(PoolOptions options, std::shared_ptr<registry::Registry> registry);

  [[nodiscard]] bool loaded(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  /// Keys of a provider's configuration that are secret.
  [[nodiscard]] std::vector<std::string> secretKeys(std::string_view name) const;
  /// Whether credentials are stand-ins, which clients send that insist on some: the word `any`, or of another form than
  /// the provider gives out.
  [[nodiscard]] bool standIns(std::string_view name, const OptionMap& credentials) const;
  /// Those of the vendor's options that the provider says it knows; all of them when it does not say which it knows.
  [[nodiscard]] OptionMap knownOptions(std::string_view name, const OptionMap& options) const;
  /// `credentials` may be empty: the gateway's own configuration. May block. Errors: those of Registry::openProvider.
  Result<OpenedPtr> get(const std::string& name, const OptionMap& credentials);

 private:
  struct Entry {
    std::string fingerprint;
    OpenedPtr opened;
  };
  Result<OpenedPtr> openNew(const std::string& name, const OptionMap& credentials);

  const PoolOptions options_;
  const std::shared_ptr<registry::Registry> registry_;
  const std::string hashKey_;
  std::mutex mutex_;              ///< guards all below
  std::list<Entry> withClients_;  ///< last used first
  std::map<std::string, OpenedPtr> own_;
};

}  // namespace computesdk::gateway
