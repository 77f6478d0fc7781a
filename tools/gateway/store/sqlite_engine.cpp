#include "sqlite/file.hpp"

#include "store/engine.hpp"
#include "store/rate.hpp"

#include <Poco/Data/SQLite/SQLiteException.h>
#include <Poco/Data/Statement.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <limits>
#include <mutex>
#include <system_error>

namespace computesdk::gateway {
namespace {

using namespace Poco::Data::Keywords;
using Poco::Data::Session;
using store::sqlite::Migration;
using store::sqlite::Transaction;

constexpr std::array<const char*, 6> kFirstTables = {
    // until_ms 0: for ever
    "CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX entries_until ON entries (until_ms) WHERE until_ms > 0",
    "CREATE TABLE members (owner TEXT, name TEXT, score INTEGER NOT NULL, PRIMARY KEY (owner, name)) WITHOUT ROWID",
    "CREATE INDEX members_score ON members (owner, score, name)",
    "CREATE TABLE log_entries (position INTEGER PRIMARY KEY AUTOINCREMENT, log TEXT NOT NULL, text TEXT NOT NULL)",
    "CREATE INDEX log_entries_log ON log_entries (log, position)",
};
constexpr std::array<Migration, 1> kMigrations = {kFirstTables};

/// What to do about a failure. Poco's exceptions tell SQLite's results apart by their types.
void explain(const Poco::Exception& failure, const std::string& file, ErrorInfo& error) {
  namespace sqlite = Poco::Data::SQLite;
  error.why = failure.message().empty() ? failure.displayText() : failure.message();
  const auto is = [&]<typename E>(const E*) { return dynamic_cast<const E*>(&failure) != nullptr; };
  const auto says = [&](const char* text) { return error.why.find(text) != error.why.npos; };
  if (is(static_cast<const sqlite::CorruptImageException*>(nullptr)) || says("malformed") || says("not a database")) {
    error.fix = "stop all gateways and put a backup in its place, or begin anew: mv " + file + " " + file + ".damaged";
  } else if (is(static_cast<const sqlite::DatabaseFullException*>(nullptr)) || says("disk is full")) {
    error.fix = "make room on the disk: df " + file;
    error.retryable = true;
  } else if (is(static_cast<const sqlite::ReadOnlyException*>(nullptr)) || says("readonly")) {
    error.fix = "let the user that the gateway runs as write it and its folder: ls -l " + file;
  } else if (is(static_cast<const sqlite::DBLockedException*>(nullptr)) ||
             is(static_cast<const sqlite::TableLockedException*>(nullptr)) || says("locked")) {
    error.fix = "another program holds it; see which: fuser " + file;
    error.retryable = true;
  } else {
    error.fix = "see that it and its folder can be written, and that the disk is not full";
  }
}

ErrorInfo storeError(const std::string& file) {
  ErrorInfo error;
  error.code = ErrorCode::store;
  error.what = "cannot use the store " + file;
  return error;
}

/// Runs `f` and makes an E_STORE of what it throws.
template <typename F>
auto guarded(const std::string& file, F&& f) -> Result<decltype(f())> {
  ErrorInfo error = storeError(file);
  try {
    return f();
  } catch (const Poco::Exception& failure) {
    explain(failure, file, error);
  } catch (const std::exception& failure) {
    error.why = failure.what();
    error.fix = error.why.find("later version") != error.why.npos
                    ? "use the version of the product that wrote it, or begin anew: mv " + file + " " + file + ".later"
                    : "see that it is a file that can be written, and so is its folder";
  }
  return error;
}

std::int64_t wallMs() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

class SqliteEngine : public Engine {
 public:
  SqliteEngine(Session session, std::string file) : session_(std::move(session)), file_(std::move(file)) {}

  Result<Values> read(std::span<const std::string> keys) override {
    std::lock_guard lock(mutex_);
    return guarded(file_, [&] {
      Values values;
      values.nowMs = wallMs();
      // One moment for all: a transaction, but none for the usual single key, which is one moment by itself.
      std::optional<Snapshot> snapshot;
      if (keys.size() > 1) snapshot.emplace(session_);
      for (const std::string& key : keys) values.values.push_back(entry(key, values.nowMs));
      return values;
    });
  }

