#pragma once

#include <computesdk/result.hpp>

#include "config/settings.hpp"
#include "store/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace computesdk::gateway {

/// Whose a key is.
struct KeyHolder {
  std::string keyId;
  std::string workspace;
};

/// A key that was just made: the only time that it is seen.
struct NewKey {
  std::string key;
  ApiKey record;
};

/// The keys that open this gateway: those of its store, and those that it was started with. Only hashes are kept.
/// Thread-safe.
class ApiKeys {
 public:
  /// What all keys of the store begin with.
  static constexpr std::string_view kPrefix = "csdk_";

  ApiKeys(std::shared_ptr<Store> store, const std::vector<GivenKey>& given);

  /// Nothing for a key that is unknown or revoked. May block. Errors: E_STORE.
  Result<std::optional<KeyHolder>> check(std::string_view key) const;
  /// Whether the text is, or looks like, one of our keys, so that it must not be passed on. Does not block.
  [[nodiscard]] bool looksLikeKey(std::string_view text) const;

  /// Errors: E_STORE, E_INVALID_ARGUMENT for a workspace that is no number.
  static Result<NewKey> create(Store& store, const std::string& workspace, const std::string& label);

 private:
  struct Given {
    std::string hash;
    KeyHolder holder;
  };
  [[nodiscard]] const Given* given(std::string_view hash) const;
  const std::shared_ptr<Store> store_;
  std::vector<Given> given_;
};

}  // namespace computesdk::gateway
