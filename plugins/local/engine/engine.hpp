// The engine of the `local` provider: makes sandboxes on this machine and finds those that other processes made.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "result.hpp"
#include "sandbox.hpp"
#include "types.hpp"

namespace computesdk::local {

namespace limits {
class FileTree;
}

struct EngineOptions {
  // Folder of living sandboxes. Empty: $XDG_RUNTIME_DIR/computesdk/local, else /tmp/computesdk-UID/local.
  std::string registryDirectory;
  std::optional<EngineKind> engine;  // empty: namespaces, else what this machine allows
  std::string bubblewrap;            // path of bwrap; empty: looked for
  bool useCgroups = true;            // false: behave as where no cgroup may be written
  // Where control groups are looked for, and the address of the systemd that is asked for a scope ("": none). Tests put
  // their own here; by default they are this machine's.
  std::shared_ptr<limits::FileTree> groupTree;
  std::optional<std::string> bus;
  std::size_t pool = 0;  // sandboxes kept ready, of the kind that was made last (pool.hpp)
};

// What this machine gives, each line with its cause when it is missing. Taken by really doing it.
struct ProbeReport {
  bool available = false;
  Error refusal;        // of a machine that cannot isolate: the cause and the remedy
  std::string cgroups;  // "v1", "v2" or "none"
  LimitStrength memory = LimitStrength::kNone, cpu = LimitStrength::kNone, processes = LimitStrength::kNone;
};

// One per host process is enough; several do not disturb each other. Thread-safe. Creating it does no I/O: the
// launcher starts with the first sandbox.
class Engine {
 public:
  explicit Engine(EngineOptions options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // kInvalidArgument (bad spec), kUnavailable (this machine cannot isolate), kUnimplemented (a mode that cannot be
  // met, never dropped), kResourceExhausted, kInternal. After an error nothing is left behind.
  Result<std::shared_ptr<Sandbox>> create(const CreateSpec& spec);
  // By id, made by any process of this user. kNotFound if it ended or never was.
  Result<std::shared_ptr<Sandbox>> get(std::string_view id);
  // Every living sandbox of this user but those that die with their host. Removes what dead launchers left.
  Result<std::vector<SandboxInfo>> list();
  // OK also when it is already gone.
  Status destroy(std::string_view id);

  // Snapshots of this user, newest first; those made of one sandbox if `sandboxId` is not empty.
  Result<std::vector<SnapshotSummary>> snapshots(std::string_view sandboxId = {});
  // kNotFound; kFailedPrecondition while a sandbox or another snapshot lies over it.
  Status removeSnapshot(std::string_view id);

  ProbeReport probe();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Checks a spec without doing anything: kInvalidArgument naming the field.
Status validate(const CreateSpec& spec);

}  // namespace computesdk::local
