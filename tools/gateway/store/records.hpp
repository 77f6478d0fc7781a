#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

// What the gateway remembers. Plain values; all times are milliseconds since 1970 by the store's own clock (Redis' when
// several gateways share one, else the machine's), 0 where there is none. Text is UTF-8 without NUL unless it says
// "bytes".
namespace computesdk::gateway {

enum class SandboxState : std::int32_t {
  creating = 1,  ///< somebody is making it: a record without a sandbox yet, under a lease
  running = 2,
  removing = 3,  ///< being destroyed: nobody finds it any more; the record stays until the provider has let go
};

struct SandboxRecord {
  std::string id{};          ///< the gateway's own, chosen before the sandbox is made: URL-path safe, unique everywhere
  std::string workspace{};   ///< decimal digits
  std::string provider{};    ///< name of the plug-in that serves it
  std::string providerId{};  ///< the plug-in's id of it; empty while creating
  std::string token{};       ///< bytes that the plug-in gave to find it again
  std::string daemonUrl{};   ///< where the gateway reaches the daemon
  std::string daemonToken{};
  std::string metadata = "{}";  ///< JSON object
  std::map<std::string, std::string> envs{};
  std::string name{};       ///< empty: no named sandbox
  std::string nameSpace{};  ///< only with a name
  std::string parentId{};   ///< the namespace's record (uuid); set by Store::begin
  std::string details{};    ///< the gateway's own words about it (JSON or empty); the store does not look inside
  std::int64_t createdMs = 0;
  std::int64_t expiresMs = 0;  ///< 0: never
  SandboxState state = SandboxState::creating;
  std::string lease{};        ///< who makes or destroys it; set by the store. Empty in state removing: nobody now
  std::int64_t failures = 0;  ///< attempts to destroy it that failed

  bool operator==(const SandboxRecord&) const = default;
};

/// What a name means. Names and namespaces may hold any UTF-8 but NUL.
struct NameKey {
  std::string workspace{};
  std::string nameSpace = "default";
  std::string name{};
};

/// An API key. The key itself is never stored.
struct ApiKey {
  std::string id{};
  std::string hash{};  ///< of the key, as the gateway computes it; unique
  std::string workspace{};
  std::string label{};
  std::int64_t createdMs = 0;  ///< set by the store
  std::int64_t revokedMs = 0;  ///< 0: valid

  bool operator==(const ApiKey&) const = default;
};

struct SnapshotRecord {
  std::string id{};
  std::string workspace{};
  std::string provider{};
  std::string providerId{};  ///< the plug-in's id of it
  std::string token{};       ///< bytes of the plug-in
  std::string sandboxId{};   ///< what it was taken of
  std::string name{};
  std::string metadata = "{}";  ///< JSON object
  std::int64_t createdMs = 0;   ///< set by the store

  bool operator==(const SnapshotRecord&) const = default;
};

struct AuditEntry {
  std::int64_t timeMs = 0;  ///< set by the store
  std::string workspace{};
  std::string actor{};    ///< id of the API key
  std::string action{};   ///< "sandbox.create"
  std::string target{};   ///< id of what it was done to
  std::string outcome{};  ///< "ok" or an error's wire code
  std::string details{};  ///< JSON or empty; never a secret

  bool operator==(const AuditEntry&) const = default;
};

/// Answer to one request against a rate limit.
struct RateAnswer {
  bool allowed = false;
  std::int64_t remaining = 0;     ///< how many more would be let through now
  std::int64_t retryAfterMs = 0;  ///< with !allowed: when it is worth asking again
};

}  // namespace computesdk::gateway
