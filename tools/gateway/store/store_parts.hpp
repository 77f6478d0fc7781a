#pragma once

#include "store/engine.hpp"
#include "store/store.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>

namespace computesdk::gateway {

struct Store::Parts {
  std::unique_ptr<Engine> engine;
  StoreOptions options;

  // Callers that wait for a name in this process are woken when one of it becomes free; for those of others they look
  // from time to time.
  std::mutex mutex;
  std::condition_variable freed;
  std::uint64_t frees = 0;

  void wakeWaiting();
  [[nodiscard]] ErrorInfo error(std::string why, std::string fix) const;
  /// E_INVALID_ARGUMENT when one holds a NUL, or the first is empty.
  Result<void> checkText(std::initializer_list<std::string_view> texts) const;

  /// A record and the text that it was read from.
  struct Read {
    SandboxRecord record;
    std::string text;
    std::int64_t nowMs = 0;
  };
  /// Nothing when there is none.
  Result<std::optional<Read>> readSandbox(const std::string& id);

  /// What becomes of a record. `steps` go with it, conditions first; false: leave it.
  using Plan = std::function<bool(SandboxRecord& record, std::int64_t nowMs, std::vector<Step>& steps)>;
  /// Reads the record, asks `plan`, and writes what it made of it unless somebody was quicker: then again. The record
  /// as it is now; nothing when there is none, `plan` left it, or one of its conditions did not hold.
  Result<std::optional<SandboxRecord>> change(const std::string& id, const Plan& plan);
};

/// Running and not expired.
bool isLive(const SandboxRecord& record, std::int64_t nowMs);
NameKey nameOf(const SandboxRecord& record);

}  // namespace computesdk::gateway
