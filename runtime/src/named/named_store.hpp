#pragma once

#include <computesdk/result.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace computesdk::detail {

/// One step of NamedStore::apply. A condition that does not hold undoes the whole.
struct StoreStep {
  enum class Kind : std::int32_t {
    set = 1,
    setIfAbsent = 2,  ///< leaves an existing value; never a condition
    remove = 3,
    requireEquals = 4,    ///< condition: `key` holds `value`
    requireClaim = 5,     ///< condition: the claim `key` is held by `value`
    removeUnlessAny = 6,  ///< removes `key` unless a key or a claim begins with `value`
    dropClaim = 7,        ///< gives the claim `key` up if it is held by `value`
  };
  Kind kind = Kind::set;
  std::string key;
  std::string value;
};

/// Keys and values that several processes share, and claims that expire. Thread-safe. Errors of all: E_STORE.
class NamedStore {
 public:
  using Entries = std::vector<std::pair<std::string, std::string>>;
  virtual ~NamedStore() = default;

  virtual Result<std::optional<std::string>> get(const std::string& key) = 0;
  /// Sorted by key.
  virtual Result<Entries> list(const std::string& prefix) = 0;
  /// Takes or renews a claim until `untilMs` unless another owner holds it past `nowMs`. Whether it is ours.
  virtual Result<bool> claim(const std::string& key, const std::string& owner, std::int64_t nowMs,
                             std::int64_t untilMs) = 0;
  /// All steps or none, atomically. Whether they were done.
  virtual Result<bool> apply(std::span<const StoreStep> steps) = 0;
};

/// The SQLite store in `file`, through the module computesdk-store, which is opened on first use and never closed.
/// Makes the file (0600) and its folder (0700). Errors: E_STORE, also when the module is not installed.
Result<std::shared_ptr<NamedStore>> openModuleStore(const std::filesystem::path& file);

}  // namespace computesdk::detail
