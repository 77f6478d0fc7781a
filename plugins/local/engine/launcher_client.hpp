// Starts the helper and speaks to it as its host.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "../limits/delegation.hpp"
#include "../protocol/wire.hpp"
#include "channel.hpp"
#include "result.hpp"
#include "types.hpp"

namespace computesdk::local {

// Where control groups may be had.
struct GroupSource {
  std::shared_ptr<limits::FileTree> tree;  // null: none are used
  std::optional<std::string> bus;          // of the systemd that is asked for a scope; "": none is
};

// What sandboxes of one launcher have in common.
struct LauncherKey {
  EngineKind engine = EngineKind::kNamespaces;
  Isolation isolation = Isolation::kNamespaces;
  std::string folder;               // of the base; empty: this machine's /usr
  std::vector<std::string> layers;  // of snapshots, topmost first
  bool overlay = false;
  std::vector<Mount> mounts;
  std::string bubblewrap;  // its path, for its engine only
  bool operator==(const LauncherKey&) const = default;
};

// One living helper. Thread-safe. Ends (with sandboxes that die with their host) when this object goes; if it does, its
// control groups are gone then as well.
class Launcher {
 public:
  ~Launcher();
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;
  // Starts it; does not wait until it is ready: orders may follow at once. Errors: no memory, no processes.
  static Result<std::shared_ptr<Launcher>> start(const LauncherKey& key, int registry, const GroupSource& groups);

  const LauncherKey& key() const { return key_; }
  // Whom a new sandbox runs as, in this machine's numbers.
  std::uint32_t uidOfNext() const;
  // What holds limits for its sandboxes.
  const limits::Delegation& groups() const { return groups_; }

  // Sends kCreate. 0 or errno (EPIPE: it is gone).
  int create(std::span<const char> body, int initEnd, int controlEnd) const;
  // Why it is gone, after a sandbox's socket ended without a word. ok(): no reason known.
  protocol::StartedBody reasonOfDeath();
  bool gone() const;

 private:
  Launcher() = default;
  LauncherKey key_;
  UniqueFd socket_;
  std::uint32_t uid_ = 0;
  std::shared_ptr<limits::FileTree> tree_;
  limits::Delegation groups_;
  std::mutex mutex_;
  bool heard_ = false;
  protocol::StartedBody started_{};
};

}  // namespace computesdk::local
