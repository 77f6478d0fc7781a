#pragma once

#include <computesdk/result.hpp>

#include "store/records.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace computesdk::gateway {

/// One step of Engine::apply. `key` is an entry's, a set's or a log's. Conditions stand before all else and are looked
/// at before anything is changed; one that does not hold leaves everything as it was.
struct Step {
  enum class Kind : std::int32_t {
    requireEquals = 1,    ///< condition: the entry holds `value`
    requireAbsent = 2,    ///< condition: there is no such entry (any more)
    requireBelow = 3,     ///< condition: the set has fewer than `number` members
    requireDue = 4,       ///< condition: `value` is in the set with a score that is not after now
    set = 10,             ///< the entry holds `value`, for ever
    setFor = 11,          ///< the entry holds `value` for `number` ms
    remove = 12,          ///< the entry is gone
    removeIfEquals = 13,  ///< the entry is gone if it held `value`
    removeIfEmpty = 14,   ///< the entry is gone if the set `value` has no members
    add = 20,             ///< `value` is in the set with the score `number`, whatever it was before
    addAfter = 21,        ///< `value` is in the set with the score now + `number`
    drop = 22,            ///< `value` is not in the set
    append = 30,          ///< `value` is the newest of the log, of which at least the newest `number` are kept
  };
  Kind kind = Kind::set;
  std::string key;
  std::string value;
  std::int64_t number = 0;
};

/// A member of an ordered set.
struct Member {
  std::string name;
  std::int64_t score = 0;
};

/// Entries (key and value, some for a while), ordered sets (scores; by score, then name) and logs, shared by several
/// processes, with one clock for all of them. Text is without NUL. Thread-safe. Errors of all calls: E_STORE.
class Engine {
 public:
  struct Values {
    std::vector<std::optional<std::string>> values;  ///< in the order of the keys
    std::int64_t nowMs = 0;
  };
  struct Applied {
    std::optional<std::size_t> failed;  ///< the first condition that did not hold; nothing: all was done
    std::int64_t nowMs = 0;
  };
  struct LogEntry {
    std::string position;
    std::string text;
  };

  virtual ~Engine() = default;

  /// The entries and the time, of one moment.
  virtual Result<Values> read(std::span<const std::string> keys) = 0;
  /// All steps or none, atomically, and once only, even when the connection is lost meanwhile.
  virtual Result<Applied> apply(std::span<const Step> steps) = 0;
  /// The first `most` whose score is at most `upTo`.
  virtual Result<std::vector<Member>> members(const std::string& set, std::int64_t upTo, std::size_t most) = 0;
  virtual Result<std::int64_t> size(const std::string& set) = 0;
  /// Counts one more under `key` if a sliding window lets it through.
  virtual Result<RateAnswer> hit(const std::string& key, std::int64_t limit, std::chrono::milliseconds window) = 0;
  /// The newest `most` entries that are older than `before` (empty: the newest of all), newest first.
  virtual Result<std::vector<LogEntry>> tail(const std::string& log, const std::string& before, std::size_t most) = 0;
  /// What an operator ought to change about the store, a sentence each; empty when all is well.
  virtual Result<std::vector<std::string>> concerns() = 0;
  /// For logs and errors; without a password.
  [[nodiscard]] virtual const std::string& where() const noexcept = 0;
};

/// Errors: E_STORE.
Result<std::unique_ptr<Engine>> openSqlite(const std::string& file, std::chrono::milliseconds patience);
/// Errors: E_CONFIG, E_STORE.
Result<std::unique_ptr<Engine>> openRedis(const std::string& url, std::chrono::milliseconds patience,
                                          std::size_t connections);

}  // namespace computesdk::gateway
