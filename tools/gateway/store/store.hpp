#pragma once

#include <computesdk/result.hpp>

#include "store/records.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::gateway {

class Engine;

struct StoreOptions {
  /// How long a call goes on trying while Redis is away or SQLite is locked, before it fails with E_STORE.
  std::chrono::milliseconds patience{8'000};
  /// Connections to Redis that are kept and that may be open at once.
  std::size_t connections = 16;
  /// How many audit entries are kept; the oldest go first.
  std::int64_t auditKeep = 1'000'000;
};

/// How a new sandbox takes part in names.
enum class NameMode {
  replace,  ///< plain create: if the draft has a name, it will mean the new sandbox at finish()
  claim,    ///< find-or-create: only while nobody has the name and nobody is making one for it
};

struct BeginOptions {
  NameMode mode = NameMode::replace;
  /// How long the maker may stay silent (renew() starts it anew) before others take over and the reaper cleans up.
  std::chrono::milliseconds lease{15'000};
  /// Sandboxes that the workspace may have at once, this one included; 0: no limit.
  std::int64_t workspaceLimit = 0;
};

struct Begun {
  enum class Kind {
    begun,   ///< make the sandbox; `record` is the draft as written, with parentId and lease. Then finish or abandon it
    exists,  ///< claim: `record` has the name (running and not expired)
    held,    ///< claim: another makes it; `record` is its draft (state creating). Wait: Store::waitForName
    full,    ///< workspaceLimit is reached; `record` is empty
  };
  Kind kind = Kind::begun;
  SandboxRecord record{};
};

/// How long the reaper leaves a sandbox alone that it could not destroy.
struct RemovePauses {
  std::chrono::milliseconds first{60'000};
  std::chrono::milliseconds longest{3'600'000};
};
/// `first` after the first failure, twice as long after each further one, up to `longest`.
std::chrono::milliseconds pauseAfter(std::int64_t failures, const RemovePauses& pauses) noexcept;

/// What update() may change; what is absent stays.
struct SandboxChanges {
  std::optional<std::string> token{};
  std::optional<std::string> daemonUrl{};
  std::optional<std::string> daemonToken{};
  std::optional<std::string> metadata{};
  std::optional<std::string> details{};
};

/// Everything that the gateway remembers, in one SQLite file or one Redis. Several processes may have it open; each
/// call is atomic among all of them. Thread-safe; calls block, for at most about StoreOptions::patience. Errors of all
/// calls: E_STORE (retryable when the store may come back by itself), E_INVALID_ARGUMENT for text that cannot be kept.
/// "Expired" is by the store's clock.
class Store {
 public:
  /// `url`: "sqlite:FILE" (the file is made with mode 0600, its folder with 0700) or
  /// "redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]". A Redis that is away now is no error of open() unless it stays away
  /// for `patience`. No error ever holds the password. Errors: E_CONFIG for a malformed url, E_STORE.
  static Result<std::shared_ptr<Store>> open(const std::string& url, const StoreOptions& options = {});
  explicit Store(std::unique_ptr<Engine> engine, const StoreOptions& options = {});
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  ~Store();

  /// The url without a password, for logs: "redis://127.0.0.1:6379/0".
  [[nodiscard]] const std::string& where() const noexcept;
  /// The store's clock; also the cheapest check that the store answers (`/ready`).
  Result<std::int64_t> now();
  /// What an operator ought to change about the store (a Redis without append-only file, …), a sentence each, to be
  /// logged at start; empty when all is well.
  Result<std::vector<std::string>> concerns();

  // --- making a sandbox --------------------------------------------------------------------------------------------
  // Every sandbox has a record before it exists, so that one whose maker dies is found: make it with
  // `metadata`/label = record.id at the provider, and the reaper finds it by that.

  /// Writes the draft (state creating), takes the name's claim if asked to. `draft`: id, workspace, provider; name and
  /// nameSpace if it has a name.
  Result<Begun> begin(SandboxRecord draft, const BeginOptions& options = {});
  /// Starts the maker's lease anew. False: it ran out and another took over (or the record is gone): stop, destroy.
  Result<bool> renew(const SandboxRecord& draft, std::chrono::milliseconds lease);
  /// The sandbox is there: `made` is the draft with what is known now (expiresMs included). The name means it from now
  /// on. False: the lease was lost, nothing changed, and the caller has to destroy what he made.
  Result<bool> finish(const SandboxRecord& made);
  /// Making it failed and nothing is left at the provider: record and claim go, waiting callers get their turn. (If
  /// something may be left, do nothing: when the lease runs out the reaper looks.)
  Result<void> abandon(const SandboxRecord& draft);
  /// Returns when nobody holds the name's claim any more or at `until`, whichever is first. Then begin() again.
  Result<void> waitForName(const NameKey& key, std::chrono::steady_clock::time_point until);

  // --- finding -----------------------------------------------------------------------------------------------------

