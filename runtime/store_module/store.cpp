#include "store.hpp"

#include "sqlite/file.hpp"

#include <Poco/Data/Statement.h>

#include <array>
#include <stdexcept>
#include <vector>

namespace computesdk::store {
namespace {

using Poco::Data::Session;
using namespace Poco::Data::Keywords;

/// How long a writer waits for another one.
constexpr int kBusyMs = 10'000;

// Numbers are part of the table that runtime and module share.
enum Kind : std::int32_t {
  kSet = 1,
  kSetIfAbsent = 2,
  kRemove = 3,
  kRequireEquals = 4,
  kRequireClaim = 5,
  kRemoveUnlessAny = 6,
  kDropClaim = 7,
};

constexpr std::array<const char*, 2> kTables = {
    "CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE claims (key TEXT PRIMARY KEY, owner TEXT NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID",
};
constexpr std::array<sqlite::Migration, 1> kMigrations = {kTables};

/// The first text after all that begin with `prefix`, in byte order; keys are UTF-8, which never holds 0xFF.
std::string afterAll(const std::string& prefix) { return prefix + '\xff'; }

}  // namespace

// A lost tail costs a name at most, and its sandbox is found again by its metadata.
Store::Store(const std::string& file) : session_(sqlite::openFile(file, kMigrations, kBusyMs)) {}

std::optional<std::string> Store::get(const std::string& key) {
  std::lock_guard lock(mutex_);
  std::string asked = key;
  std::vector<std::string> values;
  session_ << "SELECT value FROM entries WHERE key = ?", use(asked), into(values), now;
  if (values.empty()) return std::nullopt;
  return values.front();
}

void Store::list(const std::string& prefix, const std::function<void(const std::string&, const std::string&)>& each) {
  std::vector<std::string> keys;
  std::vector<std::string> values;
  {
    std::lock_guard lock(mutex_);
    std::string from = prefix;
    std::string to = afterAll(prefix);
    session_ << "SELECT key, value FROM entries WHERE key >= ? AND key < ? ORDER BY key", use(from), use(to),
        into(keys), into(values), now;
  }
  for (std::size_t i = 0; i < keys.size(); ++i) each(keys[i], values[i]);
}

bool Store::claim(const std::string& key, const std::string& owner, std::int64_t nowMs, std::int64_t untilMs) {
  std::lock_guard lock(mutex_);
  std::string k = key;
  std::string o = owner;
  Poco::Int64 current = nowMs;
  Poco::Int64 until = untilMs;
  sqlite::Transaction transaction(session_);
  // Claims of the dead would otherwise stay for names that nobody asks for again.
  session_ << "DELETE FROM claims WHERE until_ms <= ?", use(current), now;
  session_ << "INSERT INTO claims (key, owner, until_ms) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
              "until_ms = excluded.until_ms WHERE claims.owner = excluded.owner",
      use(k), use(o), use(until), now;
  std::string holder;
  session_ << "SELECT owner FROM claims WHERE key = ?", use(k), into(holder), now;
  transaction.commit();
  return holder == owner;
}

bool Store::count(const char* sql, const std::string& key, const std::string& value) {
  std::string k = key;
  std::string v = value;
  int found = 0;
  session_ << sql, use(k), use(v), into(found), now;
  return found > 0;
}

bool Store::applyOne(const Step& step) {
  Session& session = session_;
  std::string key = step.key;
  std::string value = step.value;
  switch (step.kind) {
    case kSet:
      session
          << "INSERT INTO entries (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
          use(key), use(value), now;
      return true;
    case kSetIfAbsent:
      session << "INSERT INTO entries (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", use(key), use(value),
          now;
      return true;
    case kRemove: session << "DELETE FROM entries WHERE key = ?", use(key), now; return true;
    case kRequireEquals: return count("SELECT COUNT(*) FROM entries WHERE key = ? AND value = ?", key, value);
    case kRequireClaim: return count("SELECT COUNT(*) FROM claims WHERE key = ? AND owner = ?", key, value);
    case kRemoveUnlessAny: {
      const std::string end = afterAll(value);
      if (!count("SELECT COUNT(*) FROM entries WHERE key >= ? AND key < ?", value, end) &&
          !count("SELECT COUNT(*) FROM claims WHERE key >= ? AND key < ?", value, end)) {
        session << "DELETE FROM entries WHERE key = ?", use(key), now;
      }
      return true;
    }
    case kDropClaim:
      session << "DELETE FROM claims WHERE key = ? AND owner = ?", use(key), use(value), now;
      return true;
    default: throw std::runtime_error("unknown step " + std::to_string(step.kind));
  }
}

bool Store::apply(std::span<const Step> steps) {
  std::lock_guard lock(mutex_);
  sqlite::Transaction transaction(session_);
  for (const Step& step : steps) {
    if (!applyOne(step)) return false;
  }
  transaction.commit();
  return true;
}

}  // namespace computesdk::store
