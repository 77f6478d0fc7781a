#pragma once

#include "store/store.hpp"

#include <functional>
#include <memory>

namespace computesdk::gateway {

/// What the store's logic asks of providers. Called from any thread, several at once; may block.
struct ProviderCalls {
  /// Whether the sandbox of a running record still lives (and its daemon answers). An error: it cannot be told now.
  std::function<Result<bool>(const SandboxRecord&)> alive;
  /// Makes it gone, success too if it is gone already. With an empty providerId: whatever bears the record's id as its
  /// label at the provider.
  std::function<Result<void>(const SandboxRecord&)> destroy;
};

/// Names with the promised meaning: one key, one sandbox, however many gateways are asked at once. Thread-safe.
class NamedSandboxes {
 public:
  /// Makes the sandbox of a draft: the record with what is known of it (providerId, token, daemon…, expiresMs).
  using Make = std::function<Result<SandboxRecord>(SandboxRecord draft)>;

  NamedSandboxes(std::shared_ptr<Store> store, ProviderCalls calls);
  ~NamedSandboxes();
  NamedSandboxes(const NamedSandboxes&) = delete;
  NamedSandboxes& operator=(const NamedSandboxes&) = delete;

  /// The live sandbox of that name. A stale one (destroyed, expired, lost) loses its mapping and is nothing. Errors:
  /// E_STORE; those of `alive`.
  Result<std::optional<SandboxRecord>> find(const NameKey& key);

  /// The sandbox of the draft's name, or the one that `make` makes; `options.mode` is taken for claim. While another
  /// makes it: waits until `until`, then its draft (state creating). The maker's lease is renewed by a thread of this
  /// object. What was made and cannot be registered is destroyed again; when `make` fails and says that something may
  /// have been left, the reaper looks. Errors: E_QUOTA at the workspace's limit, E_STORE, those of the calls.
  Result<SandboxRecord> findOrCreate(const SandboxRecord& draft, const Make& make, BeginOptions options,
                                     std::chrono::steady_clock::time_point until);

  /// A new sandbox, with or without a name; a name means the new one from then on. Same errors.
  Result<SandboxRecord> create(const SandboxRecord& draft, const Make& make, BeginOptions options);

  /// Destroys it at the provider and forgets it. False: there was none. Errors: E_STORE, those of `destroy` (the reaper
  /// tries again later, and so may the caller).
  Result<bool> destroy(const std::string& id);

 private:
  class Keeper;
  /// Nothing when the lease was lost.
  Result<std::optional<SandboxRecord>> makeOne(const SandboxRecord& draft, const Make& make,
                                               const BeginOptions& options);
  Result<bool> forgetIfGone(const SandboxRecord& record);

  const std::shared_ptr<Store> store_;
  const ProviderCalls calls_;
  const std::unique_ptr<Keeper> keeper_;
};

}  // namespace computesdk::gateway
