#pragma once

#include <Poco/Data/Session.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>

namespace computesdk::store {

struct Step {
  std::int32_t kind = 0;
  std::string key;
  std::string value;
};

/// Keys, values and claims in one SQLite file (WAL), shared with other processes. Thread-safe. Throws Poco::Exception
/// and std::exception.
class Store {
 public:
  explicit Store(const std::string& file);

  std::optional<std::string> get(const std::string& key);
  void list(const std::string& prefix, const std::function<void(const std::string&, const std::string&)>& each);
  /// Whether the claim is the owner's until `until` now.
  bool claim(const std::string& key, const std::string& owner, std::int64_t now, std::int64_t until);
  /// All steps or none: whether they were done.
  bool apply(std::span<const Step> steps);

 private:
  bool applyOne(const Step& step);
  bool count(const char* sql, const std::string& key, const std::string& value);
  std::mutex mutex_;
  Poco::Data::Session session_;
};

}  // namespace computesdk::store