  Result<Applied> apply(std::span<const Step> steps) override {
    std::lock_guard lock(mutex_);
    return guarded(file_, [&] {
      Transaction transaction(session_);
      // Looked at when the turn has come: waiting for it may have taken a while.
      Applied applied;
      applied.nowMs = wallMs();
      for (std::size_t i = 0; i < steps.size() && steps[i].kind < Step::Kind::set; ++i) {
        if (holds(steps[i], applied.nowMs)) continue;
        applied.failed = i;
        return applied;
      }
      forgetOld(applied.nowMs);
      for (const Step& step : steps) {
        if (step.kind >= Step::Kind::set) carryOut(step, applied.nowMs);
      }
      transaction.commit();
      return applied;
    });
  }

  Result<std::vector<Member>> members(const std::string& set, std::int64_t upTo, std::size_t most) override {
    std::lock_guard lock(mutex_);
    return guarded(file_, [&] {
      std::string owner = set;
      Poco::Int64 to = upTo;
      Poco::Int64 count = limitOf(most);
      std::vector<std::string> names;
      std::vector<Poco::Int64> scores;
      session_ << "SELECT name, score FROM members WHERE owner = ? AND score <= ? ORDER BY score, name LIMIT ?",
          use(owner), use(to), use(count), into(names), into(scores), now;
      std::vector<Member> found;
      for (std::size_t i = 0; i < names.size(); ++i) found.push_back({std::move(names[i]), scores[i]});
      return found;
    });
  }

  Result<std::int64_t> size(const std::string& set) override {
    std::lock_guard lock(mutex_);
    return guarded(file_, [&] { return sizeOf(set); });
  }

  Result<RateAnswer> hit(const std::string& key, std::int64_t limit, std::chrono::milliseconds window) override {
    std::lock_guard lock(mutex_);
    return guarded(file_, [&] {
      Transaction transaction(session_);
      const std::int64_t current = wallMs();
      const std::int64_t length = window.count();
      forgetOld(current);
      RateWindow state;
      if (const auto known = entry(key, current)) state = parsed(*known);
      state = state.at(current, length);
      const bool allowed = state.admits(current, limit, length);
      if (allowed) {
        ++state.count;
        put(key, std::to_string(state.index) + " " + std::to_string(state.count) + " " + std::to_string(state.before),
            current + 2 * length);
        transaction.commit();
      }
      return rateAnswer(state, allowed, current, limit, length);
    });
  }

  Result<std::vector<LogEntry>> tail(const std::string& log, const std::string& before, std::size_t most) override {
    std::lock_guard lock(mutex_);
    return guarded(file_, [&] {
      std::string name = log;
      Poco::Int64 below = std::numeric_limits<Poco::Int64>::max();
      if (!before.empty()) std::from_chars(before.data(), before.data() + before.size(), below);
      Poco::Int64 count = limitOf(most);
      std::vector<Poco::Int64> positions;
      std::vector<std::string> texts;
      session_
          << "SELECT position, text FROM log_entries WHERE log = ? AND position < ? ORDER BY position DESC LIMIT ?",
          use(name), use(below), use(count), into(positions), into(texts), now;
      std::vector<LogEntry> entries;
      for (std::size_t i = 0; i < texts.size(); ++i) {
        entries.push_back({std::to_string(positions[i]), std::move(texts[i])});
      }
      return entries;
    });
  }

  Result<std::vector<std::string>> concerns() override { return std::vector<std::string>(); }
  [[nodiscard]] const std::string& where() const noexcept override { return file_; }

 private:
  /// A read transaction.
  class Snapshot {
   public:
    explicit Snapshot(Session& session) : session_(session) { session_ << "BEGIN", now; }
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;
    ~Snapshot() {
      try {
        session_ << "ROLLBACK", now;
      } catch (...) {  // it is undone in any case
      }
    }

   private:
    Session& session_;
  };

  static Poco::Int64 limitOf(std::size_t most) {
    return static_cast<Poco::Int64>(std::min<std::size_t>(most, std::numeric_limits<std::int32_t>::max()));
  }

  static RateWindow parsed(const std::string& text) {
    RateWindow state;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::int64_t* number : {&state.index, &state.count, &state.before}) {
      at = std::from_chars(at, end, *number).ptr;
      if (at != end) ++at;
    }
    return state;
  }

  std::optional<std::string> entry(const std::string& key, std::int64_t nowMs) {
    std::string asked = key;
    Poco::Int64 current = nowMs;
    std::vector<std::string> values;
    session_ << "SELECT value FROM entries WHERE key = ? AND (until_ms = 0 OR until_ms > ?)", use(asked), use(current),
        into(values), now;
    if (values.empty()) return std::nullopt;
    return std::move(values.front());
  }