  /// A sandbox of any workspace that is running and not expired. (Compare the workspace before you answer.)
  Result<std::optional<SandboxRecord>> get(const std::string& id);
  /// The record as it is, in any state, expired or not.
  Result<std::optional<SandboxRecord>> peek(const std::string& id);
  /// The sandbox that has the name, running and not expired.
  Result<std::optional<SandboxRecord>> find(const NameKey& key);
  /// Running and not expired ones, oldest first.
  Result<std::vector<SandboxRecord>> list(const std::string& workspace);
  /// All records of the workspace, those being made and destroyed included: what workspaceLimit is compared with.
  Result<std::int64_t> count(const std::string& workspace);

  // --- changing ----------------------------------------------------------------------------------------------------

  /// False: there is none that runs.
  Result<bool> update(const std::string& id, const SandboxChanges& changes);
  /// New expiry = max(expiry, now + duration), at most created + `longest` if that is not 0 (never earlier than it
  /// was). One that never expires stays so. Nothing: there is none that runs, or it has expired.
  Result<std::optional<std::int64_t>> extend(const std::string& id, std::chrono::milliseconds duration,
                                             std::chrono::milliseconds longest = std::chrono::milliseconds{0});

  // --- destroying: startRemove, destroy at the provider, remove ----------------------------------------------------

  /// From now on nobody finds it, and its name is free. The record with its lease, or nothing when there is none or
  /// another is destroying it. If neither remove() nor removeFailed() follows within `lease`, the reaper takes over.
  Result<std::optional<SandboxRecord>> startRemove(const std::string& id,
                                                   std::chrono::milliseconds lease = std::chrono::seconds{60});
  /// The record goes, and with it its name if it still means it, and the namespace's parent with its last child. Any
  /// state; with `lease`, only while that is the record's. The record that was there.
  Result<std::optional<SandboxRecord>> remove(const std::string& id, const std::string& lease = {});
  /// Destroying it failed: `record` is nobody's from now on. Whoever asks for its end may try at once; the reaper waits
  /// for pauseAfter() its failures. False: the lease was lost.
  Result<bool> removeFailed(const SandboxRecord& record, const RemovePauses& pauses = {});
  /// For a maker whose finish() said no: notes that `made` is there and has to go, whatever the store knew of it, so
  /// that the reaper sees to it if the maker dies. The record with its lease; destroy, then remove().
  Result<SandboxRecord> leaveToReaper(const SandboxRecord& made, std::chrono::milliseconds lease);
  /// For the reaper: up to `most` sandboxes that expired, whose maker or whose destroyer fell silent. Each is put in
  /// state removing and is the caller's for `lease`; nobody else gets it in that time. `providerId` is empty for one
  /// whose maker died: something with its id as label may be at the provider.
  Result<std::vector<SandboxRecord>> takeDue(std::size_t most, std::chrono::milliseconds lease);

  // --- API keys ----------------------------------------------------------------------------------------------------

  /// The key as written. Errors: E_ALREADY_EXISTS (id or hash).
  Result<ApiKey> addKey(ApiKey key);
  /// Of all workspaces, or of one; by time of creation; revoked ones too.
  Result<std::vector<ApiKey>> keys(const std::string& workspace = {});
  /// False: no such key. One that was revoked keeps its time.
  Result<bool> revokeKey(const std::string& id);
  /// Revoked ones too: look at revokedMs.
  Result<std::optional<ApiKey>> keyByHash(const std::string& hash);

  // --- snapshots ---------------------------------------------------------------------------------------------------

  /// The record as written. Errors: E_ALREADY_EXISTS.
  Result<SnapshotRecord> addSnapshot(SnapshotRecord snapshot);
  Result<std::optional<SnapshotRecord>> snapshot(const std::string& id);
  /// Oldest first.
  Result<std::vector<SnapshotRecord>> snapshots(const std::string& workspace);
  /// False: no such snapshot.
  Result<bool> removeSnapshot(const std::string& id);

  // --- limits, secrets, audit --------------------------------------------------------------------------------------

  /// Counts one request against `limit` in a sliding `window`, shared by all gateways. Requests that are not allowed do
  /// not count. `key`: who, e.g. "key:ID".
  Result<RateAnswer> hit(const std::string& key, std::int64_t limit, std::chrono::milliseconds window);
  /// A secret that all gateways share (the key that signs access tokens): `candidate` (bytes) if there was none, else
  /// the one that was written first.
  Result<std::string> sharedSecret(const std::string& name, const std::string& candidate);
  /// Appends; written at least once. The time is the store's.
  Result<void> audit(const AuditEntry& entry);
  /// The newest `most`, newest first; of one workspace unless that is empty.
  Result<std::vector<AuditEntry>> auditTail(std::size_t most, const std::string& workspace = {});

 private:
  struct Parts;
  Result<std::optional<SandboxRecord>> takeOne(const std::string& id, std::chrono::milliseconds lease);
  Result<void> freeName(const NameKey& key, const std::string& id);
  const std::unique_ptr<Parts> parts_;
};

/// The documented keys: "sandbox:namespace:WORKSPACE:NAMESPACE" and "sandbox:name:WORKSPACE:NAMESPACE:NAME", with % and
/// : percent-encoded in each part.
std::string namespaceKey(std::string_view workspace, std::string_view nameSpace);
std::string nameKey(const NameKey& key);
/// 16 random bytes in the form of a uuid (version 4).
std::string newUuid();

}  // namespace computesdk::gateway