  void put(const std::string& key, const std::string& value, std::int64_t untilMs) {
    std::string k = key;
    std::string v = value;
    Poco::Int64 until = untilMs;
    session_ << "INSERT INTO entries (key, value, until_ms) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = "
                "excluded.value, until_ms = excluded.until_ms",
        use(k), use(v), use(until), now;
  }

  void removeEntry(const std::string& key) {
    std::string k = key;
    session_ << "DELETE FROM entries WHERE key = ?", use(k), now;
  }

  /// Entries whose time is over, so that the file does not grow by them.
  void forgetOld(std::int64_t nowMs) {
    Poco::Int64 current = nowMs;
    session_ << "DELETE FROM entries WHERE until_ms > 0 AND until_ms <= ?", use(current), now;
  }

  std::int64_t sizeOf(const std::string& set) {
    std::string owner = set;
    Poco::Int64 count = 0;
    session_ << "SELECT COUNT(*) FROM members WHERE owner = ?", use(owner), into(count), now;
    return count;
  }

  bool isDue(const std::string& set, const std::string& member, std::int64_t nowMs) {
    std::string owner = set;
    std::string name = member;
    Poco::Int64 current = nowMs;
    int count = 0;
    session_ << "SELECT COUNT(*) FROM members WHERE owner = ? AND name = ? AND score <= ?", use(owner), use(name),
        use(current), into(count), now;
    return count > 0;
  }

  bool holds(const Step& step, std::int64_t nowMs) {
    switch (step.kind) {
      case Step::Kind::requireEquals: return entry(step.key, nowMs) == step.value;
      case Step::Kind::requireAbsent: return !entry(step.key, nowMs);
      case Step::Kind::requireBelow: return sizeOf(step.key) < step.number;
      case Step::Kind::requireDue: return isDue(step.key, step.value, nowMs);
      default: return true;
    }
  }

  void carryOut(const Step& step, std::int64_t nowMs) {
    switch (step.kind) {
      case Step::Kind::set: return put(step.key, step.value, 0);
      case Step::Kind::setFor: return put(step.key, step.value, nowMs + step.number);
      case Step::Kind::remove: return removeEntry(step.key);
      case Step::Kind::removeIfEquals:
        if (entry(step.key, nowMs) == step.value) removeEntry(step.key);
        return;
      case Step::Kind::removeIfEmpty:
        if (sizeOf(step.value) == 0) removeEntry(step.key);
        return;
      case Step::Kind::add: return addMember(step.key, step.value, step.number);
      case Step::Kind::addAfter: return addMember(step.key, step.value, nowMs + step.number);
      case Step::Kind::drop: return dropMember(step.key, step.value);
      case Step::Kind::append: return append(step);
      default: return;
    }
  }

  void addMember(const std::string& set, const std::string& member, std::int64_t score) {
    std::string owner = set;
    std::string name = member;
    Poco::Int64 s = score;
    session_
        << "INSERT INTO members (owner, name, score) VALUES (?, ?, ?) ON CONFLICT (owner, name) DO UPDATE SET score "
           "= excluded.score",
        use(owner), use(name), use(s), now;
  }

  void dropMember(const std::string& set, const std::string& member) {
    std::string owner = set;
    std::string name = member;
    session_ << "DELETE FROM members WHERE owner = ? AND name = ?", use(owner), use(name), now;
  }

  void append(const Step& step) {
    std::string log = step.key;
    std::string text = step.value;
    session_ << "INSERT INTO log_entries (log, text) VALUES (?, ?)", use(log), use(text), now;
    Poco::Int64 newest = 0;
    session_ << "SELECT last_insert_rowid()", into(newest), now;
    Poco::Int64 gone = newest - step.number;
    session_ << "DELETE FROM log_entries WHERE log = ? AND position <= ?", use(log), use(gone), now;
  }

  std::mutex mutex_;
  Session session_;
  const std::string file_;
};

/// The folder of the file, 0700 if it has to be made. Those above it as the system makes them.
void makeFolder(const std::filesystem::path& folder) {
  if (folder.empty() || std::filesystem::exists(folder)) return;
  std::filesystem::create_directories(folder.parent_path());
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    throw std::system_error(errno, std::generic_category(), folder.string());
  }
}

}  // namespace

Result<std::unique_ptr<Engine>> openSqlite(const std::string& file, std::chrono::milliseconds patience) {
  return guarded(file, [&]() -> std::unique_ptr<Engine> {
    makeFolder(std::filesystem::path(file).parent_path());
    return std::make_unique<SqliteEngine>(
        store::sqlite::openFile(file, kMigrations, static_cast<int>(patience.count())), file);
  });
}

}  // namespace computesdk::gateway
